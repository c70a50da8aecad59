"""What `enter` is pointed at: processes and namespace files, as open descriptors."""

from __future__ import annotations

import errno
import operator
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from .command import Join
from .descriptors import Descriptors
from .inspecting import inspect, open_pidfd
from .kinds import KINDS
from .nsfs import identity, kind_of
from .procfs import number_in_proc, parse_status, read_text
from .views import NamespaceID

__all__ = ["Found", "find"]

_WHAT: Final = "a PID, a Process, a Step, the path of a namespace file or an open one"


@dataclass
class Found:
    """The namespaces that targets lead to.

    Attributes
    ----------
    joins : list of Join
        One of each kind, but those in which this process is.
    maps : tuple of str or None
        uid_map, gid_map and setgroups of the user namespace among them; None: not known.
    owners : dict of str to NamespaceID or None
        By kind, of what is shown from a recording, where nobody can be asked.
    """

    joins: list[Join] = field(default_factory=list)
    maps: tuple[str, str, str] | None = None
    owners: dict[str, NamespaceID | None] = field(default_factory=dict)


def find(target: Any, kinds: tuple[str, ...] | None, files: Descriptors) -> Found:
    """Open what a target, or several, lead to. They are closed with `files`.

    Parameters
    ----------
    kinds : tuple of str or None
        Only these; None: all that there are.

    Raises
    ------
    ValueError, TypeError, OSError
        It leads to no namespace, to two of a kind, or not to all that were asked for.
    """
    targets = target if isinstance(target, list | tuple) else (target,)
    if not targets:
        raise ValueError(f"target is empty: name {_WHAT}")
    found, by_kind, ours = Found(), dict[str, Join](), set[str]()
    for one in targets:
        for join in _open(one, kinds, files, found):
            if _is_ours(join):
                ours.add(join.kind)
                continue
            other = by_kind.setdefault(join.kind, join)
            if (other.dev, other.ino) != (join.dev, join.ino):
                raise ValueError(
                    f"two {join.kind} namespaces, {other} and {join}: only one can be entered"
                )
    missing = [kind for kind in kinds or () if kind not in ours and kind not in by_kind]
    if missing:
        raise ValueError(f"{target!r} leads to no {' and no '.join(missing)} namespace")
    found.joins = list(by_kind.values())
    return found


def _open(
    target: Any, kinds: tuple[str, ...] | None, files: Descriptors, found: Found
) -> Iterator[Join]:
    pid, pidfd = getattr(target, "pid", None), getattr(target, "pidfd", None)
    if getattr(target, "recorded", None) is not None:
        yield from _of_recording(target, kinds, found)
    elif isinstance(pid, int) and isinstance(pidfd, int):
        if pidfd < 0:
            raise ProcessLookupError(errno.ESRCH, f"process {pid} has ended, or never ran")
        yield from _of_process(pid, pidfd, kinds, files, found)
    elif isinstance(target, str | bytes | os.PathLike):
        if not os.fsdecode(target):
            raise ValueError(f"target is empty: name {_WHAT}")
        fd = files.open(lambda: _open_file(os.fsdecode(target)))
        yield from _of_file(fd, os.fsdecode(target), kinds)
    elif hasattr(target, "fileno"):
        fd = files.open(lambda: os.dup(target.fileno()))
        yield from _of_file(fd, f"fd {target.fileno()}", kinds)
    elif isinstance(target, bool) or not hasattr(target, "__index__"):
        raise TypeError(f"target must be {_WHAT}, not {target!r}")
    else:
        pid = operator.index(target)
        with Descriptors() as own:
            yield from _of_process(pid, own.open(lambda: open_pidfd(pid)), kinds, files, found)


def _of_recording(target: Any, kinds: tuple[str, ...] | None, found: Found) -> Iterator[Join]:
    """Yield the namespaces that a recorded process was in: they can be named, not opened.

    Those that it shared with whoever recorded it, it shares with us here.
    """
    view, theirs = inspect(target), target.recorded.reference
    for kind, seen in view.namespaces.items():
        if kinds is not None and kind not in kinds:
            continue
        if kind in theirs and theirs[kind].id == seen.id:
            own = _our_own(kind)
            yield Join(kind, own.dev, own.ino, "ours")
        else:
            found.owners[kind] = seen.owner
            yield Join(kind, seen.dev, seen.ino, "a recording", -1)
    if view.uid_map is not None and view.gid_map is not None:
        found.maps = str(view.uid_map), str(view.gid_map), view.setgroups or ""


def _open_file(path: str) -> int:
    try:
        # First it is only found: to open a FIFO or a device is to act.
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if identity(place).dev != _our_own("user").dev:
                raise ValueError(f"{path!r} is no namespace but {_named(os.fstat(place).st_mode)}")
            return os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(place)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM) and "/ns/" in path:
            raise PermissionError(error.errno, f"{path}: {_NOT_ALLOWED}") from None
        raise type(error)(error.errno, f"{path}: {error.strerror}") from None


_NOT_ALLOWED: Final = (
    "the namespaces of a process of another user, or of one that is not dumpable, can be opened"
    " only with CAP_SYS_PTRACE in its user namespace"
)


def _of_file(fd: int, source: str, kinds: tuple[str, ...] | None) -> Iterator[Join]:
    try:
        kind, own = kind_of(fd), identity(fd)
    except OSError:
        what = _named(os.fstat(fd).st_mode)
        raise ValueError(f"{source!r} is no namespace but {what}") from None
    if kinds is None or kind in kinds:
        yield Join(kind, own.dev, own.ino, source, fd)


def _named(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder: name a file in it, such as net, or the PID"
    if stat.S_ISREG(mode):
        return "an ordinary file (is nothing mounted on it any more?)"
    return "a device, a pipe or a socket"


def _of_process(
    pid: int, pidfd: int, kinds: tuple[str, ...] | None, files: Descriptors, found: Found
) -> Iterator[Join]:
    with Descriptors() as own:
        number = number_in_proc(pidfd)
        try:
            flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
            proc = own.open(lambda: os.open(f"/proc/{number}", flags))
        except FileNotFoundError:
            raise ProcessLookupError(
                errno.ESRCH, f"process {pid} has ended, or /proc hides it (hidepid)"
            ) from None
        if number_in_proc(pidfd) != number:  # so the folder is this process's
            raise ProcessLookupError(errno.ESRCH, f"process {pid} has ended")
        if parse_status(read_text("status", proc)).get("State", "Z").startswith(("Z", "X")):
            raise ProcessLookupError(errno.ESRCH, f"process {pid} has ended: it is in no namespace")
        for kind in KINDS:
            if kinds is not None and kind.name not in kinds:
                continue
            join = _link(pid, kind.name, proc, files)
            if join is not None:
                yield join
            if join is not None and kind.name == "user" and not _is_ours(join):
                names = ("uid_map", "gid_map", "setgroups")
                uid_map, gid_map, setgroups = (read_text(name, proc) for name in names)
                found.maps = uid_map, gid_map, setgroups


def _link(pid: int, kind: str, proc: int, files: Descriptors) -> Join | None:
    source = f"/proc/{pid}/ns/{kind}"
    try:
        fd = files.open(lambda: os.open(f"ns/{kind}", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc))
    except FileNotFoundError:  # the kernel does not have it
        return None
    except PermissionError as error:
        raise PermissionError(error.errno, f"{source}: {_NOT_ALLOWED}") from None
    own = identity(fd)
    return Join(kind, own.dev, own.ino, source, fd)


def _is_ours(join: Join) -> bool:
    return join.fd >= 0 and _our_own(join.kind) == NamespaceID(join.dev, join.ino)


def _our_own(kind: str) -> NamespaceID:
    own = os.stat(f"/proc/self/ns/{kind}")
    return NamespaceID(own.st_dev, own.st_ino)

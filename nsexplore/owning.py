"""Looking up a path as a process does, without opening what it leads to; and who owns that."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from dataclasses import dataclass
from typing import Literal, NamedTuple

from .arguments import Argument, as_text
from .interrupts import held
from .locating import CannotTellError, namespace_in, process_in
from .snapshot import SeenNamespace, Snapshot
from .translating import overflow_of
from .translation import Translation, translation_of
from .views import NamespaceID

__all__ = ["Owner", "owners", "stat_inside"]

# Its number is the same on all architectures but alpha (Linux 5.6; openat2(2)).
_SYS_OPENAT2 = 437
_RESOLVE_NO_MAGICLINKS, _RESOLVE_IN_ROOT = 0x02, 0x10

Seen = Literal["here", "between", "target", "elsewhere"]


class Shown(NamedTuple):
    """What an ID without a mapping shows as on this machine."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Owner:
    """Who owns a file, as one user namespace sees it.

    Attributes
    ----------
    seen_from : {"here", "between", "target", "elsewhere"}
    namespace : NamespaceID
        The user namespace.
    uid, gid : int or None
        What stat(2) shows there; None where it cannot be told.
    mode : int
        As in ``st_mode``.
    mapped : bool or None
        Whether both IDs have a mapping there; None where it cannot be told.
    words : str
    """

    seen_from: Seen
    namespace: NamespaceID
    uid: int | None
    gid: int | None
    mode: int
    mapped: bool | None
    words: str


def stat_inside(
    path: Argument, pid: int | None = None, user: NamespaceID | None = None
) -> os.stat_result:
    """Return a file's status, looked up in this process's root or in another process's.

    Symbolic links are followed, and absolute ones lead to that process's root. The file is
    not opened: O_PATH alone (open(2)).

    Parameters
    ----------
    path : str, bytes or path
    pid : int, optional
        The other process.
    user : NamespaceID, optional
        The user namespace it was seen in: if it is in another one now, it is another process.

    Raises
    ------
    TypeError, ValueError
        `path` is no path; relative, where it is another process's.
    OSError
        As openat2(2): nothing there, not allowed, a kernel before Linux 5.6.
    """
    name = as_text("path", path)
    if pid is None:
        return os.stat(name)
    if not name.startswith("/"):
        raise ValueError(f"path={name!r} is relative: inside another process's root, begin at /")
    with held():
        root = _root_of(pid, user)
        try:
            file = _open_in(root, name)
        finally:
            os.close(root)
        try:
            return os.fstat(file)
        finally:
            os.close(file)


def owners(snapshot: Snapshot, path: Argument, target: object = None) -> tuple[Owner, ...]:
    """Tell who owns a path, as seen from here, from a process, and from what is between.

    Parameters
    ----------
    snapshot : Snapshot
        Taken by this process, and on this machine: the path is looked up now.
    path : str, bytes or path
    target : object, optional
        A PID, or what has one: the path is looked up in its root and mount namespace. By
        default in one's own, and seen from every user namespace of the snapshot.

    Raises
    ------
    TypeError, ValueError, LookupError, OSError
        As `stat_inside`; and no such process is in the snapshot, or its user namespace is not.
    """
    if snapshot.recorded is not None:
        raise ValueError("files are looked up now, on this machine, and that was recorded before")
    here = namespace_in(snapshot, "here")
    if target is None:
        status = stat_inside(path)
        rest = (s for s in snapshot.seen_namespaces if s.kind == "user" and s.id != here.id)
        places: list[tuple[Seen, NamespaceID]] = [("elsewhere", seen.id) for seen in rest]
    else:
        process = process_in(snapshot, target)
        end = namespace_in(snapshot, process)
        status = stat_inside(path, process.pid, end.id)
        places = _up_to(snapshot, here, end)
    shown = Shown(overflow_of(snapshot, "uid"), overflow_of(snapshot, "gid"))
    return tuple(
        _owner(snapshot, status, seen_from, place, shown)
        for seen_from, place in [("here", here.id), *places]
    )


def _up_to(
    snapshot: Snapshot, here: SeenNamespace, end: SeenNamespace
) -> list[tuple[Seen, NamespaceID]]:
    if end.id == here.id:
        return []
    between: list[NamespaceID] = []
    for seen in snapshot.ancestors(end.id):
        if seen.id == here.id:  # else it is not known how one leads to the other
            return [("between", one) for one in between[:0:-1]] + [("target", end.id)]
        between.append(seen.id)
    return [("target", end.id)]


def _owner(
    snapshot: Snapshot, status: os.stat_result, seen_from: Seen, place: NamespaceID, shown: Shown
) -> Owner:
    if seen_from == "here":
        return _owner_here(status, place, shown)
    if unknown := _unknown(status, shown):
        words = f"cannot be told: {unknown} is what it shows as here already"
        return Owner(seen_from, place, None, None, status.st_mode, None, words)
    try:
        uid = translation_of(snapshot, status.st_uid, "here", place, overflow=shown.uid)
        gid = translation_of(snapshot, status.st_gid, "here", place, kind="gid", overflow=shown.gid)
    except CannotTellError as error:
        return Owner(seen_from, place, None, None, status.st_mode, None, str(error))
    mapped = uid.mapped and gid.mapped
    words = _words(uid, gid)
    return Owner(seen_from, place, uid.shown, gid.shown, status.st_mode, mapped, words)


def _owner_here(status: os.stat_result, here: NamespaceID, shown: Shown) -> Owner:
    uid, gid, mode = status.st_uid, status.st_gid, status.st_mode
    if not (unknown := _unknown(status, shown)):
        return Owner("here", here, uid, gid, mode, True, "as stat(2) tells it here")
    words = (
        f"{unknown}: nobody's own, or an ID without a mapping here (of a user namespace"
        " above this one, or of an ID-mapped mount); which of them cannot be told"
    )
    return Owner("here", here, uid, gid, mode, None, words)


def _unknown(status: os.stat_result, shown: Shown) -> str:
    """Name what shows as if it had no mapping."""
    ids = (("UID", status.st_uid, shown.uid), ("GID", status.st_gid, shown.gid))
    return " and ".join(f"{name} {id}" for name, id, unmapped in ids if id == unmapped)


def _words(uid: Translation, gid: Translation) -> str:
    lost = [t for t in (uid, gid) if not t.mapped]
    if not lost:
        return "mapped: root inside may chown it, to IDs that are mapped too"
    which = " and ".join(f"{t.kind.upper()} {t.given}" for t in lost)
    show = "shows" if len(lost) == 1 else "show"
    return (
        f"no mapping: {which} {show} as {lost[0].overflow} (nobody); root inside may not chown"
        " it, nor pass over its permissions"
    )


def _root_of(pid: int, user: NamespaceID | None) -> int:
    """Return a descriptor of a process's root folder."""
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    process = -1
    try:
        # The folder stays this process's, whoever gets its number next.
        process = os.open(f"/proc/{pid}", flags)
        now = os.stat("ns/user", dir_fd=process)
        if user not in (None, NamespaceID(now.st_dev, now.st_ino)):
            raise ProcessLookupError(
                errno.ESRCH, f"process {pid} is in another user namespace than it was seen in"
            )
        return os.open("root", flags, dir_fd=process)
    except FileNotFoundError:
        raise ProcessLookupError(
            errno.ESRCH, f"process {pid} has ended, or /proc hides it (hidepid)"
        ) from None
    except PermissionError as error:
        raise PermissionError(
            error.errno,
            f"process {pid}'s root may not be seen: another user's, or not dumpable, and this"
            " process lacks CAP_SYS_PTRACE over it",
        ) from None
    finally:
        if process >= 0:
            os.close(process)


def _open_in(root: int, name: str) -> int:
    """Open a path as if a folder were the root, for its status alone: openat2(2)."""
    libc = ctypes.CDLL(None, use_errno=True)
    how = struct.pack(
        "=QQQ", os.O_PATH | os.O_CLOEXEC, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS
    )
    fd: int = libc.syscall(
        ctypes.c_long(_SYS_OPENAT2),
        ctypes.c_int(root),
        os.fsencode(name),
        how,
        ctypes.c_size_t(len(how)),
    )
    if fd < 0:
        number = ctypes.get_errno()
        hint = f"{os.strerror(number)}, inside that process's root"
        if number == errno.ENOSYS:
            hint = "this kernel has no openat2(2), which Linux 5.6 brought"
        raise OSError(number, hint, name)
    return fd

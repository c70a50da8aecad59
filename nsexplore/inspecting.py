"""`inspect`: a view of any process now."""

from __future__ import annotations

import errno
import operator
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from .capabilities import Capabilities, CapabilitySet
from .errors import IDMapError
from .idmap import IDMap
from .interrupts import held
from .kinds import KINDS
from .nsfs import identity, read_namespace
from .procfs import number_in_proc, parse_status, read_text
from .views import Credentials, Namespace, NamespaceID, ProcessView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._spawn import Spawn
    from .command import Command, Join
    from .process import Process
    from .stepping import Step

__all__ = ["birth_of", "inspect", "inspect_pidfd", "open_pidfd"]

Moment = Literal["now", "birth", "step"]


def inspect(target: int | Process | Step) -> ProcessView:
    """Look at a process now.

    Parameters
    ----------
    target : int, Process or Step
        A PID as this process counts them, or one of ours.

    Returns
    -------
    ProcessView
        What may not be read is listed in its ``unreadable`` with the reason.

    Raises
    ------
    TypeError, ValueError
        `target` is no PID: 0, negative, a bool.
    ProcessLookupError
        There is no such process (any more), or it is a thread.

    Examples
    --------
    >>> import os
    >>> inspect(os.getpid()).nspid[-1] > 0
    True
    """
    look = getattr(target, "_look", None)
    if look is not None:  # it is shown from a recording, or recorded itself
        view: ProcessView = look()
        return view
    pid, pidfd = getattr(target, "pid", None), getattr(target, "pidfd", None)
    if isinstance(pid, int) and isinstance(pidfd, int):
        if pidfd < 0:
            raise ProcessLookupError(
                errno.ESRCH, f"process {pid} has ended, or never ran; a view of its .birth stays"
            )
        with held():
            return inspect_pidfd(pid, pidfd, "now")
    if isinstance(target, bool) or not hasattr(target, "__index__"):
        raise TypeError(f"target must be a PID, a Process or a Step, not {target!r}")
    pid = operator.index(target)  # NumPy's integers, too: PIDs come from tables
    with held():
        pidfd = open_pidfd(pid)
        try:
            return inspect_pidfd(pid, pidfd, "now")
        finally:
            os.close(pidfd)


def open_pidfd(pid: int) -> int:
    """Return a new descriptor that stands for a process: pidfd_open(2), with errors in words."""
    if pid <= 0:
        raise ValueError(f"target={pid} is no PID: PIDs are positive")
    if not hasattr(os, "pidfd_open"):
        raise OSError(errno.ENOSYS, "processes are read from Linux's /proc; there is none here")
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise ProcessLookupError(
            errno.ESRCH, f"no process {pid} in this PID namespace: it has ended, or never was"
        ) from None
    except OverflowError:
        raise ValueError(f"target={pid} is no PID: too large") from None
    except OSError as error:
        # EINVAL (ENOENT since 6.9): a number that is taken, but by a thread.
        if error.errno in (errno.EINVAL, errno.ENOENT):
            raise ProcessLookupError(
                errno.ESRCH, f"{pid} is a thread, not a process; ask for its process's PID"
            ) from None
        raise


def inspect_pidfd(pid: int, pidfd: int, moment: Moment, joins: Sequence[Join] = ()) -> ProcessView:
    """Look at the process behind a pidfd, which keeps its number from being another's.

    `joins` are what it has entered, by descriptors that may be closed by now. Before its execve
    such a process shows its namespaces to root alone, and they are known: these, and ours.
    """
    number = number_in_proc(pidfd)
    try:
        directory = os.open(f"/proc/{number}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ProcessLookupError(
            errno.ESRCH, f"process {pid} has ended, or /proc hides it (hidepid)"
        ) from None
    try:
        if number_in_proc(pidfd) != number:  # so the folder is this process's
            raise ProcessLookupError(errno.ESRCH, f"process {pid} has ended")
        return _Reader(directory, joins).view(pid, moment)
    finally:
        os.close(directory)


def birth_of(spawn: Spawn, command: Command) -> ProcessView | None:
    """Look at a process that waits just before execve.

    None where it cannot be seen (no /proc, no file descriptor left), which is
    no reason not to start it.
    """
    with suppress(OSError), held():
        return inspect_pidfd(spawn.pid, spawn.pidfd, "birth", command.joins)
    return None


class _Reader:
    """Reads one process's folder, noting what it may not read."""

    def __init__(self, directory: int, joins: Sequence[Join] = ()) -> None:
        self.directory = directory
        self.joins = {join.kind: join for join in joins}
        self.unreadable: dict[str, str] = {}

    def view(self, pid: int, moment: Moment) -> ProcessView:
        status = parse_status(self.text("status") or "")
        if not status:
            raise ProcessLookupError(errno.ESRCH, f"process {pid} has ended")
        namespaces = self.namespaces(moment)
        uid_map, gid_map = self.id_map("uid_map"), self.id_map("gid_map")
        setgroups = self.text("setgroups")
        credentials = _credentials(status)
        no_new_privs = _integer(status, "NoNewPrivs")
        return ProcessView(
            pid=pid,
            moment=moment,
            comm=(self.text("comm") or "").removesuffix("\n"),
            cmdline=_arguments(self.text("cmdline") or ""),
            state=status.get("State", ""),
            ppid=int(status.get("PPid", "0")),
            nspid=tuple(map(int, status.get("NSpid", status.get("Pid", "0")).split())),
            namespaces=namespaces,
            uid_map=uid_map,
            gid_map=gid_map,
            setgroups=setgroups.strip() if setgroups is not None else None,
            credentials=credentials,
            inside=self.inside(credentials, namespaces.get("user"), uid_map, gid_map),
            capabilities=_capabilities(status),
            no_new_privs=None if no_new_privs is None else bool(no_new_privs),
            seccomp=_integer(status, "Seccomp"),
            unreadable=self.unreadable,
        )

    def text(self, name: str) -> str | None:
        try:
            return read_text(name, self.directory)
        except OSError as error:
            self.unreadable[name] = _reason(error)
            return None

    def id_map(self, name: str) -> IDMap | None:
        text = self.text(name)
        if text is None:
            return None
        try:
            return IDMap.parse(text)
        except IDMapError as error:
            self.unreadable[name] = str(error)
            return None

    def namespaces(self, moment: Moment) -> dict[str, Namespace]:
        found = {}
        for kind in KINDS:
            # A new time namespace is entered at execve: until then the link to look at
            # is the one that the process will have (time_namespaces(7)).
            later = kind.name == "time" and moment != "now"
            link = "ns/time_for_children" if later else f"ns/{kind.name}"
            try:
                fd = os.open(link, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.directory)
            except OSError as error:
                known = self.known(kind.name, link)
                if known is None:
                    self.unreadable[f"ns/{kind.name}"] = _reason(error)
                    continue
                fd = known
            try:
                found[kind.name] = read_namespace(kind.name, fd)
            finally:
                os.close(fd)
        return found

    def known(self, kind: str, link: str) -> int | None:
        """Return a descriptor of what a process that has entered namespaces is in."""
        if not self.joins:
            return None
        join = self.joins.get(kind)
        with suppress(OSError):
            if join is None:
                return os.open(f"/proc/self/{link}", os.O_RDONLY | os.O_CLOEXEC)
            fd = os.dup(join.fd)
            if identity(fd) == NamespaceID(join.dev, join.ino):
                return fd
            os.close(fd)  # the number is another file's by now
        return None

    def inside(
        self,
        credentials: Credentials | None,
        user: Namespace | None,
        uid_map: IDMap | None,
        gid_map: IDMap | None,
    ) -> Credentials | None:
        if credentials is None or user is None or uid_map is None or gid_map is None:
            return None
        own = os.stat("/proc/self/ns/user")
        if user.id == NamespaceID(own.st_dev, own.st_ino):
            # We are members ourselves: the maps lead from here to our parent, and the
            # IDs in status are already those of the inside.
            return credentials
        return credentials.inside(uid_map, gid_map)


def _reason(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            "not allowed: another user's, or not dumpable, and this process lacks CAP_SYS_PTRACE"
            " over it; or a security module forbids it"
        )
    if error.errno in (errno.ENOENT, errno.ESRCH):
        return "not there: the process has ended, or the kernel does not have it"
    return os.strerror(error.errno or 0)


def _integer(status: dict[str, str], name: str) -> int | None:
    value = status.get(name, "")
    return int(value) if value.isdigit() else None


def _arguments(text: str) -> tuple[str, ...]:
    return tuple(text.removesuffix("\0").split("\0")) if text else ()


def _credentials(status: dict[str, str]) -> Credentials | None:
    try:
        uids = [int(field) for field in status["Uid"].split()]
        gids = [int(field) for field in status["Gid"].split()]
        groups = tuple(int(field) for field in status.get("Groups", "").split())
        uid, euid, suid, fsuid = uids
        gid, egid, sgid, fsgid = gids
        return Credentials(uid, euid, suid, fsuid, gid, egid, sgid, fsgid, groups)
    except (KeyError, ValueError):
        return None


def _capabilities(status: dict[str, str]) -> Capabilities | None:
    try:
        return Capabilities(
            *(
                CapabilitySet(int(status[f"Cap{n}"], 16))
                for n in ("Inh", "Prm", "Eff", "Bnd", "Amb")
            )
        )
    except (KeyError, ValueError):
        return None

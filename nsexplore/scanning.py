"""Reading /proc of every process: what it is, and which namespaces it is in."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass, field
from typing import Final

from ._frozen import FrozenMapping
from .capabilities import CapabilitySet
from .containers import Container, container_of
from .finding import Findings
from .interrupts import held
from .kinds import KINDS
from .snapshot import SeenProcess
from .views import Credentials, NamespaceID

__all__ = ["CHILDREN", "Crew", "Scan", "open_proc", "pids", "read_bytes"]

CHILDREN: Final = ("pid_for_children", "time_for_children")
"""Links to the namespaces that the children of a process will be in."""

_LINKS: Final = tuple(f"ns/{name}" for name in (*(kind.name for kind in KINDS), *CHILDREN))

_COMMAND = 4096
"""Bytes read of an argument vector, and characters kept of it."""

_SMALL = 8192
_LARGE = 1 << 20
"""Bytes read of a status file at first, and at most: 65,536 groups are 700 KiB of it."""

# The name that comes before these lines has its newlines escaped, so it cannot pose as one.
_STATUS: Final = re.compile(
    rb"\nUid:\t(.*)\nGid:\t(.*)\n(?:FDSize:.*\n)?Groups:\t(.*)\n(?:NStgid:.*\n)?(?:NSpid:\t(.*)\n)?"
)
_EFFECTIVE: Final = re.compile(rb"\nCapEff:\t([0-9a-f]+)\n")


def open_proc(path: str) -> int:
    """Return a descriptor of the /proc folder, if it is one of this process's PID namespace.

    Raises
    ------
    OSError
        There is none, or it is of another PID namespace; the message says so.
    """
    with held():
        try:
            root = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            reason = f"no /proc to look through: {os.strerror(error.errno or 0)}"
            raise OSError(error.errno, reason, path) from None
        try:
            numbers = _own_numbers(root)
            if len(numbers) == 1:
                return root
        except FileNotFoundError:
            numbers = ()
        except BaseException:
            os.close(root)
            raise
        os.close(root)
    reason = (
        "the /proc mounted here belongs to a PID namespace further out, whose PIDs are not ours"
        if numbers
        else "no /proc that knows this process is mounted here"
    )
    raise OSError(errno.ENOENT, f"{reason}; mount one of this PID namespace's own", path)


def _own_numbers(root: int) -> tuple[bytes, ...]:
    """Return our PIDs, from the PID namespace of the mount to our own."""
    status = _STATUS.search(read_bytes("self/status", root))
    # Before Linux 4.1 there is no such line; then we can but hope.
    return tuple((status[4] or b"1").split()) if status else ()


def pids(root: int) -> list[int]:
    """Return the processes there are, the lowest number first."""
    with held():
        folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)
        try:
            return sorted(int(name) for name in os.listdir(folder) if name.isdecimal())
        finally:
            os.close(folder)


def read_bytes(name: str, folder: int, limit: int = _SMALL) -> bytes:
    """Return what one read of a file gives: all of those that the kernel writes in one piece.

    The caller holds interrupts.
    """
    fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    try:
        return os.read(fd, limit)
    finally:
        os.close(fd)


@dataclass(slots=True)
class Crew:
    """Processes that have all their namespaces in common: most of a machine's.

    Attributes
    ----------
    namespaces : mapping of str to NamespaceID
        One object for all of them.
    links : tuple of str
        What the links of each say, in the order of `_LINKS`; ``""`` for one that is not there.
    pids : list of int
    """

    namespaces: FrozenMapping[str, NamespaceID]
    links: tuple[str, ...]
    pids: list[int] = field(default_factory=list)


class Scan:
    """Reads one process after the other; what many share is made once.

    Attributes
    ----------
    processes : list of SeenProcess
    crews : dict
        By their links. Processes that hide theirs are in none.
    """

    def __init__(self, root: int, findings: Findings) -> None:
        self.processes: list[SeenProcess] = []
        self.crews: dict[tuple[str, ...], Crew] = {}
        self._root = root
        self._findings = findings
        self._credentials: dict[tuple[bytes, ...], Credentials] = {}
        self._capabilities: dict[bytes, CapabilitySet] = {}
        self._containers: dict[bytes, Container | None] = {}
        self._none = Crew(FrozenMapping(), ())

    def read(self, pid: int) -> None:
        """Read a process; one that has ended meanwhile is left out, as is one that is hidden."""
        try:
            with held():
                folder = os.open(
                    str(pid), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._root
                )
                try:  # the folder stays this process's, whoever gets its number
                    self._read(pid, folder)
                finally:
                    os.close(folder)
        except (FileNotFoundError, ProcessLookupError):
            return
        except PermissionError:
            self._findings.hidden["processes"] += 1

    def _read(self, pid: int, folder: int) -> None:
        links = self._links(folder)
        command = read_bytes("cmdline", folder, _COMMAND)
        cgroup = self._cgroup(folder)
        stat = read_bytes("stat", folder)
        status = read_bytes("status", folder)
        if len(status) == _SMALL:
            status = read_bytes("status", folder, _LARGE)
        lines = _STATUS.search(status)
        # The name in parentheses may have parentheses; after it come numbers only.
        head, _, rest = stat.rpartition(b")")
        numbers = rest.split()
        if lines is None or len(numbers) < 20:  # it ended while being read
            return
        # Only now is it known to be there still: a process that has ended hides its links, too.
        if links is None:
            self._findings.hidden["namespaces of a process"] += 1
            crew = self._none
        else:
            crew = self._crew(links)
            crew.pids.append(pid)
        self.processes.append(
            SeenProcess(
                pid=pid,
                ppid=int(numbers[1]),
                start=int(numbers[19]),
                comm=_text(head.partition(b"(")[2]),
                command=_text(command.rstrip(b"\0").replace(b"\0", b" "))[:_COMMAND],
                nspid=tuple(map(int, lines[4].split())) if lines[4] else (pid,),
                threads=int(numbers[17]),
                namespaces=crew.namespaces,
                credentials=self._who(lines[1], lines[2], lines[3]),
                effective=self._may(status),
                container=self._container(cgroup),
            )
        )

    def see_members(self) -> None:
        """Note the namespaces that processes are in, and those that their children will be in."""
        see, reach = self._findings.see, self._findings.reach
        for crew in sorted(self.crews.values(), key=lambda crew: crew.pids[0]):
            pid, *others = crew.pids[:4]
            for kind, found in crew.namespaces.items():
                see(kind, found, "process", pid, "", f"{pid}/ns/{kind}")
                for other in others:
                    reach(found, f"{other}/ns/{kind}")
            for name, link in zip(CHILDREN, crew.links[len(KINDS) :], strict=True):
                later = self._findings.identity(link)
                if later and crew.namespaces.get(later[0]) != later[1]:
                    see(*later, "children", pid, name, f"{pid}/ns/{name}")

    def _links(self, folder: int) -> tuple[str, ...] | None:
        """Return what the links say; None where this process may not read them."""
        readlink = os.readlink
        try:
            return tuple([readlink(link, dir_fd=folder) for link in _LINKS])
        except FileNotFoundError:
            pass
        except PermissionError:
            return None
        found = []
        for link in _LINKS:
            try:
                found.append(readlink(link, dir_fd=folder))
            except FileNotFoundError:  # a zombie, an older kernel, children that cannot be yet
                found.append("")
            except PermissionError:
                return None
        return tuple(found)

    def _crew(self, links: tuple[str, ...]) -> Crew:
        crew = self.crews.get(links)
        if crew is None:
            found = filter(None, map(self._findings.identity, links[: len(KINDS)]))
            crew = self.crews[links] = Crew(FrozenMapping(dict(found)), links)
        return crew

    def _cgroup(self, folder: int) -> bytes:
        try:
            return read_bytes("cgroup", folder)
        except FileNotFoundError:  # a kernel without cgroups
            return b""

    def _who(self, uids: bytes, gids: bytes, groups: bytes) -> Credentials:
        key = (uids, gids, groups)
        found = self._credentials.get(key)
        if found is None:
            uid, euid, suid, fsuid = map(int, uids.split())
            gid, egid, sgid, fsgid = map(int, gids.split())
            found = self._credentials[key] = Credentials(
                uid, euid, suid, fsuid, gid, egid, sgid, fsgid, tuple(map(int, groups.split()))
            )
        return found

    def _may(self, status: bytes) -> CapabilitySet | None:
        line = _EFFECTIVE.search(status)
        if line is None:
            return None
        found = self._capabilities.get(line[1])
        if found is None:
            found = self._capabilities[line[1]] = CapabilitySet(int(line[1], 16))
        return found

    def _container(self, cgroup: bytes) -> Container | None:
        try:
            return self._containers[cgroup]
        except KeyError:
            found = self._containers[cgroup] = container_of(_text(cgroup))
            return found


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")

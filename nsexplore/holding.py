"""What holds a namespace beside the processes in it: threads, mounts, descriptors, sockets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final

from .finding import Findings
from .interrupts import held
from .kinds import KINDS
from .netnsids import NetnsIDs
from .nsfs import EXHAUSTED, identity, kind_of, open_verified, socket_namespace
from .scanning import CHILDREN, Scan
from .snapshot import SeenProcess
from .views import NamespaceID

__all__ = ["Holding"]

_NAMES: Final = tuple(kind.name for kind in KINDS)

# A thread is always in its process's user and PID namespaces (setns(2), unshare(2)).
_OF_THREADS: Final = ("mnt", "net", "ipc", "uts", "cgroup", *CHILDREN)

_MOUNTINFO: Final = 1 << 22
"""Bytes: a machine with many containers has thousands of mounts."""

_ROOTS: Final = 16
"""Processes of a mount namespace that are asked for their root folder."""

_LOCAL: Final = frozenset(
    b"bcachefs bpf btrfs cgroup cgroup2 devtmpfs erofs ext2 ext3 ext4 f2fs hugetlbfs iso9660 jfs"
    b" nsfs overlay proc ramfs rootfs squashfs sysfs tmpfs udf vfat xfs zfs".split()
)
"""File systems that the kernel serves by itself. Any user may mount one of his own (FUSE), on which
the way to a mount point hangs for ever."""


class Holding:
    """Looks through what processes hold, once a scan knows them all.

    In this order: `see_threads`, whose mounts count as well; `see_mounts`, through which
    descriptors may have been opened; `see_descriptors` of each process.
    """

    def __init__(self, root: int, scan: Scan, findings: Findings, netnsids: NetnsIDs) -> None:
        self._root = root
        self._scan = scan
        self._findings = findings
        self._netnsids = netnsids
        self._crews = {pid: crew for crew in scan.crews.values() for pid in crew.pids}
        self._mounted: dict[str, NamespaceID] = {}
        self._sockets: dict[str, NamespaceID | None] = {}
        self._tables: dict[NamespaceID, list[str]] = {}
        for crew in scan.crews.values():
            if (mounts := crew.namespaces.get("mnt")) is not None:
                self._tables.setdefault(mounts, []).extend(map(str, crew.pids[:_ROOTS]))

    # -- threads ------------------------------------------------------------------

    def see_threads(self, process: SeenProcess) -> None:
        """Note the namespaces in which a thread is, but not its process."""
        if process.threads == 1 or process.pid not in self._crews:
            return
        try:
            with held():
                threads = _listed(f"{process.pid}/task", self._root)
        except (FileNotFoundError, ProcessLookupError):
            return
        for thread in threads:
            if thread != str(process.pid):
                with held():
                    self._see_thread(process.pid, thread)

    def _see_thread(self, pid: int, thread: str) -> None:
        folder = f"{pid}/task/{thread}"
        of_process = set(self._crews[pid].links)
        for name in _OF_THREADS:
            try:
                link = os.readlink(f"{folder}/ns/{name}", dir_fd=self._root)
            except FileNotFoundError:  # it has ended; children that cannot be yet
                continue
            except PermissionError:
                if _exists(folder, self._root):
                    self._findings.hidden["namespaces of a thread"] += 1
                return
            found = None if link in of_process else self._findings.identity(link)
            if found is not None:
                detail = f"thread {thread}" + (f", {name}" if name in CHILDREN else "")
                self._findings.see(*found, "thread", pid, detail, f"{folder}/ns/{name}")
                if name == "mnt":
                    self._tables.setdefault(found[1], []).append(folder)

    # -- mounts -------------------------------------------------------------------

    def see_mounts(self) -> None:
        """Note the namespaces that are bind-mounted, in each mount namespace with a process."""
        for folders in self._tables.values():
            with held():
                self._see_mounts_of(folders)

    def without_table(self) -> int:
        """Return how many mount namespaces have no process, so that nobody lists their mounts."""
        return len({*self._findings.seen("mnt")} - self._tables.keys())

    def _see_mounts_of(self, folders: list[str]) -> None:
        # One whose root folder is the namespace's own lists all mounts.
        rooted = (folder for folder in folders[:_ROOTS] if self._root_of(folder) == "/")
        for folder in dict.fromkeys([*_first(rooted), *folders]):
            try:
                table = _whole(f"{folder}/mountinfo", self._root, _MOUNTINFO)
            except PermissionError:
                self._findings.hidden["mounts of a mount namespace"] += 1
                return
            except OSError:  # it has ended; EINVAL: it is just ending
                continue
            if b" - nsfs " in table:
                mounts = _Mounts(table)
                for line in mounts.of_namespaces:
                    self._see_mount(folder, line, mounts)
            return

    def _root_of(self, folder: str) -> str:
        try:
            return os.readlink(f"{folder}/root", dir_fd=self._root)
        except OSError:
            return ""

    def _see_mount(self, folder: str, words: list[bytes], mounts: _Mounts) -> None:
        found = self._findings.identity(words[3].decode("ascii", "replace"))
        if found is None:
            return
        path, pid = _unescaped(words[4]), int(folder.partition("/")[0])
        way = f"{folder}/root{os.fsdecode(path)}" if mounts.answers(path) else ""
        self._findings.see(*found, "mount", pid, path.decode("utf-8", "backslashreplace"), way)
        self._mounted[os.fsdecode(path)] = found[1]

    # -- file descriptors ---------------------------------------------------------

    def see_descriptors(self, process: SeenProcess) -> None:
        """Note the namespaces of which a process has a descriptor, or a socket in them."""
        pid = process.pid
        try:
            with held():
                folder = os.open(
                    f"{pid}/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._root
                )
                try:
                    for name in os.listdir(folder):
                        self._see_descriptor(pid, name, folder)
                finally:
                    os.close(folder)
        except (FileNotFoundError, ProcessLookupError):
            return
        except PermissionError:
            if _exists(str(pid), self._root):
                self._findings.hidden["file descriptors of a process"] += 1

    def _see_descriptor(self, pid: int, name: str, folder: int) -> None:
        try:
            link = os.readlink(name, dir_fd=folder)
        except FileNotFoundError:  # closed meanwhile
            return
        if link.startswith("/"):
            if link in self._mounted or link.rfind("/") == 0:
                self._see_behind_path(pid, name, link)
        elif link.startswith("socket:["):
            self._see_socket(pid, name, link)
        elif link.startswith(_NAMES) and (found := self._findings.identity(link)) is not None:
            self._findings.see(*found, "fd", pid, f"fd {name}", f"{pid}/fd/{name}")

    def _see_behind_path(self, pid: int, name: str, link: str) -> None:
        """Look at a descriptor that was opened through a bind mount, which its link may tell.

        Or may not: once unmounted, it is ``"/"``. The file may be any, on a file server that
        does not answer: so it is none that is asked.
        """
        path = f"{pid}/fd/{name}"
        try:
            found = NamespaceID(*_identify(path, self._root))
            if found.dev != self._findings.device:
                return
            kind = self._findings.kind(found) or self._kind_of(path, found)
        except (OSError, ValueError) as error:  # closed meanwhile; a kind of the future
            if getattr(error, "errno", None) in EXHAUSTED:
                raise
            return
        self._findings.see(kind, found, "fd", pid, f"fd {name}", path)

    def _kind_of(self, path: str, found: NamespaceID) -> str:
        fd = open_verified(path, found, self._root)
        try:
            return kind_of(fd)
        finally:
            os.close(fd)

    # -- sockets ------------------------------------------------------------------

    def _see_socket(self, pid: int, name: str, link: str) -> None:
        """Note a socket's network namespace, unless its process is in it anyway."""
        if not self._findings.device:  # the PIDs of a copy of /proc are nobody's
            return
        if link not in self._sockets:
            try:
                self._sockets[link] = self._namespace_of(pid, int(name), link)
            except PermissionError:
                self._sockets[link] = None
                self._findings.hidden["socket"] += 1
            except OSError as error:  # closed meanwhile; another process may have it
                if error.errno in EXHAUSTED:
                    raise
                return
        found, crew = self._sockets[link], self._crews.get(pid)
        if found is not None and (crew is None or crew.namespaces.get("net") != found):
            self._findings.see("net", found, "socket", pid, f"fd {name}")

    def _namespace_of(self, pid: int, number: int, link: str) -> NamespaceID:
        copy, namespace = -1, -1
        pidfd = os.pidfd_open(pid)
        try:
            copy = _getfd(pidfd, number)
            if f"socket:[{os.fstat(copy).st_ino}]" != link:
                raise FileNotFoundError("it is another one by now")
            namespace = socket_namespace(copy)
            found = identity(namespace)
            if self._findings.kind(found) is None:  # there may be no other way to it
                self._findings.ask("net", namespace, self._netnsids)
            return found
        finally:
            for fd in (pidfd, copy, namespace):
                if fd >= 0:
                    os.close(fd)


class _Mounts:
    """A mount table, with what lies on the way to each mount point."""

    def __init__(self, table: bytes) -> None:
        self.of_namespaces: list[list[bytes]] = []
        self._types: dict[bytes, set[bytes]] = {}
        for line in table.split(b"\n"):
            head, separator, tail = line.partition(b" - ")
            words, fstype = head.split(b" "), tail.partition(b" ")[0]
            if separator and len(words) > 4:
                self._types.setdefault(_unescaped(words[4]), set()).add(fstype)
                if fstype == b"nsfs":
                    self.of_namespaces.append(words)

    def answers(self, path: bytes) -> bool:
        """Return whether the kernel alone finds the way to a path: no file server is asked."""
        parts = path.split(b"/")[1:]
        ways = (b"/" + b"/".join(parts[:n]) for n in range(len(parts) + 1))
        return all(self._types.get(way, _LOCAL) <= _LOCAL for way in ways)


def _identify(path: str, root: int) -> tuple[int, int]:
    try:
        from ._spawn import identify
    except ImportError:
        raise OSError("not without the native part") from None
    return identify(path, root)


def _getfd(pidfd: int, number: int) -> int:
    try:
        from ._spawn import getfd
    except ImportError:
        raise PermissionError("not without the native part") from None
    return getfd(pidfd, number)


def _listed(path: str, root: int) -> list[str]:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)
    try:
        return os.listdir(folder)
    finally:
        os.close(folder)


def _exists(path: str, root: int) -> bool:
    """Return whether a process or thread is there still: one that has ended refuses its links."""
    try:
        os.stat(path, dir_fd=root)
    except OSError:
        return False
    return True


def _whole(path: str, root: int, limit: int) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=root)
    try:
        parts = []
        while limit > 0 and (part := os.read(fd, limit)):
            parts.append(part)
            limit -= len(part)
        return b"".join(parts)
    finally:
        os.close(fd)


def _unescaped(path: bytes) -> bytes:
    """Undo the octal escapes of mountinfo: space, tab, newline, backslash, #."""
    return re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), path)


def _first(items: Iterator[str]) -> list[str]:
    return [item for item, _ in zip(items, range(1), strict=False)]

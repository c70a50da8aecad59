"""`discover`: every namespace of the machine that this process can see, and what holds it."""

from __future__ import annotations

import errno
import os
import sys
import time
from contextlib import suppress
from typing import Final

from .descriptors import Descriptors
from .errors import IDMapError
from .finding import Findings
from .holding import Holding
from .idmap import IDMap
from .interrupts import held
from .kinds import KINDS
from .netnsids import NetnsIDs
from .nsfs import kind_of
from .procfs import read_text
from .progress import Progress, Watching
from .scanning import Scan, open_proc, pids
from .snapshot import SeenNamespace, SeenProcess, Snapshot
from .views import NamespaceID

__all__ = ["discover"]

_HIDEPID: Final = {"1": "noaccess", "2": "invisible", "4": "ptraceable"}
"""The numbers that older kernels show (proc(5))."""

_MAP: Final = 1 << 14
"""Bytes of a map file: 340 lines of 33 at most."""


def discover(*, progress: Watching = None, proc: str = "/proc") -> Snapshot:
    """Look for all namespaces and processes of this machine, now.

    Reads, and changes nothing; into a user namespace in which no process is, one goes for a
    moment, through which its ID maps can be read. May be called from any thread: a notebook
    stays alive with ``await asyncio.to_thread(discover)``.

    Parameters
    ----------
    progress : callable, False or None
        Called as ``progress(done, total)`` with numbers of processes, 20 times a second at
        most. None: a bar shows by itself where it takes longer than a second. False: never.
    proc : str
        Where to look: a /proc of this process's PID namespace.

    Returns
    -------
    Snapshot
        Its ``hidden`` counts what this process may not read, and ``notes`` says what else
        may be missing. A process that ends meanwhile is left out.

    Raises
    ------
    OSError
        There is no /proc here, or one of another PID namespace.

    Examples
    --------
    >>> snapshot = discover()
    >>> import os
    >>> snapshot.process(os.getpid()).pid == os.getpid()
    True
    """
    if not sys.platform.startswith("linux"):
        raise OSError(errno.ENOSYS, "namespaces are read from Linux's /proc; there is none here")
    watch = Progress(progress, rounds=2)
    with Descriptors() as files:
        root = files.open(lambda: open_proc(proc))
        with watch, NetnsIDs() as netnsids:
            return _Discovery(root, netnsids).run(watch)


class _Discovery:
    """One call of `discover`."""

    def __init__(self, root: int, netnsids: NetnsIDs) -> None:
        self.root = root
        self.netnsids = netnsids
        self.findings = Findings(_device(root))
        self.scan = Scan(root, self.findings)

    def run(self, watch: Progress) -> Snapshot:
        taken = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        numbers = pids(self.root)
        for pid in watch.round(numbers, len(numbers)):
            self.scan.read(pid)
        users = (crew.namespaces.get("user") for crew in self.scan.crews.values())
        self.findings.inhabited = {user for user in users if user is not None}
        self.scan.see_members()
        holding = Holding(self.root, self.scan, self.findings, self.netnsids)
        for process in self.scan.processes:
            holding.see_threads(process)
        holding.see_mounts()
        for process in watch.round(self.scan.processes, len(numbers)):
            holding.see_descriptors(process)
        self.findings.ask_all(self.root, self.netnsids)
        self.see_listed()
        processes = tuple(sorted(self.scan.processes, key=lambda seen: (seen.start, seen.pid)))
        return Snapshot(
            host=self.text("sys/kernel/hostname") or os.uname().nodename,
            boot_id=self.text("sys/kernel/random/boot_id"),
            taken_ns=taken,
            here=self.here(),
            seen_namespaces=self.namespaces(processes),
            seen_processes=processes,
            hidden={what: n for what, n in self.findings.hidden.items() if n},
            notes=tuple(self.notes(holding)),
        )

    def text(self, name: str) -> str:
        """Return a file's text; nothing where there is none, or not for us."""
        try:
            return read_text(name, self.root).strip()
        except OSError:
            return ""

    # -- what only the kernel knows ---------------------------------------------------

    def see_listed(self) -> None:
        """Note the namespaces that the kernel lists and nothing else has led to."""
        if not self.findings.device:
            return
        try:
            from ._spawn import listns
        except ImportError:
            return
        known = {told.unique_id for told in self.findings.namespaces.values()}
        last = 0
        with suppress(OSError):  # ENOSYS, before Linux 6.19; EPERM
            while listed := listns(0, last):
                for last in listed:
                    if last not in known:
                        self.see_unique(last)

    def see_unique(self, unique_id: int) -> None:
        from ._spawn import open_namespace

        try:
            with held():
                fd = open_namespace(unique_id)
                try:
                    kind, found = kind_of(fd), os.fstat(fd)
                    self.findings.see(kind, NamespaceID(found.st_dev, found.st_ino), "kernel")
                    self.findings.ask(kind, fd, self.netnsids)
                finally:
                    os.close(fd)
        except PermissionError:
            self.findings.hidden["details of a namespace"] += 1
        except (OSError, ValueError):  # it is gone meanwhile; of a kind that we do not know
            return

    # -- the values -------------------------------------------------------------------

    def here(self) -> dict[str, NamespaceID]:
        found = {}
        for kind in KINDS:
            with suppress(OSError):
                link = os.readlink(f"self/ns/{kind.name}", dir_fd=self.root)
                if (identity := self.findings.identity(link)) is not None:
                    found[kind.name] = identity[1]
        return found

    def namespaces(self, processes: tuple[SeenProcess, ...]) -> tuple[SeenNamespace, ...]:
        eldest: dict[NamespaceID, int] = {}
        shared = {id(process.namespaces): n for n, process in reversed([*enumerate(processes)])}
        for number in sorted(shared.values()):
            for found in processes[number].namespaces.values():
                eldest.setdefault(found, number)
        return tuple(
            self.namespace(kind.name, found)
            for kind in KINDS
            for found in sorted(
                self.findings.seen(kind.name),
                key=lambda found: (eldest.get(found, len(processes)), found),
            )
        )

    def namespace(self, kind: str, found: NamespaceID) -> SeenNamespace:
        uid_map, gid_map = self.maps(found) if kind == "user" else (None, None)
        return SeenNamespace(
            namespace=self.findings.namespace(found),
            sightings=self.findings.sightings(found),
            netnsid=self.findings.netnsids.get(found),
            uid_map=uid_map,
            gid_map=gid_map,
        )

    def maps(self, found: NamespaceID) -> tuple[IDMap | None, IDMap | None]:
        """Return a user namespace's maps, read through a process in it where there is one."""
        for crew in self.scan.crews.values():
            if crew.namespaces.get("user") != found:
                continue
            for pid in crew.pids:
                try:
                    read = [
                        read_text(f"{pid}/{name}", self.root, _MAP)
                        for name in ("uid_map", "gid_map")
                    ]
                    link = os.readlink(f"{pid}/ns/user", dir_fd=self.root)
                    if self.findings.identity(link) == ("user", found):  # still the same process
                        return IDMap.parse(read[0]), IDMap.parse(read[1])
                except PermissionError:
                    self.findings.hidden["ID maps of a user namespace"] += 1
                    return None, None
                except (OSError, IDMapError):  # it has ended
                    continue
        return self.findings.maps.get(found, (None, None))

    # -- what may be missing ----------------------------------------------------------

    def notes(self, holding: Holding) -> list[str]:
        notes = []
        hidepid = self.hidepid()
        if hidepid:
            notes.append(
                f"/proc is mounted with hidepid={hidepid}: processes that this one may not trace"
                " are not shown, nor the namespaces that they alone are in."
            )
        if lonely := holding.without_table():
            notes.append(
                f"No process is in {lonely} of the mount namespaces: what is mounted there is"
                " not known."
            )
        return notes

    def hidepid(self) -> str:
        """Return how /proc itself hides processes; "" where it does not."""
        found = ""
        for line in self.text("self/mountinfo").split("\n"):
            head, _, tail = line.partition(" - ")
            words, options = head.split(" "), tail.split(" ")
            if len(words) > 4 and len(options) > 2 and (words[4], options[0]) == ("/proc", "proc"):
                named = dict(part.partition("=")[::2] for part in options[-1].split(","))
                value = named.get("hidepid", "0")  # of the last one mounted there
                found = "" if value in ("0", "off") else _HIDEPID.get(value, value)
        return found


def _device(root: int) -> int:
    """Return the device of all namespaces' files: one, whatever the namespace.

    0 where none can be looked at: this /proc is only a copy.
    """
    for kind in KINDS:
        with suppress(OSError):
            return os.stat(f"self/ns/{kind.name}", dir_fd=root).st_dev
    return 0

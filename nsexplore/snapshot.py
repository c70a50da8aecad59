"""What `nsexplore.discover` sees of a whole machine: frozen values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

from ._frozen import FrozenMapping
from ._renders import Renders
from .capabilities import CapabilitySet
from .comparing import changes
from .containers import Container
from .idmap import IDMap
from .origin import Origin
from .parting import part, with_above
from .tree import DEEPEST, By, Tree, grow
from .views import Credentials, Namespace, NamespaceID

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PLACES", "Place", "SeenNamespace", "SeenProcess", "Sighting", "Snapshot"]

Place = Literal[
    "process", "children", "thread", "fd", "socket", "mount", "parent", "owner", "kernel"
]

PLACES: Final[Mapping[Place, str]] = {
    "process": "a process is in it (/proc/PID/ns)",
    "children": "a process's children will be in it (/proc/PID/ns/*_for_children)",
    "thread": "one thread alone is in it (/proc/PID/task/TID/ns)",
    "fd": "a process has a file descriptor of it (/proc/PID/fd)",
    "socket": "a process has a socket that lives in it (SIOCGSKNS)",
    "mount": "it is bind-mounted (nsfs in /proc/PID/mountinfo)",
    "parent": "it is the parent of another one (NS_GET_PARENT)",
    "owner": "it is the user namespace that owns another one (NS_GET_USERNS)",
    "kernel": "the kernel lists it (listns)",
}
"""Where namespaces are found, in the order in which they are looked for."""


@dataclass(frozen=True, slots=True)
class Sighting(Renders):
    """One place where a namespace was found.

    Attributes
    ----------
    place : str
        One of `PLACES`.
    pid : int or None
        The process through which it was seen; the lowest PID where several are in it.
    detail : str
        What in that place: ``"fd 7"``, ``"thread 4711"``, a mount point, the link of
        the namespace that led there. It may be another process's words.
    """

    place: Place
    pid: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SeenNamespace(Renders):
    """One namespace of the machine.

    Attributes
    ----------
    namespace : Namespace
        Its kind, identity, owner, parent.
    sightings : tuple of Sighting
        Where it was found, in the order of `PLACES`: each place once or, for file
        descriptors, sockets, threads and mounts, once for each that holds it.
    netnsid : int or None
        Network namespaces only: the ID that this process's network namespace has for it.
    uid_map, gid_map : IDMap or None
        User namespaces only: as this process reads them (user_namespaces(7)), so
        ``host_id`` counts in this process's user namespace; None where unreadable.
    """

    namespace: Namespace
    sightings: tuple[Sighting, ...] = ()
    netnsid: int | None = None
    uid_map: IDMap | None = None
    gid_map: IDMap | None = None

    @property
    def id(self) -> NamespaceID:
        """Device and inode."""
        return self.namespace.id

    @property
    def kind(self) -> str:
        """``"net"``, ``"user"`` … (`KINDS`)."""
        return self.namespace.kind

    @property
    def mounts(self) -> tuple[str, ...]:
        """Where it is bind-mounted, in whichever mount namespace."""
        found = (s.detail for s in self.sightings if s.place == "mount")
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class SeenProcess(Renders):
    """One process of the machine, as far as it could be read.

    Attributes
    ----------
    pid, ppid : int
        As this process counts PIDs.
    start : int
        When it started, in clock ticks since boot; PIDs are used again.
    comm : str
        The name it goes by.
    command : str
        Its argument vector, joined by spaces and bounded; ``""`` for a kernel thread or a zombie.
    nspid : tuple of int
        Its PIDs from this process's PID namespace to its own.
    threads : int
    namespaces : mapping of str to NamespaceID
        By kind, in the order of `KINDS`; a kind that could not be read is left out.
    credentials : Credentials or None
        As this process counts IDs.
    effective : CapabilitySet or None
        Its effective capabilities, in its own user namespace.
    container : Container or None
        What its cgroup says that it belongs to.
    """

    pid: int
    ppid: int
    start: int
    comm: str
    command: str
    nspid: tuple[int, ...]
    threads: int
    namespaces: Mapping[str, NamespaceID]
    credentials: Credentials | None = None
    effective: CapabilitySet | None = None
    container: Container | None = None

    def __post_init__(self) -> None:
        # One mapping is shared by the many processes that are in the same namespaces.
        if not isinstance(self.namespaces, FrozenMapping):
            object.__setattr__(self, "namespaces", FrozenMapping(self.namespaces))


@dataclass(frozen=True)
class Snapshot(Renders):
    """All namespaces and processes of a machine that this process can see, at one moment.

    Attributes
    ----------
    host : str
        The machine's name in its UTS namespace, as this process sees it.
    boot_id : str
        /proc/sys/kernel/random/boot_id: inodes and PIDs say nothing beyond one boot.
    taken_ns : int
        When: nanoseconds since boot (CLOCK_BOOTTIME).
    here : mapping of str to NamespaceID
        The namespaces of the process that looked.
    seen_namespaces : tuple of SeenNamespace
        By kind in the order of `KINDS`, then by their oldest process, then by inode.
    seen_processes : tuple of SeenProcess
        By their start, then by PID.
    hidden : mapping of str to int
        What could not be read, and of how many: ``{"namespaces of a process": 12}``.
    notes : tuple of str
        What else may be missing, and why; a sentence each.
    recorded : Origin or None
        Where and when, if it is shown from a recording.
    """

    host: str
    boot_id: str
    taken_ns: int
    here: Mapping[str, NamespaceID]
    seen_namespaces: tuple[SeenNamespace, ...]
    seen_processes: tuple[SeenProcess, ...]
    hidden: Mapping[str, int] = FrozenMapping()
    notes: tuple[str, ...] = ()
    recorded: Origin | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("here", "hidden"):
            object.__setattr__(self, name, FrozenMapping(getattr(self, name)))

    # -- looking up ---------------------------------------------------------

    @cached_property
    def _by_id(self) -> dict[NamespaceID, SeenNamespace]:
        return {seen.id: seen for seen in self.seen_namespaces}

    @cached_property
    def _by_pid(self) -> dict[int, SeenProcess]:
        return {seen.pid: seen for seen in self.seen_processes}

    @cached_property
    def _members(self) -> dict[NamespaceID, list[SeenProcess]]:
        found: dict[NamespaceID, list[SeenProcess]] = {seen.id: [] for seen in self.seen_namespaces}
        for process in self.seen_processes:
            for identity in process.namespaces.values():
                found.setdefault(identity, []).append(process)
        return found

    def namespace(self, identity: NamespaceID | None) -> SeenNamespace | None:
        """Return the namespace with this identity, if it was seen."""
        return None if identity is None else self._by_id.get(identity)

    def process(self, pid: int) -> SeenProcess | None:
        """Return the process with this PID, if it was seen."""
        return self._by_pid.get(pid)

    def members(self, identity: NamespaceID) -> tuple[SeenProcess, ...]:
        """Return the processes in a namespace, the oldest first."""
        return tuple(self._members.get(identity, ()))

    def ancestors(self, identity: NamespaceID) -> Iterator[SeenNamespace]:
        """Yield a user or PID namespace and its parents, up to the topmost that was seen.

        For the other kinds: the namespace alone.
        """
        seen, passed = self.namespace(identity), set[NamespaceID]()
        # A recording may go in circles, or deeper than any kernel.
        while seen is not None and seen.id not in passed and len(passed) < DEEPEST:
            yield seen
            passed.add(seen.id)
            seen = self.namespace(seen.namespace.parent)

    def depth(self, identity: NamespaceID) -> int | None:
        """Return how many parents it has: 0 for the topmost; None for kinds without parents."""
        chain = list(self.ancestors(identity))
        if not chain or chain[0].kind not in ("user", "pid"):
            return None
        return len(chain) - 1

    @cached_property
    def ours(self) -> frozenset[NamespaceID]:
        """The namespaces of the process that looked, and their parents and owners."""
        return frozenset(with_above(self, self.here.values()))

    def __getstate__(self) -> dict[str, Any]:
        # Without what was looked up meanwhile.
        return {f.name: getattr(self, f.name) for f in fields(self)}

    # -- tables --------------------------------------------------------------

    @property
    def namespaces(self) -> pd.DataFrame:
        """One row a namespace; a frame of its own each time, to be changed at will.

        Columns ``type``, ``inode``, ``dev``, ``id`` (never used again; since Linux
        6.18), ``nprocs``, ``pid`` (the lowest), ``ppid``, ``command``, ``uid`` and
        ``user`` (that process's), ``path`` (``/proc/PID/ns/TYPE``), ``netnsid``,
        ``nsfs`` (where it is mounted), ``parent`` and ``owner`` (inodes), ``depth``
        (0: no parent was seen), ``owner_uid``, ``found`` (`PLACES`), ``container``.
        """
        return self._frames[0].copy()

    @property
    def processes(self) -> pd.DataFrame:
        """One row a process; a frame of its own each time, to be changed at will.

        Columns ``pid``, ``ppid``, ``pid_inside``, ``comm``, ``command``, ``threads``,
        ``uid``, ``euid``, ``gid``, ``egid``, ``user``; the four IDs as the process
        itself counts them (``uid_inside`` …: 65534 without a mapping, <NA> where the
        map is not known), ``container``, and the inodes of its namespaces
        (``user_ns``, ``pid_ns`` …).
        """
        return self._frames[1].copy()

    @property
    def id_maps(self) -> pd.DataFrame:
        """One row a line of each user namespace's maps, as this process reads them.

        Columns ``inode``, ``depth``, ``parent``, ``map`` ("uid" or "gid"),
        ``container_id``, ``host_id``, ``size``.
        """
        return self._frames[2].copy()

    @cached_property
    def _frames(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        from .tables import snapshot as tables

        return (
            tables.namespaces_of(self),
            tables.processes_of(self),
            tables.id_maps_of(self),
        )

    # -- asking for more -----------------------------------------------------

    def tree(self, by: By = "owner") -> Tree:
        """Return the namespaces as a tree, which shows itself as text, HTML or Mermaid.

        Parameters
        ----------
        by : {"owner", "user", "pid"}
            User namespaces with all that each owns; user namespaces alone, with
            their creators and maps; or PID namespaces with their init processes.
        """
        return grow(self, by)

    def of(self, *targets: object, new: bool = False) -> Snapshot:
        """Return the part that concerns some processes and their descendants.

        It has these processes, the namespaces that they are in or that are seen
        through them, and the parents and owners of those. Where else a namespace was
        found, if it is not one of everybody's, and what was hidden, stays said as it was for
        the whole.

        Parameters
        ----------
        *targets : int, Process or anything with a ``pid``
        new : bool
            Leave out the namespaces that whoever looked is in, and their parents and
            owners.

        Raises
        ------
        ProcessLookupError
            For a process that is not in this snapshot.
        """
        return part(self, targets, new=new)

    def diff(self, other: Snapshot) -> pd.DataFrame:
        """Return what appeared, vanished and changed from the earlier snapshot to the later.

        Which is the earlier one says the clock, not who is asked: ``a.diff(b)`` equals
        ``b.diff(a)``.

        Returns
        -------
        pandas.DataFrame
            What vanished, then what changed, then what appeared; columns ``change``,
            ``what`` ("namespace" or "process"), ``type`` (the kind), ``inode``,
            ``pid`` and ``command`` (for a namespace of its lowest PID), and, where
            something changed, ``field``, ``before``, ``after``. A namespace is the
            same if device, inode and, where known, the ID that is never used again
            are; a process if its PID and start are.

        Raises
        ------
        ValueError
            For a snapshot of another machine, another boot or another PID namespace:
            inodes and PIDs mean nothing there.
        TypeError
            For anything but a snapshot.
        """
        if not isinstance(other, Snapshot):
            kind = type(other).__name__
            raise TypeError(f"{kind!r} is not accepted here: give a Snapshot to compare with")
        found = changes(self, other)
        from .tables import snapshot as tables

        return tables.changes_frame(found, self, other)

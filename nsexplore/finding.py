"""What a scan has found so far: each namespace with its places, and ways to reach it."""

from __future__ import annotations

import errno
import os
from collections import Counter

from .command import Join
from .errors import IDMapError
from .idmap import IDMap
from .interrupts import held
from .mapreading import maps_inside
from .netnsids import NetnsIDs
from .nsfs import EXHAUSTED, Relation, identity, open_verified, read_namespace, relatives
from .snapshot import PLACES, Place, Sighting
from .views import Namespace, NamespaceID

__all__ = ["Findings"]

_ORDER = {place: number for number, place in enumerate(PLACES)}

_NOTHING_ABOVE: dict[int, set[Relation]] = {0xEFFFFFFD: {"parent", "owner"}, 0xEFFFFFFC: {"parent"}}
"""What the machine's first user and PID namespaces lack (inodes: include/linux/proc_ns.h)."""

_EACH = frozenset[Place](("thread", "fd", "socket", "mount"))
"""Places of which each is told. A namespace has a thousand processes, and as many children."""

_ENDED = (errno.ENOENT, errno.ESRCH)

_WAYS = 4
"""Ways kept to each namespace: a process may end before its namespace is opened."""


class Findings:
    """Collects; asks the kernel about each namespace once.

    Attributes
    ----------
    device : int
        The one file system of all namespaces; 0 where no namespace can be looked at.
    hidden : Counter
        As `Snapshot.hidden`.
    namespaces : dict
        What the kernel told.
    netnsids : dict
    inhabited : set of NamespaceID
        User namespaces in which a process is, through which its maps can be read.
    maps : dict
        uid_map and gid_map of the others.
    """

    def __init__(self, device: int) -> None:
        self.device = device
        self.hidden: Counter[str] = Counter()
        self.namespaces: dict[NamespaceID, Namespace] = {}
        self.netnsids: dict[NamespaceID, int | None] = {}
        self.inhabited: set[NamespaceID] = set()
        self.maps: dict[NamespaceID, tuple[IDMap, IDMap]] = {}
        self._kinds: dict[NamespaceID, str] = {}
        self._sightings: dict[NamespaceID, dict[Sighting, None]] = {}
        self._once: set[tuple[NamespaceID, Place]] = set()
        self._ways: dict[NamespaceID, list[str]] = {}

    def identity(self, link: str) -> tuple[str, NamespaceID] | None:
        """Return kind and identity from what a link says (``net:[4026531840]``)."""
        kind, separator, rest = link.partition(":[")
        number = rest.removesuffix("]")
        if not separator or number == rest or not number.isdecimal():
            return None
        return kind, NamespaceID(self.device, int(number))

    def see(
        self,
        kind: str,
        found: NamespaceID,
        place: Place,
        pid: int | None = None,
        detail: str = "",
        way: str = "",
    ) -> None:
        """Note that a namespace was seen somewhere, and the path in /proc that leads to it."""
        self._kinds.setdefault(found, kind)
        seen = self._sightings.setdefault(found, {})
        if place in _EACH or (found, place) not in self._once:
            self._once.add((found, place))
            seen.setdefault(Sighting(place, pid, detail))
        if way:
            self.reach(found, way)

    def reach(self, found: NamespaceID, way: str) -> None:
        """Note one more path in /proc that leads to a namespace."""
        ways = self._ways.setdefault(found, [])
        if len(ways) < _WAYS:
            ways.append(way)

    def kind(self, found: NamespaceID) -> str | None:
        """Return the kind of a namespace that was seen."""
        return self._kinds.get(found)

    def seen(self, kind: str | None = None) -> list[NamespaceID]:
        """Return the namespaces seen so far, of one kind or of all."""
        return [found for found, its in self._kinds.items() if kind in (None, its)]

    def namespace(self, found: NamespaceID) -> Namespace:
        """Return what the kernel told about a namespace; its identity alone where it did not."""
        told = self.namespaces.get(found)
        return told or Namespace(self._kinds[found], found.dev, found.ino)

    def sightings(self, found: NamespaceID) -> tuple[Sighting, ...]:
        """Return where a namespace was seen, in the order of `PLACES`."""
        return tuple(sorted(self._sightings[found], key=lambda s: _ORDER[s.place]))

    # -- asking the kernel ----------------------------------------------------

    def ask_all(self, root: int, netnsids: NetnsIDs) -> None:
        """Ask about each namespace that was seen, and about all that are above it."""
        for found in self.seen():
            if found in self.namespaces:
                continue
            with held():
                fd = self._open(found, root)
                if fd is not None:
                    try:
                        self.ask(self._kinds[found], fd, netnsids)
                    finally:
                        os.close(fd)

    def _open(self, found: NamespaceID, root: int) -> int | None:
        ways = self._ways.get(found, ())
        missed = not ways
        for way in ways:
            try:
                return open_verified(way, found, root)
            except OSError as error:
                if error.errno in EXHAUSTED:
                    raise
                # A process that has ended is not missed; a mount that another covers is.
                missed = missed or error.errno not in _ENDED or "root" in way.split("/")
        if self.device and missed:  # a mere copy of a /proc has nothing behind its links
            self.hidden["details of a namespace"] += 1
        return None

    def ask(self, kind: str, fd: int, netnsids: NetnsIDs) -> None:
        """Ask about the namespace behind a descriptor, then about its parent and its owner.

        Up to the topmost, or to where this process may not look.
        """
        found = identity(fd)
        if found in self.namespaces:
            return
        self._kinds.setdefault(found, kind)
        self._sightings.setdefault(found, {})
        if kind == "net":
            self.netnsids[found] = netnsids.get(fd)
        if kind == "user" and found not in self.inhabited:
            self._read_maps(found, fd)
        others, refused = relatives(kind, fd)
        try:
            told = self.namespaces[found] = read_namespace(kind, fd, others)
            for word, other in others.items():
                self._go_up(word, told, other, netnsids)
        finally:
            for other in others.values():
                os.close(other)
        if refused - _NOTHING_ABOVE.get(found.ino, set()):
            self.hidden["owner or parent"] += 1

    def _read_maps(self, found: NamespaceID, fd: int) -> None:
        join = Join("user", found.dev, found.ino, "discover", fd)
        try:
            uid_map, gid_map, _ = maps_inside(join)
            self.maps[found] = IDMap.parse(uid_map), IDMap.parse(gid_map)
        except (OSError, IDMapError):
            self.hidden["ID maps of a user namespace"] += 1

    def _go_up(self, place: Relation, told: Namespace, other: int, netnsids: NetnsIDs) -> None:
        # What owns a namespace is a user namespace, and a parent is of the child's kind.
        kind = "user" if place == "owner" else told.kind
        self.see(kind, identity(other), place, None, told.link)
        self.ask(kind, other, netnsids)  # as deep as the kernel nests: 32

"""The part of a snapshot that concerns some processes."""

from __future__ import annotations

import errno
import operator
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from .views import NamespaceID

if TYPE_CHECKING:
    from .snapshot import SeenNamespace, Snapshot

__all__ = ["integer", "part", "pid_of", "with_above"]

HELD = frozenset(("children", "thread", "fd", "socket", "mount"))
"""Places in which somebody holds a namespace without being in it."""

_WANTED = "a PID, a Process, or anything with a .pid"


def part(snapshot: Snapshot, targets: Iterable[object], *, new: bool = False) -> Snapshot:
    """Return what `Snapshot.of` returns."""
    pids = _with_descendants(snapshot, {_seen(snapshot, target) for target in targets})
    if not pids:
        raise TypeError(f"give at least one process: {_WANTED}")
    processes = tuple(p for p in snapshot.seen_processes if p.pid in pids)
    inside = {identity for process in processes for identity in process.namespaces.values()}
    through = {n.id for n in snapshot.seen_namespaces if any(s.pid in pids for s in n.sightings)}
    kept = with_above(snapshot, inside | through)
    if new:
        kept -= snapshot.ours
    namespaces = tuple(
        _through(seen, pids) if seen.id in snapshot.ours else seen
        for seen in snapshot.seen_namespaces
        if seen.id in kept
    )
    return replace(snapshot, seen_namespaces=namespaces, seen_processes=processes)


def _through(seen: SeenNamespace, pids: set[int]) -> SeenNamespace:
    """Return a namespace of everybody's without what others hold of it."""
    sightings = tuple(s for s in seen.sightings if s.place not in HELD or s.pid in pids)
    return seen if sightings == seen.sightings else replace(seen, sightings=sightings)


def with_above(snapshot: Snapshot, identities: Iterable[NamespaceID]) -> set[NamespaceID]:
    """Return the namespaces of these that were seen, and the parents and owners of all of them."""
    found: set[NamespaceID] = set()
    left: list[NamespaceID | None] = list(identities)
    while left:
        seen = snapshot.namespace(left.pop())
        if seen is not None and seen.id not in found:
            found.add(seen.id)
            left += (seen.namespace.parent, seen.namespace.owner)
    return found


def pid_of(target: object) -> int:
    """Return the PID that is meant by one, or by what has one.

    A process that is shown from a recording has its PID where it was recorded: here, that
    number is somebody else's.
    """
    birth = getattr(target, "birth", None)
    recorded = getattr(target, "recorded", None) is not None and birth is not None
    pid = integer(getattr(birth if recorded else target, "pid", target))
    if pid is None:
        raise TypeError(f"{type(target).__name__!r} is no process: give {_WANTED}")
    return pid


def integer(value: object) -> int | None:
    """Return any integer, NumPy's too, as an int; None for what is none, such as a bool."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        return None
    return operator.index(value)


def _seen(snapshot: Snapshot, target: object) -> int:
    pid = pid_of(target)
    if snapshot.process(pid) is None:
        raise ProcessLookupError(
            errno.ESRCH,
            f"process {pid} is not in this snapshot: it had ended, began later,"
            " or cannot be seen from here",
        )
    return pid


def _with_descendants(snapshot: Snapshot, pids: set[int]) -> set[int]:
    children: dict[int, list[int]] = {}
    for process in snapshot.seen_processes:
        children.setdefault(process.ppid, []).append(process.pid)
    found, left = set(pids), list(pids)
    while left:
        fresh = [pid for pid in children.get(left.pop(), ()) if pid not in found]
        found.update(fresh)
        left += fresh
    return found

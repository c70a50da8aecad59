"""What changed between two snapshots of one machine: pure words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from .idmap import IDMap
from .kinds import KINDS

if TYPE_CHECKING:
    from .snapshot import Place, SeenNamespace, SeenProcess, Snapshot

__all__ = ["Change", "changes"]

_ORDER: Final = ("vanished", "changed", "appeared")


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not as it was.

    Attributes
    ----------
    change : {"vanished", "changed", "appeared"}
    what : {"namespace", "process"}
    type : str or None
        The kind of the namespace.
    inode : int or None
        The namespace's.
    pid : int or None
        The process's; for a namespace the lowest PID in it.
    command : str or None
        That process's command, or the name it goes by.
    field : str or None
        What of it changed, named like the columns of `Snapshot`'s tables.
    before, after : str or None
        What it was and is; None: nothing, or not known.
    """

    change: Literal["vanished", "changed", "appeared"]
    what: Literal["namespace", "process"]
    type: str | None = None
    inode: int | None = None
    pid: int | None = None
    command: str | None = None
    field: str | None = None
    before: str | None = None
    after: str | None = None


_Difference = tuple[str, str | None, str | None]


def changes(one: Snapshot, other: Snapshot) -> tuple[Change, ...]:
    """Return what vanished, changed and appeared from the earlier snapshot to the later one.

    Raises
    ------
    ValueError
        For snapshots of different boots or machines, or of different PID namespaces.
    """
    _check_comparable(one, other)
    earlier, later = _in_order(one, other)
    found = [*_namespaces(earlier, later), *_processes(earlier, later)]
    # The sort is stable: each group keeps namespaces by kind first, then processes.
    return tuple(sorted(found, key=lambda change: _ORDER.index(change.change)))


def _check_comparable(one: Snapshot, other: Snapshot) -> None:
    if one.boot_id != other.boot_id:
        pair = " and ".join(f"{s.host!r} (boot {s.boot_id!r})" for s in (one, other))
        what = "another boot of it" if one.host == other.host else "another machine or boot"
        raise ValueError(
            f"snapshots of {pair} cannot be compared: inodes and PIDs mean nothing on {what}"
        )
    counts = [s.here.get("pid") for s in (one, other)]
    if None not in counts and counts[0] != counts[1]:
        names = " and ".join(f"pid:[{identity.ino}]" for identity in counts if identity)
        raise ValueError(
            f"snapshots taken in {names} cannot be compared: each counts its PIDs differently"
        )


def _in_order(one: Snapshot, other: Snapshot) -> tuple[Snapshot, Snapshot]:
    if one.taken_ns == other.taken_ns and one != other:
        # Of one moment, such as a part and the whole: the smaller first, whoever is asked.
        earlier, later = sorted(
            (one, other), key=lambda s: (len(s.seen_namespaces), len(s.seen_processes), repr(s))
        )
    else:
        earlier, later = sorted((one, other), key=lambda s: s.taken_ns)
    return earlier, later


# -- namespaces -----------------------------------------------------------------


def _namespaces(earlier: Snapshot, later: Snapshot) -> Iterator[Change]:
    before = {_key(seen): seen for seen in earlier.seen_namespaces}
    after = {_key(seen): seen for seen in later.seen_namespaces}
    # By kind, whichever of the snapshots has it.
    position = {kind.name: at for at, kind in enumerate(KINDS)}
    every = sorted(before | after, key=lambda key: position.get(key[0], len(position)))
    for key in every:
        old, new = before.get(key), after.get(key)
        if old and new and _same(old, new):
            for field, was, now in _namespace_differences(old, new):
                yield _of_namespace("changed", new, later, field, was, now)
            continue
        if old:
            yield _of_namespace("vanished", old, earlier)
        if new:
            yield _of_namespace("appeared", new, later)


def _key(seen: SeenNamespace) -> tuple[str, int, int]:
    return seen.kind, seen.id.dev, seen.id.ino


def _same(old: SeenNamespace, new: SeenNamespace) -> bool:
    # An inode is used again, a unique ID never.
    ids = old.namespace.unique_id, new.namespace.unique_id
    return None in ids or ids[0] == ids[1]


def _of_namespace(
    change: Literal["vanished", "changed", "appeared"],
    seen: SeenNamespace,
    snapshot: Snapshot,
    *difference: str | None,
) -> Change:
    member = min(snapshot.members(seen.id), key=lambda process: process.pid, default=None)
    pid, command = (member.pid, _command(member)) if member else (None, None)
    return Change(change, "namespace", seen.kind, seen.id.ino, pid, command, *difference)


def _namespace_differences(old: SeenNamespace, new: SeenNamespace) -> Iterator[_Difference]:
    # How many processes are in it, and whether it is somebody's parent or owner, is no
    # change of it: those have rows of their own.
    fields: tuple[tuple[str, str | None, str | None], ...] = (
        ("owner", _owner(old), _owner(new)),
        ("nsfs", ", ".join(sorted(old.mounts)), ", ".join(sorted(new.mounts))),
        ("uid_map", _map(old.uid_map), _map(new.uid_map)),
        ("gid_map", _map(old.gid_map), _map(new.gid_map)),
    )
    if _holders(old) != _holders(new):
        fields += (("found", _places(old), _places(new)),)
    for field, was, now in fields:
        if was != now:
            yield field, was or None, now or None


def _owner(seen: SeenNamespace) -> str | None:
    owner = seen.namespace.owner
    return None if owner is None else f"user:[{owner.ino}]"


def _map(id_map: IDMap | None) -> str | None:
    return None if id_map is None else ", ".join(map(str, id_map)) or "empty"


def _holders(seen: SeenNamespace) -> set[Place]:
    return {s.place for s in seen.sightings} - {"parent", "owner", "kernel"}


def _places(seen: SeenNamespace) -> str:
    return ", ".join(dict.fromkeys(s.place for s in seen.sightings))


# -- processes ------------------------------------------------------------------


def _processes(earlier: Snapshot, later: Snapshot) -> Iterator[Change]:
    before = {(p.pid, p.start): p for p in earlier.seen_processes}
    after = {(p.pid, p.start): p for p in later.seen_processes}
    for key, old in before.items():
        if key not in after:
            yield Change("vanished", "process", pid=old.pid, command=_command(old))
    for key, new in after.items():
        if key not in before:
            yield Change("appeared", "process", pid=new.pid, command=_command(new))
        elif before[key] != new:
            for field, was, now in _process_differences(before[key], new):
                yield Change(
                    "changed", "process", None, None, new.pid, _command(new), field, was, now
                )


def _command(process: SeenProcess) -> str:
    return process.command or process.comm


def _process_differences(old: SeenProcess, new: SeenProcess) -> Iterator[_Difference]:
    # Neither a new name alone (every kworker changes its own) nor a new parent.
    if old.command != new.command:
        yield "command", old.command or None, new.command or None
    for kind in KINDS:
        was, now = old.namespaces.get(kind.name), new.namespaces.get(kind.name)
        if was and now and was != now:
            yield f"{kind.name}_ns", f"{kind.name}:[{was.ino}]", f"{kind.name}:[{now.ino}]"
    yield from _credential_differences(old, new)
    if None not in (old.effective, new.effective) and old.effective != new.effective:
        yield "effective", str(old.effective), str(new.effective)
    if old.container != new.container:
        yield "container", _shown(old.container), _shown(new.container)


def _credential_differences(old: SeenProcess, new: SeenProcess) -> Iterator[_Difference]:
    """Yield what changed; the four UIDs (GIDs) as one where they changed together."""
    was, now = old.credentials, new.credentials
    if was is None or now is None or was == now:
        return
    for word in ("uid", "gid"):
        names = (word, f"e{word}", f"s{word}", f"fs{word}")
        pairs = [(getattr(was, name), getattr(now, name)) for name in names]
        together = len(set(pairs)) == 1
        for name, (one, other) in list(zip(names, pairs, strict=True))[: 1 if together else 4]:
            if one != other:
                yield name, str(one), str(other)
    if was.groups != now.groups:
        yield "groups", _joined(was.groups), _joined(now.groups)


def _joined(numbers: tuple[int, ...]) -> str | None:
    return ", ".join(map(str, numbers)) or None


def _shown(value: object) -> str | None:
    return None if value is None else str(value)

"""What a user or group ID of one user namespace is in another one: pure, on a snapshot."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import Literal

from ._renders import Renders
from .idmap import MAX_UID_HIGH, OVERFLOW_ID, IDMap
from .locating import CannotTellError, namespace_in
from .naming import namespace_name
from .origin import Origin
from .snapshot import SeenNamespace, Snapshot
from .views import NamespaceID

__all__ = ["Translation", "TranslationStep", "translation_of"]


@dataclass(frozen=True, slots=True)
class TranslationStep:
    """One user namespace on the way.

    Attributes
    ----------
    namespace : NamespaceID
    id : int or None
        The ID in there; None: it has none there.
    told : bool
        False where the map of this namespace could not be read, so that `id` says
        nothing. What comes after it is known nevertheless: every map leads to here.
    """

    namespace: NamespaceID
    id: int | None
    told: bool = True


@dataclass(frozen=True, slots=True)
class Translation(Renders):
    """What an ID of one user namespace is in another one.

    Attributes
    ----------
    given : int
        The ID in the namespace it comes from.
    kind : {"uid", "gid"}
    steps : tuple of TranslationStep
        Every user namespace on the way, both ends included: up to the nearest common
        ancestor, and down again.
    overflow : int
        What an ID without a mapping shows as.
    recorded : Origin or None
        Where and when, if the snapshot is shown from a recording.
    """

    given: int
    kind: Literal["uid", "gid"]
    steps: tuple[TranslationStep, ...]
    overflow: int = OVERFLOW_ID
    recorded: Origin | None = field(default=None, compare=False, repr=False)

    @property
    def id(self) -> int | None:
        """The ID at the end of the way; None: no mapping."""
        return self.steps[-1].id

    @property
    def shown(self) -> int:
        """What stat(2), getuid(2) and ps(1) show there."""
        return self.overflow if self.id is None else self.id

    @property
    def mapped(self) -> bool:
        """Whether it has an ID there."""
        return self.id is not None

    @property
    def words(self) -> str:
        """The answer in a sentence."""
        given = f"{self.kind.upper()} {self.given}"
        if self.mapped:
            return (
                f"{given} in {_link(self.steps[0])} is {self.kind.upper()} {self.id}"
                f" in {_link(self.steps[-1])}"
            )
        none = f"no mapping: shows as {self.overflow}"
        if self.steps[0].id is None:
            return f"{none}, since {_link(self.steps[0])} has no {given}"
        lost = next(step for step in self.steps if step.told and step.id is None)
        return f"{none}, since {given} in {_link(self.steps[0])} has none in {_link(lost)}"


def translation_of(
    snapshot: Snapshot,
    id: int,
    from_ns: object,
    to_ns: object,
    *,
    kind: Literal["uid", "gid"] = "uid",
    overflow: int = OVERFLOW_ID,
) -> Translation:
    """Translate an ID between two user namespaces of a snapshot.

    Parameters
    ----------
    snapshot : Snapshot
    id : int
        From 0 to 4294967294.
    from_ns, to_ns : object
        Each one of what `nsexplore.locating.namespace_in` takes.
    kind : {"uid", "gid"}
    overflow : int
        What an ID without a mapping shows as on that machine.

    Raises
    ------
    TypeError, ValueError
        What was given is no ID, no namespace, no kind.
    LookupError
        The snapshot does not have the namespace or the process.
    CannotTellError
        The namespace is neither the snapshot's own nor below it, or its map was not read.
    """
    if kind not in ("uid", "gid"):
        raise ValueError(f"kind={kind!r} is neither 'uid' nor 'gid'")
    number = _checked(id)
    way = _way(snapshot, namespace_in(snapshot, from_ns), namespace_in(snapshot, to_ns))
    for end in (way[0], way[-1]):
        if _map(end, kind) is None:
            raise CannotTellError(
                f"cannot be told from here: the {kind} map of {end.namespace.link} could not be"
                " read; the kernel shows it for processes only, and none in it was readable"
            )
    ours = _to_here(snapshot, way[0], kind, number)
    steps = tuple(_step(snapshot, seen, kind, ours) for seen in way)
    return Translation(number, kind, steps, overflow, snapshot.recorded)


def _checked(id: object) -> int:
    if isinstance(id, bool) or not hasattr(id, "__index__"):
        raise TypeError(f"id={id!r} is not an integer from 0 to {MAX_UID_HIGH}")
    number = operator.index(id)
    if not 0 <= number <= MAX_UID_HIGH:
        raise ValueError(f"id={number} is not from 0 to {MAX_UID_HIGH}")
    return number


def _way(snapshot: Snapshot, start: SeenNamespace, end: SeenNamespace) -> list[SeenNamespace]:
    """Return the user namespaces from one to the other, by way of their common ancestor."""
    up, down = _chain(snapshot, start), _chain(snapshot, end)
    shared = {seen.id for seen in up} & {seen.id for seen in down}
    top = next(n for n, seen in enumerate(up) if seen.id in shared)
    return up[: top + 1] + [seen for seen in down if seen.id not in shared][::-1]


def _chain(snapshot: Snapshot, seen: SeenNamespace) -> list[SeenNamespace]:
    """Return a user namespace and its ancestors up to the snapshot's own."""
    chain = []
    for one in snapshot.ancestors(seen.id):
        chain.append(one)
        if one.id == snapshot.here.get("user"):
            return chain
    # Of such a map the kernel translates the first ID of a line only, and it is the
    # first alone that then is right (user_namespaces(7); kernel/user_namespace.c).
    raise CannotTellError(
        f"cannot be told from here: {seen.namespace.link} is not known to be below the user"
        " namespace in which the snapshot was taken; ask from one above it"
    )


def _map(seen: SeenNamespace, kind: str) -> IDMap | None:
    return seen.uid_map if kind == "uid" else seen.gid_map


def _to_here(snapshot: Snapshot, seen: SeenNamespace, kind: str, id: int) -> int | None:
    """Return the ID in the snapshot's own user namespace: a map read from there leads there."""
    outside = (_map(seen, kind) or IDMap()).to_host(id)
    # Its own one leads to its parent: what it has a line for is an ID of its own.
    own = seen.id == snapshot.here["user"]
    return outside if outside is None or not own else id


def _step(snapshot: Snapshot, seen: SeenNamespace, kind: str, ours: int | None) -> TranslationStep:
    if seen.id == snapshot.here["user"] or ours is None:
        return TranslationStep(seen.id, ours)
    id_map = _map(seen, kind)
    if id_map is None:
        return TranslationStep(seen.id, None, told=False)
    return TranslationStep(seen.id, id_map.to_container(ours))


def _link(step: TranslationStep) -> str:
    return namespace_name("user", step.namespace)

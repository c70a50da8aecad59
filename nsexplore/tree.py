"""The namespaces of a machine as trees: who owns whom, and who is whose parent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from ._renders import Renders
from .kinds import KINDS
from .views import NamespaceID

if TYPE_CHECKING:
    from .origin import Origin
    from .pictures._mermaid import Mermaid
    from .snapshot import SeenNamespace, SeenProcess, Snapshot

__all__ = ["DEEPEST", "Branch", "By", "Tree", "grow", "rank"]

By: TypeAlias = Literal["owner", "user", "pid"]

DEEPEST: Final = 40
"""The kernel nests 33 levels; what is deeper (in a recording) begins at the root again."""

_KIND: Final = {kind.name: at for at, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class Branch:
    """One line of a tree, with what is below it.

    Attributes
    ----------
    seen : SeenNamespace or None
        None for a heading: of those whose owner is not in the snapshot.
    owner : NamespaceID or None
        Of a heading: that owner, or None where it is not visible.
    members : int
        How many processes are in it.
    process : SeenProcess or None
        Its oldest process; by="pid": its init (PID 1 inside), where that was seen.
    here : bool
        Whether it is a namespace of the process that looked.
    branches : tuple of Branch
    """

    seen: SeenNamespace | None = None
    owner: NamespaceID | None = None
    members: int = 0
    process: SeenProcess | None = field(default=None, repr=False)
    here: bool = False
    branches: tuple[Branch, ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        """Return how many lines it is, itself included."""
        return 1 + sum(map(len, self.branches))


@dataclass(frozen=True)
class Tree(Renders):
    """A snapshot's namespaces as a tree: text, nested lists in HTML, and Mermaid.

    Its order does not depend on inode numbers: what a namespace holds comes by kind,
    then by the start of its oldest process; nested user namespaces come last, so that
    what a namespace owns itself stands beside it.

    Attributes
    ----------
    by : {"owner", "user", "pid"}
    roots : tuple of Branch
    snapshot : Snapshot
    """

    by: By
    roots: tuple[Branch, ...]
    snapshot: Snapshot = field(repr=False)

    def __len__(self) -> int:
        """Return how many lines it is."""
        return sum(map(len, self.roots))

    def __bool__(self) -> bool:
        return bool(self.roots)

    @property
    def recorded(self) -> Origin | None:
        """Where and when, if the snapshot is shown from a recording."""
        return self.snapshot.recorded

    @property
    def mermaid(self) -> Mermaid:
        """The tree as a Mermaid flowchart: a str that JupyterLab draws by itself."""
        from .pictures.tree import as_mermaid

        return as_mermaid(self)


def grow(snapshot: Snapshot, by: By = "owner") -> Tree:
    """Return a snapshot's namespaces as a tree.

    Raises
    ------
    ValueError
        If `by` is none of "owner", "user" and "pid".
    """
    if by not in ("owner", "user", "pid"):
        raise ValueError(f"by={by!r} is none of 'owner', 'user' and 'pid'")
    return Tree(by, tuple(_Grower(snapshot, by).roots()), snapshot)


class _Grower:
    def __init__(self, snapshot: Snapshot, by: By) -> None:
        self._snapshot = snapshot
        self._by = by
        self._here = frozenset(snapshot.here.values())
        self._below: dict[NamespaceID, list[SeenNamespace]] = {}
        self._nested: list[SeenNamespace] = []
        self._tops: list[SeenNamespace] = []
        self._homeless: dict[NamespaceID | None, list[SeenNamespace]] = {}
        self._planted: set[NamespaceID] = set()
        self._sort_in()

    def _sort_in(self) -> None:
        """Find out below what each namespace stands."""
        nested = "pid" if self._by == "pid" else "user"
        for seen in sorted(self._snapshot.seen_namespaces, key=self._rank):
            if seen.kind == nested:
                self._nested.append(seen)
                # A user namespace's owner is its parent.
                above = seen.namespace.parent or (
                    seen.namespace.owner if nested == "user" else None
                )
                alone = self._tops
            elif self._by == "owner":
                above = seen.namespace.owner
                alone = self._homeless.setdefault(above, [])
            else:
                continue
            parent = self._snapshot.namespace(above)
            if parent is None or parent.kind != nested:
                alone.append(seen)
            else:
                self._below.setdefault(parent.id, []).append(seen)

    def roots(self) -> Iterator[Branch]:
        # What goes in circles, or is too deep, is reached from no top: it becomes one.
        for seen in (*self._tops, *self._nested):
            if seen.id not in self._planted:
                yield self._branch(seen)
        # One that was left out on purpose (ours), or was not seen, is named all the same.
        for owner in sorted(self._homeless, key=lambda owner: owner is None):
            leaves = tuple(self._branch(seen) for seen in self._homeless[owner])
            if leaves:
                yield Branch(owner=owner, here=owner in self._here, branches=leaves)

    def _branch(self, seen: SeenNamespace, depth: int = 0) -> Branch:
        self._planted.add(seen.id)
        below = self._below.get(seen.id, []) if depth < DEEPEST else []
        members = self._snapshot.members(seen.id)
        return Branch(
            seen,
            members=len(members),
            process=self._process(seen, members),
            here=seen.id in self._here,
            branches=tuple(self._branch(n, depth + 1) for n in below if n.id not in self._planted),
        )

    def _process(self, seen: SeenNamespace, members: tuple[SeenProcess, ...]) -> SeenProcess | None:
        if self._by != "pid":
            return next(iter(members), None)
        if seen.id == self._snapshot.here.get("pid"):
            return self._snapshot.process(1)  # also where its namespaces may not be read
        return next((p for p in members if p.nspid and p.nspid[-1] == 1), None)

    def _rank(self, seen: SeenNamespace) -> tuple[object, ...]:
        # Nested ones last: what their parent holds itself then stands right below it.
        nested = seen.kind == "user"
        return nested, *rank(seen, self._snapshot)


def rank(seen: SeenNamespace, snapshot: Snapshot) -> tuple[object, ...]:
    """Return what orders namespaces: kind, then age, and nothing that chance numbers."""
    kind = _KIND.get(seen.kind, len(_KIND))
    members = snapshot.members(seen.id)
    if members:
        return kind, 0, members[0].start, members[0].pid
    first = next(iter(seen.sightings), None)
    if first is None:
        return kind, 1, -1, "", ""
    holder = None if first.pid is None else snapshot.process(first.pid)
    # The detail of these two is a link, and so an inode.
    detail = "" if first.place in ("parent", "owner") else first.detail
    return kind, 1, holder.start if holder else -1, first.place, detail

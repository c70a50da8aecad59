"""Pictures of a tree of namespaces: lines of text, nested lists, a Mermaid flowchart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..kinds import KINDS
from ..naming import namespace_name
from ..snapshot import SeenNamespace, Snapshot
from ..tree import Branch, By, Tree
from ._html import Html, escape, join, muted, section, tag
from ._keeping import held, keeps, process_name
from ._kinds import kind_badge, legend_html, legend_text, sign_of
from ._mermaid import Mermaid, label
from ._sentences import sentences
from ._words import plural

__all__ = ["as_html", "as_mermaid", "as_text"]

FOLDED: Final = 60
"""Lines above which what is below a namespace folds."""

MOST: Final = 2000
"""Lines that are shown at all."""

_MOST_DRAWN: Final = 60  # more is a picture that nobody scrolls through
_MOST_MERMAID: Final = 40_000  # characters; Mermaid itself refuses more than 50,000

_TITLES: Final[dict[By, str]] = {
    "owner": "namespaces, below the user namespace that owns them",
    "user": "user namespaces, below their parents",
    "pid": "PID namespaces, below their parents",
}


def as_text(tree: Tree) -> str:
    """Return the tree as lines with ├─ and └─."""
    lines = [_title(tree), *_legend(tree)]
    for shown, (branch, before, _) in enumerate(_walk(tree.roots)):
        if shown == MOST:
            lines.append(f"… +{len(tree) - shown} more")
            break
        lines.append(f"{before}{_line(branch, tree)}")
    return "\n".join(lines)


def as_html(tree: Tree) -> Html:
    """Return the tree as nested lists; where there are many lines, they fold."""
    budget = _Budget(MOST, folds=len(tree) > FOLDED)
    items = [_item(branch, tree, budget, 0) for branch in tree.roots]
    more = [tag("p", muted(f"… +{budget.missing} more"), class_="nsx-p")] if budget.missing else []
    heading = tag("div", tag("b", _title(tree)), class_="nsx-row")
    nested = tag("ul", *items, class_="nsx-tree", role="list", aria_label=_TITLES[tree.by])
    kinds = _kinds(tree)
    legend = [legend_html(kinds)] if len(kinds) > 1 else []
    return join((section(heading, *legend), section(nested, *more)))


def as_mermaid(tree: Tree) -> Mermaid:
    """Return the tree as a flowchart from the left to the right."""
    lines, size = ["flowchart LR"], 0
    parents: list[str] = []
    if tree.recorded is not None:
        lines.append(f'  recorded["{label(str(tree.recorded), 120)}"]:::more')
    for shown, (branch, _, depth) in enumerate(_walk(tree.roots)):
        name, below = f"n{shown}", parents[depth - 1] if depth else None
        fresh = [_node(name, branch, tree), *([f"  {below} --> {name}"] if below else [])]
        size += sum(len(line) + 1 for line in fresh)
        if shown == _MOST_DRAWN or size > _MOST_MERMAID:
            lines.append(f'  more["… +{len(tree) - shown} more"]:::more')
            break
        parents[depth:] = [name]
        lines += fresh
    kinds = _kinds(tree)
    lines += (
        f"  classDef {kind.name} fill:{kind.colour},stroke:{kind.colour},color:#ffffff"
        for kind in KINDS
        if kind.name in kinds
    )
    lines += ["  classDef more fill:none,stroke:#888888,stroke-dasharray:4"]
    return Mermaid("\n".join(lines))


# -- what a line says -----------------------------------------------------------


def _title(tree: Tree) -> str:
    count = sum(branch.seen is not None for branch, _, _ in _walk(tree.roots))
    return f"{_TITLES[tree.by]} · {plural(count, 'namespace')}"


def _legend(tree: Tree) -> list[str]:
    kinds = _kinds(tree)
    return [legend_text(kinds)] if len(kinds) > 1 else []


def _kinds(tree: Tree) -> set[str]:
    return {branch.seen.kind for branch, _, _ in _walk(tree.roots) if branch.seen}


def _walk(roots: tuple[Branch, ...]) -> Iterator[tuple[Branch, str, int]]:
    """Yield every branch with the lines before it, and its depth."""

    def below(branch: Branch, before: str, depth: int) -> Iterator[tuple[Branch, str, int]]:
        for at, child in enumerate(branch.branches, 1):
            last = at == len(branch.branches)
            yield child, f"{before}{'└─ ' if last else '├─ '}", depth
            yield from below(child, f"{before}{'   ' if last else '│  '}", depth + 1)

    for root in roots:
        yield root, "", 0
        yield from below(root, "", 1)


def _line(branch: Branch, tree: Tree) -> str:
    if branch.seen is None:
        return _heading(branch)
    name = namespace_name(branch.seen.kind, branch.seen.namespace)
    here = " (here)" if branch.here else ""
    return f"{sign_of(branch.seen.kind)} {name}{here}  {_words(branch, tree)}"


def _heading(branch: Branch) -> str:
    if branch.owner is None:
        return f"owner not visible ({len(branch.branches)})"
    here = " (here)" if branch.here else ", which is not among them"
    return f"owned by {namespace_name('user', branch.owner)}{here} ({len(branch.branches)})"


def _words(branch: Branch, tree: Tree) -> str:
    seen, snapshot = branch.seen, tree.snapshot
    if seen is None:
        return ""
    if tree.by == "user":
        return " · ".join((*_made(seen, here=branch.here), keeps(seen, snapshot)))
    if tree.by == "pid":
        return _init(branch, seen, snapshot)
    return keeps(seen, snapshot)


def _init(branch: Branch, seen: SeenNamespace, snapshot: Snapshot) -> str:
    if branch.process is not None:
        return f"init {process_name(branch.process)} · {_count(branch)}"
    if branch.members or any(sighting.place == "process" for sighting in seen.sightings):
        return f"init not seen · {keeps(seen, snapshot)}"
    return f"no init · {held(seen, snapshot)}"


def _count(branch: Branch) -> str:
    return "1 process" if branch.members == 1 else f"{branch.members} processes"


def _made(seen: SeenNamespace, *, here: bool) -> Iterator[str]:
    if seen.namespace.owner_uid is not None:
        yield f"made by UID {seen.namespace.owner_uid}"
    if here:
        return  # what its map says counts in our parent, not in us
    uid, gid = seen.uid_map, seen.gid_map
    if uid is None:
        yield "map not readable"
    else:
        yield "; ".join(s.text for s in sentences(uid))
        if gid is not None and gid != uid:
            yield "groups: " + "; ".join(s.text for s in sentences(gid))


# -- HTML -----------------------------------------------------------------------


class _Budget:
    """How many lines may still be shown, how many are not, and whether they fold."""

    def __init__(self, left: int, *, folds: bool) -> None:
        self.left = left
        self.folds = folds
        self.missing = 0


def _item(branch: Branch, tree: Tree, budget: _Budget, depth: int) -> Html:
    if budget.left == 0:
        budget.missing += len(branch)
        return Html()
    budget.left -= 1
    head = _head(branch, tree)
    if not branch.branches:
        return tag("li", head)
    below = tag("ul", *(_item(b, tree, budget, depth + 1) for b in branch.branches), role="list")
    if not budget.folds:
        return tag("li", head, below)
    hidden = muted(f" · {len(branch) - 1} below")
    # The way to where we are is open; the rest opens on a click.
    open_ = "" if depth == 0 or branch.here else None
    return tag("li", tag("details", tag("summary", head, hidden), below, open=open_))


def _head(branch: Branch, tree: Tree) -> Html:
    if branch.seen is None:
        return tag("b", _heading(branch))
    kind = branch.seen.kind
    here = (" ", tag("b", "(here)")) if branch.here else ()
    name = kind_badge(kind, namespace_name(kind, branch.seen.namespace))
    return join((name, *here, " ", tag("span", escape(_words(branch, tree), 600))))


# -- Mermaid --------------------------------------------------------------------


def _node(name: str, branch: Branch, tree: Tree) -> str:
    seen = branch.seen
    if seen is None:
        return f'  {name}["{label(_heading(branch), 60)}"]:::more'
    title = f"{sign_of(seen.kind)} {namespace_name(seen.kind, seen.namespace)}"
    here = " (here)" if branch.here else ""
    words = "<br/>".join(label(part, 60) for part in _words(branch, tree).split(" · ")[:4])
    return f'  {name}["{label(title + here, 60)}<br/>{words}"]:::{_class(seen.kind)}'


def _class(kind: str) -> str:
    return kind if any(kind == known.name for known in KINDS) else "more"

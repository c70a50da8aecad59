"""Kinds of namespaces as colour and sign, and the one legend of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..kinds import KINDS, NamespaceKind
from ._escape import visible
from ._html import Html, badge, join, muted, tag

__all__ = ["by_kind", "kind_badge", "legend_html", "legend_text", "sign_of"]

_KINDS = {kind.name: kind for kind in KINDS}


def sign_of(name: str) -> str:
    """Return the sign of a kind; of one that no kernel has yet, a question mark."""
    return _KINDS[name].sign if name in _KINDS else "?"


def kind_badge(name: str, label: str = "") -> Html:
    """Return the badge of a kind with its sign, which is for the eye alone."""
    label = label or visible(name, 20)
    if name not in _KINDS:
        return muted(label)
    kind = _KINDS[name]
    return badge(kind, join((tag("span", kind.sign, aria_hidden="true"), " ", label)))


def legend_text(kinds: Iterable[str] | None = None) -> str:
    """Return which sign stands for which kind: of all, or of those that are shown."""
    return "  ".join(f"{kind.sign} {kind.name}" for kind in _chosen(kinds))


def legend_html(kinds: Iterable[str] | None = None) -> Html:
    """Return which sign and colour stand for which kind, and what it isolates."""
    entries = (
        tag("li", kind_badge(kind.name), muted(f" {kind.isolates}"), class_="nsx-nb")
        for kind in _chosen(kinds)
    )
    return tag("ul", *entries, class_="nsx-legend", role="list", aria_label="Legend")


def by_kind(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return kinds with their counts, in the order of `KINDS`; none with a count of 0."""
    return [(kind.name, counts[kind.name]) for kind in KINDS if counts.get(kind.name)]


def _chosen(kinds: Iterable[str] | None) -> list[NamespaceKind]:
    wanted = set(_KINDS if kinds is None else kinds)
    return [kind for kind in KINDS if kind.name in wanted]

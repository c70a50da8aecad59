"""The few pieces of HTML that every picture is made of.

`Html` marks text that is markup already. `tag` escapes every child and every
attribute that is not: forgetting to escape is not possible, only forgetting
to mark.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files

from ..kinds import NamespaceKind
from ._escape import LIMIT, visible

__all__ = [
    "Html",
    "badge",
    "code",
    "escape",
    "facts",
    "folded",
    "join",
    "muted",
    "page",
    "section",
    "style",
    "table",
    "tag",
]


class Html(str):
    """A string of markup: never escaped again."""

    __slots__ = ()


def escape(value: object, limit: int = LIMIT) -> Html:
    """Return any value as markup: the one way in for strings of others."""
    return value if isinstance(value, Html) else Html(html.escape(visible(value, limit)))


def join(parts: Iterable[object], between: str = "") -> Html:
    """Return the parts, escaped where they are not markup, with markup between them."""
    return Html(between.join(escape(part) for part in parts))


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """Return one element.

    Parameters
    ----------
    name : str
        Its name.
    *children : object
        Markup, or anything else, which is escaped.
    **attributes : object
        ``class_`` is class, ``aria_label`` is aria-label; None leaves one out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value, 4 * LIMIT)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{written}>{join(children)}</{name}>")


def code(value: object) -> Html:
    """Return a string in the typeface of code; None is a dash."""
    return muted("-") if value is None else tag("code", value)


def muted(*children: object) -> Html:
    """Return text that steps back."""
    return tag("span", *children, class_="nsx-mut")


def badge(
    kind: NamespaceKind, label: str, *, on: bool = True, sign: str = "", title: str = ""
) -> Html:
    """Return the badge of a kind of namespace.

    Its colour never says anything alone: a new one has a sign, one that is
    not made has a dashed outline, and the label names it.
    """
    if not on:
        return tag("span", label, class_="nsx-k nsx-off", title=f"{kind.name}: not new")
    return tag(
        "span",
        f"{sign} {label}" if sign else label,
        class_="nsx-k",
        style=f"--nsx-c:{kind.colour}",
        title=title or f"{kind.name}: {kind.isolates}, {kind.man}",
    )


def section(*children: object, heading: object = None, class_: str = "") -> Html:
    """Return one part of a picture, below the others."""
    head = () if heading is None else (tag("div", heading, class_="nsx-h"),)
    return tag("div", *head, *children, class_=f"nsx-s {class_}".rstrip())


def table(
    caption: object,
    header: Sequence[object],
    rows: Iterable[Sequence[object]],
    *,
    class_: str = "nsx-t",
) -> Html:
    """Return a table; the first cell of a row is its heading."""
    head = tag("tr", *(tag("th", cell, scope="col") for cell in header))
    body = (
        tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:]))
        for row in rows
    )
    return tag(
        "table",
        tag("caption", caption),
        tag("thead", head),
        tag("tbody", *body),
        class_=class_,
    )


def facts(caption: str, rows: Iterable[tuple[object, object]]) -> Html:
    """Return names and what they are: a table without a heading for its columns."""
    body = (tag("tr", tag("th", name, scope="row"), tag("td", value)) for name, value in rows)
    return tag(
        "table", tag("caption", caption, class_="nsx-sr"), tag("tbody", *body), class_="nsx-f"
    )


def folded(summary: object, *children: object, open_: bool = False) -> Html:
    """Return something that opens on a click, without any script."""
    return tag(
        "details", tag("summary", summary), *children, class_="nsx-d", open="" if open_ else None
    )


@cache
def style() -> Html:
    """Return the style sheet, which scopes itself to the class ``nsx``."""
    text = files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    text = " ".join(text.split())
    return Html(f"<style>{text}</style>")


def page(fragment: Html, label: str) -> Html:
    """Return a picture that stands alone: every output brings its own style sheet."""
    return Html(style() + tag("div", fragment, class_="nsx", role="group", aria_label=label))

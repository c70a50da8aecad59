"""Pictures of an ID map: a table, what it means, and its ribbons."""

from __future__ import annotations

from typing import Final

from ..idmap import IDMap
from ._escape import visible
from ._html import Html, join, section, table, tag
from ._plain import columns, indent
from ._sentences import rest, sentences
from ._words import plural
from .pointing import Pointed
from .ribbon import id_map_svg

__all__ = ["as_html", "as_text", "maps_html", "maps_text"]

HEADER: Final = ("container_id", "host_id", "size")
SHOWN: Final = 20
"""Lines of a map that a table shows; `nsexplore.id_map_frame` has them all."""


def as_text(idmap: IDMap) -> str:
    """Return the map as a labelled table and in sentences."""
    return "\n".join([f"ID map, {plural(len(idmap), 'line')}", *_lines(idmap)])


def as_html(idmap: IDMap) -> Html:
    """Return the map as a table beside its ribbons."""
    return _one(f"ID map ({plural(len(idmap), 'line')})", idmap)


def maps_text(uid: IDMap | None, gid: IDMap | None, setgroups: str | None) -> list[str]:
    """Return the two maps of a user namespace as lines; one where they agree."""
    parts = []
    for title, idmap in _titled(uid, gid, setgroups):
        parts += [title, *([] if idmap is None else _lines(idmap))]
    return parts


def maps_html(
    uid: IDMap | None, gid: IDMap | None, setgroups: str | None, at: Pointed | None = None
) -> Html:
    """Return the two maps of a user namespace; one where they agree. An ID may be marked."""
    return join(
        section(heading=title) if idmap is None else _one(title, idmap, at)
        for title, idmap in _titled(uid, gid, setgroups)
    )


def _titled(
    uid: IDMap | None, gid: IDMap | None, setgroups: str | None
) -> list[tuple[str, IDMap | None]]:
    if uid is None and gid is None:
        return []
    word = {"allow": "allowed", "deny": "denied"}.get(setgroups or "", visible(setgroups or "", 20))
    groups = f"; setgroups {word}" if word else ""
    if uid == gid:
        return [(f"ID map (the same for users and groups{groups})", uid)]
    return [
        ("ID map of users" + ("" if uid is not None else ": none"), uid),
        (f"ID map of groups{'' if gid is not None else ': none'}{groups}", gid),
    ]


def _lines(idmap: IDMap) -> list[str]:
    said = [text for text in (*(s.text for s in sentences(idmap)), rest(idmap)) if text]
    lines = [] if not idmap.mappings else columns(_rows(idmap), HEADER, right="rrr")
    return indent([*lines, *_more(idmap), *said])


def _one(title: str, idmap: IDMap, at: Pointed | None = None) -> Html:
    # What the map means is written on its ribbons.
    notes = (
        tag("p", line, class_="nsx-p nsx-mut") for line in (*_more(idmap), rest(idmap)) if line
    )
    left = table(title, HEADER, _rows(idmap), class_="nsx-t nsx-n")
    heading = tag("div", "inside → outside, log scale", class_="nsx-h")
    return section(
        tag("div", left, *notes),
        tag("div", heading, Html(id_map_svg(idmap, at))),
        class_="nsx-cols",
    )


def _rows(idmap: IDMap) -> list[tuple[int, int, int]]:
    return [(m.container_id, m.host_id, m.size) for m in idmap[:SHOWN]]


def _more(idmap: IDMap) -> list[str]:
    hidden = len(idmap) - SHOWN
    return [] if hidden <= 0 else [f"… {plural(hidden, 'more line')}, all in id_map_frame()"]

"""What an ID map means, in sentences: beside its table, and on its ribbons."""

from __future__ import annotations

from typing import Final, NamedTuple

from ..idmap import MAX_UID_HIGH, OVERFLOW_ID, IDMap, IDMapping

__all__ = ["INVALID_ID", "MOST", "Sentence", "drawable", "rest", "sentences"]

INVALID_ID: Final = MAX_UID_HIGH + 1
"""``(uid_t) -1``: what a reader sees of a range that has no number in its namespace."""

MOST: Final = 3
"""Ranges that are put into words; more are only counted."""


class Sentence(NamedTuple):
    """One sentence, and the mapping it is about (None: about no single one)."""

    text: str
    mapping: IDMapping | None
    role: str  # "root", "same", "moved" or "rest"


def drawable(idmap: IDMap) -> list[IDMapping]:
    """Return the mappings that lead from somewhere to somewhere, the largest first."""
    lines = (m for m in idmap if m.size and INVALID_ID not in (m.host_id, m.container_id))
    return sorted(lines, key=lambda m: -m.size)


def sentences(idmap: IDMap) -> list[Sentence]:
    """Return what is worth knowing of a map, root first; at most a handful."""
    ranges = drawable(idmap)
    said = [_root(idmap, ranges)]
    told = [m for m in ranges if (m.container_id, m.size) != (0, 1)]
    if len(told) <= MOST:
        said += [_range(m) for m in told]
    else:
        sizes = f"{told[-1].size} to {told[0].size} IDs"
        said.append(Sentence(f"{len(told)} ranges of {sizes}", None, "rest"))
    if nameless := sum(m.host_id == INVALID_ID for m in idmap):
        lines = "1 line leads" if nameless == 1 else f"{nameless} lines lead"
        text = f"{lines} out of this user namespace ({INVALID_ID})"
        said.append(Sentence(text, None, "rest"))
    return said


def rest(idmap: IDMap) -> str:
    """Return what becomes of every ID that the map does not name; empty if it names all."""
    mapped = sum(m.size for m in idmap)
    if not mapped or mapped >= INVALID_ID:
        return ""
    return f"any other ID has no mapping and shows as {OVERFLOW_ID}"


def _root(idmap: IDMap, ranges: list[IDMapping]) -> Sentence:
    line = next((m for m in ranges if m.container_id == 0), None)
    if not idmap.mappings:
        return Sentence(f"no ID is mapped: every one shows as {OVERFLOW_ID}", None, "rest")
    if idmap.to_host(0) == INVALID_ID:
        return Sentence("root inside has no number here", None, "rest")
    if line is None:
        return Sentence("root inside (ID 0) has no mapping", None, "rest")
    if line.host_id == 0:
        return Sentence("root inside is root outside", line, "root")
    return Sentence(f"root inside is host {line.host_id}", line, "root")


def _range(m: IDMapping) -> Sentence:
    inside = _span(m.container_id, m.size)
    if m.container_id == m.host_id:
        stay = "stays itself" if m.size == 1 else "stay themselves"
        return Sentence(f"{inside} {stay}", m, "same")
    verb = "is" if m.size == 1 else "are"
    return Sentence(f"{inside} {verb} host {_span(m.host_id, m.size)}", m, "moved")


def _span(first: int, size: int) -> str:
    return str(first) if size == 1 else f"{first}…{first + size - 1}"

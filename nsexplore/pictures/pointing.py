"""An ID that somebody points at in the ribbons of a map: which one it is, and its way."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from ..idmap import IDMap
from ._html import Html, join, tag
from ._scale import TOP, WIDTH, id_at, middle
from ._sentences import drawable

__all__ = ["Pointed", "mark", "pointed"]

_NEAR: Final = 4.0
"""The first and the last ID of a line are hit by pointing beside them."""

_INK: Final = "var(--nsx-fg,var(--jp-content-font-color1,#1b1f24))"
_PAPER: Final = "var(--nsx-bg,var(--jp-layout-color0,#fff))"


class Pointed(NamedTuple):
    """An ID on one of the two axes."""

    side: Literal["inside", "outside"]
    number: int


def pointed(idmap: IDMap, x: float, y: float) -> Pointed:
    """Return the ID at a place in a map's picture.

    Parameters
    ----------
    idmap : IDMap
    x, y : float
        From 0 at the left and at the top to 1: the upper half is the inside.
    """
    side: Literal["inside", "outside"] = "inside" if y < 0.5 else "outside"
    at = x * WIDTH
    ends: list[tuple[float, int, int]] = []
    for m in drawable(idmap):
        first = m.container_id if side == "inside" else m.host_id
        ends += [(abs(middle(n) - at), m.size, n) for n in (first, first + m.size - 1)]
    # Of those that stand as good as at one place, the one with the least company: root.
    near = [(size, number) for distance, size, number in ends if distance <= _NEAR]
    if near:
        return Pointed(side, min(near)[1])
    return Pointed(side, id_at(at))


def mark(idmap: IDMap, at: Pointed, bottom: float) -> Html:
    """Return the way of an ID from one axis to the other, or that it has none."""
    is_inside = at.side == "inside"
    other = idmap.to_host(at.number) if is_inside else idmap.to_container(at.number)
    here, there = (TOP, bottom) if is_inside else (bottom, TOP)
    a, half = middle(at.number), (TOP + bottom) / 2
    if other is None:
        stub = here + (18 if is_inside else -18)
        way = f"M{a:.1f} {here:g}V{stub:g}"
        end = _cross(a, stub + (12 if is_inside else -4))
    else:
        b = middle(other)
        way = f"M{a:.1f} {here:g}C{a:.1f} {half:g} {b:.1f} {half:g} {b:.1f} {there:g}"
        end = _dot(b, there)
    line = tag(
        "path",
        d=way,
        style=f"fill:none;stroke:{_INK}",
        stroke_width="1.6",
        stroke_dasharray="4 3",
    )
    return tag("g", join((line, _dot(a, here), end)), class_="nsx-mark")


def _dot(x: float, y: float) -> Html:
    style = f"fill:{_INK};stroke:{_PAPER};stroke-width:1.5px"
    return tag("circle", cx=f"{x:.1f}", cy=f"{y:g}", r="4", style=style)


def _cross(x: float, y: float) -> Html:
    style = f"fill:{_INK};stroke:{_PAPER};stroke-width:3px;paint-order:stroke;font-weight:700"
    return tag("text", "✗", x=f"{x:.1f}", y=f"{y:g}", text_anchor="middle", style=style)

"""An ID map drawn as ribbons from inside (above) to outside (below), on a log scale."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import permutations
from typing import Final, NamedTuple

from ..idmap import IDMap, IDMapping
from ._html import Html, join, tag
from ._scale import LEFT, RIGHT, TOP, WIDTH, span
from ._sentences import INVALID_ID, Sentence, drawable, sentences
from .pointing import Pointed, mark

__all__ = ["id_map_svg"]

THIN: Final = 5.01
ROW: Final = 22.0
FONT: Final = 11
GLYPH: Final = 6.8  # no common monospace typeface is wider at this size
LAST: Final = INVALID_ID - 1
DRAWN: Final = 340  # as many lines as a kernel takes

_FG: Final = "var(--nsx-fg,var(--jp-content-font-color1,#1b1f24))"
_MUTED: Final = "var(--nsx-mut,var(--jp-content-font-color2,#5b6570))"
_PAPER: Final = "var(--nsx-bg,var(--jp-layout-color0,#fff))"
_FILL: Final = {
    "root": "var(--nsx-root,#c2571a)",
    "same": "var(--nsx-same,#455a73)",
    "moved": "var(--nsx-moved,#1565c0)",
}
_OPACITY: Final = {"root": 0.9, "same": 0.34, "moved": 0.4}


class Ribbon(NamedTuple):
    """Where a mapping lies on the axis inside and on the axis outside."""

    role: str
    mapping: IDMapping
    inside: tuple[float, float]
    outside: tuple[float, float]


class Label(NamedTuple):
    """A text set down at its middle."""

    text: str
    x: float
    y: float


def id_map_svg(idmap: IDMap, at: Pointed | None = None) -> str:
    """Return an ID map as a picture that stands alone.

    Parameters
    ----------
    idmap : IDMap
        Of any length, an empty one too; at most 340 lines (what a kernel
        takes) are drawn.
    at : Pointed, optional
        An ID whose way is marked.

    Returns
    -------
    str
        An ``<svg>`` element with a name for screen readers; each ribbon has a
        tooltip. It follows the colours of the page around it.

    Raises
    ------
    TypeError
        For anything but an `IDMap`.
    """
    if not isinstance(idmap, IDMap):
        raise TypeError(f"{type(idmap).__name__!r} is not accepted here: give an IDMap")
    said = sentences(idmap)
    ribbons = _ribbons(idmap)
    bottom = TOP + max(86.0, ROW * len(said) + 18)
    height = bottom + 24
    label = "ID map, inside above and outside below: " + "; ".join(s.text for s in said)
    return tag(
        "svg",
        tag("title", label),
        _axes(bottom),
        join(_draw(ribbon, bottom) for ribbon in ribbons),
        "" if at is None else mark(idmap, at, bottom),
        _ticks(ribbons, bottom),
        join(_write(at, size=FONT) for at in _labels(said, ribbons, bottom)),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {height:g}",
        width="100%",
        role="img",
        aria_label=label,
        class_="nsx-svg",
        font_family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace",
        font_size=FONT,
        style=f"max-width:{WIDTH}px;fill:{_FG}",
    )


# -- ribbons --------------------------------------------------------------------


def _ribbons(idmap: IDMap) -> list[Ribbon]:
    lines = drawable(idmap)[:DRAWN]
    thin = 2.5 if len(lines) <= 40 else 1.2
    made = []
    for m in lines:
        if (m.container_id, m.size) != (0, 1):
            role = "same" if m.container_id == m.host_id else "moved"
            inside, outside = (span(n, m.size, thin) for n in (m.container_id, m.host_id))
            made.append(Ribbon(role, m, inside, outside))
    # Root comes last, on top of the range it may be part of.
    root = next((m for m in lines if m.container_id == 0), None)
    if root is not None:
        line = IDMapping(0, root.host_id, 1)
        middle = sum(span(root.host_id, 1, 5)) / 2
        made.append(Ribbon("root", line, span(0, 1, 5), (middle - 2.5, middle + 2.5)))
    return made


def _edge(start: float, end: float, bottom: float, y: float) -> float:
    """Return where the edge from `start` above to `end` below passes the height `y`."""
    # The curve is a cubic whose handles lie at half height: x eases, y is monotonic.
    low, high = 0.0, 1.0
    for _ in range(24):
        t = (low + high) / 2
        height = 1.5 * t * (1 - t) + t**3  # 3(1-t)²t/2 + 3(1-t)t²/2 + t³
        low, high = (t, high) if TOP + (bottom - TOP) * height < y else (low, t)
    return start + (end - start) * (3 * low**2 - 2 * low**3)


# -- drawing --------------------------------------------------------------------


def _draw(ribbon: Ribbon, bottom: float) -> Html:
    (a, b), (c, d) = ribbon.inside, ribbon.outside
    mid = (TOP + bottom) / 2
    colour, opacity = _FILL[ribbon.role], _OPACITY[ribbon.role]
    m = ribbon.mapping
    count = "1 ID" if m.size == 1 else f"{m.size} IDs"
    if (thin := max(b - a, d - c)) <= THIN:
        # A band this narrow all but vanishes where it runs flat: a line does not.
        a, c = (a + b) / 2, (c + d) / 2
        shape = f"M{a:.1f} {TOP:g}C{a:.1f} {mid:g} {c:.1f} {mid:g} {c:.1f} {bottom:g}"
        paint = {"style": f"fill:none;stroke:{colour}", "stroke_opacity": max(opacity, 0.7)}
        paint["stroke_width"] = f"{0.8 * thin:.1f}"
    else:
        shape = (
            f"M{a:.1f} {TOP:g}C{a:.1f} {mid:g} {c:.1f} {mid:g} {c:.1f} {bottom:g}"
            f"L{d:.1f} {bottom:g}C{d:.1f} {mid:g} {b:.1f} {mid:g} {b:.1f} {TOP:g}Z"
        )
        paint = {"style": f"fill:{colour}", "fill_opacity": opacity}
    tooltip = tag("title", f"{m.container_id} inside is host {m.host_id}, {count}")
    return tag("path", tooltip, d=shape, class_=f"nsx-{ribbon.role}", **paint)


def _axes(bottom: float) -> Html:
    lines = (
        tag(
            "path",
            d=f"M{LEFT:g} {y:g}H{RIGHT:g}",
            style=f"stroke:{_MUTED}",
            stroke_opacity=0.6,
            fill="none",
        )
        for y in (TOP, bottom)
    )
    names = (("inside", TOP + 4), ("outside", bottom + 4))
    return join((*lines, *(tag("text", n, x=4, y=y, style=f"fill:{_MUTED}") for n, y in names)))


def _write(label: Label, *, size: int, colour: str = _FG) -> Html:
    # The paper's colour around each letter keeps it readable on any ribbon.
    return tag(
        "text",
        label.text,
        x=f"{label.x:.1f}",
        y=f"{label.y:.1f}",
        text_anchor="middle",
        font_size=size,
        style=f"fill:{colour};stroke:{_PAPER};stroke-width:3px;paint-order:stroke;"
        "stroke-linejoin:round;stroke-opacity:.75",
    )


def _ticks(ribbons: list[Ribbon], bottom: float) -> Html:
    parts: list[Html] = []
    for outside, axis, text_y in ((False, TOP, TOP - 10), (True, bottom, bottom + 17)):
        taken: list[tuple[float, float]] = []
        used = False
        for number, x in _marks(ribbons, outside=outside):
            end = number == INVALID_ID  # stands for the axis itself
            shown = "2³²\N{MINUS SIGN}2" if end else str(number)
            half = GLYPH * len(shown) / 2
            middle = min(max(x, LEFT + half - 6), WIDTH - half - 2)
            if (end and used) or any(middle - half < b and a < middle + half for a, b in taken):
                continue
            used = used or number == LAST
            taken.append((middle - half - 5, middle + half + 5))
            colour = _MUTED if end else _FG
            parts.append(_write(Label(shown, middle, text_y), size=FONT, colour=colour))
            ends = f"M{x:.1f} {axis - 3:g}V{axis + 3:g}"
            parts.append(tag("path", d=ends, style=f"stroke:{colour}", fill="none"))
    return join(parts)


def _marks(ribbons: list[Ribbon], *, outside: bool) -> Iterator[tuple[int, float]]:
    """Return IDs worth naming on an axis and where they stand, the most telling first."""
    for r in sorted(ribbons, key=lambda r: r.role != "root"):
        first = r.mapping.host_id if outside else r.mapping.container_id
        left, right = r.outside if outside else r.inside
        if r.mapping.size == 1:
            yield first, (left + right) / 2
        else:
            yield first, left
            yield first + r.mapping.size - 1, right
        if r.role == "root":
            yield 0, LEFT
    yield 0, LEFT
    yield INVALID_ID, RIGHT


# -- labels ---------------------------------------------------------------------


def _labels(said: list[Sentence], ribbons: list[Ribbon], bottom: float) -> list[Label]:
    """Return the sentences, each on a row of its own, so that none meets another."""
    step = (bottom - TOP) / (len(said) + 1)
    rows = [TOP + step * (n + 1) + FONT / 3 for n in range(len(said))]
    # What is about no ribbon goes below; the few others try every order.
    free = [s for s in said if s.mapping is not None]
    rest = [s for s in said if s.mapping is None]
    best: tuple[float, list[Label]] | None = None
    for order in permutations(rows[: len(free)]):
        pairs = zip(free + rest, (*order, *rows[len(free) :]), strict=True)
        placed = [_place(s, y, ribbons, bottom) for s, y in pairs]
        cost = sum(c for c, _ in placed)
        if best is None or cost < best[0] - 1e-9:
            best = cost, [label for _, label in placed]
    return [] if best is None else best[1]


def _place(
    sentence: Sentence, y: float, ribbons: list[Ribbon], bottom: float
) -> tuple[float, Label]:
    """Return the best place of a sentence on a row, and how bad even that is."""
    half = GLYPH * len(sentence.text) / 2
    root = next((r for r in ribbons if r.role == "root"), None)
    own = next((r for r in ribbons if r.mapping is sentence.mapping), None)
    own = root if sentence.role == "root" else own
    heights = (y - FONT, y + FONT / 3)
    # A sentence keeps off the line of root; one about no ribbon, off all of them.
    others = ribbons if sentence.mapping is None else [r for r in ribbons if r is root]
    extents = [_extent(r, heights, bottom, 5) for r in others]
    keep_off = (min(a for a, _ in extents), max(b for _, b in extents)) if extents else None
    home = (LEFT, RIGHT) if own is None else _extent(own, heights, bottom, 0, narrow=True)

    def cost(middle: float) -> float:
        left, right = middle - half, middle + half
        out = max(0.0, home[0] - left) + max(0.0, right - home[1])
        away = max(0.0, home[0] - right, left - home[1])
        crosses = keep_off is not None and left < keep_off[1] and keep_off[0] < right
        return 4 * crosses + out / (2 * half) + away / 50

    wanted = [(home[0] + home[1]) / 2, home[1] + half + 6, home[0] - half - 6]
    if keep_off is not None:
        a, b = keep_off
        wanted += [b + half + 1, a - half - 1, (b + home[1]) / 2, (a + home[0]) / 2]
    choices = (min(max(x, LEFT + half + 2), RIGHT - half) for x in wanted)
    middle = min(choices, key=cost)
    return cost(middle), Label(sentence.text, middle, y)


def _extent(
    ribbon: Ribbon,
    heights: Iterable[float],
    bottom: float,
    margin: float,
    *,
    narrow: bool = False,
) -> tuple[float, float]:
    """Return what a ribbon covers between two heights; `narrow`: at both of them."""
    lefts, rights = [], []
    for y in heights:
        lefts.append(_edge(ribbon.inside[0], ribbon.outside[0], bottom, y))
        rights.append(_edge(ribbon.inside[1], ribbon.outside[1], bottom, y))
    if narrow:
        return max(lefts) - margin, max(max(lefts), min(rights)) + margin
    return min(lefts) - margin, max(rights) + margin

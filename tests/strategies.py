"""Hypothesis strategies: ID maps, sound and broken, with the borderline cases made likely."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from nsexplore.idmap import IDMap, IDMapping

TOP = 2**32
PAGE = 4096

BORDERLINE_IDS = (
    0,
    1,
    2,
    999,
    1000,
    1001,
    65534,
    65535,
    65536,
    2**31 - 1,
    2**31,
    TOP - 3,
    TOP - 2,
    TOP - 1,
)

numbers = st.sampled_from(BORDERLINE_IDS) | st.integers(0, 20) | st.integers(0, TOP - 1)
"""Anything that 32 bits hold."""


def clamp(number: int) -> int:
    """Bring a number into 32 bits, where an `IDMapping` can hold it."""
    return min(max(number, 0), TOP - 1)


any_lines = st.builds(IDMapping, numbers, numbers, numbers)
"""A line of any three numbers: hardly ever sound."""

small_lines = st.builds(
    IDMapping, st.integers(0, 12), st.integers(0, 12), st.sampled_from((1, 1, 1, 2, 3, 0))
)
"""Lines so small that several of them touch and overlap, on either side."""


@st.composite
def ending_lines(draw: st.DrawFn) -> IDMapping:
    """Return a line that ends within two of the last ID, inside, outside or on both sides."""
    size = draw(st.sampled_from((1, 2, 65536, 2**31)))
    start = clamp(TOP - size + draw(st.integers(-2, 1)))
    other = draw(st.sampled_from((start, 0, 7)))
    ids = draw(st.permutations((start, other)))
    return IDMapping(ids[0], ids[1], size)


@st.composite
def sound_maps(draw: st.DrawFn, max_lines: int = 8) -> IDMap:
    """Return a map that breaks no rule: ranges apart on both sides, their lines in any order."""
    sizes = draw(
        st.lists(st.sampled_from((1, 1, 2, 5, 1000, 65536)), min_size=1, max_size=max_lines)
    )
    gaps = st.sampled_from((0, 0, 1, 100))
    starts: list[dict[int, int]] = []
    for _side in ("inside", "outside"):
        position, side = 0, {}
        for index in draw(st.permutations(range(len(sizes)))):
            side[index] = position = position + draw(gaps)
            position += sizes[index]
        starts.append(side)
    inside, outside = starts
    return IDMap((inside[i], outside[i], size) for i, size in enumerate(sizes))


@st.composite
def long_maps(draw: st.DrawFn) -> IDMap:
    """Return a map about as long as the kernel stores plainly (5) or stores at all (340)."""
    length = draw(st.sampled_from((4, 5, 6, 7, 50, 338, 339, 340, 340, 341, 342)))
    order = draw(st.sampled_from((1, -1)))
    lines = [(3 * i, 2 * i, 1) for i in range(length)][::order]
    if draw(st.integers(0, 3)) == 0:  # one line touches, overlaps, or breaks
        at = draw(st.integers(0, length - 1))
        inside, outside, _size = lines[at]
        lines[at] = (inside, outside, draw(st.sampled_from((0, 2, 3, 4))))
    turn = draw(st.integers(0, length - 1))
    return IDMap(lines[turn:] + lines[:turn])


@st.composite
def page_long_maps(draw: st.DrawFn) -> IDMap:
    """Return a map that breaks no rule but, perhaps, that its text stays below one page."""
    length = draw(st.sampled_from((PAGE - 2, PAGE - 1, PAGE, PAGE + 1)))
    base = draw(st.sampled_from((10**9, 3 * 10**9)))
    lines = [(base + 2 * i, base + 3 * i, 1) for i in range(length // 24)]  # of 24 bytes each
    digits = length % 24 - len("  1\n")
    lines.append((10 ** (digits // 2 - 1), 10 ** (digits - digits // 2 - 1), 1))
    return IDMap(lines)


@st.composite
def near_ranges(draw: st.DrawFn, ranges: Sequence[tuple[int, int]]) -> IDMap:
    """Return one to three lines whose host ranges begin and end near those of given ranges."""
    edges = sorted({edge for start, end in ranges for edge in (start, end)})
    lines = []
    inside = 0
    for _line in range(draw(st.sampled_from((1, 1, 2, 3)))):
        first = draw(st.integers(0, len(edges) - 1))
        last = draw(st.integers(first, min(first + 2, len(edges) - 1)))
        start = clamp(edges[first] + draw(st.integers(-1, 1)))
        end = max(edges[last] + draw(st.integers(-1, 1)), start + draw(st.integers(0, 1)))
        lines.append(IDMapping(inside, start, clamp(end - start)))
        inside = clamp(lines[-1].container_end)
    return IDMap(lines)


def own_id_maps(own: int) -> st.SearchStrategy[IDMap]:
    """Maps at the edge of what an ordinary user with this ID may write."""
    hosts = st.sampled_from((own, own, own, own - 1, own + 1, 0)).map(clamp)
    lines = st.builds(IDMapping, numbers, hosts, st.sampled_from((1, 1, 1, 1, 2, 0)))
    one = st.lists(lines, min_size=1, max_size=1)
    return (one | one | st.lists(lines, min_size=2, max_size=2)).map(IDMap)


def maps(parent: IDMap | None = None, own: int | None = None) -> st.SearchStrategy[IDMap]:
    """Any map; given its writer's own map or own ID, many at the edge of what that one may."""
    anything = [
        sound_maps(),
        sound_maps(),
        st.lists(small_lines, max_size=5).map(IDMap),
        st.lists(small_lines | any_lines | ending_lines(), min_size=1, max_size=3).map(IDMap),
        ending_lines().map(lambda line: IDMap([line])),
        long_maps(),
        page_long_maps(),
    ]
    if parent is not None:
        edges = [(line.container_id, line.container_end) for line in parent]
        anything += [near_ranges(edges)] * 3
    if own is not None:
        anything += [own_id_maps(own)] * 5
    return st.one_of(anything)

"""Pointing at an ID in the ribbons of a map: which one it is, and its way."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import maps

from nsexplore import IDMap
from nsexplore.idmap import MAX_UID_HIGH
from nsexplore.pictures import id_map_svg
from nsexplore.pictures._scale import LEFT, RIGHT, WIDTH, id_at, middle
from nsexplore.pictures.pointing import Pointed, pointed

pytestmark = pytest.mark.anywhere

IDS = st.integers(0, MAX_UID_HIGH)
SVG = "{http://www.w3.org/2000/svg}"


def ends(idmap: IDMap, at: Pointed) -> list[tuple[float, bool]]:
    """Return the ends of a marked way: the place on the axis, and whether it is the upper one."""
    root = ElementTree.fromstring(id_map_svg(idmap, at))
    dots = root.findall(f".//{SVG}g[@class='nsx-mark']/{SVG}circle")
    return [(float(dot.get("cx", "")), dot.get("cy") == "26") for dot in dots]


@given(IDS)
@example(0)
@example(1)
@example(MAX_UID_HIGH)
def test_an_id_is_found_where_it_stands(number: int) -> None:
    """A single ID is drawn 5 units wide: half of that are 15 percent here, and a rounding."""
    assert abs(id_at(middle(number)) - number) <= 0.155 * number + 0.5


@pytest.mark.parametrize(
    ("x", "number"), [(0, 0), (LEFT, 0), (RIGHT, MAX_UID_HIGH), (WIDTH, MAX_UID_HIGH)]
)
def test_beside_the_axis_the_nearest_id_is_meant(x: float, number: int) -> None:
    """Also where there is no map at all."""
    assert pointed(IDMap(), x / WIDTH, 0.1) == Pointed("inside", number)
    assert pointed(IDMap(), x / WIDTH, 0.9) == Pointed("outside", number)


@given(st.sampled_from((2, 3, 1000, 65535, 70000, MAX_UID_HIGH)), st.floats(-3, 3))
def test_root_is_hit_by_pointing_beside_it(max_uid: int, beside: float) -> None:
    """It is a line a few pixels wide, and what people look for."""
    idmap = IDMap.garden(max_uid)
    assert pointed(idmap, (middle(0) + beside) / WIDTH, 0.2) == Pointed("inside", 0)
    below = pointed(idmap, middle(max_uid) / WIDTH, 0.8)
    assert below == Pointed("outside", max_uid)


@given(maps(), IDS)
def test_the_marked_way_is_the_translation(idmap: IDMap, number: int) -> None:
    """From the ID to what it is on the other side; one end alone where it is nothing there."""
    host, inside = idmap.to_host(number), idmap.to_container(number)
    there = [] if host is None else [(middle(host), False)]
    assert ends(idmap, Pointed("inside", number)) == approx([(middle(number), True), *there])
    there = [] if inside is None else [(middle(inside), True)]
    assert ends(idmap, Pointed("outside", number)) == approx([(middle(number), False), *there])


def approx(found: list[tuple[float, bool]]) -> list[tuple[object, bool]]:
    return [(pytest.approx(x, abs=0.051), upper) for x, upper in found]

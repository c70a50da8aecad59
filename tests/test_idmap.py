"""ID maps as values: made, parsed, translated, composed, refused. No kernel is asked here."""

from __future__ import annotations

import copy
import errno
import pickle
import re
import time
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import BORDERLINE_IDS, any_lines, maps, sound_maps

from nsexplore.errors import IDMapError, IDMapTypeError
from nsexplore.idmap import IDMap, IDMapping, MapWriter, check_max_uid

NESTED = IDMap([(0, 1000, 1), (1, 100000, 65536)])


def writer(
    *,
    euid: int = 1000,
    egid: int = 1003,
    parent: IDMap | None = None,
    can_set_ids: bool = False,
    can_set_fcap: bool = False,
    setgroups_denied: bool = False,
) -> MapWriter:
    """Return an ordinary user of the initial user namespace, but for what is said."""
    return MapWriter(
        euid,
        egid,
        IDMap([(0, 0, 2**32 - 1)]) if parent is None else parent,
        can_set_ids,
        can_set_fcap,
        setgroups_denied,
    )


# -- garden's map ------------------------------------------------------------


@pytest.mark.parametrize(
    ("max_uid", "text"),
    [
        (2, "0 2 1\n1 1 1\n"),
        (33, "0 33 1\n1 1 32\n"),
        (65535, "0 65535 1\n1 1 65534\n"),
        (65536, "0 65536 1\n1 1 65535\n"),
        (4294967294, "0 4294967294 1\n1 1 4294967293\n"),
    ],
)
def test_the_garden_map_is_the_seeds(max_uid: int, text: str) -> None:
    """Root inside is MaxUID outside, 1 to MaxUID-1 stay themselves, MaxUID is unmapped inside."""
    garden = IDMap.garden(max_uid)
    assert garden.encode().decode() == text
    assert garden.to_host(0) == max_uid
    assert garden.to_host(1) == 1
    assert garden.to_host(max_uid - 1) == max_uid - 1
    assert garden.to_host(max_uid) is None
    assert garden.to_container(0) is None, "host root has no name inside"
    assert garden.validate() is garden


@pytest.mark.parametrize(
    ("max_uid", "line", "why"),
    [
        (-1, 1, "negative"),
        (0, 2, "not a positive number"),
        (1, 2, "its size is 0"),
        (4294967295, 1, r"\(uid_t\) -1"),
        (4294967296, 1, "32 bits.* for 0"),
        (4294967329, 1, "32 bits.* for 33"),
        (-(2**32), 1, "negative"),
    ],
)
def test_a_max_uid_out_of_range_is_refused_by_value_line_and_reason(
    max_uid: int, line: int, why: str
) -> None:
    """Before anything is spawned; the message says what would be right, too."""
    for refuse in (IDMap.garden, check_max_uid):
        with pytest.raises(IDMapError, match=f"max_uid={max_uid} .*line {line} .*{why}") as caught:
            refuse(max_uid)
        assert "from 2 to 4294967294" in str(caught.value)
        assert (caught.value.errno, caught.value.line) == (errno.EINVAL, line)
        assert isinstance(caught.value, ValueError)
        assert not isinstance(caught.value, TypeError)


@pytest.mark.parametrize("max_uid", [True, False, 1.5, 65535.0, "7", "", None, b"7", [7]])
def test_a_max_uid_that_is_no_integer_is_a_type_error_as_well(max_uid: Any) -> None:
    """A ValueError like any bad MaxUID, and the TypeError that Python would raise."""
    with pytest.raises(IDMapError, match=re.escape(f"max_uid={max_uid!r} is not an")) as caught:
        IDMap.garden(max_uid)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, TypeError)
    assert "from 2 to 4294967294" in str(caught.value)


def test_messages_stay_short_however_long_the_value() -> None:
    """Not even a number beyond Python's limit for printing breaks the error."""
    refusals: list[Callable[[Any], object]] = [
        IDMap.garden,
        lambda n: IDMapping(0, n, 1),
        lambda n: IDMap([(0, n, 1)]),
    ]
    for refuse in refusals:
        for value in (10**6000, -(10**6000), "7" * 10**6):
            with pytest.raises(IDMapError) as caught:
                refuse(value)
            assert len(str(caught.value)) < 400


def test_rootless_maps_root_to_oneself_or_to_a_given_id() -> None:
    """The one map that an ordinary user may write."""
    assert IDMap.rootless(1000).mappings == (IDMapping(0, 1000, 1),)
    assert IDMap.rootless(0).validate().encode() == b"0 0 1\n"
    with pytest.raises(IDMapError, match=r"host_id=-1 "):
        IDMap.rootless(-1)


# -- lines -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["container_id", "host_id", "size"])
@pytest.mark.parametrize(
    ("value", "error", "why"),
    [
        (-1, IDMapError, "negative"),
        (2**32, IDMapError, "32 bits.* for 0"),
        (2**32 + 33, IDMapError, "32 bits.* for 33"),
        (True, IDMapTypeError, "not an integer"),
        (1.0, IDMapTypeError, "not an integer"),
        ("1", IDMapTypeError, "not an integer"),
        (None, IDMapTypeError, "not an integer"),
    ],
)
def test_a_line_holds_integers_of_32_bits_only(
    name: str, value: Any, error: type[IDMapError], why: str
) -> None:
    """The message names the field, the value, the range and the rule."""
    fields = {"container_id": 0, "host_id": 0, "size": 1, name: value}
    with pytest.raises(error, match=f"{name}={re.escape(repr(value))} .*{why}") as caught:
        IDMapping(**fields)
    assert "from 0 to 4294967295" in str(caught.value)


@pytest.mark.parametrize("value", BORDERLINE_IDS)
def test_a_line_takes_all_that_32_bits_hold(value: int) -> None:
    """4294967295 included: /proc shows it to a reader who has no name for a range."""
    assert IDMapping(value, value, value).host_id == value


def test_a_line_keeps_plain_integers() -> None:
    """NumPy's integers, out of a DataFrame, and enumerations become int: they print as numbers."""

    class Who(IntEnum):
        ROOT = 0

    numpy = pytest.importorskip("numpy")
    line = IDMapping(Who.ROOT, numpy.uint32(4294967294), numpy.int64(1))
    assert str(line) == "0 4294967294 1"
    assert all(type(value) is int for value in (line.container_id, line.host_id, line.size))
    assert line.host_end == 4294967295
    assert IDMap.garden(numpy.int32(33)) == IDMap.garden(33)


def test_the_ends_of_a_line_are_one_past_its_last_ids() -> None:
    """As in Python's ranges."""
    line = IDMapping(5, 100, 3)
    assert (line.container_end, line.host_end) == (8, 103)


# -- a map as a value --------------------------------------------------------


@pytest.mark.parametrize(
    "mappings",
    [
        [(0, 7, 1), (1, 20, 5)],
        ((0, 7, 1), [1, 20, 5]),
        [IDMapping(0, 7, 1), (1, 20, 5)],
        IDMap([(0, 7, 1), (1, 20, 5)]),
        {(0, 7, 1): "keys", (1, 20, 5): "of a dict"},
        iter([(0, 7, 1), (1, 20, 5)]),
        (line for line in [(0, 7, 1), (1, 20, 5)]),
    ],
    ids=["list", "tuple", "mixed", "map", "dict", "iterator", "generator"],
)
def test_a_map_is_made_of_any_iterable_of_lines(mappings: Any) -> None:
    """Read once, kept as a tuple of `IDMapping`."""
    made = IDMap(mappings)
    assert made.mappings == (IDMapping(0, 7, 1), IDMapping(1, 20, 5))
    assert type(made.mappings) is tuple


@pytest.mark.parametrize(
    ("mappings", "message"),
    [
        ("0 0 1", r"mappings='0 0 1' .*IDMap\.parse"),
        (b"0 0 1", r"mappings=b'0 0 1' .*IDMap\.parse"),
        (IDMapping(0, 0, 1), r"mappings=IDMapping\(.*not a sequence of lines"),
        (7, "mappings=7 .*not a sequence of lines"),
        ((0, 0, 1), r"line 1: 0 is not \(container_id, host_id, size\)"),
        ([(0, 0, 1), (1, 1)], r"line 2: \(1, 1\) is not"),
        ([(0, 0, 1), (1, 1, 1, 1)], r"line 2: \(1, 1, 1, 1\) is not"),
        ([(0, 0, 1), "1 1 1"], "line 2: '1 1 1' is not"),
        ([(0, 0, 1), "111"], "line 2: '111' is not"),
        ([(0, 0, 1), (1, "1", 1)], "line 2: host_id='1' is not an integer"),
    ],
)
def test_what_is_no_sequence_of_lines_is_refused_by_line(mappings: Any, message: str) -> None:
    """A TypeError that names the line, the value, and what would be right."""
    with pytest.raises(IDMapTypeError, match=message):
        IDMap(mappings)


def test_a_number_that_does_not_fit_names_its_line() -> None:
    """Not a TypeError: it is an integer, only too large."""
    with pytest.raises(IDMapError, match=r"line 2: size=4294967296 ") as caught:
        IDMap([(0, 0, 1), (1, 1, 2**32)])
    assert caught.value.line == 2
    assert not isinstance(caught.value, TypeError)


@pytest.mark.anywhere
@given(maps())
def test_a_map_is_a_sequence_of_its_lines(id_map: IDMap) -> None:
    """Length, iteration, index, slice and membership agree with `mappings`."""
    assert tuple(id_map) == id_map.mappings == id_map[:]
    assert len(id_map) == len(id_map.mappings)
    assert bool(id_map) == bool(id_map.mappings)
    if id_map:
        assert id_map[-1] == id_map.mappings[-1]
        assert id_map[0] in id_map


@pytest.mark.anywhere
@given(maps(), maps())
def test_maps_are_equal_when_their_lines_are(one: IDMap, other: IDMap) -> None:
    """And then they have the same hash; the order of the lines counts."""
    twin = IDMap(list(one))
    assert one == twin
    assert hash(one) == hash(twin)
    assert (one == other) == (one.mappings == other.mappings)


def test_a_map_is_no_tuple_and_no_other_map_with_its_lines_turned_round() -> None:
    """What is equal to a map is a map, line for line."""
    lines = [(0, 7, 1), (1, 20, 5)]
    assert IDMap(lines) != IDMap(lines[::-1])
    as_tuple: object = tuple(IDMap(lines))
    assert IDMap(lines) != as_tuple


TRAVELS: list[Callable[[Any], Any]] = [
    copy.copy,
    copy.deepcopy,
    lambda value: pickle.loads(pickle.dumps(value)),
    lambda value: eval(repr(value), {"IDMap": IDMap, "IDMapping": IDMapping}),
]


@pytest.mark.parametrize("travel", TRAVELS, ids=["copy", "deepcopy", "pickle", "repr"])
@pytest.mark.parametrize("id_map", [IDMap(), NESTED, IDMap.garden(65535)], ids=len)
def test_a_map_survives_pickling_copying_and_repr(
    id_map: IDMap, travel: Callable[[IDMap], IDMap]
) -> None:
    """An equal map comes back, of the same type."""
    back = travel(id_map)
    assert back == id_map
    assert type(back) is IDMap


def test_a_map_cannot_be_changed() -> None:
    """Neither its lines, nor their numbers, nor by adding a name."""
    id_map = IDMap.garden(33)
    changes: list[Callable[[], None]] = [
        lambda: setattr(id_map, "mappings", ()),
        lambda: setattr(id_map[0], "size", 7),
        lambda: setattr(id_map, "name", "x"),
        lambda: setattr(id_map[0], "name", "x"),
    ]
    for change in changes:
        with pytest.raises((AttributeError, TypeError)):
            change()
    assert id_map == IDMap.garden(33)


# -- text --------------------------------------------------------------------


@pytest.mark.anywhere
@given(maps() | st.lists(any_lines, max_size=4).map(IDMap))
def test_what_a_map_prints_parses_to_the_same_map(id_map: IDMap) -> None:
    """In the kernel's columns and in the shortest form; the broken ones as well."""
    assert IDMap.parse(str(id_map)) == id_map
    assert IDMap.parse(id_map.encode().decode()) == id_map


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("         0          0 4294967295\n", [(0, 0, 4294967295)]),
        ("0 1000 1", [(0, 1000, 1)]),
        ("\t0\t1000\r1\v\f\n1 1 1\r\n", [(0, 1000, 1), (1, 1, 1)]),
        ("007 00 0000000000000000000000000000000033", [(7, 0, 33)]),
        ("4294967295 4294967295 4294967295", [(4294967295,) * 3]),
    ],
    ids=["empty", "kernel's", "short", "white space", "zeros", "largest"],
)
def test_parse_reads_what_proc_prints_and_what_one_writes(
    text: str, lines: list[tuple[int, int, int]]
) -> None:
    """Columns or not, a last newline or not, leading zeros or not."""
    assert IDMap.parse(text) == IDMap(lines)
    assert IDMap.parse(text + "\n" * (not text.endswith("\n") and bool(text))) == IDMap(lines)


@pytest.mark.parametrize(
    "broken",
    [
        "garbage",
        "1",
        "1 1",
        "1 1 1 1",
        "1 1 1 x",
        "-1 1 1",
        "+1 1 1",
        "0x1 1 1",
        "1e3 1 1",
        "1.0 1 1",
        "1_000 1 1",
        "1,1,1",
        "b'1 1 1'",
        "1 1 \u0661",
        "1 1 \xb2",
        "1\xa01\xa01",
        "1\u20031 1",
        "1 1 1\x00",
        "\x00",
        "1\x1c1 1",
        "1 1 1\x852 2 1",
        "1 1 1\u20282 2 1",
        "",
        "   ",
        "4294967296 1 1",
        "1 4294967329 1",
        "1 1 18446744073709551617",
        "1 1 " + "9" * 21,
        "# a comment",
    ],
)
@pytest.mark.parametrize("before", [0, 1, 3])
def test_parse_names_the_line_that_is_no_line(broken: str, before: int) -> None:
    """Wherever it stands, and the message shows it."""
    sound = [f"{10 + i} {10 + i} 1\n" for i in range(before)]
    with pytest.raises(IDMapError, match=f"line {before + 1}\\b") as caught:
        IDMap.parse("".join(sound) + broken + "\n99 99 1\n")
    assert (caught.value.line, caught.value.errno) == (before + 1, errno.EINVAL)
    assert not isinstance(caught.value, TypeError)


@pytest.mark.anywhere
@given(st.text(alphabet="0123456789 \t\n\r\x00\xa0\u0663-+xb'", max_size=40) | st.text(max_size=20))
def test_parse_reads_any_text_or_says_where_it_cannot(text: str) -> None:
    """No other error than `IDMapError` comes out, and the line it names is there."""
    lines = text.removesuffix("\n").split("\n") if text else []
    try:
        parsed = IDMap.parse(text)
    except IDMapError as error:
        refused = error.line
    else:
        assert len(parsed) == len(lines)
        return
    assert refused is not None
    assert 1 <= refused <= text.count("\n") + 1


@pytest.mark.parametrize(
    "text",
    [
        "9" * 10**6,
        "0 0 " + "9" * 10**6,
        "0 " + "9" * 10**6 + " 1",
        " " * 10**6,
        "1" + " " * 10**6,
        "1 1 1" + " " * 10**6 + "x",
        "1 " * 500_000,
        "\n" * 10**6,
    ],
    ids=["9…", "0 0 9…", "0 9… 1", "␣…", "1 ␣…", "1 1 1 ␣…x", "1 1 1…", "⏎…"],
)
def test_a_megabyte_of_garbage_is_refused_at_once(text: str) -> None:
    """In linear time, and with a message of one short line."""
    begun = time.perf_counter()
    with pytest.raises(IDMapError, match="line 1") as caught:
        IDMap.parse(text)
    assert time.perf_counter() - begun < 2
    assert len(str(caught.value)) < 200


def test_a_megabyte_of_leading_zeros_is_read() -> None:
    """The kernel would not mind them either, but for their number."""
    assert IDMap.parse("0" * 10**6 + "7 0 1") == IDMap([(7, 0, 1)])


@pytest.mark.parametrize("text", [b"0 0 1\n", None, 7, ["0 0 1"]])
def test_parse_takes_text_only(text: Any) -> None:
    """Bytes want decoding first: a TypeError says so, with the value."""
    with pytest.raises(IDMapTypeError, match=re.escape(f"text={text!r} is not a str")):
        IDMap.parse(text)


# -- translating -------------------------------------------------------------


@pytest.mark.anywhere
@given(sound_maps(), st.data())
def test_translation_goes_there_and_back(id_map: IDMap, data: st.DataObject) -> None:
    """to_container undoes to_host and the other way round, for each ID that is mapped."""
    line = data.draw(st.sampled_from(list(id_map)))
    offset = data.draw(st.integers(0, line.size - 1))
    inside, outside = line.container_id + offset, line.host_id + offset
    assert id_map.to_host(inside) == outside
    assert id_map.to_container(outside) == inside


@pytest.mark.anywhere
@given(sound_maps(), st.integers(0, 2**32 - 1) | st.integers(0, 300_000))
def test_what_is_not_mapped_is_none(id_map: IDMap, number: int) -> None:
    """None on either side exactly where no line reaches; never a guess."""
    inside = any(m.container_id <= number < m.container_end for m in id_map)
    outside = any(m.host_id <= number < m.host_end for m in id_map)
    host, container = id_map.to_host(number), id_map.to_container(number)
    assert (host is not None) == inside
    assert (container is not None) == outside
    if host is not None:
        assert id_map.to_container(host) == number
    if container is not None:
        assert id_map.to_host(container) == number


@pytest.mark.parametrize("number", [-1, 2**32, 2**64])
def test_what_is_no_id_is_not_mapped(number: int) -> None:
    """Asking costs nothing."""
    whole = IDMap([(0, 0, 2**32 - 1)])
    assert whole.to_host(number) is None
    assert whole.to_container(number) is None


@pytest.mark.anywhere
@given(sound_maps(), sound_maps(), st.data())
def test_composing_maps_composes_their_translations(
    inner: IDMap, outer: IDMap, data: st.DataObject
) -> None:
    """Point by point, at all edges of either map and between."""
    composed = inner.compose(outer)
    edges = [edge for m in inner for edge in (m.container_id, m.container_end)]
    edges += [
        inside + delta
        for m in outer
        for edge in (m.container_id, m.container_end)
        for delta in (-1, 0, 1)
        if (inside := inner.to_container(max(edge + delta, 0))) is not None
    ]
    for number in [*edges, data.draw(st.integers(0, 2**32 - 1))]:
        between = inner.to_host(number)
        assert composed.to_host(number) == (None if between is None else outer.to_host(between))


@pytest.mark.anywhere
@given(sound_maps(), sound_maps())
def test_a_composed_map_is_sound_and_sorted(inner: IDMap, outer: IDMap) -> None:
    """It has no overlaps, its lines are in the order of the IDs inside, and none is empty."""
    composed = inner.compose(outer)
    assert list(composed) == sorted(composed)
    assert composed == IDMap() or composed.validate() is composed


@pytest.mark.anywhere
@given(sound_maps(4), sound_maps(4), sound_maps(4))
def test_composing_is_associative(one: IDMap, two: IDMap, three: IDMap) -> None:
    """Three levels of namespaces, whichever two are composed first."""
    assert one.compose(two).compose(three) == one.compose(two.compose(three))


@pytest.mark.anywhere
@given(sound_maps())
def test_the_whole_range_changes_nothing(id_map: IDMap) -> None:
    """The initial user namespace's map is the neutral one, on either side."""
    whole = IDMap([(0, 0, 2**32 - 1)])
    assert id_map.compose(whole) == IDMap(sorted(id_map)) == whole.compose(id_map)


# -- judging (whether the kernel agrees: test_idmap_against_kernel.py) --------


@pytest.mark.parametrize(
    ("lines", "line", "why"),
    [
        ([], None, "empty"),
        ([(0, 0, 1), (1, 1, 0)], 2, "size is 0"),
        ([(4294967295, 0, 1)], 1, r"4294967295 is \(uid_t\) -1"),
        ([(0, 4294967295, 1)], 1, r"4294967295 is \(uid_t\) -1"),
        ([(0, 4294967294, 2)], 1, "range outside runs to 4294967295, past 4294967294"),
        ([(4294967290, 0, 6)], 1, "range inside runs to 4294967295, past 4294967294"),
        ([(0, 0, 10), (20, 20, 1), (9, 30, 1)], 3, r"inside overlaps that of line 1 \(0 0 10\)"),
        ([(0, 0, 10), (20, 9, 1)], 2, r"outside overlaps that of line 1 \(0 0 10\)"),
        ([(50, 50, 10), (55, 70, 1), (0, 0, 51)], 2, r"inside overlaps that of line 1 \(50 "),
        ([(2 * i, 2 * i, 1) for i in range(341)], 341, "at most 340 lines"),
        ([(10**9 + i, 10**9 + i, 1) for i in range(300)], None, "less than"),
    ],
)
def test_what_nobody_may_write_is_refused_with_einval(
    lines: list[tuple[int, int, int]], line: int | None, why: str
) -> None:
    """At the first line that breaks a rule, with the rule."""
    with pytest.raises(IDMapError, match=why) as caught:
        IDMap(lines).validate()
    assert (caught.value.errno, caught.value.line) == (errno.EINVAL, line)
    assert caught.value.rule in str(caught.value)
    assert "EINVAL" in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "kind", "who", "line", "why"),
    [
        ([(0, 1000, 1), (1, 1, 1)], "uid", writer(), 2, "CAP_SETUID .*one line with one ID"),
        ([(0, 1003, 2)], "gid", writer(), 1, "CAP_SETGID .*one line with one ID"),
        ([(0, 1001, 1)], "uid", writer(), 1, "own UID 1000 "),
        ([(0, 1000, 1)], "gid", writer(setgroups_denied=True), 1, "own GID 1003 "),
        ([(0, 1003, 1)], "gid", writer(), 1, '"deny" must stand in setgroups'),
        ([(5, 5, 1), (0, 0, 1)], "uid", writer(can_set_ids=True), 2, "CAP_SETFCAP"),
        (
            [(0, 0, 1), (1, 1, 65537)],
            "uid",
            writer(parent=NESTED, can_set_ids=True, can_set_fcap=True),
            2,
            r"\(1 to 65537\) does not lie within one line .*\(0 to 0, 1 to 65536\)",
        ),
        (
            [(0, 0, 2)],
            "gid",
            writer(parent=NESTED, can_set_ids=True),
            1,
            r"\(0 to 1\) does not lie within one line",
        ),
        (
            [(0, 4, 2)],
            "uid",
            writer(parent=IDMap([(5, 0, 10)]), can_set_ids=True),
            1,
            r"\(4 to 5\) does not lie within one line .*\(5 to 14\)",
        ),
        ([(0, 7, 1)], "uid", writer(parent=IDMap(), can_set_ids=True), 1, r"\(empty\)"),
    ],
)
def test_what_this_writer_may_not_write_is_refused_with_eperm(
    lines: list[tuple[int, int, int]], kind: Any, who: MapWriter, line: int, why: str
) -> None:
    """With the line, the missing capability or the range that is not theirs to give."""
    id_map = IDMap(lines)
    assert id_map.validate(kind=kind) is id_map, "without a writer only EINVAL counts"
    with pytest.raises(IDMapError, match=why) as caught:
        id_map.validate(kind=kind, writer=who)
    assert (caught.value.errno, caught.value.line) == (errno.EPERM, line)
    assert f"line {line} ({id_map[line - 1]})" in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "kind", "who"),
    [
        ([(0, 1000, 1)], "uid", writer()),
        ([(4294967294, 1000, 1)], "uid", writer()),
        ([(0, 1003, 1)], "gid", writer(setgroups_denied=True)),
        ([(0, 65535, 1), (1, 1, 65534)], "uid", writer(can_set_ids=True)),
        ([(0, 0, 65536)], "gid", writer(can_set_ids=True)),
        ([(0, 1, 65536), (65536, 0, 1)], "gid", writer(parent=NESTED, can_set_ids=True)),
    ],
)
def test_what_this_writer_may_write_passes(
    lines: list[tuple[int, int, int]], kind: Any, who: MapWriter
) -> None:
    """The map itself comes back, so that calls can be chained."""
    id_map = IDMap(lines)
    assert id_map.validate(kind=kind, writer=who) is id_map


def test_a_map_is_for_users_or_for_groups() -> None:
    """Any other kind is a mistake of the caller's, not of the map."""
    with pytest.raises(ValueError, match="kind='pid' is neither 'uid' nor 'gid'"):
        NESTED.validate(kind="pid")  # type: ignore[arg-type]


def test_a_writer_is_read_from_proc() -> None:
    """`writer_now` refuses another kind than the two, too."""
    from nsexplore.mapwriters import writer_now

    with pytest.raises(ValueError, match="kind='pid' is neither 'uid' nor 'gid'"):
        writer_now("pid", False)  # type: ignore[arg-type]

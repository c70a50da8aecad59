"""The namespace flags and the table of kinds, held against the kernel's own headers and /proc."""

from __future__ import annotations

import copy
import pickle
import re
import sys
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsexplore.flags import ALL_NAMESPACES, CloneFlags
from nsexplore.kinds import KINDS, NamespaceKind, kind_of_flag, kind_of_name

NAMES = ("TIME", "NS", "CGROUP", "UTS", "IPC", "USER", "PID", "NET")
SCHED_H = Path("/usr/include/linux/sched.h")


def flags_of_header() -> dict[str, int]:
    """Return the CLONE_NEW* constants of the kernel's header."""
    found = re.findall(r"^#define\s+(CLONE_NEW\w+)\s+(0x[0-9a-fA-F]+)", SCHED_H.read_text(), re.M)
    return {name: int(number, 16) for name, number in found}


@pytest.mark.skipif(not SCHED_H.exists(), reason="the kernel's headers are not installed")
def test_the_flags_are_those_of_the_kernel_header() -> None:
    """Name by name and number by number, none missing and none too many."""
    assert {f"CLONE_{flag.name}": int(flag) for flag in CloneFlags} == flags_of_header()


@pytest.mark.parametrize("name", NAMES)
def test_a_flag_answers_to_both_spellings(name: str) -> None:
    """NEWNS and CLONE_NEWNS are one and the same, as attribute and as key."""
    short = CloneFlags[f"NEW{name}"]
    assert CloneFlags[f"CLONE_NEW{name}"] is short
    assert getattr(CloneFlags, f"CLONE_NEW{name}") is getattr(CloneFlags, f"NEW{name}") is short
    assert str(short) == f"CLONE_NEW{name}"


def test_there_are_eight_flags_of_one_bit_each() -> None:
    """No alias shows up when one iterates, and no bit is used twice."""
    assert len(list(CloneFlags)) == 8
    assert all(int(flag).bit_count() == 1 for flag in CloneFlags)
    assert int(ALL_NAMESPACES).bit_count() == 8
    assert list(ALL_NAMESPACES) == list(CloneFlags)


@pytest.mark.parametrize(
    ("privileged", "number"), [(True, 0x6C020000), (False, 0x7C020000)], ids=["privileged", "not"]
)
def test_garden_asks_for_five_kinds_and_for_a_user_namespace_unless_privileged(
    privileged: bool, number: int
) -> None:
    """The numbers are those that the seed hands to clone(2)."""
    flags = CloneFlags.garden(privileged=privileged)
    assert flags == number
    assert (CloneFlags.NEWUSER in flags) is not privileged


@given(st.sets(st.sampled_from(list(CloneFlags))))
def test_flags_print_as_the_kernel_spells_them(chosen: set[CloneFlags]) -> None:
    """Joined with a bar, each once; "0" for none; and the text can be read back."""
    flags = CloneFlags(0)
    for flag in chosen:
        flags |= flag
    assert isinstance(flags, CloneFlags)
    text = str(flags)
    assert set(text.split("|")) == ({str(flag) for flag in chosen} or {"0"})
    assert {CloneFlags[name] for name in text.split("|") if name != "0"} == chosen
    assert f"{flags}" == text or f"{flags}" == str(int(flags))


def test_bits_that_are_no_namespace_are_shown_too() -> None:
    """CLONE_VM (0x100) and its like are not swallowed by the text."""
    assert str(CloneFlags(0x40000100)) == "CLONE_NEWNET|0x100"
    assert str(CloneFlags(0x100)) == "0x100"


@pytest.mark.parametrize("flags", [*CloneFlags, CloneFlags.garden(privileged=False)], ids=str)
def test_flags_survive_pickling_and_copying(flags: CloneFlags) -> None:
    """They come back as the same flags, of the same type."""
    for back in (pickle.loads(pickle.dumps(flags)), copy.deepcopy(flags)):
        assert back == flags
        assert type(back) is CloneFlags


def test_each_flag_makes_exactly_one_kind() -> None:
    """The table has every flag once, every name once, and nothing else."""
    assert sorted(kind.flag for kind in KINDS) == sorted(CloneFlags)
    assert len({kind.name for kind in KINDS}) == len(KINDS) == 8
    for kind in KINDS:
        assert kind_of_flag(kind.flag) is kind is kind_of_name(kind.name)
        assert kind.flag_name == f"CLONE_{kind.flag.name}"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc/self/ns")
def test_the_kinds_are_those_that_this_kernel_has() -> None:
    """What /proc/self/ns lists is in the table; a kernel may lack a kind, not have another."""
    there = {path.name.removesuffix("_for_children") for path in Path("/proc/self/ns").iterdir()}
    assert there <= {kind.name for kind in KINDS}
    assert {"user", "pid", "mnt", "net", "ipc", "uts"} <= there


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_white_text_can_be_read_on_the_colour_of_a_kind(kind: NamespaceKind) -> None:
    """A contrast of 4.5:1 or more, as WCAG 2 wants it for text (level AA)."""
    assert re.fullmatch(r"#[0-9a-f]{6}", kind.colour)
    assert contrast_with_white(kind.colour) >= 4.5


def test_no_two_kinds_share_a_colour() -> None:
    """A colour stands for one kind, and differs from any other in more than a shade."""
    for one, other in combinations(KINDS, 2):
        distance = sum(abs(a - b) for a, b in zip(rgb(one.colour), rgb(other.colour), strict=True))
        assert distance >= 48, f"{one.name} {one.colour} and {other.name} {other.colour}"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_kind_says_what_it_isolates_since_when_and_where_to_read_on(kind: NamespaceKind) -> None:
    """No field of the table is empty, and the manual page is that of this kind."""
    long = {"mnt": "mount", "net": "network"}.get(kind.name, kind.name)
    assert kind.man == f"{long}_namespaces(7)"
    assert re.fullmatch(r"\d+(\.\d+)+", kind.since)
    assert kind.isolates


@pytest.mark.parametrize("name", ["", "mount", "NET", "pid_for_children", "CLONE_NEWNET"])
def test_an_unknown_name_is_answered_with_those_there_are(name: str) -> None:
    """The message names the value and lists the eight names."""
    with pytest.raises(ValueError, match="is no kind of namespace") as caught:
        kind_of_name(name)
    assert repr(name) in str(caught.value)
    assert all(kind.name in str(caught.value) for kind in KINDS)


@pytest.mark.parametrize("number", [0, 0x100, 0x60000000])
def test_what_is_not_one_single_flag_makes_no_kind(number: int) -> None:
    """None, a foreign bit, or two flags at once: a ValueError that shows them."""
    with pytest.raises(ValueError, match="is not one namespace flag") as caught:
        kind_of_flag(CloneFlags(number))
    assert str(CloneFlags(number)) in str(caught.value)


def rgb(colour: str) -> tuple[int, int, int]:
    """Return the three parts of #rrggbb."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def contrast_with_white(colour: str) -> float:
    """Return the contrast ratio of WCAG 2 between white and a colour."""
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (value / 255 for value in rgb(colour))
    ]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 1.05 / (luminance + 0.05)

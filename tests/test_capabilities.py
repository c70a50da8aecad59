"""Capabilities by name, held against the kernel's header and its own count of them."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsexplore.capabilities import CAPABILITY_NAMES, Capabilities, CapabilitySet

CAPABILITY_H = Path("/usr/include/linux/capability.h")
CAP_LAST_CAP = Path("/proc/sys/kernel/cap_last_cap")
KNOWN = len(CAPABILITY_NAMES)
ALL = (1 << KNOWN) - 1

masks = st.integers(0, 2**64 - 1) | st.integers(0, KNOWN).map(lambda n: ALL & ~(1 << n))


@pytest.mark.skipif(not CAPABILITY_H.exists(), reason="the kernel's headers are not installed")
def test_the_names_are_those_of_the_kernel_header() -> None:
    """Each capability that the header has stands at its own number."""
    found = re.findall(r"^#define\s+(CAP_[A-Z_]+)\s+(\d+)\s*$", CAPABILITY_H.read_text(), re.M)
    assert len(found) >= 38
    for name, number in found:
        assert CAPABILITY_NAMES[int(number)] == name


@pytest.mark.skipif(not CAP_LAST_CAP.exists(), reason="no /proc/sys/kernel here")
def test_this_kernel_has_no_capability_without_a_name() -> None:
    """The last one it knows is in the table; an older kernel may know fewer."""
    assert int(CAP_LAST_CAP.read_text()) < KNOWN


def test_the_table_has_each_name_once() -> None:
    """41 names, CAP_CHOWN first and CAP_CHECKPOINT_RESTORE last."""
    assert len(set(CAPABILITY_NAMES)) == KNOWN == 41
    assert (CAPABILITY_NAMES[0], CAPABILITY_NAMES[-1]) == ("CAP_CHOWN", "CAP_CHECKPOINT_RESTORE")


@given(masks)
def test_a_set_has_one_name_for_each_bit(mask: int) -> None:
    """In numeric order, as a container that agrees with itself."""
    capabilities = CapabilitySet(mask)
    names = capabilities.names
    assert tuple(capabilities) == names
    assert len(capabilities) == len(names) == len(set(names)) == mask.bit_count()
    assert all(name in capabilities for name in names)
    bits = [CAPABILITY_NAMES.index(n) if n in CAPABILITY_NAMES else int(n[4:]) for n in names]
    assert bits == sorted(bits)
    assert sum(1 << bit for bit in bits) == mask


@given(masks)
def test_the_text_of_a_set_tells_all_of_it(mask: int) -> None:
    """Whichever way is the shorter one, the mask can be told from it, unknown bits included."""
    text = str(CapabilitySet(mask))
    named = sum(1 << bit for bit in range(64) if name_of(bit) in re.findall(r"CAP_\w+", text))
    if text == "none":
        assert mask == 0
    elif match := re.match(r"all (\d+)", text):
        assert mask == ALL | named
        assert int(match[1]) == KNOWN
    elif match := re.match(r"(\d+) of (\d+), all but ", text):
        assert mask & ALL == ALL & ~named
        assert mask & ~ALL == named & ~ALL
        assert (int(match[1]), int(match[2])) == ((mask & ALL).bit_count(), KNOWN)
    else:
        assert named == mask


def name_of(bit: int) -> str:
    """Return what a bit is called, known or not."""
    return CAPABILITY_NAMES[bit] if bit < KNOWN else f"CAP_{bit}"


@pytest.mark.parametrize(
    ("mask", "text"),
    [
        (0, "none"),
        (1 << 21, "CAP_SYS_ADMIN"),
        (0b11 << 6, "CAP_SETGID, CAP_SETUID"),
        (ALL, "all 41"),
        (ALL & ~(1 << 24), "40 of 41, all but CAP_SYS_RESOURCE"),
        (ALL | 1 << 45, "all 41 and CAP_45"),
        (ALL & ~1 | 1 << 63, "40 of 41, all but CAP_CHOWN and CAP_63"),
        (1 << 45, "CAP_45"),
    ],
)
def test_a_set_reads_well(mask: int, text: str) -> None:
    """None, some, all, all but a few, and those that are newer than the table."""
    assert str(CapabilitySet(mask)) == text


def test_a_set_without_capabilities_is_false() -> None:
    """As any empty container is."""
    assert not CapabilitySet(0)
    assert CapabilitySet(1)


@pytest.mark.parametrize("mask", [-1, "1", 1.0, True, None])
def test_what_is_no_mask_is_refused(mask: object) -> None:
    """With a ValueError that shows it."""
    with pytest.raises(ValueError, match=re.escape(repr(mask))):
        CapabilitySet(mask)  # type: ignore[arg-type]


def test_capabilities_are_values() -> None:
    """Equal when their sets are, hashable, and the same after pickling."""
    sets = [CapabilitySet(mask) for mask in (0, ALL, 1, ALL, 0)]
    one, other = Capabilities(*sets), Capabilities(*sets)
    assert one == other == pickle.loads(pickle.dumps(one))
    assert len({one, other}) == 1
    with pytest.raises(AttributeError):
        one.effective = sets[0]  # type: ignore[misc]

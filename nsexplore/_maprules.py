"""The kernel's rules for an ID map, in the order in which the kernel applies them.

Those of ``map_write`` and ``new_idmap_permitted`` in kernel/user_namespace.c,
also told in user_namespaces(7). `IDMap.validate` is the way in.
"""

from __future__ import annotations

import errno
import os
import sys
from bisect import bisect_right, insort
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal

from .errors import IDMapError

if TYPE_CHECKING:
    from .idmap import IDMapping, MapWriter

INVALID_ID: Final = 2**32 - 1
"""``(uid_t) -1``: never a valid ID, and what a reader sees for a range it cannot name."""

MAX_UID_LOW: Final = 2
MAX_UID_HIGH: Final = INVALID_ID - 1

MAX_LINES: Final = 340
"""UID_GID_MAP_MAX_EXTENTS since Linux 4.15 (5 before)."""

PAGE_SIZE: Final = os.sysconf("SC_PAGE_SIZE") if sys.platform == "linux" else 4096
"""The text of a map has to be shorter than this."""


def check_shape(lines: Sequence[IDMapping]) -> None:
    """Refuse what nobody may write (EINVAL), at the line where the kernel stops."""
    if not lines:
        raise _refusal(None, None, "it is empty, and must have at least one line")
    length = sum(len(f"{m}\n") for m in lines)
    if length >= PAGE_SIZE:
        rule = f"its text has {length} bytes, and must have less than {PAGE_SIZE} (a page)"
        raise _refusal(None, None, rule)
    inside = _Taken("inside")
    outside = _Taken("outside")
    for number, m in enumerate(lines, 1):
        if INVALID_ID in (m.container_id, m.host_id):
            raise _refusal(number, m, f"{INVALID_ID} is (uid_t) -1, never a valid ID")
        if m.size == 0:
            raise _refusal(number, m, "its size is 0, and must be at least 1")
        for taken, start, end in (
            (inside, m.container_id, m.container_end),
            (outside, m.host_id, m.host_end),
        ):
            if end > INVALID_ID:
                rule = f"its range {taken.side} runs to {end - 1}, past {INVALID_ID - 1}"
                raise _refusal(number, m, f"{rule}, the last valid ID")
            if other := taken.take(number, start, end):
                rule = f"its range {taken.side} overlaps that of line {other}"
                raise _refusal(number, m, f"{rule} ({lines[other - 1]})")
        if number > MAX_LINES:
            rule = f"a map has at most {MAX_LINES} lines (5 before Linux 4.15)"
            raise _refusal(number, m, rule)


def check_permission(
    lines: Sequence[IDMapping], kind: Literal["uid", "gid"], writer: MapWriter
) -> None:
    """Refuse what this writer may not write (EPERM); the shape has been checked."""
    zero = next((n for n, m in enumerate(lines, 1) if m.host_id == 0), None)
    if kind == "uid" and zero and not writer.can_set_fcap:
        rule = "mapping the parent's UID 0 takes CAP_SETFCAP in the parent user namespace"
        raise _refusal(zero, lines[zero - 1], f"{rule} (since Linux 5.12)", errno.EPERM)
    if not writer.can_set_ids:
        _check_unprivileged(lines, kind, writer)
    known = sorted(writer.parent)
    firsts = [p.container_id for p in known]
    for number, m in enumerate(lines, 1):
        at = bisect_right(firsts, m.host_id) - 1
        if at < 0 or m.host_end > known[at].container_end:
            rule = (
                f"its range outside ({m.host_id} to {m.host_end - 1}) does not lie"
                f" within one line of the parent's own map ({_ranges(known)})"
            )
            raise _refusal(number, m, rule, errno.EPERM)


def _check_unprivileged(
    lines: Sequence[IDMapping], kind: Literal["uid", "gid"], writer: MapWriter
) -> None:
    cap, own = ("CAP_SETUID", writer.euid) if kind == "uid" else ("CAP_SETGID", writer.egid)
    without = f"without {cap} in the parent user namespace"
    if len(lines) > 1 or lines[0].size > 1:
        number = min(len(lines), 2)
        rule = f"{without} a map is one line with one ID"
    elif lines[0].host_id != own:
        number = 1
        rule = f"{without} only the writer's own {kind.upper()} {own} may be mapped"
    elif kind == "gid" and not writer.setgroups_denied:
        number = 1
        rule = f'{without} "deny" must stand in setgroups before gid_map is written'
    else:
        return
    raise _refusal(number, lines[number - 1], rule, errno.EPERM)


class _Taken:
    """The ranges that the lines so far take up on one side of a map; none overlap."""

    def __init__(self, side: str) -> None:
        self.side = side
        self._ranges: list[tuple[int, int, int]] = []

    def take(self, number: int, start: int, end: int) -> int | None:
        """Add line `number`, or return the number of an earlier line that it overlaps."""
        at = bisect_right(self._ranges, (start, end, number))
        for earlier_start, earlier_end, earlier in self._ranges[max(at - 1, 0) : at + 1]:
            if earlier_start < end and start < earlier_end:
                return earlier
        insort(self._ranges, (start, end, number))
        return None


def _ranges(lines: Sequence[IDMapping]) -> str:
    """Return the IDs that the first few lines have inside, for a message."""
    shown = [f"{m.container_id} to {m.container_end - 1}" for m in lines[:4]]
    return ", ".join(shown + ["…"] * (len(lines) > 4)) or "empty"


def _refusal(
    line: int | None, mapping: IDMapping | None, rule: str, number: int = errno.EINVAL
) -> IDMapError:
    where = "the map" if line is None else f"line {line} ({mapping})"
    return IDMapError(
        f"{where} would be refused with {errno.errorcode[number]}: {rule}",
        errno=number,
        line=line,
        rule=rule,
    )

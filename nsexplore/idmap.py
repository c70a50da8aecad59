"""ID maps: what /proc/PID/uid_map and gid_map say, as values.

What the kernel accepts of them is told in `nsexplore._maprules`.
"""

from __future__ import annotations

import errno
import operator
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, overload

from ._maprules import INVALID_ID, MAX_UID_HIGH, MAX_UID_LOW, check_permission, check_shape
from ._renders import Renders
from .errors import IDMapError, IDMapTypeError

__all__ = [
    "MAX_UID_HIGH",
    "MAX_UID_LOW",
    "OVERFLOW_ID",
    "UID_MAPPING_RANGE",
    "IDMap",
    "IDMapping",
    "MapWriter",
    "check_max_uid",
]

UID_MAPPING_RANGE: Final = 65536
"""garden-linux's ``UIDMappingRange``."""

OVERFLOW_ID: Final = 65534
"""What an ID without a mapping shows as (/proc/sys/kernel/overflowuid's default)."""

# What the kernel's isspace() and its base-10 strtoul() take, and not what Unicode has besides.
_LINE: Final = re.compile(r"\s*([0-9]+)\s+([0-9]+)\s+([0-9]+)\s*", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class IDMapping(Renders):
    """One line of a map: ``size`` IDs from ``container_id`` on are those from ``host_id`` on.

    Parameters
    ----------
    container_id, host_id, size : int
        Each from 0 to 4294967295, as the kernel stores them (u32). Any integer
        will do, NumPy's too; it is kept as a plain int.

    Raises
    ------
    IDMapError
        For a value out of that range, or (as `IDMapTypeError`) not an integer.
    """

    container_id: int
    host_id: int
    size: int

    def __post_init__(self) -> None:
        for name in ("container_id", "host_id", "size"):
            value = _integer(name, getattr(self, name), f"from 0 to {INVALID_ID}")
            if not 0 <= value <= INVALID_ID:
                why = "it is negative" if value < 0 else _wraps(value)
                raise IDMapError(
                    f"{name}={_shown(value)} is not from 0 to {INVALID_ID}: {why}",
                    errno=errno.EINVAL,
                    rule=why,
                )
            object.__setattr__(self, name, value)

    @property
    def container_end(self) -> int:
        """One past the last ID inside."""
        return self.container_id + self.size

    @property
    def host_end(self) -> int:
        """One past the last ID outside."""
        return self.host_id + self.size

    def __str__(self) -> str:
        return f"{self.container_id} {self.host_id} {self.size}"


@dataclass(frozen=True, slots=True)
class MapWriter:
    """Who writes a map: what the kernel's EPERM rules look at.

    The writer is in the parent user namespace, and made the new one or has its
    maker's effective UID: so it owns the new one, with all capabilities in it.

    Attributes
    ----------
    euid, egid : int
        The writer's effective IDs, as the parent user namespace counts them.
    parent : IDMap
        The map of the parent user namespace (the writer's own, usually). Only
        the IDs inside it count here, so it may be read from anywhere.
    can_set_ids : bool
        CAP_SETUID (for a uid map) or CAP_SETGID (for a gid map) in the parent.
    can_set_fcap : bool
        CAP_SETFCAP in the parent: asked for since 5.12 where parent ID 0 is mapped.
    setgroups_denied : bool
        Whether "deny" stands in /proc/PID/setgroups already (a new namespace
        takes that over from its parent).
    """

    euid: int
    egid: int
    parent: IDMap
    can_set_ids: bool
    can_set_fcap: bool
    setgroups_denied: bool = False


@dataclass(frozen=True, slots=True)
class IDMap(Renders):
    """An ID map: an immutable sequence of `IDMapping`.

    ``str(map)`` is what the kernel prints in /proc/PID/uid_map; a map of more
    than five lines it sorts by ``container_id`` first. Two maps are equal when
    their lines are, in this order.

    Parameters
    ----------
    mappings : iterable of IDMapping or of (container_id, host_id, size)

    Raises
    ------
    IDMapError
        For what is not three integers of 32 bits; names the line.

    Examples
    --------
    >>> m = IDMap.garden(33)
    >>> m.to_host(0), m.to_host(32), m.to_host(33)
    (33, 32, None)
    >>> print(m, end="")
             0         33          1
             1          1         32
    """

    mappings: tuple[IDMapping, ...]

    def __init__(self, mappings: Iterable[IDMapping | tuple[int, int, int]] = ()) -> None:
        if isinstance(mappings, str | bytes) or not isinstance(mappings, Iterable):
            raise IDMapTypeError(
                f"mappings={_shown(mappings)} is not a sequence of lines,"
                " each an IDMapping or (container_id, host_id, size); IDMap.parse() reads text",
                errno=errno.EINVAL,
                rule="a map is a sequence of lines",
            )
        lines = tuple(_mapping(number, line) for number, line in enumerate(mappings, 1))
        object.__setattr__(self, "mappings", lines)

    # -- making one ---------------------------------------------------------

    @classmethod
    def garden(cls, max_uid: int) -> IDMap:
        """Return garden-linux's map: root inside is `max_uid`, 1 to max_uid-1 stay themselves.

        Raises
        ------
        IDMapError
            Unless ``2 <= max_uid <= 4294967294``: names the value, the line
            that the kernel would refuse, and why.
        """
        check_max_uid(max_uid)
        return cls([IDMapping(0, max_uid, 1), IDMapping(1, 1, max_uid - 1)])

    @classmethod
    def rootless(cls, host_id: int | None = None) -> IDMap:
        """Return the one-ID map that an ordinary user may write: root inside is `host_id`.

        Parameters
        ----------
        host_id : int, optional
            Defaults to the effective UID of this process.
        """
        return cls([IDMapping(0, _geteuid() if host_id is None else host_id, 1)])

    @classmethod
    def parse(cls, text: str) -> IDMap:
        """Read a map as /proc prints it or as one writes it: three numbers a line.

        An empty text is an empty map: nobody has written it yet.

        Raises
        ------
        IDMapError
            For a line that is not three decimal numbers of 32 bits; names the line.
        """
        if not isinstance(text, str):
            raise IDMapTypeError(
                f"text={_shown(text)} is not a str", errno=errno.EINVAL, rule="a map is text"
            )
        return cls(
            _parse_line(number, line)
            for number, line in enumerate(text.removesuffix("\n").split("\n"), 1)
            if text
        )

    # -- being a sequence ---------------------------------------------------

    def __iter__(self) -> Iterator[IDMapping]:
        return iter(self.mappings)

    def __len__(self) -> int:
        return len(self.mappings)

    @overload
    def __getitem__(self, index: int) -> IDMapping: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[IDMapping, ...]: ...
    def __getitem__(self, index: int | slice) -> IDMapping | tuple[IDMapping, ...]:
        return self.mappings[index]

    def __str__(self) -> str:
        return "".join(f"{m.container_id:10} {m.host_id:10} {m.size:10}\n" for m in self.mappings)

    def encode(self) -> bytes:
        """Return the shortest text the kernel accepts: the whole must stay below one page."""
        return "".join(f"{m}\n" for m in self.mappings).encode()

    # -- translating --------------------------------------------------------

    def to_host(self, container_id: int) -> int | None:
        """Return the ID outside, or None: no mapping, it shows as 65534."""
        for m in self.mappings:
            if m.container_id <= container_id < m.container_end:
                return m.host_id + container_id - m.container_id
        return None

    def to_container(self, host_id: int) -> int | None:
        """Return the ID inside, or None: no mapping, it shows as 65534."""
        for m in self.mappings:
            if m.host_id <= host_id < m.host_end:
                return m.container_id + host_id - m.host_id
        return None

    def compose(self, outer: IDMap) -> IDMap:
        """Return the map from inside this one to outside `outer`, its parent's map.

        ``m.compose(outer).to_host(i)`` is ``outer.to_host(m.to_host(i))``. Lines
        are cut where the outer map's lines end, and sorted by ``container_id``;
        what the outer map does not know is left out.

        Examples
        --------
        >>> IDMap([(0, 10, 5)]).compose(IDMap([(8, 100, 4), (12, 500, 9)])).mappings
        (IDMapping(container_id=0, host_id=102, size=2), IDMapping(container_id=2, host_id=500, size=3))
        """  # noqa: E501 - what doctest prints is one line
        pieces = []
        for m in self.mappings:
            for o in outer.mappings:
                start = max(m.host_id, o.container_id)
                end = min(m.host_end, o.container_end)
                if start < end:
                    inside = m.container_id + start - m.host_id
                    outside = o.host_id + start - o.container_id
                    pieces.append(IDMapping(inside, outside, end - start))
        return IDMap(sorted(pieces))

    # -- judging ------------------------------------------------------------

    def validate(
        self, *, kind: Literal["uid", "gid"] = "uid", writer: MapWriter | None = None
    ) -> IDMap:
        """Refuse what the kernel would refuse, with its reason; return the map itself.

        Parameters
        ----------
        kind : {"uid", "gid"}
            Which of the two files the map is for; matters with `writer` only.
        writer : MapWriter, optional
            Who would write it. Without one, only the rules that bind everybody
            (EINVAL) are looked at; with one, those of EPERM too.

        Raises
        ------
        IDMapError
            Its ``errno``, ``line`` and ``rule`` say what the kernel would say and why.
        """
        if kind not in ("uid", "gid"):
            raise ValueError(f"kind={kind!r} is neither 'uid' nor 'gid'")
        check_shape(self.mappings)
        if writer is not None:
            check_permission(self.mappings, kind, writer)
        return self


def check_max_uid(max_uid: int) -> None:
    """Refuse a MaxUID whose garden map the kernel would refuse.

    Raises
    ------
    IDMapError
        Unless it is an integer from 2 to 4294967294.
    """
    allowed = f"from {MAX_UID_LOW} to {MAX_UID_HIGH}"
    max_uid = _integer("max_uid", max_uid, allowed)
    if MAX_UID_LOW <= max_uid <= MAX_UID_HIGH:
        return
    shown = _shown(max_uid)
    line, text = 1, f"0 {shown} 1"
    if max_uid == 1:
        line, text, why = 2, "1 1 0", "its size is 0 (EINVAL)"
    elif max_uid == 0:
        line, text, why = 2, "1 1 -1", "its size is not a positive number (EINVAL)"
    elif max_uid < 0:
        why = "its host ID is negative (EINVAL)"
    elif max_uid == INVALID_ID:
        why = f"{INVALID_ID} is (uid_t) -1, never a valid ID (EINVAL)"
    else:
        why = _wraps(max_uid)
    raise IDMapError(
        f"max_uid={shown} is not {allowed}: line {line} of the map would be {text!r}, and {why}",
        errno=errno.EINVAL,
        line=line,
        rule=why,
    )


def _integer(name: str, value: object, allowed: str) -> int:
    """Return a plain int for any integer; a bool is none."""
    if not isinstance(value, bool):
        try:
            return int(operator.index(value))  # type: ignore[arg-type]
        except TypeError:
            pass
    raise IDMapTypeError(
        f"{name}={_shown(value)} is not an integer {allowed}",
        errno=errno.EINVAL,
        rule="not an integer",
    )


def _mapping(number: int, line: object) -> IDMapping:
    """Return line `number` of a map as an `IDMapping`; what is wrong with it names the line."""
    if isinstance(line, IDMapping):
        return line
    text = isinstance(line, str | bytes)
    fields = tuple(line) if isinstance(line, Iterable) and not text else ()
    if len(fields) != 3:
        raise IDMapTypeError(
            f"line {number}: {_shown(line)} is not (container_id, host_id, size)",
            errno=errno.EINVAL,
            line=number,
            rule="a line is three integers",
        )
    try:
        return IDMapping(*fields)
    except IDMapError as error:
        raise type(error)(
            f"line {number}: {error}", errno=error.errno, line=number, rule=error.rule
        ) from None


def _parse_line(number: int, line: str) -> tuple[int, int, int]:
    match = _LINE.fullmatch(line)
    fields = [field.lstrip("0") or "0" for field in match.groups()] if match else []
    # 20 digits hold 64 bits: no need to let int() chew on a megabyte of them.
    if not fields or max(map(len, fields)) > 20:
        raise IDMapError(
            f"line {number}: {_shown(line)} is not three decimal numbers of 32 bits:"
            " container_id host_id size",
            errno=errno.EINVAL,
            line=number,
            rule="a line is three decimal numbers of 32 bits",
        )
    container_id, host_id, size = map(int, fields)
    return container_id, host_id, size


def _wraps(value: int) -> str:
    return f"an ID has 32 bits, so the kernel would silently take this one for {value % 2**32}"


def _shown(value: object) -> str:
    """Return a value for a message: in one short line, however long it is."""
    if isinstance(value, int) and value.bit_length() > 128:
        return f"{'-' if value < 0 else ''}(an integer of {value.bit_length()} bits)"
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"


def _geteuid() -> int:
    if hasattr(os, "geteuid"):
        return os.geteuid()
    raise IDMapError("rootless() needs a host_id here: this system has no user IDs")

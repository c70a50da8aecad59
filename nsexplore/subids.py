"""Sub-IDs: what /etc/subuid and /etc/subgid give to a user, as values.

Each line is ``OWNER:START:COUNT``, the owner by login name or by number
(subuid(5)). What is wrong with a line is kept beside what is right: newuidmap
and newgidmap pass over such a line in silence.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ._maprules import INVALID_ID
from .idmap import IDMap

__all__ = [
    "SHARE",
    "SUBGID",
    "SUBUID",
    "SubIDFile",
    "SubIDProblem",
    "SubIDRange",
    "SubIDs",
    "common",
    "own",
    "parse",
    "read",
    "spare",
    "without",
]

SUBUID: Final = "/etc/subuid"
SUBGID: Final = "/etc/subgid"

SHARE: Final = 65536
"""How many a user is given, and the first that anybody is: as useradd does it (login.defs(5))."""
_FIRST: Final = 100_000

_LONGEST: Final = 1023
"""Bytes of a line: what shadow's reader holds."""


@dataclass(frozen=True, slots=True)
class SubIDRange:
    """One line: ``count`` IDs from ``start`` on are the owner's to map."""

    owner: str
    start: int
    count: int

    @property
    def end(self) -> int:
        """One past the last ID."""
        return self.start + self.count

    def __str__(self) -> str:
        return f"{self.start} to {self.end - 1}" if self.count > 1 else f"{self.start}"


@dataclass(frozen=True, slots=True)
class SubIDProblem:
    """A line that gives nothing to anybody, and why."""

    file: str
    line: int
    text: str
    why: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.why}: {self.text!r}"


@dataclass(frozen=True, slots=True)
class SubIDFile:
    """What /etc/subuid or /etc/subgid says.

    Attributes
    ----------
    path : str
    ranges : tuple of SubIDRange
        Everybody's, in the order of the lines.
    problems : tuple of SubIDProblem
        The lines that count for nothing.
    unreadable : str or None
        Why the file could not be read, such as ``No such file or directory``.
    """

    path: str
    ranges: tuple[SubIDRange, ...] = ()
    problems: tuple[SubIDProblem, ...] = ()
    unreadable: str | None = None

    def of(self, owners: Iterable[str]) -> tuple[SubIDRange, ...]:
        """Return the ranges of a user: ``owners`` are the login name and the number.

        No ID comes twice, for the kernel takes none twice: what an earlier
        line gives, a later one does not.
        """
        names = frozenset(owners)
        pieces: list[SubIDRange] = []
        for line in self.ranges:
            if line.owner in names:
                pieces += without(line, pieces)
        return tuple(pieces)


@dataclass(frozen=True, slots=True)
class SubIDs:
    """The sub-IDs of one user.

    Attributes
    ----------
    user : str
        The login name, or the number where there is none.
    login_gid : int or None
        The login group in the password database; None for a user who is not there.
    uids, gids : tuple of SubIDRange
        What the two files give, none twice.
    files : tuple of SubIDFile
        /etc/subuid and /etc/subgid.
    missing : str
        Why there is no range in one file or in both, in words; "" if there are in both.
    """

    user: str
    login_gid: int | None
    uids: tuple[SubIDRange, ...]
    gids: tuple[SubIDRange, ...]
    files: tuple[SubIDFile, SubIDFile]
    missing: str


def read(path: str = SUBUID) -> SubIDFile:
    """Return what a file of sub-IDs says; the same value as long as it does not change.

    Parameters
    ----------
    path : str
        /etc/subuid or /etc/subgid.

    Returns
    -------
    SubIDFile
        Nothing is raised: problems are part of it.

    Examples
    --------
    >>> read("/no/such/file").unreadable
    'No such file or directory'
    """
    state = _state(path)
    found = _read(path, state)
    if _is_for_now(found, state):
        _read.cache_clear()
    return found


def own() -> SubIDs:
    """Return the sub-IDs of the user that this process runs as (its effective UID)."""
    states = _state(SUBUID), _state(SUBGID)
    found = _of_user(os.geteuid(), *states)
    if any(map(_is_for_now, found.files, states)):
        _read.cache_clear()
        _of_user.cache_clear()
    return found


# -- reckoning with ranges --------------------------------------------------------


def common(line: SubIDRange, other: tuple[int, int]) -> list[SubIDRange]:
    """Return what a range shares with the IDs from other[0] to other[1] - 1."""
    start, end = max(line.start, other[0]), min(line.end, other[1])
    return [SubIDRange(line.owner, start, end - start)] if start < end else []


def without(line: SubIDRange, taken: Iterable[SubIDRange]) -> list[SubIDRange]:
    """Return what is left of a range when other ranges are taken out of it."""
    left = [line]
    for other in taken:
        below, above = (0, other.start), (other.end, INVALID_ID)
        left = [part for piece in left for side in (below, above) for part in common(piece, side)]
    return left


def spare(files: Iterable[SubIDFile], known: Iterable[IDMap | None]) -> int | None:
    """Return the first of `SHARE` IDs that nobody has been given, and that these maps have.

    None where there are not so many; what is not known (None) may be any map.
    """
    taken = (part.end for file in files for part in file.ranges)
    first = max(_FIRST, max(taken, default=0))
    return (
        first
        if first + SHARE <= INVALID_ID
        and all(
            any(m.container_id <= first and first + SHARE <= m.container_end for m in one)
            for one in known
            if one is not None
        )
        else None
    )


# -- reading --------------------------------------------------------------------

_State = tuple[int, int, int, int] | str
"""What changes with a file; or why there is none."""


def _state(path: str) -> _State:
    try:
        found = os.stat(path)
    except OSError as error:
        return error.strerror or str(error)
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev


def _is_for_now(file: SubIDFile, state: _State) -> bool:
    """Whether a file that is there could not be read: for want of a descriptor, perhaps."""
    return file.unreadable is not None and not isinstance(state, str)


@lru_cache(maxsize=8)
def _read(path: str, state: _State) -> SubIDFile:
    if isinstance(state, str):
        return SubIDFile(path, unreadable=state)
    try:
        with open(path, "rb") as file:
            text = os.fsdecode(file.read())
    except OSError as error:
        return SubIDFile(path, unreadable=error.strerror or str(error))
    return parse(text, path)


def parse(text: str, path: str) -> SubIDFile:
    """Return what the text of such a file says."""
    ranges, problems = [], []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        owner, *fields = line.split(":")
        if why := _problem(line, owner, fields):
            problems.append(SubIDProblem(path, number, line[:200], why))
        else:
            ranges.append(SubIDRange(owner, *map(int, fields)))
    return SubIDFile(path, tuple(ranges), tuple(problems))


def _problem(line: str, owner: str, fields: list[str]) -> str | None:
    if len(os.fsencode(line)) > _LONGEST:
        return f"the line has more than {_LONGEST} bytes"
    if len(fields) != 2:
        return "it is not OWNER:START:COUNT"
    if not owner:
        return "the owner is missing"
    for name, field in zip(("start", "count"), fields, strict=True):
        if not (field.isascii() and field.isdigit()):
            return f"the {name} is no decimal number"
        if field.startswith("0") and field != "0":
            return f"the {name} begins with 0, which newuidmap takes for an octal number"
        if len(field) > 10:
            return f"the {name} is no 32-bit number"
    start, count = map(int, fields)
    if not count:
        return "it has no ID: the count is 0"
    if start + count > INVALID_ID:
        return f"it runs to {start + count - 1}, past {INVALID_ID - 1}, the last valid ID"
    return None


# -- whose ----------------------------------------------------------------------


@lru_cache(maxsize=4)
def _of_user(uid: int, subuid: _State, subgid: _State) -> SubIDs:
    name, login_gid = _login(uid)
    files = (_read(SUBUID, subuid), _read(SUBGID, subgid))
    uids, gids = (file.of((name, str(uid))) for file in files)
    lacking = [file for file, ranges in zip(files, (uids, gids), strict=True) if not ranges]
    reasons = [_why_none(file, name) for file in lacking]
    missing = ", and ".join(reasons)
    if reasons == [f"{file.path} has no range for {name}" for file in files]:
        missing = f"neither {SUBUID} nor {SUBGID} has a range for {name}"
    return SubIDs(name, login_gid, uids, gids, files, missing)


def _login(uid: int) -> tuple[str, int | None]:
    import pwd  # only where there are users

    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return str(uid), None
    return entry.pw_name, entry.pw_gid


def _why_none(file: SubIDFile, name: str) -> str:
    if file.unreadable:
        return f"{file.path} cannot be read ({file.unreadable})"
    own = (p for p in file.problems if p.text.partition(":")[0] == name)
    broken = next((f" (line {p.line} does not count: {p.why})" for p in own), "")
    return f"{file.path} has no range for {name}{broken}"

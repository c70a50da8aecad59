"""Exercises of the notebook on users and ID maps."""

from __future__ import annotations

from typing import Any, Final

from ..errors import IDMapError
from ..exercise import Exercise, is_one
from ..idmap import IDMap

__all__ = ["EXERCISES"]

_ROOT: Final = 70000
_SAME: Final = (1000, 1999)


def _is_the_map(answer: Any) -> str:
    """Judge a map: root is `_ROOT` outside, a range stays itself, and nothing else."""
    if not isinstance(answer, IDMap):
        return f"an IDMap is asked for, as in nx.IDMap([(0, 1, 1)]); this is {answer!r:.80}"
    try:
        answer.validate()
    except IDMapError as error:
        return f"the kernel would not take it: {error}"
    root = answer.to_host(0)
    if root is None:
        return "no line has ID 0 inside, so there is no root; the first number counts inside"
    if root != _ROOT:
        return f"root inside is {root} outside"
    for number in _SAME:
        if (outside := answer.to_host(number)) is None:
            return f"ID {number} does not exist inside"
        if outside != number:
            return f"ID {number} does not stay itself: it is {outside} outside"
    wanted = 1 + _SAME[1] - _SAME[0] + 1
    if (size := sum(line.size for line in answer)) > wanted:
        return f"{size} IDs exist inside, which is {size - wanted} too many"
    # No more than that, and both ends as they should be: a gap between them is left.
    gap = next((i for i in range(_SAME[0], _SAME[1] + 1) if answer.to_host(i) != i), None)
    return "" if gap is None else f"ID {gap} does not stay itself, though the first and last do"


EXERCISES: Final = (
    Exercise(
        "users.1",
        "the UID outside, a number",
        is_one(
            1000,
            {
                200050: "the first line has 50 IDs: which is the last of them?",
                50: "that is its number inside",
                65534: "it would be shown as that inside, if it had no number there",
                1050: "the second number of a line is what its first ID is outside",
            },
            "in which of the two lines is 50, and at which place in it?",
        ),
        "the first line ends with 49, so 50 is the first ID of the second line, which begins at"
        " 1000 outside",
    ),
    Exercise(
        "users.2",
        "the UID out here, a number",
        is_one(
            100503,
            {
                503: "that is its number in the outer one; and out here?",
                100003: "that is UID 3 of the outer one; where does the inner map send it first?",
                3: "that is its number in the inner one, where we began",
            },
            "take one map after the other, the inner one first",
        ),
        "3 is 503 in the outer one, and 503 is 100503 out here",
    ),
    Exercise(
        "users.3",
        "the name of the error, as a string",
        is_one(
            "EINVAL",
            {
                "EPERM": "it has CAP_SETUID there, so nobody forbids it; what is wrong with 5000?",
                "EACCES": "no file is opened, and no permission is missing; what is wrong with"
                " 5000?",
                "Invalid argument": "these are the words; the name of the error begins with E",
            },
            "section 7 shows the words that go with it",
        ),
        "5000 has no mapping, so in this user namespace it is no UID at all: an invalid argument",
    ),
    Exercise(
        "users.4",
        "an IDMap with 1001 IDs inside",
        _is_the_map,
        "one line for root, one for the others; what no line has does not exist inside",
    ),
)

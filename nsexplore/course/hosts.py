"""Exercises of the notebook on many machines: what they share, and what overlaps."""

from __future__ import annotations

from typing import Any, Final

from ..exercise import Exercise, brief, is_one
from ..idmap import IDMap

__all__ = ["EXERCISES"]

_SIZE: Final = 65536
_TAKEN: Final = ((100000, 100000 + _SIZE), (120000, 120000 + _SIZE))
"""From the first host ID of each map up to the one after the last."""


def _is_apart(answer: Any) -> str:
    """Judge a map beside the two of the question."""
    if not isinstance(answer, IDMap):
        return f"nx.IDMap([(inside, outside, size)]) is asked for; this is {brief(answer)}"
    root = answer.to_host(0)
    if root is None:
        return "it has no root inside: ID 0 of the container is not in it"
    if root == 0:
        return "its root is root of the host: ID 0 outside"
    size = sum(line.size for line in answer)
    if size != _SIZE:
        return f"it has {size} IDs, and not as many as asked for"
    for line in answer:
        for first, end in _TAKEN:
            if line.host_id < end and first < line.host_end:
                return f"it overlaps with the one that goes from {first} up to {end - 1}"
    return ""


EXERCISES: Final = (
    Exercise(
        "hosts.1",
        "how many different boot IDs they read, as a number",
        is_one(
            1,
            {
                3: "a hostname is the UTS namespace's; whose is the boot ID?",
                2: "all three are alike: either each has its own, or they share one",
                0: "everybody who may read /proc reads one",
                4: "that would be one for each and another for the machine",
            },
            "who makes up the boot ID, and how many of those run?",
        ),
        "the boot ID is the kernel's, and no kind of namespace isolates it: one kernel, one ID",
    ),
    Exercise(
        "hosts.2",
        "how many host UIDs are in both maps, as a number",
        is_one(
            45536,
            {
                65536: "that many they would share if they began at the same ID",
                20000: "that is how far apart they begin",
                45535: "one is missing: the first and the last both count",
                45537: "one is too many: a line ends one before its first ID plus its size",
                0: "where does the first one end, and where does the second one begin?",
                85536: "that is what both have together",
            },
            "the third number is a size: write down the first and the last host ID of each",
        ),
        "the first ends with 165535, and the second begins with 120000",
    ),
    Exercise(
        "hosts.3",
        "an IDMap of 65536 IDs beside the two",
        _is_apart,
        "no host ID is in two of the three maps, so no file belongs to two of them",
    ),
)

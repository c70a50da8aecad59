"""Exercises of the notebook on users and ID maps."""

from __future__ import annotations

from typing import Any, Final

from ..command import Command
from ..errors import IDMapError
from ..exercise import Exercise, brief, is_one, is_set
from ..idmap import IDMap
from ..process import Completed

__all__ = ["EXERCISES"]

_WANTED: Final = {0: 70000} | {inside: 299999 + inside for inside in range(1, 1000)} | {1000: 1000}


def _is_the_map(answer: Any) -> str:
    """Judge a map: it has the IDs that are wanted, each where it belongs, and no other."""
    if isinstance(answer, Command | Completed):
        return "the map alone is asked for, what id_map= is given"
    if not isinstance(answer, IDMap):
        return f"an nx.IDMap is asked for; this is {brief(answer)}"
    try:
        answer.validate()
    except IDMapError as error:
        return f"nobody may write that: {error}"
    if answer.to_container(0) == _WANTED[0]:
        return "the columns are the other way round: a line begins with the ID inside"
    for inside, outside in _WANTED.items():
        if (found := answer.to_host(inside)) != outside:
            where = "has no number" if found is None else f"is {found}"
            return f"{inside} inside {where} outside; count the IDs of the line it belongs to"
    if more := sum(line.size for line in answer) - len(_WANTED):
        return f"those IDs are right, but they are not the only ones with a number: {more} too many"
    return ""


EXERCISES: Final = (
    Exercise(
        "users.1",
        "a UID, as a number",
        is_one(
            42,
            {
                65534: "that is shown for an ID without a number inside; look at the range of the"
                " line once more",
                900042: "that is what stat shows out here",
                0: "root inside is the first ID of the range outside, and that is another one",
                43: "both ranges begin with their first ID: 0 is 900000",
            },
            "which line of the map has 900042 on its outer side, and at which place of the range?",
        ),
        "the line is 0 900000 1000: 900042 is 42 after its beginning outside, so inside, too",
    ),
    Exercise(
        "users.2",
        "a UID, as a number",
        is_one(
            900520,
            {
                520: "that is who it is in box; one map is still to come",
                900020: "that is who UID 20 of box is; but it is a namespace further in, where 0"
                " is 500 of box",
                20: "that is who it is in its own user namespace",
                500: "that is root of its user namespace, as box sees it",
                900500: "that would be root of its user namespace; it runs as UID 20",
                65534: "at each step there is a line that has it, so it has a number outside",
            },
            "first from its own user namespace to box, by the line 0 500 100; then from box to"
            " outside, by the other map",
        ),
        "20 is 520 in box, and 520 of box is 900520 outside: one line after the other",
    ),
    Exercise(
        "users.3",
        "a set of words from the list",
        is_set(
            frozenset({"setuid", "map"}),
            {
                "chown": "the file and 999 both have a number in box, so its root may",
                "hostname": "box has a UTS namespace of its own: who owns that?",
                "mount": "it was done when box started, in mounts that its user namespace owns",
            },
            "that is not all of it: ask of each ID whether it has a number there, and of each map"
            " whether it was written already",
        ),
        "there is no UID 1000 in box (EINVAL), and a map is written once (EPERM); the rest is"
        " about things that the user namespace of box owns, or whose owners it maps",
    ),
    Exercise(
        "users.4",
        "an nx.IDMap",
        _is_the_map,
        "three lines, of one, of 999 and of one ID; neither inside nor outside do any two overlap",
    ),
)

"""Exercises of the first notebook: plans, maps and processes in two modes."""

from __future__ import annotations

import os
from typing import Any, Final

from ..command import Command
from ..exercise import Exercise, brief, is_one, is_set
from ..flags import CloneFlags
from ..kinds import KINDS
from ..process import Completed

__all__ = ["EXERCISES"]

_WANTED: Final = CloneFlags.NEWUSER | CloneFlags.NEWUTS
_BY_FLAG: Final = {f"clone_{kind.flag.name}".lower(): kind.name for kind in KINDS}


def _kind(word: str) -> str:
    """Spell a kind by its name, whether it is given by that or by its flag."""
    return _BY_FLAG.get(word, word)


def _plans_two_kinds(answer: Any) -> str:
    if isinstance(answer, Completed):
        return "that is what has come of it; the plan is asked for, and plan() starts nothing"
    if not isinstance(answer, Command):
        return f"what plan() returns is asked for, a Command; this is {brief(answer)}"
    if not answer.uid_mappings:
        return (
            "no ID map is in it, since it asks for no user namespace: that is the privileged mode"
        )
    if (root := answer.uid_mappings.to_host(0)) != 4000:
        return f"root inside would be UID {root} outside"
    if too_many := answer.clone_flags & ~_WANTED:
        return f"it asks for {too_many} as well; clone_flags= tells which kinds are to be new"
    if answer.clone_flags != _WANTED:
        return f"it only asks for {answer.clone_flags}"
    program, *words = answer.args
    if os.path.basename(program) != "id" or words:
        return f"namespaces and map are right; the program is to be id, not {answer.args!r:.80}"
    return ""


EXERCISES: Final = (
    Exercise(
        "first.1",
        "a number, the UID",
        is_one(
            65535,
            {
                0: "that is who it is inside; the other side of the map is asked for",
                65534: "that one is nobody, who stands for IDs without a mapping; root inside has"
                " one",
                1: "line 2 of the map begins with 1, and is about the ordinary IDs",
            },
            "read the line of the map that begins with 0: its second number",
        ),
        "root inside is MaxUID outside, and it is as that UID that the kernel checks whether it may"
        " open a file of this machine",
    ),
    Exercise(
        "first.2",
        "a set of kinds, by their names below /proc/PID/ns",
        is_set(
            frozenset({"cgroup", "time"}),
            {
                "user": "that one is shared in the privileged mode; unprivileged, it is what makes"
                " the difference",
                "pid": "the process is PID 1, so it is in a new one",
                "net": "it saw no interface but lo, so its network is a new one",
                "mnt": "it is among the six flags of the plan, by the name CLONE_NEWNS",
                "ipc": "it is among the six flags of the plan",
                "uts": "its hostname was garden, and out here it stayed what it was",
            },
            "there is one more: which flags of the plan are dashed?",
            spelled=_kind,
        ),
        "of the eight kinds six are asked for by default, and what is not asked for is shared",
    ),
    Exercise(
        "first.3",
        "a number, the UID that stat shows inside",
        is_one(
            65534,
            {
                0: "that is its owner out here. Is there a line of the map that has 0 outside?",
                65535: "that one is root inside, as seen from outside; the file belongs to another",
                4294967295: "that is -1, the one number that is no UID",
            },
            "no line of the map has that owner. What stands for an ID without a number inside?",
        ),
        "UID 0 outside has no mapping in that map, so it shows as nobody, 65534: root inside does"
        " not own the machine's files",
    ),
    Exercise(
        "first.4",
        "the Command that plan returns",
        _plans_two_kinds,
        "a user namespace, whose root is UID 4000 outside, and the hostname; all else is shared",
    ),
)

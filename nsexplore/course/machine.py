"""Exercises of the notebook on the whole machine: who owns what, and what keeps it."""

from __future__ import annotations

from typing import Any, Final

from ..exercise import Exercise, brief, is_one, is_set
from ..translation import Translation

__all__ = ["EXERCISES"]


def _is_lost(answer: Any) -> str:
    if not isinstance(answer, Translation):
        return f"what nx.translate returns is asked for, a Translation; this is {brief(answer)}"
    if answer.kind != "uid":
        return "that is a group's ID; the user's is asked for"
    if answer.given != 0:
        return f"that is the way of UID {answer.given}, not of root"
    if len(answer.steps) < 2:
        return "it goes from a user namespace to the same one; start a process in a new one"
    if answer.mapped:
        return (
            f"root of where it begins has the number {answer.id} where it ends: from inside to"
            " here there is always one. Ask the other way round"
        )
    return ""


EXERCISES: Final = (
    Exercise(
        "machine.1",
        "a set of kinds, by their names below /proc/PID/ns",
        is_set(
            frozenset({"uts", "user"}),
            {
                "net": "nothing refers to it: its process has ended, and no file of it is open",
                "pid": "its init has ended, and the file is of another kind",
                "mnt": "the file that is open is not in it, it is a UTS namespace",
                "ipc": "nothing refers to it any more",
            },
            "something is missing: the file keeps one of them, and who keeps the owner of that?",
            spelled=lambda word: word.rpartition("/")[2].removeprefix("clone_new"),
        ),
        "the open file keeps the UTS namespace, and that one keeps the user namespace that owns it",
    ),
    Exercise(
        "machine.2",
        "True or False",
        is_one(
            True,
            {
                False: "whose is the network? The user namespace that owns it has a parent, and"
                " rights in a user namespace are rights in its descendants, too",
            },
            "True or False?",
        ),
        "a process that has a capability in a user namespace has it in all of its descendants, too"
        " (user_namespaces(7), Capabilities)",
    ),
    Exercise(
        "machine.3",
        "the Translation of UID 0 that ends without a mapping",
        _is_lost,
        "root of the place where it begins has no number in the map of the place where it ends, so"
        " it shows as nobody in there",
    ),
)

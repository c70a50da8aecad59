"""Exercises of the notebook on garden's exec."""

from __future__ import annotations

from typing import Any, Final

from ..command import Command
from ..exercise import Exercise, brief, is_one, is_set
from ..flags import CloneFlags
from ..idmap import IDMap
from ..process import Completed

__all__ = ["EXERCISES"]

_GARDEN: Final = CloneFlags.garden(privileged=False)
_ROOT: Final = 4242
_WORD: Final = "seed"


def _plan_with_the_machines_network(answer: Any) -> str:
    if not isinstance(answer, Command):
        return f"a Command is asked for, as plan() returns it; this is {brief(answer)}"
    flags = answer.clone_flags
    if CloneFlags.NEWUSER not in flags:
        return (
            "there is no new user namespace in it: root inside would be the machine's real root,"
            " and with the machine's network under it"
        )
    if CloneFlags.NEWNET in flags:
        return "the network is still a new one: clone_flags= takes exactly the flags that you name"
    if flags != _GARDEN & ~CloneFlags.NEWNET:
        return f"one flag is to go, and no other to come or go; this one has {flags}"
    if answer.uid_mappings != IDMap.garden(_ROOT) or answer.gid_mappings != IDMap.garden(_ROOT):
        return f"the maps are not garden's with {_ROOT}; look at them with nx.id_map_frame(answer)"
    if answer.args != ("/bin/true",):
        return f"the namespaces are right; the program is to be /bin/true, not {answer.args!r:.80}"
    return ""


def _read_from_an_extra_file(answer: Any) -> str:
    if not isinstance(answer, Completed):
        return f"a Completed is asked for, as run() returns it; this is {brief(answer)}"
    command = answer.command
    if command.clone_flags != _GARDEN:
        return "those are not garden's namespaces: leave clone_flags and privileged as they are"
    if not command.extra_files:
        return "no extra file was handed over: extra_files= takes open files or their numbers"
    if any(_WORD in argument for argument in command.args):
        return "the word is among the arguments; it is to come by the file alone"
    if answer.returncode:
        return (
            f"the process ended with {answer.returncode}: which fd did it read? Look at the"
            " answer's stderr"
        )
    if not answer.stdout.strip():
        return (
            "nothing was printed: a file that was just written is at its end, and whoever"
            " reads on from there finds nothing; go back to its beginning first"
        )
    if answer.stdout.strip() != _WORD:
        return f"what it printed is {answer.stdout.strip()!r:.80}"
    return ""


EXERCISES: Final = (
    Exercise(
        "garden.1",
        "a UID, as a number",
        is_one(
            0,
            {
                1000: "the IDs that stay themselves end one below max_uid",
                65534: "that would say that it has no number inside; but it is in the first line of"
                " the map",
                999: "IDs are not shifted: either they stay themselves, or it is the other line",
            },
            "make the map, IDMap.garden(1000), and look for 1000 in its second column",
        ),
        "root inside is UID 1000 outside, so what belongs to that user belongs to root inside, who"
        " may do anything with it: max_uid should be an ID that no account has",
    ),
    Exercise(
        "garden.2",
        "a set of the names of fields",
        is_set(
            frozenset(
                {
                    "clone_flags",
                    "uid_mappings",
                    "gid_mappings",
                    "gid_mappings_enable_setgroups",
                    "credential",
                }
            ),
            {
                "privileged": "it differs, but it is no field: it follows from one of them",
                "max_uid": "that is the execer's; the command has only what was made of it",
                "propagation": "both modes have mount namespaces, and make their mounts private",
                "extra_files": "both modes have none here",
            },
            "those differ, and others as well: the if in Exec sets more than that",
        ),
        "the user namespace, and all that there would be no sense in without one: its maps, whether"
        " setgroups stays allowed, and who the process becomes",
    ),
    Exercise(
        "garden.3",
        "a Command: what plan() returns",
        _plan_with_the_machines_network,
        "each kind of namespace is a flag of its own, so one can be left out. Root inside has no"
        " power over that network: the machine's user namespace owns it",
    ),
    Exercise(
        "garden.4",
        "a Completed: what run() returns",
        _read_from_an_extra_file,
        "an open file passes every namespace: it needs no path, and who may read it was asked when"
        " it was opened",
    ),
)

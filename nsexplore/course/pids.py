"""Exercises of the notebook on PIDs, init and /proc."""

from __future__ import annotations

import re
from typing import Any, Final

from ..exercise import Exercise, brief, is_one, is_set
from ..flags import CloneFlags
from ..process import Completed, Process
from ..views import ProcessView

__all__ = ["EXERCISES"]

_ALL: Final = "(-[Ae]|-?ax)"
_NUMBERS: Final = "-?opid="
_PS: Final = re.compile(f"ps({_ALL}{_NUMBERS}|{_NUMBERS}{_ALL})")
"""``ps -A -o pid=``, with or without space between the letters and around the words."""


def _lists_itself(answer: Any) -> str:
    if not isinstance(answer, Completed):
        return f"what run() returns is asked for, a Completed; this is {brief(answer)}"
    if not _PS.search(re.sub(r"[\s'\"]", "", "".join(answer.command.args))):
        return "run ps -A -o pid=, by itself or in a script"
    if answer.returncode:
        return f"it has ended with status {answer.returncode}; look at its stderr"
    if CloneFlags.NEWPID not in answer.command.clone_flags:
        return "it was started without a PID namespace of its own, so it is not PID 1 anywhere new"
    listed = answer.stdout.split()
    if listed == ["1"]:
        return ""
    if "1" in listed and len(listed) == 2:
        return (
            "PID 1 and one more: ps is that other one, and a shell is PID 1. Who would have to"
            " be PID 1, and need there be a shell?"
        )
    return (
        f"{len(listed)} processes are listed. Whose /proc has ps read? A mounted one shows the PID"
        " namespace of who mounted it"
    )


def _is_nested_init(answer: Any) -> str:
    if isinstance(answer, Process):
        return "that is the process; what nx.inspect says of it is asked for"
    if not isinstance(answer, ProcessView):
        return f"what nx.inspect returns is asked for, a ProcessView; this is {brief(answer)}"
    if len(answer.nspid) == 1:
        return "it has one number: it is in the PID namespace from which you look"
    if len(answer.nspid) == 2:
        return (
            "it has two numbers, so it is one PID namespace down. Its child in a namespace of its"
            " own has three; and who has made that namespace without being moved, still has two"
        )
    if len(answer.nspid) > 3:
        return f"it has {len(answer.nspid)} numbers: that is deeper than was asked for"
    if answer.nspid[-1] != 1:
        return "three numbers, but the last is not 1: another process is the init there"
    return ""


EXERCISES: Final = (
    Exercise(
        "pids.1",
        "a number: how many PIDs a process has that is two PID namespaces below the first",
        is_one(
            3,
            {
                1: "one PID is what it sees of itself with getpid(2); others see it, too",
                2: "those would be its own namespace and one above; count all that are above it",
            },
            "count the PID namespaces from the machine's first one down to its own",
        ),
        "a process has a number in its own PID namespace and in each one above, and NSpid in"
        " /proc/PID/status lists them",
    ),
    Exercise(
        "pids.2",
        "a set of names of signals, in quotes",
        is_set(
            frozenset({"kill", "stop"}),
            {
                "term": "without a handler an init does not get it, whoever sends it",
                "int": "it can be handled, and there is no handler: see TERM in the notebook",
                "hup": "it can be handled, so a program has the choice; this one has made none",
            },
            "there is more: which signals can no program ever handle?",
            spelled=lambda word: word.removeprefix("sig"),
        ),
        "an ancestor's KILL and STOP, which nobody can handle, are always delivered; all other"
        " signals reach an init only if it has a handler for them (pid_namespaces(7))",
    ),
    Exercise(
        "pids.3",
        "the Completed of a run of ps -A -o pid=",
        _lists_itself,
        "ps itself is PID 1, without a shell around it, and it reads a /proc that was mounted in"
        " its own PID namespace",
    ),
    Exercise(
        "pids.4",
        "the ProcessView that nx.inspect returns of a process with three numbers, the last one 1",
        _is_nested_init,
        "it is the first process of a PID namespace in a PID namespace, and you look from above"
        " both: a number for each",
    ),
)

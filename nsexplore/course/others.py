"""Exercises of the notebook on IPC, time and cgroup namespaces."""

from __future__ import annotations

from typing import Any, Final

from ..exercise import Exercise, brief, is_one
from ..flags import CloneFlags
from ..process import Completed
from .printing import prints_only

__all__ = ["EXERCISES"]

_WANTED: Final = {"monotonic": ["60", "0"], "boottime": ["86400", "0"]}


def _has_the_offsets(answer: Any) -> str:
    if not isinstance(answer, Completed):
        return f"what run(…) of an execer returns is asked for; this is {brief(answer)}"
    if CloneFlags.NEWUSER not in answer.command.clone_flags:
        return (
            "an ordinary user may not make these namespaces: what has to be made along with them?"
        )
    if prints_only(answer.command):
        return "those are words of your own; the kernel has them in a file, to be read from inside"
    if not answer.stdout:
        return "it printed nothing: its stderr may say why"
    found = {line.split()[0]: line.split()[1:] for line in answer.stdout.splitlines() if line}
    if found.keys() != _WANTED.keys():
        return "it does not print the lines of /proc/self/timens_offsets, and nothing else"
    if all(offset == ["0", "0"] for offset in found.values()):
        return (
            "these are the offsets of a new time namespace; they must be set before a process is in"
            " it, which options of unshare(1) do (section 5)"
        )
    wrong = [name for name in _WANTED if found[name] != _WANTED[name]]
    return f"{' and '.join(wrong)}: not what was asked for; the unit is a second" if wrong else ""


EXERCISES: Final = (
    Exercise(
        "others.1",
        "the name of a kind, as in /proc/PID/ns",
        is_one(
            "mnt",
            {
                "ipc": "that would be for shmget(2), System V's shared memory. What is shm_open(3)"
                " made of? (section 4)",
                "pid": "who shares memory need not see the other's process ID",
                "user": "that decides on who they are, not on what they find",
                "shm": "there is no such kind; `ls /proc/self/ns` lists them",
                "mount": "that is the one; but what is its file in /proc/PID/ns called?",
            },
            "where does the memory of shm_open(3) have its names? Who decides what is there?",
            spelled=lambda word: word.rpartition("/")[2],
        ),
        "its names are files in /dev/shm: who sees the same mount there shares the memory. (It is"
        " enough, and not needed: an engine can mount one /dev/shm in two mount namespaces.)",
    ),
    Exercise(
        "others.2",
        "True or False",
        is_one(
            False,
            {True: "it shows another path, `/`. Is the process in another group? (section 9)"},
            "True or False",
        ),
        "it is in the same group as before, whose limit goes on to hold, however the path reads",
    ),
    Exercise(
        "others.3",
        "a number of seconds",
        is_one(
            60,
            {
                3660: "that would be the sum. Print timens_offsets in the inner one",
                3600: "that is what the outer one has. Who makes a time namespace with an offset"
                " of its own does not keep it",
                0: "60 seconds later than what?",
            },
            "let both clocks be read at once: by how much do the uptimes differ?",
        ),
        "offsets do not add up: each counts from the machine's own clocks, time_namespaces(7)",
    ),
    Exercise(
        "others.4",
        "a Completed, which is what run() returns",
        _has_the_offsets,
        "they were set after the namespace was made and before cat was in it",
    ),
)

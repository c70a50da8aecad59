"""Exercises of the notebook on UTS, and on what a namespace is."""

from __future__ import annotations

from typing import Any, Final

from ..exercise import Exercise, brief, is_one, is_set
from ..flags import CloneFlags
from ..process import Completed
from .printing import prints_only

__all__ = ["EXERCISES"]

_HOSTNAME: Final = "meadow"


def _is_alone(answer: Any) -> str:
    """Judge a command that was run in a new UTS namespace, and in no other new one."""
    if not isinstance(answer, Completed):
        return f"what run() returns is asked for, a Completed; this is {brief(answer)}"
    new = answer.command.clone_flags
    if CloneFlags.NEWUTS not in new:
        return "its UTS namespace is not a new one: whose hostname has it set, then?"
    if others := new & ~(CloneFlags.NEWUTS | CloneFlags.NEWUSER):
        return f"it has other new namespaces, too: {others!s}; clone_flags= says which are made"
    if answer.returncode != 0:
        return f"it ended with exit status {answer.returncode}: what does its stderr say?"
    if not answer.stdout.strip():
        return "it has printed nothing; `hostname` without an argument prints the hostname"
    if answer.stdout.strip() != _HOSTNAME:
        return f"it has printed {answer.stdout.strip()!r:.80}, which is not that hostname"
    if prints_only(answer.command):
        return "nobody has set a hostname there: it has printed a word, and not asked the kernel"
    return ""


def _file(word: str) -> str:
    """Leave out the folder, the kind of a process's link: /proc/PID/ns/."""
    return word.rpartition("ns/")[2]


EXERCISES: Final = (
    Exercise(
        "uts.1",
        "the name of the file in /proc/PID/ns that tells whether two processes share a hostname",
        is_one(
            "uts",
            {
                "hostname": "that is the program; the kind has the name of the C structure in which"
                " uname(2) returns the name",
                "net": "the network namespace has addresses and interfaces; the name of the machine"
                " is kept elsewhere",
            },
            "look at the table of kinds: which of them isolates hostnames?",
            spelled=_file,
        ),
        "the UTS namespace has the hostname, and processes whose links uts are equal share it",
    ),
    Exercise(
        "uts.2",
        "the hostname that the last line prints, as a string",
        is_one(
            "garden",
            {
                "orchard": "that one was set by the process that unshare became: in which"
                " namespace was it, and in which one is the shell?",
                "": "a hostname was set, in the namespace that the shell is in",
            },
            "two hostnames are set: follow in which of the two namespaces each line runs",
        ),
        "unshare moved on into a new namespace and changed the hostname there; the shell, its"
        " parent, is where it was",
    ),
    Exercise(
        "uts.3",
        "the names of the system calls that bring a running process into another namespace",
        is_set(
            frozenset({"unshare", "setns"}),
            {
                "clone": "it puts the process that it starts into a new namespace; the one that"
                " calls it stays where it is",
                "nsenter": "that is a program; which system call does it make?",
            },
            "there is one more: one of them goes into a new namespace, one into an old one",
        ),
        "unshare(2) moves the caller on into a new namespace, setns(2) into one that is there;"
        " clone(2) starts another process",
    ),
    Exercise(
        "uts.4",
        "what run() returns of a command that prints its hostname, meadow, in a new UTS namespace",
        _is_alone,
        "one flag, CLONE_NEWUTS, makes one namespace; all else is shared with this notebook",
    ),
)

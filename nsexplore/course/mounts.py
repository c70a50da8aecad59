"""Exercises of the notebook on mounts and propagation."""

from __future__ import annotations

import re
from typing import Any, Final

from ..exercise import Exercise, brief, is_one, is_set
from ..flags import CloneFlags
from ..process import Completed
from .printing import prints_only

__all__ = ["EXERCISES"]

_SPELLED: Final = re.compile(
    r"""(?:[\w-]+=|--propagation\ |--make-|ms_)?  # --propagation=slave, --make-slave, MS_SLAVE
    r?(shared|slave|private|unbindable|unchanged)  # rslave: with all mounts below""",
    re.VERBOSE,
)


def _shows_a_slave(answer: Any) -> str:
    """Judge a command that was to print the line of a tmpfs which is a slave."""
    if not isinstance(answer, Completed):
        return f"what run() returns is asked for, a Completed; this is {brief(answer)}"
    if CloneFlags.NEWNS not in answer.command.clone_flags:
        return (
            "it has no mount namespace of its own, so what it mounts, it mounts on this machine:"
            " use alone"
        )
    if answer.returncode != 0:
        return f"it ended with exit status {answer.returncode}: what does its stderr say?"
    lines = answer.stdout.splitlines()
    if len(lines) != 1:
        return f"one line is asked for; it has printed {len(lines)}"
    if said := _of_line(lines[0]):
        return said
    if prints_only(answer.command):
        return "nobody has mounted anything there: it has printed words, and not read mountinfo"
    return ""


def _propagation(word: str) -> str:
    """Spell a propagation as unshare(1) does, and as the table of section 6."""
    found = _SPELLED.fullmatch(word)
    return found[1] if found else word


def _of_line(line: str) -> str:
    mount, found, system = line.partition(" - ")
    if not found or len(mount.split()) < 6:
        return f"this is no line of mountinfo: {brief(line)}"
    if system.split()[:2] != ["tmpfs", "meadow"]:
        return "that mount is another one: a tmpfs is asked for that is named meadow"
    words = {tag.partition(":")[0] for tag in mount.split()[6:]}
    if "master" in words:
        return ""
    if "shared" in words:
        return (
            "this mount is a member of a peer group, so it tells the others, too. It is the one"
            " that a slave can listen to: where is the line of that slave?"
        )
    return (
        "this mount is private. A slave listens to a peer group: was there one, before the second"
        " namespace was made? And is anybody left in the first one? A shell that turns into its"
        " last command, as some do by themselves, is not"
    )


EXERCISES: Final = (
    Exercise(
        "mounts.1",
        "one word, in quotes: the propagation of the service's mount namespace",
        is_one(
            "slave",
            {
                "private": "then it hears of no new disk",
                "shared": "then it hears of them; but it also tells the machine of its own",
                "unchanged": "then it depends on the machine: all is told in both directions where"
                " the machine's mounts are shared, and nothing where they are private",
                "unbindable": "that is private, and cannot be bound elsewhere either",
            },
            "look at the table of section 6: which row has a yes and a no?",
            spelled=_propagation,
        ),
        "a slave gets what happens in the peer group that it listens to, and passes nothing on;"
        " systemd's MountFlags=slave is just that",
    ),
    Exercise(
        "mounts.2",
        "a set of some of the words tmpfs, bind, proc, umount, ext4",
        is_set(
            frozenset({"tmpfs", "bind"}),
            {
                "proc": "it shows a PID namespace: who is root of the one that it is in?",
                "umount": "what came with the copy is locked in it: think of what lies beneath",
                "ext4": "it believes what is on a disk, and so is nothing for everybody's root",
            },
            "there is more: which need neither a disk nor somebody else's namespace?",
        ),
        "a tmpfs is memory of one's own, and a bind mount shows what could be seen before; the"
        " rest is EPERM, or EINVAL for a locked mount",
    ),
    Exercise(
        "mounts.3",
        "the number that the last line prints",
        is_one(
            0,
            {
                1: "the note was written to where the shell is: is that what /mnt leads to?",
                2: "one note was written; and two file systems never show in one folder together",
            },
            "one note is written: which of the two file systems is it in, and which is listed?",
        ),
        "the shell was in the first tmpfs before the second one covered it: the note is down"
        " there, and the path leads to the second one, which is empty",
    ),
    Exercise(
        "mounts.4",
        "what run() returns of a script that prints the mountinfo line of a slave, a tmpfs",
        _shows_a_slave,
        "master: and the number of a group: it gets what is mounted below the members of that"
        " group, and there is no shared: by which it would tell them anything",
    ),
)

"""Exercises of the notebook that builds a container by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final

from ..exercise import Exercise, brief, is_one, is_set
from ..flags import CloneFlags
from ..process import Completed
from .printing import prints_only

__all__ = ["EXERCISES"]

_REFUSED: Final = re.compile(r"(?<!\w)/note\W+Read-only file system")


def _prints_only(answer: Completed) -> bool:
    """Return that of the program inside, which follows ``sh -c BUILD container``."""
    program = answer.command.args[4:]
    return bool(program) and prints_only(replace(answer.command, args=program))


def _read_only_root(answer: Any) -> str:
    if not isinstance(answer, Completed):
        return f"a Completed is asked for, as container(…) returns it; this is {brief(answer)}"
    flags = answer.command.clone_flags
    if CloneFlags.NEWUSER not in flags:
        return "that was no user namespace of its own: it was the machine's root that ran it"
    if CloneFlags.NEWNS not in flags:
        return "without a mount namespace there is no root file system of its own"
    if _prints_only(answer):
        return "those are words of your own; it is id and touch that should find them out"
    said = answer.stdout + answer.stderr
    if "bad option" in said:
        return (
            "mount refused: it sets all options of the tmpfs anew, and hands back the uid= that it"
            " has read, root's outside, which is no ID in there. A mount can also be read-only by"
            " itself, whatever is mounted: mount(8) has that at bind mounts"
        )
    if "root" not in answer.stdout.split():
        return (
            "id -un did not say root: either it was not called, or /etc/passwd was not written,"
            " and after the root is read-only it cannot be"
        )
    if _REFUSED.search(said):
        return ""
    if "Read-only file system" in said:
        return "something is read-only, but not the root: touch was to make /note, in it"
    if "/note" in said:
        return "touch /note was refused, but not since the file system is read-only"
    return (
        "nothing refused touch /note: mount -o remount,… changes a mount that there is; do so once"
        " all that is to be written stands"
    )


EXERCISES: Final = (
    Exercise(
        "container.1",
        "the name of a command",
        is_one(
            "umount",
            {
                "pivot_root": "without it nothing is mounted at /old, so umount fails there, and"
                " set -e ends the script",
                "rmdir": "that one is left out already; it only removes an empty folder",
                "chroot": "no line of BUILD calls it",
                "mount": "without one of these something would be missing inside; nothing of the"
                " machine's would come to it",
                "cd": "what is left open without it is a relative path, from where the program"
                " stands; an absolute one is asked for",
                "if": "without that line the script would be no script",
            },
            "where does pivot_root put the old root, and which line takes it away from there?",
            spelled=lambda words: words.partition(" ")[0],
        ),
        "pivot_root moves the machine's root to /old; it is gone only when it is unmounted. A"
        " container that keeps it has every file in reach that its UID may read",
    ),
    Exercise(
        "container.2",
        "a UID, as a number",
        is_one(
            65535,
            {
                0: "that is who it belongs to seen from inside; the map says who that is outside",
                65534: "that stands for an ID without a number; root inside has one",
                1: "ID 1 has a line of its own in the map; the file is root's",
            },
            "look at the first line of the map that execer makes",
        ),
        "who writes it is 0 inside and 65535 outside: on the tmpfs, as on any disk, a file belongs"
        " to the ID outside, and the map translates it for whoever looks",
    ),
    Exercise(
        "container.3",
        "a set of kinds of namespaces",
        is_set(
            frozenset({"ipc"}),
            {
                "user": "without it, it would be the machine's real root that runs all this",
                "pid": "only PID 1 passes the guard; and without one, proc shows a PID namespace,"
                " and only root of the user namespace that owns it may mount it",
                "mnt": "the first line mounts something, in a namespace that another user namespace"
                " would own",
                "net": "one line sets lo up; whose lo would that be?",
                "uts": "one line sets the hostname; whose would that be?",
            },
            "one line after the other: which namespace does it change, and is there any that no"
            " line changes?",
            spelled=lambda word: word.removeprefix("clone_new"),
        ),
        "no line has to do with IPC. It still belongs to a container: else its programs would share"
        " shared memory segments and queues with the machine's",
    ),
    Exercise(
        "container.4",
        "a Completed: what container(…) returns",
        _read_only_root,
        "the mount is the container's own, so its root may make it read-only: remount and bind"
        " together mean this mount alone. Many runtimes offer just that, with a small writable"
        " mount at /tmp",
    ),
)

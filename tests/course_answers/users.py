"""Answers to the exercises on users and ID maps: the right ones asked of the kernel."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import nsexplore as nx

Kind = nx.CloneFlags
BOX = nx.NamespacingExecer(
    id_map=nx.IDMap([(0, 900000, 1000)]), clone_flags=Kind.NEWUSER | Kind.NEWNS | Kind.NEWUTS
)

ROOT = (0, 70000, 1)
OTHERS = (1, 300000, 999)
LAST = (1000, 1000, 1)
BY_HAND = nx.NamespacingExecer(id_map=nx.IDMap([ROOT, OTHERS, LAST]), clone_flags=Kind.NEWUSER)

INNER = nx.NamespacingExecer(id_map=nx.IDMap([(0, 500, 100)]), clone_flags=Kind.NEWUSER)

TRIED = {
    "setuid": "setpriv --reuid 1000 true",
    "chown": "chown 999 /mnt/file",
    "hostname": "hostname orchard",
    "mount": "mount -t tmpfs tmpfs /mnt",
    "map": "echo 0 0 1 > /proc/self/uid_map",
}


@contextmanager
def box(script: str) -> Iterator[nx.Process]:
    """Start a process as box is, with an empty file system at /mnt, that has run a script."""
    lines = f"set -e\nmount -t tmpfs tmpfs /mnt\n{script}\necho ready\nexec sleep 60"
    with BOX.start("sh", "-c", lines, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process


def owner(process: nx.Process, types: str | None = None) -> int:
    """Return who owns the file, as is seen in all namespaces of a process, or in some."""
    return int(nx.enter(process, "stat", "-c", "%u", "/mnt/file", types=types).stdout)


def the_owner_inside() -> int:
    """Give a file to that UID outside, and look from inside."""
    with box("touch /mnt/file") as process:
        nx.enter(process, "chown", "900042", "/mnt/file", types="mnt")
        return owner(process)


def the_uid_outside() -> int:
    """Let such a process, which a shell in box starts, make a file, and look from outside."""
    made = INNER.plan("setpriv", "--reuid", "20", "touch", "/mnt/file").as_shell()
    with box(made) as process:
        return owner(process, "mnt")


def what_is_refused() -> set[str]:
    """Try all of it."""
    with box("touch /mnt/file") as process:
        tries = {word: nx.enter(process, "sh", "-c", line) for word, line in TRIED.items()}
    return {word for word, done in tries.items() if done.returncode != 0}


def the_map_that_was_written() -> nx.IDMap:
    """Start a process with it, and read it back."""
    return nx.IDMap.parse(BY_HAND.run("cat", "/proc/self/uid_map").stdout)


RIGHT: dict[str, Callable[[], object]] = {
    "users.1": the_owner_inside,
    "users.2": the_uid_outside,
    "users.3": what_is_refused,
    "users.4": the_map_that_was_written,
}

WRONG: dict[str, list[object]] = {
    "users.1": [65534, 900042, 0, 43, 1000, "42"],
    "users.2": [520, 900020, 20, 500, 900500, 65534, 1, None],
    "users.3": [
        {"setuid"},
        {"setuid", "map", "chown"},
        {"map", "hostname"},
        {"mount"},
        {"setuid", "map", "reboot"},
        {1000},
        "map",
    ],
    "users.4": [
        nx.IDMap([(outside, inside, size) for inside, outside, size in (ROOT, OTHERS, LAST)]),
        nx.IDMap([(0, 0, 1), OTHERS, LAST]),
        nx.IDMap([ROOT, (1, 300001, 999), LAST]),
        nx.IDMap([ROOT, (1, 300000, 1000), LAST]),
        nx.IDMap([ROOT, (1, 300000, 998), LAST]),
        nx.IDMap([ROOT, (1, 300000, 1), (999, 300998, 1), LAST, (2000, 400000, 997)]),
        nx.IDMap([ROOT, OTHERS]),
        nx.IDMap([ROOT, OTHERS, (1000, 1000, 2)]),
        nx.IDMap(),
        BY_HAND.plan("id"),
        [ROOT, OTHERS, LAST],
        "0 70000 1",
    ],
}

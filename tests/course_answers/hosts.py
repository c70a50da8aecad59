"""Answers to the exercises on many machines: the right ones asked of the kernel."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import nsexplore as nx
from nsexplore.hosts import Answer, Snapshots

APART = nx.CloneFlags.NEWUTS | nx.CloneFlags.NEWPID
BOOT_ID = 'hostname "$0"; cat /proc/sys/kernel/random/boot_id'
MAPS = (nx.IDMap([(0, 100000, 65536)]), nx.IDMap([(0, 120000, 65536)]))


def boot_ids() -> int:
    """Read it in three places."""
    apart = nx.NamespacingExecer(privileged=True, clone_flags=APART)
    names = ("rose", "fern", "iris")
    return len({apart.run("sh", "-c", BOOT_ID, name).stdout for name in names})


def overlapping(*maps: nx.IDMap) -> int:
    """Start a process with each map, and count the UIDs as of one host each."""
    answers = []
    with ExitStack() as running:
        for number, id_map in enumerate(maps):
            execer = nx.NamespacingExecer(id_map=id_map, clone_flags=nx.CloneFlags.NEWUSER)
            process = running.enter_context(execer.start("sleep", "60"))
            snapshot = nx.discover().of(process, new=True)
            answers.append(Answer(number, f"host {number}", None, snapshot, None, 0.0))
        shared = Snapshots(answers).overlaps()
    return int(shared["size"][shared["map"] == "uid"].sum())


def one_more() -> nx.IDMap:
    """Try one after the other, until nothing more overlaps than before."""
    before = overlapping(*MAPS)
    for first in range(50000, 500000, 50000):
        tried = nx.IDMap([(0, first, 65536)])
        if overlapping(*MAPS, tried) == before and not overlapping(MAPS[0], tried):
            return tried
    raise AssertionError("no map was found")


RIGHT: dict[str, Callable[[], object]] = {
    "hosts.1": boot_ids,
    "hosts.2": lambda: overlapping(*MAPS),
    "hosts.3": one_more,
}

WRONG: dict[str, list[object]] = {
    "hosts.1": [3, 2, 0, 4, 5, "1"],
    "hosts.2": [65536, 20000, 45535, 45537, 0, 85536, 165535, "45536"],
    "hosts.3": [
        "0 300000 65536",
        nx.IDMap([(1, 300000, 65536)]),
        nx.IDMap([(0, 0, 65536)]),
        nx.IDMap([(0, 300000, 1000)]),
        nx.IDMap([(0, 50000, 65536)]),
        nx.IDMap([(0, 180000, 65536)]),
    ],
}

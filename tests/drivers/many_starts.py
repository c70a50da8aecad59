"""Start and fail thousands of times, and print what that has left behind as JSON.

Run as ``python many_starts.py STARTS THREADS``. Half of the starts are made to
warm up; what is compared is the state before and after the other half.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress

from held_by_us import children, descriptors, memory
from whoever import BARE, OWN_MAP, ROOTLESS, UNMAPPED

import nsexplore as nx

EXECERS = [
    nx.NamespacingExecer(**options) for options in (OWN_MAP, BARE, UNMAPPED, BARE, ROOTLESS, BARE)
]


def one(turn: int) -> None:
    """Start one command, in another way each turn; every fourth start fails."""
    execer = EXECERS[turn % 6]
    match turn % 8:
        case 0 | 1:
            with execer.start("/bin/true", stdout=subprocess.PIPE) as process:
                process.communicate()
        case 2:
            with suppress(ChildProcessError):  # the reaper may have been first
                os.waitpid(execer.exec("/bin/true"), 0)
        case 3:
            with suppress(nx.StartError):
                execer.start("/missing", stdin=subprocess.PIPE)
        case 4:
            with execer.step("/bin/true", stderr=subprocess.PIPE) as step:
                step.next()
        case 5:
            assert execer.run("/bin/echo", "x").stdout == "x\n"
        case 6:
            with execer.start("/bin/sleep", "60"):
                pass
        case 7:
            with suppress(nx.StartError):
                execer.exec("/bin/true/no")


def many(starts: int, threads: int) -> None:
    """Spread the starts over so many threads; more than one are not the main one."""
    if threads == 1:
        for turn in range(starts):
            one(turn)
        return
    pool = [
        threading.Thread(target=lambda n=n: [one(i) for i in range(n, starts, threads)])
        for n in range(threads)
    ]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()


def settled() -> dict[str, int]:
    """Return what this process holds, once the reaper has nothing left to do."""
    deadline = time.monotonic() + 10
    while threading.active_count() > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.05)  # Python forgets a thread a moment before the kernel does
    gc.collect()
    return {
        "children": len(children()),
        "descriptors": len(descriptors()),
        "threads": threading.active_count(),
        "tasks": len(os.listdir("/proc/self/task")),
        "resident KiB": memory("VmRSS"),
    }


if __name__ == "__main__":
    starts, threads = int(sys.argv[1]), int(sys.argv[2])
    many(starts // 2, threads)
    before = settled()
    many(starts // 2, threads)
    print(json.dumps({"before": before, "after": settled()}))

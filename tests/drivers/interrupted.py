"""Start commands over and over while SIGINTs arrive; say in the end what is left.

Run as ``python interrupted.py COUNT``. Says how long a start takes, and ends after
so many KeyboardInterrupts.
"""

from __future__ import annotations

import gc
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

from held_by_us import children, descriptors
from whoever import HAS_USER_NAMESPACES, OWN_MAP, UNMAPPED

import nsexplore as nx
from nsexplore.entering import enter


def one_start(turn: int, target: nx.Process) -> None:
    execer = nx.NamespacingExecer(**OWN_MAP)
    match turn % (6 if HAS_USER_NAMESPACES else 5):
        case 0:
            execer.run("/bin/sh", "-c", "cat", input="x" * 1000)
        case 1:
            with execer.start("/bin/sleep", "60", stdout=subprocess.PIPE):
                pass
        case 2:
            with execer.step("/bin/sleep", "60", stdin=subprocess.PIPE) as step:
                step.finish()
        case 3:
            os.waitpid(nx.NamespacingExecer(**UNMAPPED).exec("/bin/true"), 0)
        case 4:
            enter(target, "/bin/true")
        case 5:
            with nx.forward(target, 50001):
                pass


def loop(count: int, target: nx.Process) -> int:
    """Return how many starts went through."""
    interrupts = done = 0
    for turn in itertools.count():
        try:
            one_start(turn, target)
            done += 1
        except KeyboardInterrupt:
            interrupts += 1
        if interrupts == count:
            return done
    raise AssertionError


def still_open() -> list[int]:
    """Return the open descriptors; the one of the listing is closed by then."""
    return [fd for fd in descriptors() if os.path.lexists(f"/proc/self/fd/{fd}")]


def left() -> dict[str, object]:
    """Return what is there beyond an idle interpreter."""
    return {
        "children": children(),
        "descriptors": {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in still_open()},
        "threads": threading.active_count(),
    }


def main() -> None:
    warnings.simplefilter("ignore", ResourceWarning)  # an interrupt may drop a process: it ends
    sys.unraisablehook = lambda _: None  # KeyboardInterrupt in a finalizer
    target = nx.NamespacingExecer(**OWN_MAP).start("/bin/sleep", "600")
    for turn in (0, 4, 5):
        one_start(turn, target)
    clean = left()
    begin = time.monotonic()
    for turn in range(10):
        one_start(turn, target)
    print((time.monotonic() - begin) / 10, flush=True)
    while True:
        try:
            done = loop(int(sys.argv[1]), target)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the last one may be late
            break
        except KeyboardInterrupt:
            continue
    print("finished", flush=True)
    deadline = time.monotonic() + 5
    while True:
        gc.collect()
        now = left()
        if now == clean or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    print(done, f"{now}, at first {clean}" if now != clean else "nothing left", flush=True)


if __name__ == "__main__":
    main()

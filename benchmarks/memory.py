"""What one `exec` costs in memory: prints the peak, and what is kept, in bytes.

Usage: ``memory.py COUNT``. Three numbers: Python's peak above the start of one `exec`,
what Python keeps per `exec`, and what the resident set grows by per `exec`.
"""

from __future__ import annotations

import gc
import os
import sys
import time
import tracemalloc
from pathlib import Path

import nsexplore as nx


def start(execer: nx.NamespacingExecer, count: int) -> None:
    """Start and reap, and wait until nothing is left to be reaped in the background."""
    for _ in range(count):
        os.waitpid(execer.exec("/bin/true"), 0)
    time.sleep(2)
    gc.collect()


def resident() -> int:
    """Return the resident set's size in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def main(count: int) -> None:
    """Measure."""
    execer = nx.NamespacingExecer(max_uid=65535)
    start(execer, 50)
    before = resident()
    start(execer, count)
    grown = resident() - before

    tracemalloc.start()
    start(execer, 1)
    base = tracemalloc.get_traced_memory()[0]
    start(execer, count)
    kept = tracemalloc.get_traced_memory()[0] - base
    tracemalloc.reset_peak()
    base = tracemalloc.get_traced_memory()[0]
    execer.exec("/bin/true")
    peak = tracemalloc.get_traced_memory()[1] - base
    print(peak, kept / count, grown / count)


if __name__ == "__main__":
    main(int(sys.argv[1]))

"""nsexplore's side of the race, and subprocess's: starts /bin/true when told to.

Usage: ``peer.py WHAT MAX_UID [RESIDENT_GIB]``. WHAT is one of STARTS; ``exec@thread`` is
``exec`` from another thread than the main one, ``exec@USER`` that of an ordinary user. For
each line ``MODE COUNT PAUSE`` on stdin it starts COUNT times, PAUSE microseconds apart, and
answers with one line: for each start, the nanoseconds until it had started, and until it
was reaped. The peers in C and Go speak the same.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import pwd
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter_ns, sleep

import nsexplore as nx

PROGRAM = "/bin/true"
Sample = tuple[int, int]
Start = Callable[[nx.NamespacingExecer], Sample]


def by_exec(execer: nx.NamespacingExecer) -> Sample:
    """Garden's call."""
    begin = perf_counter_ns()
    pid = execer.exec(PROGRAM)
    started = perf_counter_ns()
    os.waitpid(pid, 0)
    return started - begin, perf_counter_ns() - begin


def by_start(execer: nx.NamespacingExecer) -> Sample:
    """With a birth view and a `Process`."""
    begin = perf_counter_ns()
    process = execer.start(PROGRAM)
    started = perf_counter_ns()
    process.wait()
    return started - begin, perf_counter_ns() - begin


def by_run(execer: nx.NamespacingExecer) -> Sample:
    """To the end, with its output: it starts and reaps in one."""
    begin = perf_counter_ns()
    execer.run(PROGRAM)
    end = perf_counter_ns() - begin
    return end, end


def by_unshare(execer: nx.NamespacingExecer) -> Sample:
    """Today's way. Popen returns once unshare(1) runs, not yet the program: time it to the end."""
    user = [] if execer.privileged else ["--user", "--map-root-user"]
    begin = perf_counter_ns()
    namespaces = ["--ipc", "--net", "--mount", "--uts", "--pid", "--fork"]
    subprocess.Popen(["unshare", *user, *namespaces, PROGRAM]).wait()
    end = perf_counter_ns() - begin
    return end, end


STARTS: dict[str, Start] = {
    "exec": by_exec,
    "start": by_start,
    "run": by_run,
    "unshare": by_unshare,
}


def fill(gibibytes: int) -> mmap.mmap:
    """Return memory of which every page is there, each with a page table entry of its own."""
    memory = mmap.mmap(-1, gibibytes << 30)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    for page in range(0, len(memory), mmap.PAGESIZE):
        memory[page] = 1
    return memory


def become(user: str) -> None:
    """Let go of all privilege; this user need not be able to read what is imported later."""
    nx.NamespacingExecer(id_map="rootless").run(PROGRAM)
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    pr_set_dumpable = 4  # the change of IDs has made this process non-dumpable
    ctypes.CDLL(None).prctl(pr_set_dumpable, 1, 0, 0, 0)


def main(what: str, max_uid: int, resident: int = 0) -> None:
    """Serve."""
    how, _, where = what.partition("@")
    start = STARTS[how]
    execers = {
        "privileged": nx.NamespacingExecer(privileged=True),
        "unprivileged": nx.NamespacingExecer(max_uid=max_uid),
        "rootless": nx.NamespacingExecer(id_map="rootless"),
    }
    if where not in ("", "thread"):
        become(where)
    memory = fill(resident) if resident else None

    def one(mode: str, pause: int) -> Sample:
        if pause:
            sleep(pause / 1e6)
        return start(execers[mode])

    def batch(mode: str, count: int, pause: int) -> list[Sample]:
        return [one(mode, pause) for _ in range(count)]

    with ThreadPoolExecutor(1) as other:
        for line in sys.stdin:
            mode, count, pause = line.split()
            numbers = int(count), int(pause)
            if where == "thread":
                samples = other.submit(batch, mode, *numbers).result()
            else:
                samples = batch(mode, *numbers)
            print(*(number for sample in samples for number in sample), flush=True)
    del memory


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))

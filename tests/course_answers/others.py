"""Answers to the exercises on IPC, time and cgroup: the right ones as the kernel gives them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import nsexplore as nx
from nsexplore.timeline import Timeline

Kind = nx.CloneFlags
OWN_IDS = {"id_map": nx.IDMap.rootless(), "gid_map": nx.IDMap.rootless(os.getegid())}

# Memory that was made by shm_open(3) is asked for in one new namespace after the other.
SHARED_MEMORY = """
import ctypes, os

os.system("mount -t tmpfs tmpfs /dev/shm")
libc = ctypes.CDLL("libc.so.6", use_errno=True)
assert libc.shm_open(b"/course", os.O_CREAT | os.O_RDWR, 0o600) >= 0
kinds = {"ipc": 0x08000000, "net": 0x40000000, "uts": 0x04000000, "mnt": 0x00020000}
for kind, flag in kinds.items():
    if not os.fork():
        assert libc.unshare(flag) == 0
        if kind == "mnt":  # a copy of all mounts at first
            os.system("mount --make-rprivate / && mount -t tmpfs tmpfs /dev/shm")
        if libc.shm_open(b"/course", os.O_RDWR, 0) < 0:
            print(kind, flush=True)
        os._exit(0)
    os.wait()
"""

# The cgroup of one process, as somebody sees it who stays outside.
SAME_GROUP = """
unshare --cgroup sh -c 'echo $$; exec sleep 60' | {
    read inside
    cmp /proc/$inside/cgroup /proc/$$/cgroup && echo same
    kill $inside
}
"""

NESTED = """
cut -d. -f1 /proc/uptime
unshare --time --fork --boottime 3600 unshare --time --fork --boottime 60 cut -d. -f1 /proc/uptime
"""

AHEAD = "unshare --time --fork --monotonic 60 --boottime 86400 cat /proc/self/timens_offsets"


def _inside(flags: nx.CloneFlags, *command: str) -> nx.Completed:
    done = nx.NamespacingExecer(clone_flags=Kind.NEWUSER | flags, **OWN_IDS).run(*command)
    assert done.returncode == 0, done.stderr
    return done


def _shared_memory() -> object:
    return _inside(Kind.NEWNS, sys.executable, "-c", SHARED_MEMORY).stdout.strip()


def _more_memory() -> object:
    return _inside(Kind.NEWUSER, "sh", "-c", SAME_GROUP).stdout.strip() != "same"


def _nested() -> object:
    outside, inside = map(int, _inside(Kind.NEWTIME, "sh", "-c", NESTED).stdout.split())
    return round((inside - outside) / 10) * 10  # a second may have begun in between


def _ahead() -> object:
    return _inside(Kind.NEWTIME, *AHEAD.split())


RIGHT: dict[str, Callable[[], object]] = {
    "others.1": _shared_memory,
    "others.2": _more_memory,
    "others.3": _nested,
    "others.4": _ahead,
}


def _ended(
    stdout: str,
    flags: nx.CloneFlags = Kind.NEWUSER | Kind.NEWTIME,
    args: tuple[str, ...] = ("cat",),
) -> nx.Completed:
    """Return what a command would have ended with: judged as if it had been run."""
    maps = OWN_IDS if Kind.NEWUSER in flags else {"privileged": True}
    plan = nx.NamespacingExecer(clone_flags=flags, **maps).plan(*args)
    return nx.Completed(plan, 0, stdout, "", None, Timeline(()))


def _offsets(monotonic: int, boottime: int) -> str:
    return f"monotonic {monotonic:>10} {0:>9}\nboottime  {boottime:>10} {0:>9}\n"


ALSO_RIGHT: dict[str, list[object]] = {
    "others.1": ["/proc/PID/ns/mnt"],
    "others.3": [60.0],
}

WRONG: dict[str, list[object]] = {
    "others.1": ["ipc", "pid", "user", "shm", "mount", "net", 7],
    "others.2": [True, "no", 0],
    "others.3": [3660, 3600, 0, 1, "60", True],
    "others.4": [
        _ended(_offsets(0, 0)),
        _ended(_offsets(60, 24)),
        _ended(_offsets(86400, 60)),
        _ended(_offsets(60, 86400), Kind.NEWTIME),
        _ended("12345.67 89012.34\n"),
        _ended(""),
        _ended(
            _offsets(60, 86400), args=("sh", "-c", "echo monotonic 60 0; echo boottime 86400 0")
        ),
        _offsets(60, 86400),
    ],
}

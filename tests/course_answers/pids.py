"""Answers to the exercises on PIDs: the right ones are asked of the kernel."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nsexplore as nx
from nsexplore.timeline import Timeline

Kind = nx.CloneFlags
OWN_IDS = {"id_map": nx.IDMap.rootless(), "gid_map": nx.IDMap.rootless(os.getegid())}
BOXED = nx.NamespacingExecer(mount_proc=True, **OWN_IDS)
GARDEN = nx.NamespacingExecer(**OWN_IDS)
NESTED = "unshare --pid --fork sh -c 'echo ready; read line'; exit"


def numbers_two_below() -> int:
    """As NSpid has them, counted from the PID namespace of the /proc that we read."""
    return len(nested_init().nspid)


def signals_that_reach_an_init() -> set[str]:
    return {name for name in ("TERM", "INT", "HUP", "KILL", "STOP") if _reaches_an_init(name)}


def _reaches_an_init(name: str) -> bool:
    """Whether a cat that is PID 1 does not answer any more after it."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with GARDEN.start("cat", **pipes) as init:
        init.send_signal(signal.Signals[f"SIG{name}"])
        try:
            answer, _ = init.communicate("still here", timeout=0.5)
        except subprocess.TimeoutExpired:  # stopped
            return True
        return answer != "still here"


def ps_lists_itself() -> nx.Completed:
    return BOXED.run("ps", "-A", "-o", "pid=")


def nested_init() -> nx.ProcessView:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with BOXED.start("sh", "-c", NESTED, **pipes) as outer:
        assert outer.stdout is not None
        outer.stdout.readline()
        return nx.inspect(_children(_children(outer.pid)[0])[0])


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in found.split()]


def ended(
    stdout: str, execer: nx.NamespacingExecer = BOXED, *args: str, returncode: int = 0
) -> nx.Completed:
    """Return what a command would have ended with: judged as if it had been run."""
    plan = execer.plan(*(args or ("ps", "-A", "-o", "pid=")))
    return nx.Completed(plan, returncode, stdout, "", None, Timeline(()))


def numbered(*nspid: int) -> nx.ProcessView:
    """Return a look at a process with these numbers."""
    return replace(nx.inspect(os.getpid()), nspid=nspid)


RIGHT: dict[str, Callable[[], object]] = {
    "pids.1": numbers_two_below,
    "pids.2": signals_that_reach_an_init,
    "pids.3": ps_lists_itself,
    "pids.4": nested_init,
}

ALSO_RIGHT: dict[str, list[object]] = {
    "pids.2": [{"SIGKILL", "SIGSTOP"}],
}

WRONG: dict[str, list[object]] = {
    "pids.1": [1, 2, 4, "three", True],
    "pids.2": [
        {"TERM", "KILL", "STOP"},
        {"INT", "KILL"},
        {"HUP", "KILL", "STOP"},
        {"KILL"},
        {"KILL", "STOP", "CONT"},
        "KILL",
    ],
    "pids.3": [
        ended("1\n", BOXED, "sh", "-c", "echo 1"),
        ended("", returncode=1),
        ended("      1\n", nx.NamespacingExecer(clone_flags=Kind.NEWUSER, **OWN_IDS)),
        ended("      1\n      2\n", BOXED, "sh", "-c", "ps -A -o pid=; exit"),
        ended("      1\n    812\n   4711\n", GARDEN),
        "1",
    ],
    "pids.4": [
        numbered(4711),
        numbered(4711, 1),
        numbered(4711, 2, 1, 1),
        numbered(4711, 3, 2),
        [4711, 2, 1],
    ],
}

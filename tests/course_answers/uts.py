"""Answers to the exercises on UTS: the right ones asked of the kernel."""

from __future__ import annotations

import os
from collections.abc import Callable

import nsexplore as nx
from nsexplore.timeline import Timeline

NEWUTS = nx.CloneFlags.NEWUTS
LINK = "/proc/self/ns/uts"

alone = nx.NamespacingExecer(privileged=True, clone_flags=NEWUTS)
garden = nx.NamespacingExecer(max_uid=65535)


def the_link_that_differs() -> str:
    """Start a process with a hostname of its own, and compare its links with ours."""
    with alone.start("sleep", "60") as process:
        theirs = nx.inspect(process).links
    ours = nx.inspect(os.getpid()).links
    (kind,) = (kind for kind in ours if ours[kind] != theirs[kind])
    return kind


def the_last_line() -> str:
    """Run the lines of the question."""
    lines = "hostname garden\nunshare --uts hostname orchard\nhostname"
    return alone.run("sh", "-c", lines).stdout.strip()


def the_calls_that_move() -> set[str]:
    """Look at the link of one process before and after each call."""
    moved = set()
    ours = os.readlink(LINK)
    with alone.start("sleep", "60") as process:
        if os.readlink(LINK) != ours:
            moved.add("clone")
        target = f"/proc/{process.pid}/ns/uts"
        for call, tool in {"unshare": "unshare --uts", "setns": f"nsenter --uts={target}"}.items():
            # It is one process from the first line to the last: exec starts none.
            look = f"readlink /proc/$$/ns/uts; exec {tool} readlink /proc/$$/ns/uts"
            before, after = alone.run("sh", "-c", look).stdout.split()
            if before != after:
                moved.add(call)
    return moved


def meadow() -> nx.Completed:
    """Start a process with that hostname."""
    return alone.run("sh", "-c", "hostname meadow; hostname")


def ended(
    execer: nx.NamespacingExecer, stdout: str, returncode: int = 0, args: tuple[str, ...] = ()
) -> nx.Completed:
    """Return what a command would have ended with: judged as if it had been run."""
    plan = execer.plan(*(args or ("hostname",)))
    return nx.Completed(plan, returncode, stdout, "", None, Timeline(()))


RIGHT: dict[str, Callable[[], object]] = {
    "uts.1": the_link_that_differs,
    "uts.2": the_last_line,
    "uts.3": the_calls_that_move,
    "uts.4": meadow,
}

ALSO_RIGHT: dict[str, list[object]] = {
    "uts.1": ["/proc/PID/ns/uts", "ns/uts"],
    "uts.3": [{"unshare(2)", "setns(2)"}],
}

WRONG: dict[str, list[object]] = {
    "uts.1": ["hostname", "/proc/self/ns/net", "pid", 5],
    "uts.2": ["orchard", "", "localhost", None],
    "uts.3": [{"clone", "setns"}, {"nsenter", "unshare"}, {"setns"}, "setns", 3],
    "uts.4": [
        "meadow",
        nx.NamespacingExecer(privileged=True, clone_flags=nx.CloneFlags.NEWIPC).plan("hostname"),
        ended(nx.NamespacingExecer(privileged=True, clone_flags=nx.CloneFlags.NEWIPC), "meadow\n"),
        ended(garden, "meadow\n"),
        ended(alone, "", 1),
        ended(alone, ""),
        ended(alone, "garden\n"),
        ended(alone, "meadow\n", args=("sh", "-c", "echo meadow")),
    ],
}

"""Answers to the exercises of the first notebook: the right ones seen of real processes."""

from __future__ import annotations

from collections.abc import Callable

import nsexplore as nx
from nsexplore.timeline import Timeline

Kind = nx.CloneFlags
garden = nx.NamespacingExecer(max_uid=65535)
privileged = nx.NamespacingExecer(privileged=True)
two_kinds = nx.NamespacingExecer(max_uid=4000, clone_flags=Kind.NEWUSER | Kind.NEWUTS)


def root_outside() -> int:
    """Look at the process from here."""
    with garden.start("sleep", "60") as process:
        return nx.inspect(process).credentials.uid


def what_is_shared() -> set[str]:
    """Compare its namespaces with ours."""
    with garden.start("sleep", "60") as process:
        frame = nx.namespaces_frame(process)
    return set(frame.index[~frame["new"]])


def owner_inside() -> int:
    """Let stat(1) look from inside."""
    return int(garden.run("stat", "-c", "%u", "/etc/passwd").stdout)


def plan_of_two() -> nx.Command:
    """Plan it, and start it, to see that it comes true."""
    done = two_kinds.run("id")
    assert done.birth is not None
    assert done.birth.credentials.uid == 4000
    return two_kinds.plan("id")


RIGHT: dict[str, Callable[[], object]] = {
    "first.1": root_outside,
    "first.2": what_is_shared,
    "first.3": owner_inside,
    "first.4": plan_of_two,
}

ALSO_RIGHT: dict[str, list[object]] = {
    "first.2": [{"CLONE_NEWTIME", "CLONE_NEWCGROUP"}, ["time", "clone_newcgroup"]],
}

WRONG: dict[str, list[object]] = {
    "first.1": [0, 1, 65534, 1000, "65535", True],
    "first.2": [{"time"}, {"time", "cgroup", "user"}, {"pid"}, {"net"}, {"CLONE_NEWNS"}, "time", 2],
    "first.3": [0, 65535, 4294967295, 1000, "nobody"],
    "first.4": [
        two_kinds,
        nx.Completed(two_kinds.plan("id"), 0, "", "", None, Timeline(())),
        privileged.plan("id"),
        garden.plan("id"),
        nx.NamespacingExecer(max_uid=4000).plan("id"),
        nx.NamespacingExecer(max_uid=4000, clone_flags=Kind.NEWUSER).plan("id"),
        two_kinds.plan("sleep", "60"),
        two_kinds.plan("id", "-u"),
    ],
}

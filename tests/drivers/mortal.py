"""Start processes in every way, print their PIDs as JSON, and wait to be killed."""

from __future__ import annotations

import json
import signal
import threading

import nsexplore as nx

SLEEP = ("/bin/sleep", "120")
GARDEN = nx.NamespacingExecer(max_uid=65535)
PRIVILEGED = nx.NamespacingExecer(privileged=True)
BARE = nx.NamespacingExecer(privileged=True, clone_flags=nx.CloneFlags(0))
STATES = ("cloned", "uid_map", "setgroups", "gid_map", "released", "exec'd")

kept: list[object] = []


def start(execer: nx.NamespacingExecer) -> int:
    process = execer.start(*SLEEP)
    kept.append(process)
    return process.pid


def step_at(execer: nx.NamespacingExecer, state: str) -> int:
    step = execer.step(*SLEEP)
    kept.append(step)
    while step.state != state:
        step.next()
    return step.pid


def in_a_short_lived_thread(execer: nx.NamespacingExecer, how: str) -> int:
    pids: list[int] = []
    act = {"start": start, "step": lambda e: step_at(e, "released")}[how]
    thread = threading.Thread(target=lambda: pids.append(act(execer)))
    thread.start()
    thread.join()
    return pids[0]


def detached(execer: nx.NamespacingExecer) -> nx.NamespacingExecer:
    return nx.NamespacingExecer(
        privileged=execer.privileged, max_uid=execer.max_uid, clone_flags=execer.clone_flags,
        detached=True,
    )  # fmt: skip


if __name__ == "__main__":
    dies, stays = {}, {}
    for name, execer in (("garden", GARDEN), ("privileged", PRIVILEGED), ("bare", BARE)):
        dies[f"{name} start"] = start(execer)
        dies[f"{name} exec"] = execer.exec(*SLEEP)
        dies[f"{name} thread's start"] = in_a_short_lived_thread(execer, "start")
        dies[f"{name} thread's step"] = in_a_short_lived_thread(execer, "step")
        for state in STATES:
            if name == "garden" or state in ("cloned", "released", "exec'd"):
                dies[f"{name} step {state}"] = step_at(execer, state)
        stays[f"{name} detached start"] = start(detached(execer))
        stays[f"{name} detached exec"] = detached(execer).exec(*SLEEP)
        stays[f"{name} detached thread's"] = in_a_short_lived_thread(detached(execer), "start")
        # A step that is never released ends with its notebook, detached or not.
        dies[f"{name} detached step"] = step_at(detached(execer), "released")
    print(json.dumps({"dies": dies, "stays": stays}), flush=True)
    signal.pause()

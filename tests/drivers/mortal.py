"""Start processes in every way, print their PIDs as JSON, and wait to be killed."""

from __future__ import annotations

import json
import signal
import threading

from whoever import BARE, OWN_MAP, UNMAPPED

import nsexplore as nx

SLEEP = ("/bin/sleep", "120")
MODES = {"mapped": OWN_MAP, "unmapped": UNMAPPED, "bare": BARE}

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


if __name__ == "__main__":
    dies, stays = {}, {}
    for name, mode in MODES.items():
        execer = nx.NamespacingExecer(**mode)
        detached = nx.NamespacingExecer(**mode, detached=True)
        dies[f"{name} start"] = start(execer)
        dies[f"{name} exec"] = execer.exec(*SLEEP)
        dies[f"{name} thread's start"] = in_a_short_lived_thread(execer, "start")
        dies[f"{name} thread's step"] = in_a_short_lived_thread(execer, "step")
        with execer.step(*SLEEP) as step:
            states = step.states
        for state in states:
            dies[f"{name} step {state}"] = step_at(execer, state)
        stays[f"{name} detached start"] = start(detached)
        stays[f"{name} detached exec"] = detached.exec(*SLEEP)
        stays[f"{name} detached thread's"] = in_a_short_lived_thread(detached, "start")
        # A step that is never released ends with its notebook, detached or not.
        dies[f"{name} detached step"] = step_at(detached, "released")
    print(json.dumps({"dies": dies, "stays": stays}), flush=True)
    signal.pause()

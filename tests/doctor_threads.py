"""What threads do with the doctor: run in a process of its own through `ordinary_user`."""

from __future__ import annotations

import threading
from typing import Any

import making
from conftest import children, eventually

import nsexplore.pictures  # noqa: F401 - here, while it may be read
from nsexplore import NamespacingExecer, StartError, _spawn  # noqa: F401
from nsexplore.diagnosing import doctor
from nsexplore.diagnosis import Diagnosis


def in_many_at_once() -> tuple[bool, list[Diagnosis], int]:
    """Return what threads found at the same time, and what is left of it."""
    alone = doctor()
    found: list[Diagnosis] = []
    start = threading.Barrier(6)

    def ask() -> None:
        start.wait()
        found.append(doctor())

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return eventually(lambda: not children()), [alone, *found], making.dumpable()


def while_others_start() -> tuple[Diagnosis, Diagnosis, int]:
    """Return what is found while another thread starts processes, before that, and failures."""
    before = doctor()
    stop, failures = threading.Event(), []

    def start() -> None:
        while not stop.is_set():
            try:
                NamespacingExecer(id_map="rootless").run("/bin/true")
            except StartError as error:
                failures.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    during = [doctor() for _ in range(5)]
    stop.set()
    thread.join()
    return before, next((one for one in during if one != before), before), len(failures)


def after_unshare(where: str) -> list[Any]:
    """Return what is found by a second thread, and by the first.

    One of them has unshared its PID namespace, whose first process has died.
    """
    found: list[Any] = []

    def ask() -> None:
        if where == "second":
            making.unshare("pid")
        found.append(doctor())

    unshared, made = threading.Event(), threading.Event()

    def wait_and_ask() -> None:
        made.set()
        unshared.wait()
        ask()

    thread = threading.Thread(target=wait_and_ask)
    thread.start()
    made.wait()
    if where == "first":
        making.let_init_die()
    unshared.set()
    thread.join()
    found.append(doctor())
    return found

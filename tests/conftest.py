"""What every test here relies on: nothing is left behind, and in CI nothing is skipped."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

IN_CI = os.environ.get("CI") == "true"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Any:
    """In CI a skip is a failure: there, every tool and privilege is to be had."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"would be skipped, which CI does not allow: {call.excinfo.value}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Any:
    """So is a whole file that is skipped."""
    report = yield
    if IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"would be skipped, which CI does not allow: {report.longrepr}"
    return report


@pytest.fixture
def tool() -> Callable[[str], str]:
    """Return the path of a program; skip, with the reason, where it is not installed."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"{name} is not installed")
        return path

    return find


@pytest.fixture
def root() -> None:
    """Skip, with the reason, without root's capabilities."""
    if os.geteuid() != 0:
        pytest.skip("needs root with CAP_SYS_ADMIN")


def open_descriptors() -> dict[int, str]:
    """Return this process's open file descriptors with what they lead to."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:  # the listing's own
            continue
    return found


def children() -> set[int]:
    """Return the PIDs of this process's children, zombies included."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            found.update(map(int, (task / "children").read_text().split()))
    return found


def eventually(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Return whether the condition comes true within so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def leaves_nothing() -> Iterator[None]:
    """Fail a test after which this process has more children, descriptors or threads.

    The one thread that clones for short-lived threads stays, by design; it is
    not one of Python's.
    """
    fds, kids, threads = open_descriptors(), children(), set(threading.enumerate())
    yield
    assert eventually(lambda: children() <= kids), f"children left: {children() - kids}"
    assert eventually(lambda: set(threading.enumerate()) <= threads), "threads left"
    assert eventually(lambda: open_descriptors().keys() <= fds.keys()), (
        f"descriptors left: { {n: p for n, p in open_descriptors().items() if n not in fds} }"
    )

"""What every test here relies on: nothing is left behind, and in CI nothing is skipped.

Nothing, but for what the environment lacks by definition. CI runs the tests in
each environment of environments.py; NSEXPLORE_ENVIRONMENT says which it is, and
test_environments.py whether it is as it says. Two marks matter for that:

- ``needs("root")``: what the test cannot do without, one of the words of `NEEDS`.
  What a test asks of an execer it takes from `drivers.whoever`, wherever it does not
  matter which map or namespaces they are, so that most need nothing.
- ``anywhere``: asks nothing of the kernel, nor of who we are, such as style, types
  and what is built. CI runs it once, as root.
"""

from __future__ import annotations

import functools
import io
import os
import shutil
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from drivers.whoever import HAS_USER_NAMESPACES, IS_ROOT

IN_CI = os.environ.get("CI") == "true"
ENVIRONMENT = os.environ.get("NSEXPLORE_ENVIRONMENT", "")

LACKING = {
    "root": {"sub-IDs", "an ordinary user"},  # who has them: root needs none
    "ordinary": {"root", "sub-IDs"},
    "subids": {"root"},
    "locked-down": {"root", "sub-IDs", "user namespaces"},
}
"""What each environment has not, by definition."""


class Need(pytest.skip.Exception):
    """A skip for something that is not to be had here."""

    def __init__(self, what: str) -> None:
        super().__init__(f"needs {what}")
        self.is_lacking_by_definition = what in LACKING.get(ENVIRONMENT, ())


@functools.cache
def has_sub_ids() -> bool:
    """Return whether newuidmap(1) and newgidmap(1) give us a range; util-linux asks them."""
    command = ["unshare", "--user", "--map-auto", "true"]
    return HAS_USER_NAMESPACES and not subprocess.run(command, check=False).returncode


NEEDS: dict[str, Callable[[], bool]] = {
    "root": lambda: IS_ROOT,
    "an ordinary user": lambda: not IS_ROOT,
    "user namespaces": lambda: HAS_USER_NAMESPACES,
    "sub-IDs": has_sub_ids,
}


def need(what: str) -> None:
    """Skip, with the reason, without what one of the words of `NEEDS` stands for."""
    if not NEEDS[what]():
        raise Need(what)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip before any fixture is made."""
    for mark in item.iter_markers("needs"):
        need(*mark.args)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Any:
    """In CI a skip is a failure: there, everything is to be had that the environment has."""
    report = yield
    allowed = call.excinfo and getattr(call.excinfo.value, "is_lacking_by_definition", False)
    if IN_CI and report.skipped and not hasattr(report, "wasxfail") and not allowed:
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
    need("root")


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


def count(marker: str) -> int:
    """Return how many processes have this word among their arguments."""
    found = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found += marker.encode() in (folder / "cmdline").read_bytes().split(b"\0")
    return found


@pytest.fixture
def marker(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return a word for a command's arguments; afterwards nobody must have it any more.

    It is a number as well, of seconds to sleep.
    """
    word = f"60.{os.getpid()}{zlib.crc32(request.node.nodeid.encode())}"
    yield word
    assert eventually(lambda: count(word) == 0), f"a process with {word} is left"


class TerminalText(io.StringIO):
    """What is written to it, as if to a terminal."""

    def isatty(self) -> bool:
        return True

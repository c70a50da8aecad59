"""After thousands of starts, and after any end of the objects that stand for them: nothing left."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import children, eventually, open_descriptors
from drivers.whoever import OWN_MAP

import nsexplore as nx
from nsexplore import reaping

pytestmark = pytest.mark.usefixtures("leaves_nothing")

DRIVERS = Path(__file__).with_name("drivers")
EXECER = nx.NamespacingExecer(**OWN_MAP)
DROPPED = pytest.mark.filterwarnings("ignore:.*was dropped while it ran:ResourceWarning")


@pytest.mark.parametrize("threads", [1, 8])
def test_thousands_of_starts_leave_nothing(threads: int) -> None:
    """Of 2000 starts of every kind, failures among them, the second thousand costs nothing."""
    done = subprocess.run(
        [sys.executable, str(DRIVERS / "many_starts.py"), "2000", str(threads)],
        check=True,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.stderr == ""
    found = json.loads(done.stdout)
    before, after = found["before"], found["after"]
    for name in ("children", "descriptors", "threads", "tasks"):
        assert after[name] == before[name], f"{name}: {before[name]} -> {after[name]}"
    assert after["children"] == 0
    # The one thread that clones for the others is there from the first start on.
    assert after["tasks"] == (1 if threads == 1 else 2)
    # A leak of 2 KiB a start would show, such as that of a child's stack.
    assert after["resident KiB"] - before["resident KiB"] < 2048


def running() -> Any:
    return EXECER.start("/bin/sleep", "60")


def talking() -> Any:
    return EXECER.start("/bin/cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def ended() -> Any:
    process = EXECER.start("/bin/true")
    os.waitid(os.P_PIDFD, process.pidfd, os.WEXITED | os.WNOWAIT)
    return process


def waited_for() -> Any:
    process = EXECER.start("/bin/true")
    process.wait()
    return process


def killed_by_us() -> Any:
    process = running()
    process.kill()
    return process


def killed_by_others() -> Any:
    process = running()
    os.kill(process.pid, signal.SIGKILL)
    return process


def stopped() -> Any:
    process = running()
    process.send_signal(signal.SIGSTOP)
    return process


ENDS = [running, talking, ended, waited_for, killed_by_us, killed_by_others, stopped]


@DROPPED
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.parametrize("make", ENDS)
@pytest.mark.parametrize("cycle", [False, True])
def test_a_dropped_process_is_gone_and_reaped(make: Callable[[], Any], cycle: bool) -> None:
    """Whatever state it was in, by reference count or by the garbage collector."""
    process = make()
    pid = process.pid
    if cycle:
        process.itself = process
    del process
    gc.collect()
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("make", ENDS)
def test_a_process_left_or_closed_is_gone_and_reaped(make: Callable[[], Any]) -> None:
    """The end of the with block; and closing once more does nothing."""
    with make() as process:
        pid = process.pid
    assert not Path(f"/proc/{pid}").exists()
    assert process.returncode is not None
    assert process.pidfd == -1
    process.close()


def test_a_running_process_costs_one_descriptor() -> None:
    """Its pidfd, and nothing of the start; none once it has been waited for."""
    before = open_descriptors()
    process = EXECER.start("/bin/sleep", "60")
    now = open_descriptors()
    assert [now[fd] for fd in now.keys() - before.keys()] == ["anon_inode:[pidfd]"]
    process.kill()
    process.wait()
    assert open_descriptors().keys() == before.keys()


def test_dropping_a_process_that_has_ended_is_no_reason_to_warn() -> None:
    """Only one that ran is worth a ResourceWarning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for make in (ended, waited_for):
            process = make()
            del process
            gc.collect()
    assert [str(warning.message) for warning in caught] == []


@DROPPED
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.parametrize("end", ["drop", "close"])
def test_a_forked_copy_ends_nothing(end: str) -> None:
    """A process is its parent's: the copy's finalizers and with blocks leave it alone."""
    process = running()
    copy = os.fork()
    if copy == 0:
        code = 1
        try:
            warnings.simplefilter("ignore")
            if end == "drop":
                del process
                gc.collect()
            else:
                process.close()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]) == 0
    with process:
        assert process.poll() is None


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_copy_reaps_its_own_only() -> None:
    """The reaper's books are not copied: the copy can exec, and the parent's live on."""
    pid = EXECER.exec("/bin/sleep", "60")
    copy = os.fork()
    if copy == 0:
        code = 1
        try:
            own = EXECER.exec("/bin/true")
            code = 0 if eventually(lambda: not Path(f"/proc/{own}").exists()) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]) == 0
    assert Path(f"/proc/{pid}").exists()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_exec_can_be_waited_for_and_is_reaped_otherwise() -> None:
    """For a second the PID is the caller's to wait for; then all zombies are reaped."""
    pids = [EXECER.exec("/bin/sh", "-c", f"exit {n}") for n in range(8)]
    assert os.waitstatus_to_exitcode(os.waitpid(pids[3], 0)[1]) == 3
    time.sleep(0.5)
    assert os.waitstatus_to_exitcode(os.waitpid(pids[5], 0)[1]) == 5
    assert set(pids) - {pids[3], pids[5]} <= children()
    assert eventually(lambda: not set(pids) & children(), seconds=3)
    with pytest.raises(ChildProcessError):
        os.waitpid(pids[0], 0)


def test_the_reaper_lives_as_long_as_there_is_something_to_reap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its thread ends with the last process, and comes back for the next."""
    monkeypatch.setattr(reaping, "GRACE", 0.1)

    def reapers() -> int:
        return sum(thread.name == "nsexplore-reaper" for thread in threading.enumerate())

    for _ in range(2):
        pid = EXECER.exec("/bin/sleep", "60")
        second = EXECER.exec("/bin/sleep", "60")
        assert reapers() == 1
        os.kill(pid, signal.SIGKILL)
        assert eventually(lambda pid=pid: not Path(f"/proc/{pid}").exists(), seconds=3)
        assert reapers() == 1
        os.kill(second, signal.SIGKILL)
        assert eventually(lambda: reapers() == 0, seconds=3)
    assert not Path(f"/proc/{second}").exists()


def test_the_reaper_keeps_apart_processes_of_the_same_descriptor() -> None:
    """A pidfd's number is used again at once: the next process is not reaped in its stead."""
    for _ in range(3):
        pid = EXECER.exec("/bin/true")
        os.waitpid(pid, 0)
    time.sleep(1.1)
    alive = EXECER.exec("/bin/sleep", "60")
    time.sleep(0.2)
    assert Path(f"/proc/{alive}").exists()
    os.kill(alive, signal.SIGKILL)
    os.waitpid(alive, 0)

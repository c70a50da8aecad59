"""Each system call of the spawner failed in turn, and the child killed at each: no leak, no hang.

strace fails the calls of a process that serves starts; the same process goes
through all of them, so that whatever one leaves behind is seen.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from drivers.tracing import (
    BOOKKEEPING,
    VIEWING,
    Call,
    Starter,
    assign,
    between_markers,
    read_log,
    starter,
    strace,
)
from drivers.whoever import TRACEABLE, UNMAPPED

from nsexplore.flags import ALL_NAMESPACES

# What strace counts, it counts for each process from one. So many harmless calls beforehand
# take the parent's count past whatever the child makes of the same.
HARMLESS = {"read": 3, "write": 3, "prctl": 4, "setpgid": 2, "rt_sigprocmask": 2}

EVERYTHING = {
    "execer": {**TRACEABLE, "mount_proc": True},
    "clone_flags": int(ALL_NAMESPACES),
    "extra_files": [2, 1],
    "cwd": "/",
}
PLAIN = {"execer": UNMAPPED, "birth": False}

MODES = pytest.mark.parametrize(
    "mode", [pytest.param("everything", marks=pytest.mark.needs("user namespaces")), "plain"]
)

# Failures that a start survives.
FORGIVEN = {
    ("close", "EIO"): "of a file that was only read or written: nothing is lost",
    ("pidfd_send_signal", "EIO"): "a seccomp filter may not know it; only ESRCH means something",
    ("close_range", "ENOSYS"): "before Linux 5.9: one by one",
    ("close_range", "EPERM"): "a seccomp filter that does not know it: one by one",
    ("read", "EINTR"): "a signal has arrived; again",
}


@dataclass(frozen=True)
class Point:
    """A system call of a start, and the step that it belongs to."""

    step: str
    by: str
    call: str
    when: int

    def inject(self, fault: str) -> str:
        return f"--inject={self.call}:{fault}:when={self.when}"

    def __str__(self) -> str:
        return f"{self.by}'s {self.call} #{self.when} in step {self.step}"


@pytest.fixture(scope="module")
def served() -> Iterator[Starter]:
    with starter() as started:
        yield started


@pytest.fixture
def traced(served: Starter, tool: Callable[[str], str]) -> Callable[..., Any]:
    """Return a function: one start under strace with faults -> (answer, calls)."""

    def trace(*options: str, **request: Any) -> tuple[dict[str, Any], list[Call]]:
        with tempfile.NamedTemporaryFile() as file:
            log = Path(file.name)
            with strace(tool("strace"), served.process.pid, log, *options):
                answer = served.ask(
                    "start", **{"argv": ["/bin/true"], "harmless": HARMLESS, **request}
                )
            return answer, read_log(log)

    return trace


def points_of(traced: Any, request: dict[str, Any]) -> list[Point]:
    """Return every system call of every step of such a start, from an undisturbed one.

    Of the 64 looks at signal handlers in step ``signals``, the first and the last.
    """
    answer, calls = traced(**request)
    assert answer["error"] is None, answer["error"]
    points = []
    for by, own in zip(("parent", "child"), between_markers(calls), strict=True):
        steps = [step for step in answer["timeline"] if step["by"] == by]
        allowed = BOOKKEEPING | VIEWING if by == "parent" else frozenset()
        for step, its in assign(own, steps, allowed):
            for call in its:
                same = [c for c in calls if c.pid == call.pid and c.name == call.name]
                # Identity: a repeated call may look like another.
                when = 1 + next(i for i, c in enumerate(same) if c is call)
                points.append(Point(step["name"], by, call.name, when))
    looks = [p for p in points if p.call == "rt_sigaction"]
    return [p for p in points if p not in looks[1:-1]]


def unchanged(served: Starter, before: dict[str, Any]) -> dict[str, Any]:
    """Return what is not as it was before: {name: (before, now)}."""
    now = served.ask("state")
    return {name: (before[name], now[name]) for name in now if now[name] != before[name]}


@MODES
def test_each_system_call_failed_in_turn(mode: str, served: Starter, traced: Any) -> None:
    """The error names the step and the errno; nothing is left behind; nothing hangs."""
    request = EVERYTHING if mode == "everything" else PLAIN
    points = points_of(traced, request)
    assert {p.step for p in points} >= {"pipe", "clone", "release", "execve"}
    before = served.ask("state")
    wrong = []
    for point in points:
        answer, _ = traced(point.inject("error=EIO"), **request)
        error = answer["error"] or {"step": None, "errno": None}
        expected: tuple[Any, Any] = (point.step, errno.EIO)
        if (point.call, "EIO") in FORGIVEN:
            expected = (None, None)
        if (error["step"], error["errno"]) != expected:
            wrong.append(f"{point}: {error}")
        if point.call == "close":
            # The call that strace fails is not made: that descriptor stays open, by strace's doing.
            before = served.ask("state")
        elif differs := unchanged(served, before):
            wrong.append(f"{point} left {differs}")
    assert not wrong, "\n".join(wrong)


@MODES
def test_the_child_killed_at_each_of_its_calls(mode: str, served: Starter, traced: Any) -> None:
    """The error says at which step, and by which signal; nothing is left, nothing hangs."""
    request = EVERYTHING if mode == "everything" else PLAIN
    request = {**request, "harmless": {}}
    answer, calls = traced(**request)
    # These the parent makes, too: strace would kill it at the same count. See the test below.
    parents = {call.name for call in calls if call.pid != answer["pid"]} - {"setpgid"}
    points = [p for p in points_of(traced, request) if p.by == "child" and p.call not in parents]
    assert {p.step for p in points} >= {"setpgid", "files", "close_range", "execve"}
    before = served.ask("state")
    wrong = []
    for point in points:
        answer, _ = traced(point.inject("signal=KILL"), **request)
        error = answer["error"] or {"step": None, "errno": None, "text": ""}
        if (error["step"], error["errno"]) != (point.step, None):
            wrong.append(f"{point}: {error}")
        if "killed by signal 9" not in error["text"]:
            wrong.append(f"{point}: {error['text']}")
        if differs := unchanged(served, before):
            wrong.append(f"{point} left {differs}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.needs("user namespaces")
@pytest.mark.parametrize(("call", "error"), [key for key in FORGIVEN if key[1] != "EIO"])
def test_failures_that_a_start_survives(
    call: str, error: str, served: Starter, traced: Any
) -> None:
    """Old kernels, seccomp filters and signals: each has its way round, and leaves nothing."""
    before = served.ask("state")
    points = [p for p in points_of(traced, EVERYTHING) if p.call == call]
    assert points
    for point in points:
        answer, _ = traced(point.inject(f"error={error}"), **EVERYTHING, wait=True)
        if point.step == "proc":  # a file of /proc: no signal interrupts that
            continue
        assert answer["error"] is None, f"{point}: {answer['error']}"
        assert answer["returncode"] == 0
    assert not unchanged(served, before)


@pytest.mark.needs("user namespaces")
def test_a_signal_interrupts_the_parents_wait(served: Starter, traced: Any) -> None:
    """Each read of the status pipe answered with EINTR is repeated."""
    _, calls = traced(**EVERYTHING)
    parents, _ = between_markers(calls)
    reads = [c for c in calls if c.pid == parents[0].pid and c.name == "read"]
    waits = [1 + i for i, c in enumerate(reads) if '"w", 1' in c.text or '"", 1' in c.text]
    assert len(waits) == 2, "one for the holding child, one for its execve"
    before = served.ask("state")
    for when in waits:
        answer, again = traced(f"--inject=read:error=EINTR:when={when}", **EVERYTHING)
        assert answer["error"] is None
        assert any(call.errno == "EINTR" and "INJECTED" in call.result for call in again)
    assert not unchanged(served, before)


@pytest.mark.needs("root")
@pytest.mark.parametrize(
    ("fault", "step", "number"),
    [
        ("--inject=dup3:error=EIO:when=1", "files", errno.EIO),
        ("--inject=setpgid:signal=KILL:when=1", "setpgid", None),
    ],
)
def test_a_dead_child_is_not_blamed_on_the_map(
    fault: str, step: str, number: int | None, tool: Callable[[str], str], tmp_path: Path
) -> None:
    """The map of a zombie is root's to write: an ordinary user gets EACCES, but not as reason."""
    rootless = {"argv": ["/bin/true"], "execer": {"id_map": "rootless"}, "birth": False}
    with starter() as ordinary:
        ordinary.ask("start", **rootless)
        ordinary.ask("become ordinary")
        answer = ordinary.ask("start", **rootless, wait=True)
        if answer["error"]:
            pytest.skip(f"an ordinary user may not make user namespaces here: {answer['error']}")
        before = ordinary.ask("state")
        # The delay lets the child end before the parent opens its map.
        with strace(
            tool("strace"), ordinary.process.pid, tmp_path / "log", fault,
            "--inject=openat:delay_enter=50000:when=3+",
        ):  # fmt: skip
            answer = ordinary.ask("start", **rootless)
        calls = read_log(tmp_path / "log")
        written = [c for c in calls if "uid_map" in c.text and "O_WRONLY" in c.text]
        assert {call.errno for call in written} == {"EACCES"}
        assert (answer["error"]["step"], answer["error"]["errno"]) == (step, number)
        assert not unchanged(ordinary, before)


@pytest.mark.needs("user namespaces")
def test_a_kill_that_is_refused_is_tried_another_way(served: Starter, traced: Any) -> None:
    """Where a filter does not know pidfd_send_signal, a failed start still ends its child."""
    before = served.ask("state")
    answer, calls = traced(
        "--inject=pidfd_send_signal:error=EPERM",
        "--inject=write:error=EPERM:when=4",
        **{**EVERYTHING, "birth": False},
    )
    assert (answer["error"]["step"], answer["error"]["errno"]) == ("uid_map", errno.EPERM)
    assert [call.name for call in calls if call.name == "kill"] == ["kill"]
    assert not unchanged(served, before)

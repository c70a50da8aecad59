"""Entering, with its system calls failed and its processes killed: no leak, no hang, the step."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from drivers.tracing import (
    BOOKKEEPING,
    Call,
    Starter,
    assign,
    between_markers,
    read_log,
    starter,
    strace,
)
from drivers.whoever import TRACEABLE

import nsexplore as nx
from nsexplore.flags import ALL_NAMESPACES, CloneFlags

pytestmark = [pytest.mark.needs("root"), pytest.mark.usefixtures("leaves_nothing")]

# What strace counts, it counts for each process from one: these take the parent's count past
# whatever its children make of the same.
HARMLESS = {"write": 3, "read": 4, "prctl": 8, "close": 20, "fcntl": 20, "setpgid": 3}

ALL, BUT_TIME = ALL_NAMESPACES, ALL_NAMESPACES & ~CloneFlags.NEWTIME
"""With a time namespace the child has a memory of its own, else ours."""


@pytest.fixture(scope="module")
def served() -> Iterator[Starter]:
    with starter() as started:
        yield started


@pytest.fixture(scope="module", params=[ALL, BUT_TIME], ids=["all", "all but time"])
def target(request: pytest.FixtureRequest) -> Iterator[int]:
    options: dict[str, Any] = {**TRACEABLE, "clone_flags": request.param}
    with nx.NamespacingExecer(**options).start("/bin/sleep", "600") as process:
        yield process.pid


@pytest.fixture
def traced(served: Starter, target: int, tool: Callable[[str], str]) -> Callable[..., Any]:
    """Return a function: one entering under strace with faults -> (answer, calls)."""

    def trace(*options: str, **request: Any) -> tuple[dict[str, Any], list[Call]]:
        with tempfile.NamedTemporaryFile() as file:
            with strace(tool("strace"), served.process.pid, Path(file.name), *options):
                answer = served.ask(
                    "start",
                    **{"argv": ["/bin/true"], "harmless": HARMLESS, "enter": target, **request},
                )
            return answer, read_log(Path(file.name))

    return trace


def steps_by(answer: dict[str, Any], who: str) -> list[dict[str, Any]]:
    return [step for step in answer["timeline"] if step["by"] == who]


def test_timeline_is_what_strace_sees(traced: Any) -> None:
    """Call for call, in the child and in the one that is born to go on in its place."""
    answer, calls = traced(birth=False, wait=True)
    assert (answer["error"], answer["returncode"]) == (None, 0)
    parents, childs = between_markers(calls)
    assigned = assign(childs, steps_by(answer, "child"))
    assert sum(len(own) for _, own in assigned) == len(childs)
    assert len({call.pid for call in childs}) == 2
    entered = [step["name"] for step, _ in assigned if step["name"].startswith("setns(")]
    assert len(entered) == sum(call.name == "setns" for call in childs) >= 7
    met = {"pidfd_send_signal", "waitid", "pidfd_open", "poll"}
    assign(parents, steps_by(answer, "parent"), BOOKKEEPING | met | {"mmap", "restart_syscall"})


FAULTS = {
    **{f"setns:error=EIO:when={n}": ("setns", errno.EIO) for n in range(1, 8)},
    "fcntl:error=EMFILE:when=2": ("files", errno.EMFILE),
    "ppoll:error=EIO:when=1": ("death_signal", errno.EIO),
    "write:error=EIO:when=1": ("entered", errno.EIO),
    "pidfd_open:error=EMFILE:when=2": ("fork", errno.EMFILE),
    "setgroups:error=EPERM:when=1": ("setgroups(0)", errno.EPERM),
    "chdir:error=EACCES:when=1": ("chdir", errno.EACCES),
    "execve:error=ENOEXEC:when=1": ("execve", errno.ENOEXEC),
    # Whoever is root of an entered namespace may do that: it is waited for, but not for ever.
    "setns:signal=STOP:when=2": ("setns", errno.ETIMEDOUT),
    **{f"setns:signal=KILL:when={n}": ("setns", None) for n in range(1, 8)},
    "setpgid:signal=KILL:when=1": ("setpgid", None),
    "ppoll:signal=KILL:when=1": ("death_signal", None),
    "write:signal=KILL:when=1": ("entered", None),
    "setgroups:signal=KILL:when=1": ("setgroups(0)", None),
    "setuid:signal=KILL:when=1": ("setuid", None),
    "execve:signal=KILL:when=1": ("execve", None),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_with_its_step_and_leaves_nothing(
    fault: str, served: Starter, traced: Any
) -> None:
    """No child, descriptor, thread or memory; the old dumpable; and no hang."""
    traced()
    before = served.ask("state")
    # A signal would meet the parent's harmless calls; none of its own comes before the child's.
    answer, _ = traced(f"--inject={fault}", harmless={} if "KILL" in fault else HARMLESS)
    assert answer["error"] is not None
    assert (answer["error"]["step"], answer["error"]["errno"]) == FAULTS[fault]
    if "KILL" in fault:
        assert "killed by signal 9" in answer["error"]["text"]
    assert served.ask("state") == before


def test_an_interrupted_wait_for_the_one_who_has_entered_goes_on(
    served: Starter, traced: Any
) -> None:
    """EINTR while the parent listens: it listens again, and starts no second child."""
    traced()
    before = served.ask("state")
    _, calls = traced(birth=False)
    parents, _ = between_markers(calls)
    reads = [c for c in calls if c.pid == parents[0].pid and c.name == "read"]
    word = 1 + next(i for i, call in enumerate(reads) if '"e", 1' in call.text)
    answer, calls = traced(f"--inject=read:error=EINTR:when={word}", birth=False, wait=True)
    assert (answer["error"], answer["returncode"]) == (None, 0)
    assert sum(c.name == "clone" and c.result.isdigit() for c in calls) == 2
    assert served.ask("state") == before

"""The timeline against strace: the same system calls, in the same order, with the same errors."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from drivers.tracing import (
    BOOKKEEPING,
    VIEWING,
    Starter,
    assign,
    between_markers,
    read_log,
    starter,
    strace,
)
from drivers.whoever import TRACEABLE

from nsexplore.flags import ALL_NAMESPACES, CloneFlags

PRIVILEGED = {"privileged": True}
NEWTIME = int(CloneFlags.NEWTIME)

MODES: dict[str, dict[str, Any]] = {
    "own map": {"execer": TRACEABLE},
    "privileged": {"execer": PRIVILEGED},
    "all eight kinds": {"execer": TRACEABLE, "clone_flags": int(ALL_NAMESPACES)},
    "rootless": {"execer": {"id_map": "rootless"}},
    "cwd": {"execer": TRACEABLE, "cwd": "/"},
    "mount_proc": {"execer": {**TRACEABLE, "mount_proc": True}},
    "mounts untouched": {"execer": {**PRIVILEGED, "propagation": None}},
    "detached": {"execer": {**TRACEABLE, "detached": True}},
    "extra files": {"execer": TRACEABLE, "extra_files": [1, 2, 2]},
    "no namespaces": {"execer": PRIVILEGED, "clone_flags": 0},
    "from another thread": {"execer": TRACEABLE, "thread": True},
    "everything": {
        "execer": {**TRACEABLE, "mount_proc": True},
        "clone_flags": int(ALL_NAMESPACES),
        "extra_files": [2, 1],
        "cwd": "/",
    },
}

FAILURES: dict[str, dict[str, Any]] = {
    "execve": {"execer": TRACEABLE, "argv": ["/missing"]},
    "chdir": {"execer": TRACEABLE, "cwd": "/missing"},
    "clone": {"execer": PRIVILEGED, "clone_flags": int(ALL_NAMESPACES & ~CloneFlags.NEWUSER)},
    "uid_map": {"execer": TRACEABLE},
    "gid_map": {"execer": TRACEABLE},
    "propagation": {"execer": PRIVILEGED},
}
INJECTED = {
    "clone": "clone:error=EPERM:when=1",
    "uid_map": "write:error=EPERM:when=1",
    "gid_map": "write:error=EPERM:when=3",
    "propagation": "mount:error=EACCES:when=1",
}
ERRNOS = {"execve": "ENOENT", "chdir": "ENOENT", "propagation": "EACCES"}


def needing(requests: dict[str, dict[str, Any]]) -> list[Any]:
    """Return the names as parameters, each marked with what it needs."""

    def marks(execer: dict[str, Any], clone_flags: int | None = None, **_: Any) -> Any:
        if clone_flags == 0:
            return ()
        if execer is TRACEABLE:
            return pytest.mark.needs("user namespaces")
        anybody = "max_uid" in execer or "gid_map" in execer
        return pytest.mark.needs("user namespaces" if anybody else "root")

    return [pytest.param(name, marks=marks(**asked)) for name, asked in requests.items()]


@pytest.fixture(scope="module")
def served() -> Iterator[Starter]:
    with starter() as started:
        yield started


@pytest.fixture
def traced(served: Starter, tool: Callable[[str], str]) -> Callable[..., Any]:
    """Return a function: one start under strace -> (answer, the parent's calls, the child's)."""

    def trace(options: tuple[str, ...] = (), **request: Any) -> tuple[dict[str, Any], Any, Any]:
        with tempfile.NamedTemporaryFile() as file:
            log = Path(file.name)
            with strace(tool("strace"), served.process.pid, log, *options):
                answer = served.ask("start", **{"argv": ["/bin/true"], **request})
            return answer, *between_markers(read_log(log))

    return trace


def steps_by(answer: dict[str, Any], who: str) -> list[dict[str, Any]]:
    return [step for step in answer["timeline"] if step["by"] == who]


@pytest.mark.parametrize("mode", needing(MODES))
def test_every_system_call_of_the_child_belongs_to_a_step(mode: str, traced: Any) -> None:
    """From clone to execve, child and timeline agree call for call, held for a view or not."""
    for birth in (False, True):
        answer, _, childs = traced(birth=birth, **MODES[mode])
        assert answer["error"] is None, answer["error"]
        assigned = assign(childs, steps_by(answer, "child"))
        # 64 signals alone are looked at
        assert sum(len(calls) for _, calls in assigned) == len(childs) > 64
        assert childs[-1].name == "execve"


@pytest.mark.parametrize("mode", needing(MODES))
def test_the_parents_steps_are_its_system_calls(mode: str, traced: Any) -> None:
    """Beside its steps the parent only keeps its books: masks, copies, the guard, waiting."""
    answer, parents, _ = traced(birth=False, **MODES[mode])
    assigned = assign(parents, steps_by(answer, "parent"), BOOKKEEPING)
    assert {"pipe", "clone", "release"} <= {step["name"] for step, _ in assigned}


def test_the_look_at_the_child_comes_between_its_release_and_its_resume(traced: Any) -> None:
    """The birth view is read while the child holds, and both words to it are in the timeline."""
    answer, parents, _ = traced(birth=True, execer=TRACEABLE)
    steps = steps_by(answer, "parent")
    assigned = assign(parents, steps, BOOKKEEPING | VIEWING)
    first, second = (calls[0] for step, calls in assigned if step["name"] in ("release", "resume"))
    views = [parents.index(c) for c in parents if f'"/proc/{answer["pid"]}"' in c.text]
    assert views
    assert all(parents.index(first) < view < parents.index(second) for view in views)


@pytest.mark.needs("user namespaces")
@pytest.mark.parametrize("who", ["parent", "child"])
def test_steps_that_succeed_show_no_errno(who: str, traced: Any) -> None:
    """What strace saw succeed has errno 0 in the timeline, and the other way round."""
    answer, parents, childs = traced(birth=False, **MODES["everything"])
    calls, books = (parents, BOOKKEEPING) if who == "parent" else (childs, frozenset())
    for step, own in assign(calls, steps_by(answer, who), books):
        assert step["errno"] == 0
        assert [call.errno for call in own] == [""] * len(own)


@pytest.mark.parametrize("step", needing(FAILURES))
def test_a_failed_step_is_shown_with_its_errno(step: str, traced: Any) -> None:
    """The last step of the timeline is the one that failed, with the errno that strace saw."""
    options = ("--inject=" + INJECTED[step],) if step in INJECTED else ()
    answer, parents, childs = traced(options, step=True, **FAILURES[step])
    expected = ERRNOS.get(step, "EPERM")
    assert (answer["error"]["step"], answer["error"]["errno"]) == (step, getattr(errno, expected))
    if step == "clone":  # there is no step object, and so no timeline, before the first stop
        return
    failed = [each for each in answer["timeline"] if each["errno"]]
    assert [(each["name"], each["errno"]) for each in failed] == [(step, getattr(errno, expected))]
    calls, books = (
        (parents, BOOKKEEPING | VIEWING) if failed[0]["by"] == "parent" else (childs, frozenset())
    )
    calls = [call for call in calls if call.name != "exit_group"]
    own = steps_by(answer, failed[0]["by"])
    assigned = assign(calls[: _end(calls, expected)], own[: own.index(failed[0]) + 1], books)
    assert assigned[-1][1][-1].errno == expected


def _end(calls: list[Any], name: str) -> int:
    """The index behind the call that failed so; what comes after looks for the reason."""
    return next(i for i, call in enumerate(calls) if call.errno == name) + 1

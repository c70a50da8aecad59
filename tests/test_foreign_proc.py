"""A /proc that counts processes otherwise than the caller does: the map still finds its child.

The seed writes ``/proc/PID/uid_map`` with the PID that clone(2) returned. Where
another PID namespace's /proc is mounted, that number is an unrelated process's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from conftest import eventually
from probing import Starter, build_oracle, build_probe, read_report, report_path

pytestmark = [pytest.mark.needs("root"), pytest.mark.usefixtures("leaves_nothing")]

VICTIMS = 30


@pytest.fixture
def proc_of_our_parent(
    tool: Callable[[str], str],
) -> Iterator[Callable[[str | None], tuple[Starter, list[Path]]]]:
    """Return what runs a starter in a PID namespace whose /proc is the parent namespace's.

    There, the low numbers belong to processes that wait for an ID map, so that a map
    written by the wrong number finds a victim; their maps are returned too.
    """
    victims = 'n=0; while [ $n -lt "$0" ]; do unshare --user sleep 600 & n=$((n + 1)); done'
    below = 'exec unshare --pid --fork "$@"'
    before = (tool("unshare"), "--mount", "--pid", "--fork", "--mount-proc", "/bin/sh", "-c")
    outside = os.readlink("/proc/self/ns/user")

    def kids(pid: int) -> list[int]:
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))

    with ExitStack() as stack:

        def start(oracle: str | None) -> tuple[Starter, list[Path]]:
            command = (*before, f"{victims}\n{below}", str(VICTIMS))
            starter = stack.enter_context(Starter({}, oracle, before=command))
            (init,) = kids(starter.pid)
            waiting = [Path(f"/proc/{pid}") for pid in kids(init)][:VICTIMS]
            assert eventually(
                lambda: all(os.readlink(path / "ns/user") != outside for path in waiting)
            )
            return starter, [path / "uid_map" for path in waiting]

        yield start


def test_the_map_goes_to_our_child_and_to_no_other(
    tool: Callable[[str], str], proc_of_our_parent: Any
) -> None:
    """Where the mounted /proc counts otherwise, Go maps a stranger's namespace; we do not."""
    report = report_path()
    args = [build_probe(tool("gcc")), str(report)]
    job = {"args": args, "privileged": False, "max_uid": 33}
    starter, maps = proc_of_our_parent(None)
    answer = starter(job)
    assert (answer["error"], answer["pid"] < VICTIMS) == ("", True)
    assert read_report(report)["uid_map"].split() == ["0", "33", "1", "1", "1", "32"]
    assert [path.read_text() for path in maps] == [""] * VICTIMS

    starter, maps = proc_of_our_parent(build_oracle(tool("go")))
    assert starter(job)["error"] != ""
    assert sum(path.read_text() != "" for path in maps) == 1


def test_a_proc_that_does_not_know_us_is_refused_by_its_name(tool: Callable[[str], str]) -> None:
    """Go blames the program; the first line is the same here, and the next one says proc."""
    mount = 'unshare --pid --fork sh -c "mount -t proc proc /proc; exec sleep 600" &'
    then = 'while [ -e /proc/self ]; do sleep 0.01; done; exec "$@"'
    isolated = (tool("unshare"), "--mount", "--pid", "--fork", "--mount-proc")
    before = (*isolated, "/bin/sh", "-c", f"{mount}\n{then}", "sh")
    job = {"args": ["/bin/true"], "privileged": False, "max_uid": 33}
    errors = []
    for oracle in (None, build_oracle(tool("go"))):
        with Starter({}, oracle, before=before) as starter:
            errors.append(starter(job)["error"])
            if oracle is None:  # where no map is to be written, nothing is missing
                assert starter({**job, "privileged": True})["error"] == ""
    reason, step, *hint = errors[0].splitlines()
    assert reason.endswith(": fork/exec /bin/true: no such file or directory")
    assert reason.endswith(errors[1])
    assert step.startswith("  step: proc, ")
    assert "/proc" in hint[0]

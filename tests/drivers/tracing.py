"""Tests' side of served.py: a starter in another process, strace on it, and its log as values."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from drivers.whoever import TRACEABLE

PATIENCE = 20.0
"""Seconds after which an answer that has not come is a hang."""

BOOKKEEPING = frozenset("rt_sigprocmask close read prctl setpgid munmap getpid gettid".split())
"""What the parent does beside its steps: it puts back its signal mask, closes its copies,
listens to the child, keeps the dumpable guard, and hands over to its cloning thread."""

VIEWING = frozenset(
    "openat readlinkat newfstatat fstat statx lseek ioctl mmap brk rt_sigaction".split()
)
"""What it does to look at the waiting child (`nsexplore.inspecting`), Ctrl-C held meanwhile."""


class Starter:
    """A process that starts commands when told to, through a socket."""

    def __init__(self) -> None:
        ours, its = socket.socketpair()
        with its:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("served.py")), str(its.fileno())],
                pass_fds=[its.fileno()],
            )
        self.channel = ours
        ours.settimeout(PATIENCE)

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Send a request and return the answer; TimeoutError means that it hangs."""
        self.channel.sendall(json.dumps({"do": do, **request}).encode())
        answer = self.channel.recv(1 << 20)
        if not answer:
            raise RuntimeError(f"the starter has died: {self.process.wait()}")
        found: dict[str, Any] = json.loads(answer)
        return found

    def close(self) -> None:
        self.channel.close()
        self.process.kill()
        self.process.wait()


@contextmanager
def starter() -> Iterator[Starter]:
    """A `Starter` that has warmed up: what it does once only is done."""
    started = Starter()
    try:
        for _ in range(3):
            started.ask("start", argv=["/bin/true"], execer=TRACEABLE, wait=True)
        started.ask("state")
        yield started
    finally:
        started.close()


@contextmanager
def strace(program: str, pid: int, log: Path, *options: str) -> Iterator[None]:
    """Trace a running process and whatever it clones, until the block ends."""
    tracer = subprocess.Popen(
        [program, "-f", "-o", str(log), "-p", str(pid), *options],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert tracer.stderr is not None
        first = tracer.stderr.readline()
        assert "attached" in first, first
        yield
    finally:
        tracer.terminate()
        tracer.communicate()


@dataclass(frozen=True)
class Call:
    """One system call as strace saw it; `result` is empty for one that did not return."""

    pid: int
    name: str
    text: str
    result: str

    @property
    def errno(self) -> str:
        """The name of its error, or nothing."""
        found = re.match(r"-1 (E\w+)", self.result)
        return found[1] if found else ""


_LINE = re.compile(r"(?P<pid>\d+) +(?P<name>\w+)\((?P<rest>.*)")
_RESUMED = re.compile(r"(?P<pid>\d+) +<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)")


def read_log(log: Path) -> list[Call]:
    """Return the calls of a strace log, in the order in which they were entered."""
    calls: list[Call] = []
    pending: dict[int, int] = {}
    for line in log.read_text().splitlines():
        if found := _LINE.fullmatch(line):
            pid, rest = int(found["pid"]), found["rest"]
            if rest.endswith("<unfinished ...>"):
                pending[pid] = len(calls)
            calls.append(Call(pid, found["name"], rest, _result(rest)))
        elif (found := _RESUMED.fullmatch(line)) and int(found["pid"]) in pending:
            at = pending.pop(int(found["pid"]))
            begun = calls[at].text.removesuffix("<unfinished ...>")
            calls[at] = replace(
                calls[at], text=begun + found["rest"], result=_result(found["rest"])
            )
    return calls


def _result(text: str) -> str:
    return text.rpartition(" = ")[2] if " = " in text else ""


def between_markers(calls: list[Call]) -> tuple[list[Call], list[Call]]:
    """Return (the parent's, the child's) calls of the one start in a log.

    The parent's are those of every thread of it between the two markers. The
    child's end with the execve that succeeds.
    """
    begin, end = (
        next(i for i, call in enumerate(calls) if call.text.startswith(f'"/marker/{name}"'))
        for name in ("begin", "end")
    )
    window = calls[begin + 1 : end]
    clone = next((c for c in window if c.name == "clone" and c.result.isdigit()), None)
    family = {int(clone.result) if clone else 0}
    childs = []
    for call in calls[begin:]:
        # clock_gettime: a machine without a clock in the vDSO
        if call.pid in family and call.name not in ("clock_gettime", "exit_group"):
            childs.append(call)
            if call.name == "clone" and call.result.isdigit():
                family.add(int(call.result))  # who goes on in its place, in a PID namespace
            if call.name == "execve" and not call.errno:
                break
    # futex: its threads wait for each other, at any moment
    own = (call for call in window if call.pid not in family)
    parents = [call for call in own if call.name not in ("clock_gettime", "futex")]
    return parents, childs


def assign(
    calls: list[Call], steps: list[dict[str, Any]], bookkeeping: frozenset[str] = frozenset()
) -> list[tuple[dict[str, Any], list[Call]]]:
    """Return each step with the calls that it consists of; fail on a call or step too many.

    The rule: a step's ``syscall`` names its calls in order of first occurrence; a
    call may be repeated (``fcntl,dup3``, ``rt_sigaction,rt_sigprocmask``) until the
    next step begins. Calls in `bookkeeping` may stand between steps, no others.
    """
    left = list(calls)
    assigned = []
    for at, step in enumerate(steps):
        names = list(dict.fromkeys(step["syscall"].split(",")))
        following = steps[at + 1]["syscall"].split(",")[0] if at + 1 < len(steps) else ""
        while left and left[0].name != names[0] and left[0].name in bookkeeping:
            left.pop(0)
        own: list[Call] = []
        while left and left[0].name in names:
            seen = list(dict.fromkeys(call.name for call in own))
            if seen == names and left[0].name in {following, *bookkeeping}:
                break
            own.append(left.pop(0))
        seen = list(dict.fromkeys(call.name for call in own))
        complete = seen == names or (step["errno"] and seen == names[: len(seen)] and own)
        assert complete, f"step {step['name']} claims {names}, strace saw {seen}, then {left[:3]}"
        assigned.append((step, own))
    assert {call.name for call in left} <= bookkeeping, f"in no step: {left}"
    return assigned

"""Ask the doctor, and starts, in a throwaway process in which something is wrong.

The processes are forked by one of a single thread that has loaded all they need.
`circumstances` says what can be wrong.
"""

from __future__ import annotations

import atexit
import functools
import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

# All that is needed in there: no import is possible once the root folder is another.
import making
import seccomp
from conftest import children, open_descriptors

import nsexplore.pictures  # noqa: F401
from nsexplore import NamespacingExecer, _spawn, probes, rootless  # noqa: F401
from nsexplore.diagnosing import doctor
from nsexplore.diagnosis import Cause, Check, Diagnosis
from nsexplore.errors import IDMapError, StartError

if TYPE_CHECKING:
    from circumstances import Circumstance

WAYS: Mapping[str, Mapping[str, Any]] = {
    "garden": {},
    "one ID": {"id_map": "rootless"},
    "none": {"privileged": True},
}
"""Execers whose starts are tried; where there are sub-IDs, "one ID" has more than one."""


# -- what is found -------------------------------------------------------------------


@dataclass(frozen=True)
class Refused:
    """What a start that failed said."""

    step: str
    errno: int | None
    hint: str


@dataclass(frozen=True)
class Found:
    """What was found out in there.

    Attributes
    ----------
    diagnosis : Diagnosis
    again : Diagnosis
        What the doctor said when asked a second time.
    after : Diagnosis or None
        The same once more, after the fix.
    refused : mapping of str to Refused or None
        By way: what a real start said; None where it went well.
    asked : mapping of str to int
        By whom ("doctor", "again", "starts", "after"): how many times throwaway
        children were made to ask them something.
    opinions : mapping of str to bool
        What other programs could do, where they were asked.
    left : str
        What was left behind.
    """

    diagnosis: Diagnosis
    again: Diagnosis
    after: Diagnosis | None = None
    refused: Mapping[str, Refused | None] = field(default_factory=dict)
    asked: Mapping[str, int] = field(default_factory=dict)
    opinions: Mapping[str, bool] = field(default_factory=dict)
    left: str = ""

    def keys(self) -> list[str]:
        """Return all that was found, by rank."""
        return [cause.key for cause in self.diagnosis.causes]

    def faults(self) -> list[str]:
        return [cause.key for cause in self.diagnosis.faults]

    def cause(self, key: str) -> Cause:
        """Return a cause by its key."""
        by_key = {cause.key: cause for cause in self.diagnosis.causes}
        assert key in by_key, f"{key} is not among {[*by_key]}"
        return by_key[key]

    def check(self, name: str, how: str | None = None) -> Check:
        return self.diagnosis.check(name, how)


def found(
    *circumstances: Circumstance,
    fix: Circumstance = (),
    opinions: tuple[Any, ...] = (),
    starts_first: bool = False,
) -> Found:
    """Return what the doctor, and starts, say where all of these are the case.

    The same question is answered from memory.

    Parameters
    ----------
    fix : Circumstance
        What is done then, before the doctor is asked once more.
    opinions : tuple of (str, tuple of str)
        Commands of other programs that are run there, by name.
    starts_first : bool
        Whether starts are tried before the doctor is asked, twice each.
    """
    steps = {each: None for circumstance in circumstances for each in circumstance}
    order = sorted(steps, key=lambda each: each.stage)
    failure, value = _ask(tuple(order), fix, opinions, starts_first)
    assert failure is None, failure
    return value


@functools.cache
def _ask(*question: Any) -> tuple[str | None, Any]:
    zygote = _zygote()
    pickle.dump(question, zygote.stdin)
    zygote.stdin.flush()
    return pickle.load(zygote.stdout)


@functools.cache
def _zygote() -> subprocess.Popen[bytes]:
    """Start the process of one thread that makes the throwaway ones, by fork."""
    zygote = subprocess.Popen(
        [sys.executable, "-c", "import circumstances, asking; asking.serve()"],
        cwd=Path(__file__).parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    atexit.register(zygote.communicate)
    return zygote


def end() -> None:
    """End the zygote, if there is one: for a test module's end."""
    if _zygote.cache_info().currsize:
        zygote = _zygote()
        atexit.unregister(zygote.communicate)
        zygote.communicate()
        _zygote.cache_clear()


# -- in the throwaway process -----------------------------------------------------------


def serve() -> None:
    """Answer questions until there are no more."""
    making.adopt_orphans()
    seccomp.number("seccomp")  # asks a compiler, which is out of reach from a chroot
    while True:
        try:
            question = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        reader, writer = os.pipe()
        if (pid := os.fork()) == 0:
            os.close(reader)
            try:
                _answer(writer, *question)
            finally:  # what is made there may be unable to exit as Python does
                os._exit(0)
        os.close(writer)
        with open(reader, "rb") as file:
            answer = file.read()
        status = os.waitpid(pid, 0)[1]
        _end_what_is_left()
        if not answer:
            answer = pickle.dumps((f"the process has ended with status {status:#x}", None))
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()


def _end_what_is_left() -> None:
    """End the processes that a circumstance has needed beside the one that was asked."""
    while left := children():
        for pid in left:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _answer(writer: int, *question: Any) -> None:
    signal.alarm(30)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)  # nobody here talks to whoever talks to the zygote
    os.dup2(null, 1)
    try:
        value = None, _examine(*question)
    except BaseException:
        value = traceback.format_exc(), None
    with open(writer, "wb") as file:
        pickle.dump(value, file)


def _examine(
    steps: Circumstance, fix: Circumstance, opinions: tuple[Any, ...], starts_first: bool
) -> Found:
    for each in steps:
        each.make()
    asked = Counter[str]()
    with _counting(asked) as by:
        if starts_first:
            by("first starts")
            first = _try_to_start()
            by("second starts")
            assert _try_to_start() == first
        by("doctor")
        before = _things()
        diagnosis = doctor()
        by("again")
        again = doctor()
        left = _difference(before, _things())
        by("starts")
        refused = {} if _deadly(diagnosis) else _try_to_start()
    said = {name: _works(command) for name, command in opinions}
    for each in fix:
        each.make()
    after = doctor() if fix else None
    return Found(diagnosis, again, after, refused, dict(asked), said, left)


@contextmanager
def _counting(asked: Counter[str]) -> Iterator[Callable[[str], None]]:
    """Count each child that is made to ask it something, by whoever asks just now."""
    who = ""

    def by(name: str) -> None:
        nonlocal who
        who = name

    def counted(make: Callable[..., Any]) -> Callable[..., Any]:
        def count(*args: Any) -> Any:
            asked[who] += 1
            return make(*args)

        return count

    really = probes._child
    probes._child = counted(really)  # type: ignore[assignment]
    yield by
    probes._child = really


def _deadly(diagnosis: Diagnosis) -> bool:
    """Whether a start would be the end of this process."""
    return any("killed" in evidence.found for c in diagnosis.causes for evidence in c.evidence)


def _try_to_start() -> dict[str, Refused | None]:
    return {way: _start(how) for way, how in WAYS.items()}


def _start(how: Mapping[str, Any]) -> Refused | None:
    try:
        with NamespacingExecer(**how).start("/bin/true") as process:
            process.wait()
    except IDMapError as error:
        return Refused("plan", error.errno, str(error))
    except StartError as error:
        # Nothing to execute in an empty root folder: all that namespaces take has worked.
        return Refused(error.step, error.errno, error.hint) if error.step != "execve" else None
    except OSError as error:
        return Refused("plan", error.errno, "")
    return None


def _works(command: tuple[str, ...]) -> bool:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=10)
    return done.returncode == 0


def _things() -> dict[str, Any]:
    """Return what a doctor who is not careful would change."""
    things: dict[str, Any] = {"threads": set(threading.enumerate()), "hostname": os.uname()[1]}
    sources: dict[str, Callable[[], Any]] = {
        "descriptors": open_descriptors,
        "children": children,
        "mounts": lambda: Path("/proc/self/mountinfo").read_text(),
        "namespaces": lambda: {
            name: os.readlink(f"/proc/self/ns/{name}")
            for name in sorted(os.listdir("/proc/self/ns"))
            if not name.endswith("_for_children")
        },
        "signals": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        "dumpable": making.dumpable,
        "limits": lambda: {
            path.name: path.read_text() for path in sorted(Path("/proc/sys/user").iterdir())
        },
    }
    for name, read in sources.items():
        try:
            things[name] = read()
        except OSError as error:  # no /proc, or one that is not for us
            things[name] = type(error).__name__
    return things


def _difference(before: dict[str, Any], after: dict[str, Any]) -> str:
    changed = [name for name in before if before[name] != after[name]]
    return "; ".join(f"{name}: {before[name]} became {after[name]}" for name in changed)

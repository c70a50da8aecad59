"""The filters of seccomp.py answer as those that they stand for."""

from __future__ import annotations

import ctypes
import errno
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import seccomp

from nsexplore import CloneFlags

libc = ctypes.CDLL(None, use_errno=True)


def answer_to(call: str, *arguments: int) -> str:
    """Return the name of the errno that a system call fails with; nothing if it succeeds."""
    number = seccomp.number(call)
    assert number is not None
    words = [ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0)]
    return errno.errorcode[ctypes.get_errno()] if libc.syscall(number, *words) < 0 else ""


def under(expression: str, *calls: tuple[Any, ...]) -> list[str]:
    """Return the answers to the calls in a process under this filter."""
    code = (
        "import seccomp, sys, test_seccomp\n"
        "from nsexplore import CloneFlags\n"
        f"seccomp.install({expression})\n"
        f"print(*[test_seccomp.answer_to(*call) or 'done' for call in {calls!r}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True
    )
    assert done.returncode == 0
    return done.stdout.split()


def test_dockers_answers() -> None:
    """Whatever makes namespaces or mounts: EPERM, and ENOSYS from clone3; nothing else."""
    new = int(CloneFlags.NEWUTS)
    assert under(
        "seccomp.docker()",
        ("unshare", int(CloneFlags.NEWUSER)),
        ("unshare", seccomp.value("CLONE_FILES")),
        ("setns", -1, 0),
        ("clone", new),
        ("clone3", 0, 0),
        ("mount", 0, 0, 0, 0, 0),
        ("umount2", 0, 0),
        ("pivot_root", 0, 0),
        ("socket", int(socket.AF_ALG), 1),
        ("socket", int(socket.AF_UNIX), 1),
        ("personality", 0xFFFFFFFF),
        ("personality", 0x0040000),  # ADDR_NO_RANDOMIZE, as gdb asks for
        ("getppid",),
    ) == [*["EPERM"] * 4, "ENOSYS", *["EPERM"] * 4, "done", "done", "EPERM", "done"]


@pytest.mark.needs("user namespaces")  # or another filter answers first
@pytest.mark.parametrize(
    ("allowed", "answers"),
    [
        ("", ["EPERM", "EPERM", "ENOSYS", "EPERM", "EPERM", "done"]),
        ("CloneFlags.NEWUTS", ["EPERM", "passed", "ENOSYS", "passed", "EPERM", "done"]),
    ],
)
def test_systemds_answers(allowed: str, answers: list[str]) -> None:
    """EPERM for the kinds that are not allowed; clone3 and setns to any kind never work."""
    uts = int(CloneFlags.NEWUTS)
    found = under(
        f"seccomp.restrict_namespaces({allowed})",
        ("unshare", int(CloneFlags.NEWUSER)),
        # Refused by the filter, or by the kernel for a reason of its own.
        ("clone", uts | seccomp.value("CLONE_THREAD")),
        ("clone3", 0, 0),
        ("setns", -1, uts),
        ("setns", -1, 0),
        ("unshare", seccomp.value("CLONE_FILES")),
    )
    passed = {"EINVAL", "EBADF"}
    assert ["passed" if each in passed else each for each in found] == answers


def test_answers_are_those_asked_for() -> None:
    """Each call with its errno, the others as they are."""
    calls = ("getppid",), ("getpgrp",) if seccomp.number("getpgrp") else ("getpgid", 0), ("getsid",)
    asked = {calls[0][0]: errno.ENOSPC, calls[1][0]: errno.EUSERS}
    assert under(f"seccomp.answers({asked!r})", *calls) == ["ENOSPC", "EUSERS", "done"]


def test_a_call_that_there_is_not_is_refused() -> None:
    """A filter for a misspelt call would be no filter."""
    with pytest.raises(ValueError, match="umnount"):
        seccomp.answers({"umnount": errno.EPERM})


def test_every_thread_is_bound() -> None:
    """Those that were there before, too."""
    code = """if True:
        import errno, os, seccomp, threading
        go, found = threading.Event(), []
        def look():
            go.wait()
            try:
                os.getsid(0)
            except OSError as error:
                found.append(error.errno)
        thread = threading.Thread(target=look)
        thread.start()
        seccomp.install(seccomp.answers({"getsid": errno.ENOSPC}))
        go.set()
        thread.join()
        print(*found)
    """
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == (f"{errno.ENOSPC}\n", "")

"""The command ``nsexplore`` in a process of its own, at a terminal too."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conftest import eventually, need

COMMAND = [sys.executable, "-m", "nsexplore"]
ANYBODY = ["--rootless"]  # what works for whoever may make user namespaces


def command(*args: str) -> list[str]:
    """Return the command; skip, with the reason, where what it is to start cannot be had."""
    if "run" in args[:1] and "--rootless" in args:
        need("user namespaces")
    return [*COMMAND, *args]


def cli(*args: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    settings = {"capture_output": True, "encoding": "utf-8", "timeout": 30, **kwargs}
    if "input" not in settings:
        settings.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(command(*args), check=False, **settings)


def started(*args: str, **kwargs: Any) -> subprocess.Popen[str]:
    """Start the command, without a terminal."""
    settings = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **kwargs}
    return subprocess.Popen(command(*args), encoding="utf-8", start_new_session=True, **settings)


def said(process: subprocess.Popen[str], word: str) -> None:
    """Wait until a started command has said a word."""
    assert process.stdout is not None
    assert process.stdout.readline() == f"{word}\n"


class Terminal:
    """A terminal whose session is one nsexplore, or that of a shell through which it is started."""

    def __init__(self, setsid: str, *args: str, through: Sequence[str] = ()) -> None:
        self.ours, theirs = pty.openpty()
        self.seen = b""
        try:
            self.process = subprocess.Popen(
                [setsid, "--ctty", *through, *command("run", *ANYBODY), "-q", *args],
                stdin=theirs, stdout=theirs, stderr=theirs,
            )  # fmt: skip
        finally:
            os.close(theirs)

    def type(self, keys: bytes) -> None:
        os.write(self.ours, keys)

    def shows(self, word: bytes) -> bool:
        """Read on until a word is there."""
        os.set_blocking(self.ours, False)

        def look() -> bool:
            with contextlib.suppress(OSError):  # nothing yet; EIO at the end
                self.seen += os.read(self.ours, 4096)
            return word in self.seen

        return eventually(look, 20)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.ours)


CTRL_C, CTRL_D, CTRL_Z = b"\x03", b"\x04", b"\x1a"


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def child_of(pid: int) -> int:
    """Return the only child of a process of one thread."""
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)

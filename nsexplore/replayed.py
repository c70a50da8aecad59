"""What is shown instead of a start: a process, and a stopped start, that are none."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from .book import Entry, Halt
from .command import Command
from .origin import Origin
from .process import Process
from .stepping import Step
from .streams import CHUNK, LONG, Streams
from .timeline import Timeline
from .views import ProcessView

__all__ = ["ReplayedProcess", "ReplayedStep"]

NOBODY: Final = 1 << 22
"""No process has a number from here on (PID_MAX_LIMIT)."""

_SIGKILLED: Final = -9  # not of signal, which has no SIGKILL on Windows


class ReplayedProcess(Process):
    """A process that is none: it shows what was recorded of one, and ends as that one did.

    One that a signal has ended runs here, too, until it gets that one, or SIGKILL,
    or is waited for without a timeout.
    """

    def __init__(self, command: Command, entry: Entry) -> None:
        birth = entry.birth
        # Its own number is another process's here, which nobody shall hit by mistake.
        super().__init__(command, NOBODY + (birth.pid if birth else 0), birth=birth)
        self.timeline = entry.timeline
        self.recorded = entry.timeline.recorded
        self.returncode = None
        self._entry = entry
        self._last = _SIGKILLED if entry.returncode is None else entry.returncode
        self._look = self._recorded_view
        for fd, text in ((command.stdout, entry.stdout), (command.stderr, entry.stderr)):
            if fd is not None and text:
                _in_background(_write, os.dup(fd), text.encode("utf-8", "surrogateescape"))
        if command.stdin is not None and stat.S_ISFIFO(os.fstat(command.stdin).st_mode):
            _in_background(_drain, os.dup(command.stdin))

    def _recorded_view(self) -> ProcessView:
        if self.returncode is not None or self._entry.now is None:
            raise ProcessLookupError(errno.ESRCH, "the recorded process has ended")
        return self._entry.now

    def poll(self) -> int | None:
        """Return the recorded exit status, if it ended by itself."""
        if self.returncode is None and self._last >= 0:
            self.returncode = self._last
        return self.returncode

    def _wait_for_end(self, seconds: float) -> None:
        if seconds < LONG:  # somebody has a timeout, and it runs on
            time.sleep(seconds)
        else:
            self.returncode = self._last

    def communicate(
        self, input: str | bytes | None = None, timeout: float | None = None
    ) -> tuple[Any, Any]:
        """Return what was recorded, whatever the input."""
        self._input(input)
        found: list[Any] = [
            None if file is None else self._decoded(text)
            for file, text in ((self.stdout, self._entry.stdout), (self.stderr, self._entry.stderr))
        ]
        try:
            self.wait(timeout)
        except subprocess.TimeoutExpired as error:
            error.output, error.stderr = found
            raise
        for file in (self.stdin, self.stdout, self.stderr):
            if file is not None:
                file.close()
        return found[0], found[1]

    def _decoded(self, text: str) -> str | bytes:
        data = text.encode("utf-8", "surrogateescape")
        return data.decode("utf-8", "replace") if self._text else data

    def send_signal(self, sig: int) -> None:
        """End it by SIGKILL, or by the signal that has ended it when it was recorded."""
        if self.poll() is None and -sig in (_SIGKILLED, self._last):
            self.returncode = -int(sig)

    def kill(self) -> None:
        """End it."""
        self.send_signal(-_SIGKILLED)

    def _kill_with_group(self) -> None:
        if self.poll() is None:
            self.returncode = _SIGKILLED


class ReplayedStep(Step):
    """A stopped start that is none: it goes through the stops that were recorded of one."""

    def __init__(self, command: Command, entry: Entry, streams: Streams | None, text: bool) -> None:
        self.command = command
        self._entry = entry
        self._streams = streams
        self._text = text
        self._process: Process | None = None
        self._at = 0
        self.state = entry.halts[0].state
        self._look = self.view

    @property
    def states(self) -> tuple[str, ...]:
        """The stops that were recorded, in order."""
        return tuple(halt.state for halt in self._entry.halts)

    @property
    def pid(self) -> int:
        """A number that no process has here."""
        return NOBODY + self._halt.view.pid

    @property
    def pidfd(self) -> int:
        """None: -1."""
        return -1

    @property
    def timeline(self) -> Timeline:
        """The steps up to this stop."""
        return self._halt.timeline

    @property
    def recorded(self) -> Origin | None:
        """Where and when."""
        return self.timeline.recorded

    @property
    def _halt(self) -> Halt:
        return self._entry.halts[self._at]

    def view(self) -> ProcessView:
        """Return what was seen at this stop."""
        if self.state == "ended":
            raise ProcessLookupError(errno.ESRCH, "the recorded process of this step has ended")
        return self._halt.view

    def next(self) -> str:
        """Go on to the next stop that was recorded and return its name."""
        if self.state == "ended":
            raise RuntimeError("this start has ended: make a new one with step()")
        if self._process is not None:
            raise RuntimeError("there is no step after exec'd: the process runs, see .process")
        if self._at + 1 == len(self._entry.halts):
            self.close()
            if self._entry.failure is not None:
                raise self._entry.failure.error()
            raise RuntimeError(f"the recording ends here, at {self.states[-1]!r}")
        self._at += 1
        self.state = self._halt.state
        if self.state == "exec'd":
            self._process = ReplayedProcess(self.command, self._entry)
            if self._streams is not None:
                self._process._attach(self._streams, text=self._text)
        return self.state

    def close(self) -> None:
        """End it, at whichever stop it is."""
        self.state = "ended"
        if self._process is not None:
            self._process.close()
        if self._streams is not None:
            self._streams.close()


def _in_background(work: Callable[..., None], *args: object) -> None:
    threading.Thread(target=work, args=args, daemon=True).start()


def _write(fd: int, data: bytes) -> None:
    with suppress(OSError), open(fd, "wb", buffering=0) as file:  # nobody may read on
        while data:
            data = data[file.write(data) :]


def _drain(fd: int) -> None:
    with suppress(OSError), open(fd, "rb", buffering=0) as file:
        while file.read(CHUNK):
            pass

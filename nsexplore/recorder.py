"""Keeping what is seen of real starts, for a book of recordings."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from .book import Book, Entry, Failure, Halt, asked
from .command import Command
from .errors import StartError
from .inspecting import inspect_pidfd
from .process import Process
from .runner import NativeCommandRunner
from .snapshot import Snapshot
from .spawning import Stop
from .stepping import Step
from .streams import CHUNK, Streams
from .timeline import Timeline
from .views import ProcessView

__all__ = ["REFUSALS", "Recorder"]

REFUSALS: Final = frozenset(
    "spawner clone proc uid_map setgroups gid_map newuidmap newgidmap setgroups(0) setgid setuid"
    " propagation mount_proc newtime".split()
)
"""The steps at which it is the machine that says no; at the others it is the command."""


class Recorder:
    """Starts commands for real, and keeps what is seen of them.

    What was started is kept, too: dropping the last reference to a process does not
    end it while it is recorded.
    """

    def __init__(self) -> None:
        self._kept: list[_Kept] = []
        self.snapshots: dict[str, Snapshot] = {}

    def book(self) -> Book:
        """Return what was seen so far."""
        return Book.of((kept.entry() for kept in self._kept), self.snapshots)

    def start(self, command: Command) -> Process:
        """Start a command, keeping what it writes on the way, and how it looks."""
        if not command.birth:  # exec(): nobody looks
            return NativeCommandRunner().start(command)
        kept = self._keep(command)
        try:
            process = kept.process = NativeCommandRunner().start(kept.copies.command)
        except BaseException as error:
            kept.fail(error)
            raise
        kept.copies.begin()
        process.command = command
        kept.now = _settled(lambda: inspect_pidfd(process.pid, process.pidfd, "now"))
        process._look = kept.look
        return process

    def step(self, command: Command, streams: Streams | None, *, text: bool) -> Step:
        """Start a command stopped between its steps, keeping each stop."""
        kept = self._keep(command)
        try:
            return _RecordedStep(kept, command, streams, text=text)
        except BaseException as error:
            kept.fail(error)
            raise

    def _keep(self, command: Command) -> _Kept:
        kept = _Kept(asked(command), _Copies(command))
        self._kept.append(kept)
        return kept


@dataclass
class _Kept:
    """What is kept of one start."""

    command: Command
    copies: _Copies
    process: Process | None = None
    now: ProcessView | None = None
    looked: bool = False
    halts: list[Halt] = field(default_factory=list)
    failure: Failure | None = None

    def look(self) -> ProcessView:
        """Look at the process as `inspect` does, and keep that."""
        assert self.process is not None
        if self.process.pidfd < 0:
            raise ProcessLookupError(3, f"process {self.process.pid} has ended")
        self.now = inspect_pidfd(self.process.pid, self.process.pidfd, "now")
        self.looked = True
        return self.now

    def fail(self, error: BaseException) -> None:
        """Keep an error of the command's own making."""
        self.copies.close()
        if isinstance(error, StartError) and error.step not in REFUSALS | {"lookup"}:
            self.failure = Failure.of(error)

    def entry(self) -> Entry:
        process = self.process
        code = None if process is None else process.poll()
        # What ends by itself looks different whenever one looks: kept only if somebody did.
        ran_on = self.looked or code is None or code < 0
        stdout, stderr = self.copies.texts(wait=code is not None)
        return Entry(
            self.command,
            birth=None if process is None else _unnamed(process.birth),
            timeline=Timeline(()) if process is None else process.timeline,
            now=self.now if ran_on else None,
            returncode=code,
            stdout=stdout,
            stderr=stderr,
            halts=tuple(self.halts),
            failure=self.failure,
        )


class _RecordedStep(Step):
    """A start whose every stop is kept."""

    def __init__(self, kept: _Kept, command: Command, streams: Streams | None, *, text: bool):
        self._kept = kept
        super().__init__(kept.copies.command, streams, text=text)
        self.command = command

    def _go_to(self, stop: Stop) -> None:
        try:
            super()._go_to(stop)
        except BaseException as error:
            self._kept.fail(error)
            raise
        view = _settled(self.view) or self.view()
        self._kept.halts.append(Halt(self.state, _before_execve(view), self.timeline))
        if self._process is not None:
            self._kept.copies.begin()
            self._kept.process, self._kept.now = self._process, view

    def close(self) -> None:
        super().close()
        if self._kept.process is None:
            self._kept.copies.close()


def _settled(look: Callable[[], ProcessView]) -> ProcessView | None:
    """Look at a process once it sleeps, which is soon; None where it cannot be seen."""
    view = None
    for _ in range(25):
        with suppress(OSError):
            view = look()
            if view.state.startswith(("S", "Z")):
                break
        time.sleep(0.002)
    return view


def _unnamed(view: ProcessView | None) -> ProcessView | None:
    return None if view is None else _before_execve(view)


def _before_execve(view: ProcessView) -> ProcessView:
    # Until execve it has this process's arguments: a notebook's, with folders of its user.
    return view if view.moment == "now" else replace(view, cmdline=())


class _Copies:
    """Copies what a command writes on its way to where it is to go.

    Attributes
    ----------
    command : Command
        The command to start, its outputs going through here.
    """

    def __init__(self, command: Command) -> None:
        self._order = (command.stdout, command.stderr)
        self._copies = {fd: _Copy(fd) for fd in dict.fromkeys(self._order) if fd is not None}
        ends = [None if fd is None else self._copies[fd].write for fd in self._order]
        self.command = replace(command, stdout=ends[0], stderr=ends[1])

    def begin(self) -> None:
        """Let go of the ends that the process has by now, and copy until it has."""
        for copy in self._copies.values():
            copy.begin()

    def close(self) -> None:
        """Copy nothing: there is no process."""
        for copy in self._copies.values():
            copy.close()

    def texts(self, *, wait: bool) -> tuple[str, str]:
        """Return what was written to stdout and, if that is not the same, to stderr."""
        found = {fd: copy.text(wait=wait) for fd, copy in self._copies.items()}
        out, err = ("" if fd is None else found.pop(fd, "") for fd in self._order)
        return out, err  # the second is empty where both are the same


class _Copy:
    """One output: a pipe whose other end goes on to a file descriptor."""

    def __init__(self, fd: int) -> None:
        self.read, self.write = os.pipe()
        self._onward = os.dup(fd)
        self._data = bytearray()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def begin(self) -> None:
        os.close(self.write)
        self._thread.start()

    def close(self) -> None:
        if self._thread.ident is None and self._onward >= 0:
            for fd in (self.read, self.write, self._onward):
                os.close(fd)
            self._onward = -1

    def text(self, *, wait: bool) -> str:
        if wait and self._thread.ident is not None:
            self._thread.join(1.0)  # a grandchild may hold it open for longer
        return bytes(self._data).decode("utf-8", "surrogateescape")

    def _run(self) -> None:
        # Where nobody reads on, the process is told so by its own pipe: hence both are closed.
        with (
            suppress(OSError),
            open(self.read, "rb", 0) as source,
            open(self._onward, "wb", 0) as to,
        ):
            while chunk := os.read(source.fileno(), CHUNK):
                self._data += chunk
                while chunk:
                    chunk = chunk[os.write(to.fileno(), chunk) :]

"""Who really starts a command: garden's injected ``CommandRunner``."""

from __future__ import annotations

import signal
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from .command import Command
from .inspecting import birth_of
from .process import Process
from .reaping import is_reaped_later, reap_later
from .spawning import Stop, advance, begin

__all__ = [
    "CommandRunner",
    "NativeCommandRunner",
    "RecordingCommandRunner",
    "ending_on_error",
    "start_unowned",
]


class CommandRunner(Protocol):
    """Starts a command. Injected into `NamespacingExecer`, so that tests can fake it."""

    def start(self, command: Command) -> Process:
        """Start it and return its process, or raise."""
        ...


@dataclass(frozen=True)
class NativeCommandRunner:
    """Starts a command for real, through the native spawner."""

    def start(self, command: Command) -> Process:
        """Start it; with ``command.birth``, stop just before execve for the birth view.

        Raises
        ------
        StartError
            Nothing is left behind.
        """
        spawn = begin(command)
        try:
            birth = None
            if command.birth:
                advance(spawn, command, Stop.RELEASED)
                birth = birth_of(spawn, command)
            advance(spawn, command, Stop.EXECED)
            process = Process(command, spawn.pid, spawn=spawn, birth=birth)
            _note_start(process)
        except BaseException:
            spawn.abandon()
            raise
        return process


def start_unowned(command: Command) -> int:
    """Start a command that lives by itself from then on, and return its PID."""
    spawn = begin(command)
    try:
        advance(spawn, command, Stop.EXECED)
        pid = spawn.pid  # before the reaper may let go of it
        reap_later(spawn)
    except BaseException:
        if is_reaped_later(spawn):  # an interrupt: nobody has its number, so it ends
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(spawn.pidfd, signal.SIGKILL)
        else:
            spawn.abandon()
        raise
    return pid


class RecordingCommandRunner:
    """Starts nothing and keeps every command it was asked to start.

    Parameters
    ----------
    pid : int
        What its processes call themselves.
    error : Exception, optional
        Raised by every `start`.
    on_start : callable, optional
        Called with each command, before `start` returns.

    Examples
    --------
    >>> from nsexplore import NamespacingExecer, RecordingCommandRunner
    >>> runner = RecordingCommandRunner(pid=12)
    >>> NamespacingExecer(runner, max_uid=33).exec("/bin/something", "smthg")
    12
    >>> runner.commands[0].args
    ('/bin/something', 'smthg')
    """

    def __init__(
        self,
        pid: int = 1,
        *,
        error: Exception | None = None,
        on_start: Callable[[Command], None] | None = None,
    ) -> None:
        self.pid = pid
        self.error = error
        self.on_start = on_start
        self.commands: list[Command] = []

    def start(self, command: Command) -> Process:
        """Record the command; return a process that has ended with 0 and never ran."""
        self.commands.append(command)
        if self.on_start is not None:
            self.on_start(command)
        if self.error is not None:
            raise self.error
        return Process(command, self.pid)


# A runner around the native one may start a process and then fail: the process would run
# on without anybody who knows it.

_starts = threading.local()


def _note_start(process: Process) -> None:
    now = _now()
    if now is not None:
        now.started.append(process)


def _now() -> ending_on_error | None:
    # Weak: an interrupt may keep __exit__ from being run.
    reference = getattr(_starts, "now", None)
    return reference() if reference is not None else None


class ending_on_error:
    """A context that ends what this thread starts in it, if it is left by an error."""

    def __enter__(self) -> None:
        self.outer = _now()
        self.started: list[Process] = []
        _starts.now = weakref.ref(self)

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        _starts.now = weakref.ref(self.outer) if self.outer is not None else None
        if kind is not None:
            for process in self.started:
                process.close()
        elif self.outer is not None:
            self.outer.started += self.started

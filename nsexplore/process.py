"""A process started in namespaces, and what is left of one that has ended."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from ._renders import Renders
from .arguments import as_input, deadline_of
from .command import Command
from .descriptors import Descriptors
from .flags import CloneFlags
from .interrupts import held
from .origin import Origin
from .reaping import reap_later
from .spawning import timeline_of
from .streams import LONG, Conversation, close_quietly
from .timeline import Timeline
from .views import ProcessView

if TYPE_CHECKING:
    from ._spawn import Spawn
    from .streams import Streams

__all__ = ["Completed", "Process"]


@dataclass(frozen=True, slots=True)
class Completed(Renders):
    """A process that has run to its end.

    Attributes
    ----------
    command : Command
        What was asked of the kernel.
    returncode : int
        Its exit status; ``-N`` if signal N ended it.
    stdout, stderr : str
        What it wrote, decoded as UTF-8; a byte that is none shows as U+FFFD.
    birth : ProcessView or None
        The process just before execve.
    timeline : Timeline
        The steps of its start.
    """

    command: Command
    returncode: int
    stdout: str
    stderr: str
    birth: ProcessView | None
    timeline: Timeline

    @property
    def args(self) -> tuple[str, ...]:
        """The argument vector."""
        return self.command.args

    @property
    def recorded(self) -> Origin | None:
        """Where and when, if this is shown from a recording."""
        return self.timeline.recorded

    def check_returncode(self) -> None:
        """Raise `subprocess.CalledProcessError` unless the exit status is 0."""
        if self.returncode:
            raise subprocess.CalledProcessError(
                self.returncode, self.args, self.stdout, self.stderr
            )


class Process(Renders):
    """A running process. As a context manager it leaves nothing behind: the end kills it.

    Dropping the last reference kills it too (with a `ResourceWarning`), unless
    it was started ``detached``; and so does the end of this process.

    Attributes
    ----------
    command : Command
    args : tuple of str
        The argument vector.
    pid : int
        As this process counts PIDs.
    returncode : int or None
        None while it runs, or nobody has asked; ``-N`` if signal N ended it.
    stdin, stdout, stderr : file or None
        Our ends of the pipes that were asked for.
    birth : ProcessView or None
        The process just before execve: there even for /bin/true. None for
        `NamespacingExecer.exec`, which does not stop to look.
    recorded : Origin or None
        Where and when, if this is no process here but shown from a recording.
    """

    def __init__(
        self,
        command: Command,
        pid: int,
        *,
        spawn: Spawn | None = None,
        birth: ProcessView | None = None,
    ) -> None:
        self.command = command
        self.args = command.args
        self.pid = pid
        self.birth = birth
        self.recorded: Origin | None = None
        self.stdin: IO[Any] | None = None
        self.stdout: IO[Any] | None = None
        self.stderr: IO[Any] | None = None
        # Without a spawn there is no process: a runner that only records made this one.
        self.returncode: int | None = 0 if spawn is None else None
        self._spawn = self._recorder = spawn
        self._owner = os.getpid()
        # Reentrant, for handlers of signals that poll or signal in the middle of a poll.
        self._lock = threading.RLock()
        self._reaping = False
        self._text = True
        self._conversation: Any = None
        # How `inspect` looks at it, where not at a running process, or not only.
        self._look: Callable[[], ProcessView] | None = None

    @cached_property
    def timeline(self) -> Timeline:
        """The steps of its start, put together from the spawner's records when asked for."""
        return Timeline(()) if self._recorder is None else timeline_of(self._recorder, self.command)

    @property
    def pidfd(self) -> int:
        """A file descriptor that stands for the process (pidfd_open(2)); -1 once it is reaped."""
        return -1 if self._spawn is None else self._spawn.pidfd

    def __repr__(self) -> str:
        state = "running" if self.returncode is None else f"returncode={self.returncode}"
        return f"<Process pid={self.pid} args={list(self.args)!r} {state}>"

    def _attach(self, streams: Streams, *, text: bool) -> None:
        """Take over our ends of the pipes."""
        streams.close_child_ends()
        self.stdin, self.stdout, self.stderr = streams.files(text=text)
        self._text = text

    # -- waiting ------------------------------------------------------------

    def poll(self) -> int | None:
        """Return the exit status if the process has ended (and reap it), else None."""
        stolen = False
        with self._lock:
            if self.returncode is None and self._spawn is not None and not self._reaping:
                self._reaping = True
                try:
                    with held():  # its exit status can be had once
                        stolen = self._reap(self._spawn)
                finally:
                    self._reaping = False
        if stolen:
            warnings.warn(
                f"process {self.pid} was reaped by somebody else (os.wait?): its exit status is"
                " unknown, 255 stands for it",
                RuntimeWarning,
                stacklevel=2,
            )
        return self.returncode

    def _reap(self, spawn: Spawn) -> bool:
        """Reap the process if it has ended; return whether somebody else has."""
        try:
            status = os.waitid(os.P_PIDFD, spawn.pidfd, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            self.returncode = 255
            spawn.disown()
            return True
        if status is not None:
            exited = status.si_code == os.CLD_EXITED
            self.returncode = status.si_status if exited else -status.si_status
            spawn.disown()
        return False

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit status.

        Parameters
        ----------
        timeout : float, optional
            Seconds.

        Raises
        ------
        subprocess.TimeoutExpired
            The process goes on.
        """
        deadline = deadline_of(timeout)
        while (returncode := self.poll()) is None:
            left = LONG if deadline is None else deadline - time.monotonic()
            if left <= 0 and timeout is not None:
                raise subprocess.TimeoutExpired(self.args, timeout)
            self._wait_for_end(min(left, LONG))
        return returncode

    def _wait_for_end(self, seconds: float) -> None:
        with Descriptors() as own:
            with self._lock:
                if self.returncode is not None:
                    return
                # A copy: another thread may reap the process, and close the original.
                fd = own.open(lambda: os.dup(self.pidfd))
            poller = select.poll()
            poller.register(fd, select.POLLIN)
            poller.poll(seconds * 1000)

    def communicate(
        self, input: str | bytes | None = None, timeout: float | None = None
    ) -> tuple[Any, Any]:
        """Send `input`, read both outputs to their end, wait, and return (stdout, stderr).

        Returns
        -------
        tuple
            Text, or bytes if the process was started with ``text=False``; None
            for an output that is no pipe.

        Raises
        ------
        subprocess.TimeoutExpired
            With what was read so far in its ``output`` and ``stderr``. The
            process goes on, and `communicate` may be called again.
        """
        deadline = deadline_of(timeout)
        if self._conversation is None:
            data = self._input(input)
            self._conversation = Conversation(self.stdin, [self.stdout, self.stderr], data)
        elif input is not None:
            raise ValueError(
                "communicate() was called before: its input cannot be changed any more"
            )
        ended = self._conversation.run(deadline)
        try:
            if ended:
                self.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            ended = False
        outputs = tuple(
            data.decode("utf-8", "replace") if data is not None and self._text else data
            for data in self._conversation.collected_bytes()
        )
        if not ended and timeout is not None:
            raise subprocess.TimeoutExpired(self.args, timeout, outputs[0], outputs[1])
        return outputs

    def _input(self, input: str | bytes | None) -> bytes:
        if input is None:
            return b""
        if self.stdin is None:
            raise ValueError("input needs stdin=PIPE")
        return as_input(input, text=self._text)

    # -- ending -------------------------------------------------------------

    def send_signal(self, sig: int) -> None:
        """Send a signal; nothing happens if the process has ended.

        PID 1 of a PID namespace ignores every signal that it has no handler
        for, but SIGKILL and SIGSTOP from outside (pid_namespaces(7)).
        """
        if self.poll() is None:
            with self._lock, suppress(ProcessLookupError):
                if self.pidfd >= 0:
                    signal.pidfd_send_signal(self.pidfd, sig)

    def terminate(self) -> None:
        """Send SIGTERM. PID 1 inside ignores it unless it handles it: see `kill`."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL. The death of PID 1 inside takes its whole PID namespace along."""
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """End the process if it runs, with its process group; reap it; close its streams.

        Without a PID namespace of its own its children are ended as members of
        its group, unless its end has been waited for already: from then on the
        number of the group may be another's.
        """
        self._kill_with_group()
        self.wait()
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                close_quietly(stream)

    def _kill_with_group(self) -> None:
        with self._lock:
            if self.returncode is not None or self.pidfd < 0 or self._owner != os.getpid():
                return  # in a forked copy it is the original's
            if CloneFlags.NEWPID not in self.command.clone_flags:
                # Nothing else takes its children along. While the process is not reaped,
                # which takes this lock, the number of its group is nobody else's.
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        spawn = getattr(self, "_spawn", None)
        if spawn is None or spawn.pidfd < 0 or self._owner != os.getpid():
            return
        if self.command.detached:
            if not sys.is_finalizing():
                reap_later(spawn)
            return
        try:
            if _runs(spawn):
                warnings.warn(
                    f"{self!r} was dropped while it ran, and is killed: keep a reference, use it"
                    " in a with block, or start it detached",
                    ResourceWarning,
                    stacklevel=2,
                    source=self,
                )
        finally:  # where warnings are errors, it ends all the same
            self._kill_with_group()
            spawn.abandon()


def _runs(spawn: Spawn) -> bool:
    with suppress(ChildProcessError):
        look = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PIDFD, spawn.pidfd, look) is None
    return False

"""A process in the foreground: the terminal's keys and our signals reach it as they should.

A started process has a process group of its own, so that a notebook's Ctrl-C
does not reach it. At a terminal that is wrong twice: only the foreground
group may read from it (PID 1 of a PID namespace, which the kernel spares the
signal that would stop it, would try again and again), and Ctrl-C is for the
command. So there it joins our group, as a command of the shell would.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Final

from .flags import CloneFlags
from .inhabitants import inhabitants
from .procfs import number_in_proc, parse_status, read_text

if TYPE_CHECKING:
    from .stepping import Step

__all__ = ["Foreground"]


def _signals(*names: str) -> tuple[signal.Signals, ...]:
    # Other systems have fewer; they get as far as the error of the start.
    return tuple(signal.Signals[name] for name in names if hasattr(signal, name))


_ENDING: Final = _signals("SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP")
_STOPPING: Final = _signals("SIGTSTP", "SIGTTIN", "SIGTTOU")
_KEYS: Final = _signals("SIGINT", "SIGQUIT")
"""The terminal sends these to every member of its foreground group."""
_MOST: Final = 4096
_ROUNDS: Final = 500
"""Of a millisecond each; who is not stopped by then waits for a device, or a file server."""


class Foreground:
    """Passes signals on to a process for as long as the with block lasts.

    Parameters
    ----------
    start : Step
        A start that stands at ``released``: a process can be moved into
        another group only before its execve.

    Attributes
    ----------
    ended_by : int or None
        The signal that ended the process on our word. PID 1 of a PID namespace
        is spared a signal that it has no handler for (pid_namespaces(7)):
        what would have ended it outside ends it here by SIGKILL, in that
        signal's name.
    """

    def __init__(self, start: Step) -> None:
        self.ended_by: int | None = None
        self._start = start
        self._terminal = _join_our_group(start.pid)
        self._before: dict[int, object] = {}

    def __enter__(self) -> Foreground:
        for number in (*_ENDING, *(_STOPPING if self._terminal >= 0 else ())):
            action = self._pass_on if number in _ENDING else self._stop
            # What we were started to ignore (nohup), the process ignores too, or has chosen
            # to handle: it may be passed on.
            self._before[number] = signal.signal(number, action)
        return self

    def __exit__(self, *exception: object) -> None:
        self._take_terminal_back()
        for number, action in self._before.items():
            signal.signal(number, action)  # type: ignore[arg-type]  # as signal.signal gave it
        if self._terminal >= 0:
            os.close(self._terminal)

    # A handler runs in the middle of anything, Process's locked parts included: so those
    # below talk to the pidfd, and take no lock.

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        # Who is not the command yet has our handlers, and a signal that waits for PID 1 of a PID
        # namespace is dropped when it has them no more.
        if self._has_begun() and self._is_prepared_for(number):
            if not self._is_everyones(number):
                self._send(number)
            return
        self.ended_by = number
        if self._is_everyones(number):  # each of them has it, and may be prepared for it
            self._send(signal.SIGKILL)
        else:
            self.end()

    def _is_everyones(self, number: int) -> bool:
        return self._terminal >= 0 and number in _KEYS

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._send(signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)  # until the shell's fg
        self._send(signal.SIGCONT)

    def _send(self, number: int) -> None:
        if self._start.pidfd >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._start.pidfd, number)

    def end(self) -> None:
        """Kill the process, and with it whom it has started and who did not leave it."""
        if self._start.pidfd >= 0 and CloneFlags.NEWPID not in self._start.command.clone_flags:
            if self._terminal < 0:  # not reaped: the number is its own
                with suppress(ProcessLookupError):
                    os.killpg(self._start.pid, signal.SIGKILL)
            else:
                self._kill_below()
        self._send(signal.SIGKILL)

    def _kill_below(self) -> None:
        """Kill everyone below the process: in our group, they are in none of their own."""
        for _ in range(_ROUNDS):
            # Who is stopped starts nobody, and reaps nobody: the numbers stay theirs.
            below = inhabitants(self._start.pidfd, _MOST).processes
            running = [each.number for each in below if each.state[:1] not in "TtZX"]
            if not running or below[0].number != self._start.pid:  # another /proc's numbers
                break
            _signal_all(running, signal.SIGSTOP)
            time.sleep(0.001)
        if below and below[0].number == self._start.pid:
            _signal_all([each.number for each in below], signal.SIGKILL)

    def _has_begun(self) -> bool:
        """Whether the process is the command: it may be so before the start's finish() returns."""
        if self._start.state == "exec'd":
            return True
        try:
            os.setpgid(self._start.pid, os.getpgid(self._start.pid))
        except PermissionError:  # as for each child that has executed a program (setpgid(2))
            return True
        except ProcessLookupError:
            pass
        return False

    def _is_prepared_for(self, number: int) -> bool:
        """Whether the process catches or ignores a signal."""
        with suppress(OSError, ValueError, KeyError):
            fields = parse_status(read_text(f"/proc/{number_in_proc(self._start.pidfd)}/status"))
            handled = int(fields["SigCgt"], 16) | int(fields["SigIgn"], 16)
            return bool(handled >> (number - 1) & 1)
        return False

    def _take_terminal_back(self) -> None:
        # An interactive shell inside made its own group the terminal's, and is gone.
        if self._terminal < 0:
            return
        with suppress(OSError):
            if _is_there(os.tcgetpgrp(self._terminal)):
                return
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
            try:
                os.tcsetpgrp(self._terminal, os.getpgrp())
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _join_our_group(pid: int) -> int:
    """Return our terminal's descriptor, or -1: then the process keeps its own group."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return -1
    try:
        os.setpgid(pid, os.getpgrp())
    except OSError:
        os.close(terminal)
        return -1
    return terminal


def _signal_all(numbers: list[int], number: int) -> None:
    for pid in numbers:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _is_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True

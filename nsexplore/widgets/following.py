"""The process of an explorer: followed while it runs, kept as a run when it has ended."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any, Final

import traitlets

from ..inhabitants import Inhabitants, inhabitants
from ..inspecting import inspect
from ..process import Process
from ..runner import CommandRunner
from ..stepping import Step
from ..streams import LONG
from .history import BEGINNING, Run, how_it_ended, own_namespaces
from .output import Output
from .panel import Panel
from .streaming import Streaming

__all__ = ["Follower"]

MOST_RUNS: Final = 100
"""Runs that are kept: the latest ones."""

AT_ONCE: Final = 0.25
"""Seconds that `Follower.stop` waits for the end of what it has killed."""


class Follower(Panel):
    """A panel whose process is followed; what starts one is `Model`."""

    stop_at = traitlets.Unicode("", read_only=True)
    stops = traitlets.Any((), read_only=True)
    asked = traitlets.Any(None, allow_none=True, read_only=True)
    process = traitlets.Any(None, allow_none=True, read_only=True)
    view = traitlets.Any(None, allow_none=True, read_only=True)
    inside = traitlets.Any(Inhabitants(), read_only=True)
    timeline = traitlets.Any(None, allow_none=True, read_only=True)
    output = traitlets.Any(Output(), read_only=True)
    history = traitlets.Any((), read_only=True)
    failure = traitlets.Any(None, allow_none=True, read_only=True)
    offers_doctor = traitlets.Bool(False, read_only=True)

    def __init__(self, command_runner: CommandRunner | None = None, **controls: Any) -> None:
        self._streaming: Streaming | None = None
        self._stepping: Step | None = None
        self._is_stopped = False
        self._owner = os.getpid()
        self._count = 0
        self._waiting: list[asyncio.Future[None]] = []
        super().__init__(command_runner, **controls)

    def _forget_last(self) -> None:
        """Make room for what the next start has to show."""
        if self._streaming is not None:
            self._streaming.close()
            self._streaming = None
        self._is_stopped = False
        with self.hold_trait_notifications():
            for name in ("process", "view", "timeline", "failure"):
                self.set_trait(name, None)
            self.set_trait("offers_doctor", False)
            self.set_trait("output", Output())
            self.set_trait("inside", Inhabitants())
            self.set_trait("stop_at", "")
            self.set_trait("stops", ())
            self.set_trait("asked", self._verdict.plan)

    def _begin(self, process: Process, *, is_stepped: bool = False) -> None:
        """Follow a process that has just been started."""
        with self.hold_trait_notifications():
            if not is_stepped:
                self._forget_last()
            # Its callbacks begin with the loop's next turn, or with a wait.
            self._streaming = Streaming(
                process, on_output=self._show_output, on_look=self._look, on_end=self._end
            )
            self.set_trait("asked", process.command)
            self.set_trait("process", process)
            self.set_trait("view", process.birth)
            self.set_trait("timeline", process.timeline)
            self.set_trait("stop_at", "")
            self.set_trait("state", "running")
            self._act_words = {}
            self._tell()

    # -- while it runs ------------------------------------------------------------------

    def _live(self) -> Streaming | None:
        """Return what follows the process that runs; None in a forked copy, whose it is not."""
        is_ours = self.state == "running" and os.getpid() == self._owner
        return self._streaming if is_ours else None

    def _catch_up(self) -> None:
        """Note an end that nobody had the time to note: no loop runs, or a cell holds it up."""
        streaming = self._live()
        if streaming is not None:
            streaming.pump(0)
            if streaming.has_exited:
                self._pump(streaming, time.monotonic() + AT_ONCE)

    def _show_output(self, output: Output) -> None:
        self.set_trait("output", output)

    def _look(self) -> None:
        process = self.process
        try:
            view = inspect(process)
        except OSError:  # it has just ended
            return
        with self.hold_trait_notifications():
            self.set_trait("view", view)
            self.set_trait("inside", inhabitants(process.pidfd))

    def _end(self) -> None:
        process, streaming = self.process, self._streaming
        if process is None or streaming is None:
            return
        self._count += 1
        returncode = process.returncode if process.returncode is not None else 255
        stdout, stderr = (
            streaming.read_output(name, BEGINNING).decode("utf-8", "replace")
            for name in ("stdout", "stderr")
        )
        run = Run(
            self._count,
            process.command,
            process.birth,
            process.timeline,
            returncode,
            stdout,
            stderr,
            (self.output.stdout.total, self.output.stderr.total),
            how_it_ended(returncode, stopped=self._is_stopped),
            own_namespaces(),
        )
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)
        with self.hold_trait_notifications():
            self.set_trait("view", process.birth)
            self.set_trait("inside", Inhabitants())
            self.set_trait("history", (*self.history, run)[-MOST_RUNS:])
            self.set_trait("state", "ended")
            self._act_words = {}
            self._tell()

    def send(self, text: str | bytes) -> bool:
        """Send text to the process's stdin, as it is; return whether it will get there."""
        why, streaming = "nothing runs", self._live()
        if self.state == "stepping":
            why = f"it waits at {self.stop_at}, and reads nothing before exec'd"
        elif streaming is not None:
            data = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
            why = streaming.send(data)
        return self._refuse(why, "send") if why else self._done("send")

    def close_stdin(self) -> bool:
        """Close the process's stdin when it has read what was sent."""
        streaming = self._live()
        if streaming is None:
            return self._refuse("nothing runs", "send")
        streaming.close_stdin()
        return self._done("send")

    def more(self) -> bool:
        """Read on where the process waits for that (`Output.waits`): as much again."""
        streaming = self._live()
        if streaming is None:
            return self._refuse("nothing runs", "output")
        streaming.more()
        return self._done("output")

    def read_output(self, stream: str = "stdout") -> bytes:
        """Return all that is kept of what the latest process wrote, shown or not.

        Parameters
        ----------
        stream : {"stdout", "stderr"}
        """
        if stream not in ("stdout", "stderr"):
            raise ValueError(f"stream={stream!r} is neither 'stdout' nor 'stderr'")
        return b"" if self._streaming is None else self._streaming.read_output(stream)

    # -- ending -----------------------------------------------------------------------------

    def stop(self) -> bool:
        """End what runs, or waits at a stop, with all that is in it; return whether it did.

        By SIGKILL: TERM is nothing that PID 1 inside would notice (pid_namespaces(7)).
        """
        if self._stepping is not None and os.getpid() == self._owner:
            step, self._stepping = self._stepping, None
            step.close()
            with self.hold_trait_notifications():
                self.set_trait("stop_at", "")
                self.set_trait("state", "ended")
                self._act_words = {}
                self._tell()
            return True
        streaming = self._live()
        if streaming is None:
            return self._refuse("nothing runs")
        self._is_stopped = True
        streaming.kill()
        self._pump(streaming, time.monotonic() + AT_ONCE)
        return True

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end and return the exit status; None where it has not ended.

        In a cell this holds up the kernel's event loop, though not what is shown: ``await
        model.ended()`` does not.

        Parameters
        ----------
        timeout : float, optional
            Seconds. Without one, a process that waits for its output to be read on
            (`Output.waits`) is not waited for: ``problems["output"]`` says so.
        """
        if self.state == "stepping":
            self._refuse(f"a start waits at {self.stop_at}: finish() it first")
            return None
        streaming = self._live()
        if streaming is not None:
            self._pump(streaming, None if timeout is None else time.monotonic() + timeout)
        return self._returncode()

    def _returncode(self) -> int | None:
        if self.state != "ended" or self.process is None:
            return None
        returncode: int | None = self.process.returncode
        return returncode

    def _pump(self, streaming: Streaming, deadline: float | None) -> None:
        streaming.attach()
        while not streaming.has_ended:
            left = LONG if deadline is None else deadline - time.monotonic()
            if left <= 0 and deadline is not None:
                streaming.pump(0)
                return
            streaming.pump(left)
            if deadline is None and self.output.waits:
                self._refuse("it waits for its output to be read on: more() or stop()", "output")
                return

    async def ended(self, timeout: float | None = None) -> int | None:
        """Wait for the end without holding up the event loop; as `wait` else."""
        streaming = self._live()
        if streaming is not None:
            streaming.attach()
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await asyncio.wait([future], timeout=timeout)
            if not future.done():
                self._waiting.remove(future)
        return self._returncode()

    def close(self) -> None:
        """End everything and let go of it; the controls, the plan and the history stay."""
        self._is_closed = True
        if self._stepping is not None and os.getpid() == self._owner:
            self._stepping.close()
            self._stepping = None
        if self._streaming is not None:
            self._streaming.close()
            self._streaming = None
        for future in self._waiting:
            future.cancel()
        self._waiting = []
        with self.hold_trait_notifications():
            if self.state in ("running", "stepping"):
                self.set_trait("stop_at", "")
                self.set_trait("state", "ended")
            self.set_trait("inside", Inhabitants())
            self._tell()

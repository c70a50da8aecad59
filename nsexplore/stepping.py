"""A start that one can stop at: the real process, held between clone and execve."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Final

from ._renders import Renders
from .command import Command
from .inspecting import birth_of, inspect_pidfd
from .interrupts import held
from .origin import Origin
from .process import Process
from .spawning import Stop, advance, begin, timeline_of
from .timeline import Timeline
from .views import ProcessView

if TYPE_CHECKING:
    from .streams import Streams

__all__ = ["Step"]

_STATES: Final = {
    Stop.CLONED: "cloned",
    Stop.UID_MAP: "uid_map",
    Stop.SETGROUPS: "setgroups",
    Stop.GID_MAP: "gid_map",
    Stop.RELEASED: "released",
    Stop.EXECED: "exec'd",
}


class Step(Renders):
    """A start, stopped between its steps.

    The process exists from the beginning and waits: ``cloned`` (in its new
    namespaces, no map yet: nobody), ``uid_map``, ``setgroups``, ``gid_map``
    (each has just been written), ``released`` (it has its credentials and
    mounts, and waits before execve), ``exec'd``. Leaving the with block, or
    dropping the object, ends the process at whichever stop; so does the end of
    this process.

    Attributes
    ----------
    command : Command
    state : str
        The stop it is at; ``"ended"`` after `close` or a failure.
    """

    def __init__(self, command: Command, streams: Streams | None = None, *, text: bool = True):
        self.command = command
        self.state = "ended"
        self._streams = streams
        self._text = text
        self._process: Process | None = None
        self._spawn = begin(command)
        self._go_to(Stop.CLONED)

    @property
    def states(self) -> tuple[str, ...]:
        """The stops of this start, in order; without a user namespace there are no maps."""
        return tuple(_STATES[stop] for stop in self._stops())

    def _stops(self) -> tuple[Stop, ...]:
        if self.command.uid_mappings is None:
            return (Stop.CLONED, Stop.RELEASED, Stop.EXECED)
        return tuple(_STATES)

    @property
    def pid(self) -> int:
        """The PID, as this process counts; 0 after the end."""
        return self._process.pid if self._process else self._spawn.pid

    @property
    def pidfd(self) -> int:
        """A file descriptor that stands for the process; -1 after the end."""
        return self._process.pidfd if self._process else self._spawn.pidfd

    @property
    def timeline(self) -> Timeline:
        """The steps so far (the child's own from ``released`` on)."""
        return timeline_of(self._spawn, self.command)

    @property
    def recorded(self) -> Origin | None:
        """Where and when, if this is no start here but shown from a recording."""
        return None

    @property
    def process(self) -> Process | None:
        """The running process, once it is ``exec'd``."""
        return self._process

    def view(self) -> ProcessView:
        """Look at the process as it waits.

        Raises
        ------
        ProcessLookupError
            It has ended.
        """
        if self.pidfd < 0:
            raise ProcessLookupError(3, "the process of this step has ended")
        with held():
            if self._process:
                return inspect_pidfd(self.pid, self.pidfd, "now")
            return inspect_pidfd(self.pid, self.pidfd, "step", self.command.joins)

    def next(self) -> str:
        """Go on to the next stop and return its name.

        Raises
        ------
        StartError
            The step failed; the process is gone.
        RuntimeError
            There is no next stop.
        """
        if self.state == "ended":
            raise RuntimeError("this start has ended: make a new one with step()")
        if self.state == "exec'd":
            raise RuntimeError("there is no step after exec'd: the process runs, see .process")
        reached = Stop(self._spawn.reached)
        self._go_to(next(stop for stop in self._stops() if stop > reached))
        return self.state

    def finish(self) -> Process:
        """Go on to the end of the start and return the running process."""
        while self._process is None:
            self.next()
        return self._process

    def _go_to(self, stop: Stop) -> None:
        birth = None
        try:
            if stop is Stop.EXECED:
                birth = birth_of(self._spawn, self.command)
            advance(self._spawn, self.command, stop)
            if stop is Stop.EXECED:
                self._process = Process(
                    self.command, self._spawn.pid, spawn=self._spawn, birth=birth
                )
                if self._streams is not None:
                    self._process._attach(self._streams, text=self._text)
        except BaseException:
            self.close()
            raise
        self.state = _STATES[stop]

    def close(self) -> None:
        """End the process at whichever stop it is, and leave nothing behind."""
        self.state = "ended"
        if self._process is not None:
            self._process.close()
        self._spawn.abandon()
        if self._streams is not None:
            self._streams.close()

    def __enter__(self) -> Step:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Step {self.state} pid={self.pid} args={list(self.command.args)!r}>"

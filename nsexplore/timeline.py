"""The steps of one start, as the spawner itself recorded them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, overload

from ._renders import Renders
from .origin import Origin

__all__ = ["Timeline", "TimelineStep"]


@dataclass(frozen=True, slots=True)
class TimelineStep:
    """One step of a start.

    Attributes
    ----------
    name : str
        What it does: ``"clone"``, ``"uid_map"``, ``"setuid"``, ``"execve"`` …
    syscall : str
        The system calls it consists of, in order, separated by commas.
    by : {"parent", "child"}
        Who did it.
    start_us, duration_us : float
        Microseconds (CLOCK_MONOTONIC), counted from the first step's start.
    errno : int
        0, or what the failing system call answered.
    """

    name: str
    syscall: str
    by: Literal["parent", "child"]
    start_us: float
    duration_us: float
    errno: int = 0


@dataclass(frozen=True, slots=True)
class Timeline(Renders):
    """The steps of a start in the order in which they began: a sequence of `TimelineStep`.

    Attributes
    ----------
    steps : tuple of TimelineStep
    recorded : Origin or None
        Where and when, if this start was none here but is shown from a recording. It
        does not count when timelines are compared.
    """

    steps: tuple[TimelineStep, ...]
    recorded: Origin | None = field(default=None, compare=False, repr=False)

    def __iter__(self) -> Iterator[TimelineStep]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    @overload
    def __getitem__(self, index: int) -> TimelineStep: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[TimelineStep, ...]: ...
    def __getitem__(self, index: int | slice) -> TimelineStep | tuple[TimelineStep, ...]:
        return self.steps[index]

    @property
    def names(self) -> tuple[str, ...]:
        """The steps' names."""
        return tuple(step.name for step in self.steps)

    @property
    def total_us(self) -> float:
        """Microseconds from the first step's start to the last one's end."""
        return max((s.start_us + s.duration_us for s in self.steps), default=0.0)

"""The questions that hosts can be asked, each sent at once to all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from .. import arguments
from ..arguments import Argument
from ..execer import NamespacingExecer
from ..idmap import IDMap
from ..progress import Watching
from .answers import Answers
from .asking import Asking
from .gathered import Completions, Diagnoses, Snapshots, Views

__all__ = ["Questions", "seconds_of"]

_GRACE: Final = 5.0
"""Seconds more than a command may take, for its answer to come back."""

A = TypeVar("A", bound=Answers[Any])


class Questions:
    """What hosts can be asked. Each method sends, waits for nobody, and returns an `Asking`.

    Made by `Fleet`, whose methods of the same names wait for the answers.
    """

    def __init__(
        self, client: Any, labels: Mapping[int, str], timeout: float, progress: Watching
    ) -> None:
        self._client = client
        self._labels = labels
        self._timeout = timeout
        self._progress = progress

    def discover(self, *, timeout: float | None = None) -> Asking[Snapshots]:
        """Ask for the namespaces and processes of every host."""
        return self._ask("discover", {}, Snapshots, self._seconds(timeout))

    def doctor(self, *, timeout: float | None = None) -> Asking[Diagnoses]:
        """Ask what every host allows, and why not the rest."""
        return self._ask("doctor", {}, Diagnoses, self._seconds(timeout))

    def inspect(self, pid: int | None = None, *, timeout: float | None = None) -> Asking[Views]:
        """Ask for a process of every host, the engine itself by default."""
        return self._ask("inspect", {"pid": pid}, Views, self._seconds(timeout))

    def run(
        self,
        bin_path: Argument,
        *args: Argument,
        input: str | None = None,
        timeout: float | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Argument | None = None,
        **how: Any,
    ) -> Asking[Completions]:
        """Have a command run in new namespaces on every host; as `Fleet.run`."""
        NamespacingExecer(**how)  # what does not fit is refused here, not thirty times
        words = enumerate((bin_path, *args))
        seconds = self._seconds(timeout)
        asked = {
            "argv": [arguments.as_text(f"args[{n - 1}]" if n else "bin_path", w) for n, w in words],
            "how": {name: _plain(value) for name, value in how.items()},
            "input": input,
            "timeout": seconds,
            "env": None if env is None else dict(env),
            "cwd": None if cwd is None else arguments.as_text("cwd", cwd),
        }
        return self._ask("run", asked, Completions, seconds + _GRACE)

    def _seconds(self, timeout: float | None) -> float:
        return self._timeout if timeout is None else seconds_of(timeout)

    def _ask(
        self, question: str, asked: Mapping[str, Any], gathered: type[A], seconds: float
    ) -> Asking[A]:
        return Asking(
            self._client, self._labels, question, asked, gathered, seconds, self._progress
        )


def seconds_of(timeout: Any) -> float:
    """Return a time limit as a number; raise if it is none."""
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"timeout must be a number of seconds, not {timeout!r}")
    if not 0 < timeout < math.inf:
        raise ValueError(f"timeout={timeout!r}: each host needs some time, and not forever")
    return float(timeout)


def _plain(value: Any) -> Any:
    """Return an option of an execer as JSON has it."""
    if isinstance(value, IDMap):
        return str(value)
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value

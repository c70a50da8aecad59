"""How far a scan is: told to a function, or shown as a bar where it takes long."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from types import TracebackType
from typing import Any, Literal, TypeVar

__all__ = ["Progress", "Watching"]

T = TypeVar("T")

Watching = Callable[[int, int], object] | Literal[False] | None

_PAUSE = 0.05
_PATIENCE = 1.0


class Progress:
    """A context in which work is counted; a number of rounds make one piece of work done.

    Parameters
    ----------
    watching : callable, False or None
        Called with how many are done and of how many, 20 times a second at most. None: a bar
        shows by itself after a second. False: nothing is shown.
    rounds : int
        How often each piece is gone through.
    what, unit : str
        What the bar says.
    """

    def __init__(
        self,
        watching: Watching,
        rounds: int,
        what: str = "namespaces",
        unit: str = " processes",
    ) -> None:
        if watching not in (None, False) and not callable(watching):
            raise TypeError(f"progress must be a function, False or None, not {watching!r}")
        self._watching = watching
        self._rounds = rounds
        self._words = {"desc": what, "unit": unit}
        self._passed = 0
        self._total = 0
        self._bar: Any = None
        self._next = time.monotonic() + (_PATIENCE if watching is None else 0)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None and (callable(self._watching) or self._bar is not None):
                self._tell()
        finally:
            if self._bar is not None:
                self._bar.close()

    def round(self, items: Iterable[T], total: int) -> Iterator[T]:
        """Yield the items of one round; `total` is how many there are to begin with."""
        begun, self._total = self._passed, total
        for number, item in enumerate(items):
            yield item
            self._passed = begun + number + 1
            self.look()
        self._passed = begun + total

    def look(self) -> None:
        """Tell how far it is, if it is time: also while nothing gets done."""
        if self._watching is not False and time.monotonic() >= self._next:
            self._tell()

    def _tell(self) -> None:
        self._next = time.monotonic() + _PAUSE
        done = min(self._passed // self._rounds, self._total)
        if callable(self._watching):
            self._watching(done, self._total)
            return
        if self._bar is None:
            self._bar = _bar(self._total, **self._words)
        self._bar.update(done - self._bar.n)


def _bar(total: int, **words: str) -> Any:
    """Return a bar of tqdm's, which is loaded only now that something takes long."""
    notebook = _in_notebook()
    base = import_module("tqdm.auto" if notebook else "tqdm").tqdm
    # tqdm's monitor is a thread that stays, and its lock between processes may be a process.
    bar: Any = type("Bar", (base,), {"monitor_interval": 0})
    bar.set_lock(threading.RLock())
    return bar(
        total=total,
        **words,
        leave=False,
        disable=not notebook and not _on_terminal(),
    )


def _on_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")

"""Ctrl-C takes effect between the parts of a start, never inside one.

Python raises KeyboardInterrupt between any two bytecodes: after ``os.open`` has
returned, say, and before its result has a name. That descriptor is lost. Where
something is made that only a number stands for, interrupts are held until
somebody owns it.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Any

__all__ = ["held"]

# The module's own functions make enums of what they take and return: ten times as slow, and
# each start is held several times. CPython has what is below them in _signal.
_below: Any = sys.modules.get("_signal", signal)

_SIGINT = int(signal.SIGINT)


class held:
    """A context in which SIGINT's handler is not called; what came is made up for at its end.

    For what takes a bounded time only. In threads other than the main one,
    which are never interrupted, and inside another `held`, nothing is done.
    """

    def __enter__(self) -> None:
        self._interrupt: tuple[int, FrameType | None] | None = None
        self._handler: Any = _below.getsignal(_SIGINT)
        if not callable(self._handler) or getattr(self._handler, "__func__", None) is held._note:
            self._handler = None
            return
        try:
            # From the end of this call on no KeyboardInterrupt is raised; an interrupt
            # that came before it has taken effect, is noted.
            _below.signal(_SIGINT, self._note)
        except ValueError:  # not the main thread
            self._handler = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._interrupt = (number, frame)

    def __exit__(self, *_: object) -> None:
        if self._handler is None:
            return
        _below.signal(_SIGINT, self._handler)
        if self._interrupt is not None:
            self._handler(*self._interrupt)

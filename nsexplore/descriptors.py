"""File descriptors that are closed whatever interrupts."""

from __future__ import annotations

import os
from collections.abc import Callable

from .interrupts import held

__all__ = ["Descriptors"]


class Descriptors:
    """Open file descriptors, closed together at the end of a with block.

    An ExitStack of ``os.close`` loses one where a KeyboardInterrupt comes after a callback is
    taken off and before it is called; a ``finally`` is left out where it comes at its first
    bytecode. Here the last reference closes what is open still.
    """

    def __init__(self) -> None:
        self._open: list[int] = []

    def open(self, make: Callable[[], int]) -> int:
        """Return the new descriptor that a function returns, owned from the start."""
        with held():
            fd = make()
            self.own(fd)
        return fd

    def own(self, *fds: int) -> None:
        """Take over descriptors. The caller has held interrupts since before they were there."""
        self._open += fds

    def close(self) -> None:
        """Close all."""
        with held():
            while self._open:
                os.close(self._open.pop())

    def __enter__(self) -> Descriptors:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

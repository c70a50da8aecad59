"""A process's three streams: pipes made, handed over, and read to their end."""

from __future__ import annotations

import io
import os
import selectors
import subprocess
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any

from .arguments import Stream, as_descriptor
from .interrupts import held

__all__ = ["Conversation", "Streams", "close_quietly"]

CHUNK = 1 << 16

LONG = 3600.0
"""Seconds of one wait: poll(2) and epoll_wait(2) take no more than 24 days."""


# A forked copy of this process must not keep open what other threads are talking through:
# their readers, here and in the processes that they start, would wait for the copy's end.

_made_here: weakref.WeakKeyDictionary[Streams | io.FileIO, int] = weakref.WeakKeyDictionary()
"""What has such ends of pipes, and whose thread's they are."""

_fork_lock = threading.RLock()
"""Held while an end is made, changes hands or is closed, and across fork."""


def _let_go() -> None:
    for ends, thread in list(_made_here.items()):
        if thread != threading.get_ident():
            ends.close()
    _fork_lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_fork_lock.acquire, after_in_parent=_fork_lock.release, after_in_child=_let_go
    )


@dataclass(eq=False)
class Streams:
    """What a start does with the three streams: the child's ends, and ours.

    Attributes
    ----------
    child : list of (int or None)
        For fd 0, 1 and 2: a descriptor of this process, None for /dev/null.
    ours : list of (int or None)
        Our end of each pipe.
    """

    child: list[int | None] = field(default_factory=lambda: [None, None, None])
    ours: list[int | None] = field(default_factory=lambda: [None, None, None])
    _made: list[int] = field(default_factory=list)

    @classmethod
    def open(cls, stdin: Stream, stdout: Stream, stderr: Stream) -> Streams:
        """Resolve the three arguments, making pipes where one is asked for."""
        streams = cls()
        try:
            for number, (name, value) in enumerate(
                (("stdin", stdin), ("stdout", stdout), ("stderr", stderr))
            ):
                streams._resolve(number, name, value)
        except BaseException:
            streams.close()
            raise
        return streams

    def _resolve(self, number: int, name: str, value: Stream) -> None:
        if value is None or (type(value) is int and value == subprocess.DEVNULL):
            return
        if type(value) is int and value == subprocess.PIPE:
            with held(), _fork_lock:
                _made_here[self] = threading.get_ident()
                read, write = os.pipe()  # close-on-exec, as all of Python's
                child, ours = (read, write) if number == 0 else (write, read)
                self.child[number], self.ours[number] = child, ours
                self._made.append(child)
        elif type(value) is int and value == subprocess.STDOUT:
            if number != 2:
                raise ValueError(f"{name}=STDOUT: only stderr can go where stdout goes")
            self.child[2] = self.child[1]
        else:
            self.child[number] = as_descriptor(name, value)

    def close_child_ends(self) -> None:
        """Close the ends that the child has by now."""
        with held(), _fork_lock:
            while self._made:
                os.close(self._made.pop())

    def close(self) -> None:
        """Close everything that was made here."""
        with held(), _fork_lock:
            self.close_child_ends()
            for number, fd in enumerate(self.ours):
                if fd is not None:
                    os.close(fd)
                    self.ours[number] = None

    def __del__(self) -> None:
        self.close()

    def files(self, *, text: bool) -> list[IO[Any] | None]:
        """Return our ends as file objects, which own them from now on."""
        with held(), _fork_lock:
            return [self._file(number, text=text) for number in range(3)]

    def _file(self, number: int, *, text: bool) -> IO[Any] | None:
        fd, self.ours[number] = self.ours[number], None
        if fd is None:
            return None
        raw = io.FileIO(fd, "wb" if number == 0 else "rb")
        if number == 0:
            _made_here[raw] = threading.get_ident()
        buffered = io.BufferedWriter(raw) if number == 0 else io.BufferedReader(raw)
        if not text:
            return buffered
        return io.TextIOWrapper(
            buffered,
            encoding="utf-8",
            errors="strict" if number == 0 else "replace",
            newline="\n",
            write_through=True,
        )


def close_quietly(file: IO[Any]) -> None:
    """Close our end of a pipe; what nobody has read is lost, and nobody is waited for."""
    with suppress(BrokenPipeError, BlockingIOError), _fork_lock:
        if not file.closed:
            os.set_blocking(file.fileno(), False)
            file.close()


class Conversation:
    """Feeds stdin and collects the outputs at the same time, so that nobody blocks.

    It can be interrupted by a timeout and taken up again.

    Raises
    ------
    ValueError
        There is data to send, and stdin is closed.
    """

    def __init__(self, stdin: IO[Any] | None, outputs: list[IO[Any] | None], data: bytes) -> None:
        if stdin is not None and stdin.closed and data:
            raise ValueError("input: stdin is closed")
        self.stdin = stdin
        self.outputs = outputs
        self.pending = memoryview(data)
        self.collected: list[list[bytes]] = [[] for _ in outputs]

    def collected_bytes(self) -> list[bytes | None]:
        """Return what has been collected so far, None for an output that is no pipe."""
        return [
            None if file is None else b"".join(chunks)
            for file, chunks in zip(self.outputs, self.collected, strict=True)
        ]

    def run(self, deadline: float | None) -> bool:
        """Go on until every stream has ended (True) or the deadline has passed (False).

        Parameters
        ----------
        deadline : float or None
            As time.monotonic() counts.
        """
        with selectors.DefaultSelector() as selector:
            self._register(selector)
            while selector.get_map():
                left = LONG if deadline is None else deadline - time.monotonic()
                if left < 0:
                    return False
                for key, _ in selector.select(min(left, LONG)):
                    step: Callable[[], bool] = key.data
                    if step():
                        selector.unregister(key.fileobj)
        return True

    def _register(self, selector: selectors.BaseSelector) -> None:
        if self.stdin is not None and not self.stdin.closed:
            selector.register(self.stdin, selectors.EVENT_WRITE, self._write)
        for file, chunks in zip(self.outputs, self.collected, strict=True):
            if file is not None and not file.closed:
                selector.register(
                    file, selectors.EVENT_READ, lambda f=file, c=chunks: self._read(f, c)
                )

    def _write(self) -> bool:
        assert self.stdin is not None
        os.set_blocking(self.stdin.fileno(), False)
        try:
            self.stdin.flush()  # what was written to it before comes first
            while self.pending:
                self.pending = self.pending[os.write(self.stdin.fileno(), self.pending) :]
        except BlockingIOError:
            os.set_blocking(self.stdin.fileno(), True)  # the caller's again until the next time
            return False
        except BrokenPipeError:  # the child does not read on; its exit status says more
            self.pending = self.pending[:0]
        close_quietly(self.stdin)
        return True

    @staticmethod
    def _read(file: IO[Any], chunks: list[bytes]) -> bool:
        chunk = os.read(file.fileno(), CHUNK)
        if chunk:
            chunks.append(chunk)
            return False
        file.close()
        return True

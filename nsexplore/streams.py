"""A process's three streams: pipes made, handed over, and read to their end."""

from __future__ import annotations

import io
import os
import select
import selectors
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any

from .arguments import Stream, as_descriptor

__all__ = ["Conversation", "Streams"]

CHUNK = 1 << 16


@dataclass
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
            read, write = os.pipe2(os.O_CLOEXEC)
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
        while self._made:
            os.close(self._made.pop())

    def close(self) -> None:
        """Close everything that was made here."""
        self.close_child_ends()
        for number, fd in enumerate(self.ours):
            if fd is not None:
                os.close(fd)
                self.ours[number] = None

    def files(self, *, text: bool) -> list[IO[Any] | None]:
        """Return our ends as file objects, which own them from now on."""
        files: list[IO[Any] | None] = []
        for number, fd in enumerate(self.ours):
            self.ours[number] = None
            if fd is None:
                files.append(None)
                continue
            raw = io.FileIO(fd, "wb" if number == 0 else "rb")
            buffered = io.BufferedWriter(raw) if number == 0 else io.BufferedReader(raw)
            files.append(
                io.TextIOWrapper(
                    buffered,
                    encoding="utf-8",
                    errors="strict" if number == 0 else "replace",
                    newline="\n",
                    write_through=True,
                )
                if text
                else buffered
            )
        return files


class Conversation:
    """Feeds stdin and collects the outputs at the same time, so that nobody blocks.

    It can be interrupted by a timeout and taken up again.
    """

    def __init__(self, stdin: IO[Any] | None, outputs: list[IO[Any] | None], data: bytes) -> None:
        self.stdin = stdin
        self.outputs = outputs
        self.pending = memoryview(data)
        self.collected: list[list[bytes]] = [[] for _ in outputs]

    def text(self) -> list[bytes | None]:
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
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left < 0:
                    return False
                for key, _ in selector.select(left):
                    step: Callable[[], bool] = key.data
                    if step():
                        selector.unregister(key.fileobj)
        return True

    def _register(self, selector: selectors.BaseSelector) -> None:
        if self.stdin is not None and not self.stdin.closed:
            if self.pending:
                selector.register(self.stdin, selectors.EVENT_WRITE, self._write)
            else:
                self._close_stdin()
        for file, chunks in zip(self.outputs, self.collected, strict=True):
            if file is not None and not file.closed:
                selector.register(
                    file, selectors.EVENT_READ, lambda f=file, c=chunks: self._read(f, c)
                )

    def _write(self) -> bool:
        assert self.stdin is not None
        try:
            # At most PIPE_BUF: a pipe that is ready takes so much without blocking (pipe(7)).
            written = os.write(self.stdin.fileno(), self.pending[: select.PIPE_BUF])
        except BrokenPipeError:  # the child does not read on; its exit status says more
            self.pending = self.pending[:0]
        else:
            self.pending = self.pending[written:]
        if self.pending:
            return False
        self._close_stdin()
        return True

    def _close_stdin(self) -> None:
        assert self.stdin is not None
        with suppress(BrokenPipeError):
            self.stdin.close()

    @staticmethod
    def _read(file: IO[Any], chunks: list[bytes]) -> bool:
        chunk = os.read(file.fileno(), CHUNK)
        if chunk:
            chunks.append(chunk)
            return False
        file.close()
        return True

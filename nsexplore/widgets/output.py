"""What a process has written: kept up to a bound, and its end shown."""

from __future__ import annotations

import codecs
import os
import select
import tempfile
from dataclasses import dataclass
from typing import IO, Any, Final, Literal

from ..interrupts import held

__all__ = ["KEPT", "SHOWN", "Channel", "Excerpt", "Output"]

SHOWN: Final = 200 << 10
"""Bytes of one stream that are shown: its last ones."""

KEPT: Final = 32 << 20
"""Bytes of one stream that are kept; then the pipe is left alone, until somebody wants more."""

IN_MEMORY: Final = 256 << 10
"""Bytes of one stream that are kept in memory; more are kept in an unlinked file."""

AT_THE_END: Final = 1 << 20
"""Bytes that are read beyond any bound once the process has ended: what a pipe can hold."""

CHUNK: Final = 1 << 16

State = Literal["open", "waits", "ended", "cut"]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The end of one stream, as it stands.

    Attributes
    ----------
    text : str
        Decoded as UTF-8; a byte that is none is U+FFFD. Whatever else the process wrote
        is in it, terminal escapes too: show it through `nsexplore.pictures`.
    added : str
        The end of `text` which the excerpt before did not have; all of it where the two
        do not join.
    total : int
        Bytes read of the stream so far.
    is_whole : bool
        Nothing of them is missing at the beginning of `text`.
    joins : bool
        The text is that of the excerpt before, perhaps without its beginning, and `added`.
    state : {"open", "waits", "ended", "cut"}
        *waits*: nothing more is read, so the process waits; *cut*: the process has ended,
        and another one holds its stream open, which is not waited for.
    """

    text: str = ""
    added: str = ""
    total: int = 0
    is_whole: bool = True
    joins: bool = True
    state: State = "open"


@dataclass(frozen=True, slots=True)
class Output:
    """What a process has written so far: the end of both streams, and what is to say of them.

    Two streams have no common order, so they are kept apart.

    Attributes
    ----------
    stdout, stderr : Excerpt
    notices : tuple of str
        What is not shown, where it is, and what the process waits for; a sentence each.
    """

    stdout: Excerpt = Excerpt()
    stderr: Excerpt = Excerpt()
    notices: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Both, stderr last."""
        return self.stdout.text + self.stderr.text

    @property
    def waits(self) -> bool:
        """Whether nothing more is read of one of them."""
        return "waits" in (self.stdout.state, self.stderr.state)


class Spool:
    """Bytes kept in memory, and in an unlinked file where they are many."""

    def __init__(self) -> None:
        self.size = 0
        self._memory = bytearray()
        self._file: IO[bytes] | None = None

    def write(self, data: bytes) -> None:
        """Append; `OSError` where there is no room."""
        if self._file is None and self.size + len(data) <= IN_MEMORY:
            self._memory += data
        else:
            if self._file is None:
                with held():
                    # Unbuffered, and written at a place: a forked copy has nothing to flush,
                    # and shares no position.
                    self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by close()
                self._put(bytes(self._memory), 0)
                self._memory.clear()
            self._put(data, self.size)
        self.size += len(data)

    def _put(self, data: bytes, at: int) -> None:
        assert self._file is not None
        while data:
            written = os.pwrite(self._file.fileno(), data, at)
            data, at = data[written:], at + written

    def read(self, size: int = -1, offset: int = 0) -> bytes:
        """Return bytes from a place on; all that follow, by default."""
        end = self.size if size < 0 else min(self.size, offset + size)
        if self._file is None:
            return bytes(self._memory[offset:end])
        chunks = []
        while offset < end and (chunk := os.pread(self._file.fileno(), end - offset, offset)):
            chunks.append(chunk)
            offset += len(chunk)
        return b"".join(chunks)

    def close(self) -> None:
        """Forget all of it."""
        self.size = 0
        self._memory.clear()
        if self._file is not None:
            self._file.close()
            self._file = None


class Channel:
    """Our end of one output pipe: read in bounded pieces, kept and shown within bounds.

    Parameters
    ----------
    file : file or None
        The process's own; read through a copy of its descriptor, which nobody else closes.
    """

    def __init__(self, name: str, file: IO[Any] | None) -> None:
        self.name = name
        self.bound = KEPT
        self.trouble = ""
        self.spool = Spool()
        with held():
            self.fd = -1 if file is None or file.closed else os.dup(file.fileno())
        self.total = 0
        self.is_cut = False
        self._fresh = bytearray()  # read, and not yet shown
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._shown = Excerpt()

    @property
    def is_full(self) -> bool:
        """Whether no more is read, for nobody wants more."""
        return self.fd >= 0 and (self.total >= self.bound or bool(self.trouble))

    @property
    def is_dirty(self) -> bool:
        """Whether `excerpt` has something new to show."""
        return bool(self._fresh) or self._state() != self._shown.state

    def _state(self) -> State:
        if self.fd < 0:
            return "cut" if self.is_cut else "ended"
        return "waits" if self.is_full else "open"

    def read(self, limit: int = CHUNK) -> int:
        """Read what is there, at most so many bytes; return how many. -1: the stream has ended."""
        # Somebody may have read from the same pipe meanwhile, and a read must not block.
        poller = select.poll()
        poller.register(self.fd, select.POLLIN)
        if not poller.poll(0):
            return 0
        data = os.read(self.fd, max(1, min(limit, CHUNK, self.bound - self.total)))
        if not data:
            return -1
        self.total += len(data)
        self._fresh += data
        if len(self._fresh) > 2 * SHOWN:
            del self._fresh[:-SHOWN]
        try:
            self.spool.write(data)
        except OSError as error:
            self.trouble = f"it cannot be kept: {error.strerror}"
        return len(data)

    def excerpt(self) -> Excerpt:
        """Return the end of the stream as it stands; the same value where nothing is new."""
        old, state = self._shown, self._state()
        if not self.is_dirty:
            return old
        fresh = bytes(self._fresh)
        self._fresh.clear()
        joins = old.total + len(fresh) == self.total
        if not joins:  # so much at once that the rest never was to be shown
            self._decoder.reset()
            fresh = _from_a_character(fresh)
        added = self._decoder.decode(fresh, self.fd < 0)
        text = (old.text if joins else "") + added
        whole = joins and old.is_whole and len(text) <= SHOWN
        text, added = text[-SHOWN:], added[-SHOWN:]
        self._shown = Excerpt(text, added, self.total, whole, joins, state)
        return self._shown

    def close(self, *, cut: bool = False) -> None:
        """Let go of the pipe. What was read stays."""
        if self.fd >= 0:
            self.is_cut = cut
            fd, self.fd = self.fd, -1
            os.close(fd)


def _from_a_character(data: bytes) -> bytes:
    """Return bytes without the rest of a character at their beginning."""
    at = 0
    while at < min(3, len(data)) and data[at] & 0xC0 == 0x80:
        at += 1
    return data[at:]


def notices(channels: tuple[Channel, ...], excerpts: tuple[Excerpt, ...]) -> tuple[str, ...]:
    """Return what is to be said of what was written, a sentence each."""
    said = []
    for channel, excerpt in zip(channels, excerpts, strict=True):
        name = channel.name
        if not excerpt.is_whole:
            said.append(
                f"{name}: only the end of {excerpt.total} bytes is shown;"
                f' read_output("{name}") has them all'
            )
        if channel.trouble:
            said.append(f"{name}: {channel.trouble}")
        if excerpt.state == "waits":
            said.append(
                f"{name}: {channel.spool.size} bytes are kept, and no more are read. The process"
                " waits when it writes on, as under a pager: more() reads on, stop() ends it,"
                f" and process.{name} has the rest"
            )
        if excerpt.state == "cut":
            said.append(f"{name}: another process holds it open, and is not waited for")
    return tuple(said)

"""A running process followed on the event loop: its output, its end, how it looks meanwhile.

Where an asyncio loop runs (a notebook's kernel), it calls us when there is something to
read, and nothing here ever blocks it: reads are small and bounded in each tick. Where none
runs (a script), or while it is held up by a cell that waits, `Streaming.pump` does the same.
No thread is made.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import select
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from ..interrupts import held
from ..process import Process
from ..streams import close_quietly
from .output import AT_THE_END, KEPT, Channel, Output, notices

__all__ = ["Streaming"]

TICK: Final = 0.05
"""Seconds between two updates of what is shown, at least."""

PER_TICK: Final = 4 << 20
"""Bytes read in one tick: a process that writes more waits for the next one."""

LOOK: Final = 0.5
"""Seconds between two looks at the process."""

GRACE: Final = 0.2
"""Seconds after the process's end in which its streams may end, too."""

UNSENT: Final = 1 << 20
"""Bytes that may wait to be read by the process."""

_Weak = weakref.WeakMethod[Callable[..., None]]

# poll(2); other systems have no such module, and get as far as the error of a start.
_READ: Final = getattr(select, "POLLIN", 1)
_WRITE: Final = getattr(select, "POLLOUT", 4)


class Streaming:
    """Follows one process until its end.

    Dropping it ends the process, as `close` does.

    Parameters
    ----------
    process : Process
        With pipes for its streams, which speak bytes.
    on_output, on_look, on_end : bound methods
        Called when there is something new to show; when it is time to look at the process;
        and once, when all is over. They are held weakly: their object holds us.
    """

    def __init__(
        self,
        process: Process,
        *,
        on_output: Callable[[Output], None],
        on_look: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        self.process = process
        self.has_ended = False
        self._on_output: _Weak = weakref.WeakMethod(on_output)
        self._on_look: _Weak = weakref.WeakMethod(on_look)
        self._on_end: _Weak = weakref.WeakMethod(on_end)
        self._owner = os.getpid()
        self._channels = (Channel("stdout", process.stdout), Channel("stderr", process.stderr))
        with held():
            # A copy: somebody else may wait for the process, and so close the original.
            self._pidfd = os.dup(process.pidfd) if process.pidfd >= 0 else -1
        self._unsent = bytearray()
        self._closing_stdin = False
        self._exited: float | None = None
        self._left = PER_TICK
        now = time.monotonic()
        self._ticked, self._looked = now - TICK, now
        self._output = Output()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._registered: dict[tuple[int, int], object] = {}
        _followed.add(self)
        self.attach()

    @property
    def has_exited(self) -> bool:
        """Whether the process has ended, though perhaps not all of it has been read."""
        return self._exited is not None

    # -- by the loop, or by whoever waits -------------------------------------------

    def attach(self) -> None:
        """Follow the process on the loop that runs in this thread, if there is one."""
        if self._loop is not None and self._loop.is_closed():
            self._loop, self._timer = None, None
            self._registered.clear()
        if self._loop is None and not self.has_ended:
            with suppress(RuntimeError):
                self._loop = asyncio.get_running_loop()
        self._sync()

    def pump(self, seconds: float) -> None:
        """Wait at most so many seconds for something to happen, and do what is to be done."""
        interest = self._interest()
        poller = select.poll()
        masks: dict[int, int] = {}
        for fd, event in interest:
            masks[fd] = masks.get(fd, 0) | event
        for fd, mask in masks.items():
            poller.register(fd, mask)
        left = max(0.0, min(seconds, self._due() - time.monotonic()))
        ready = poller.poll(left * 1000 + (0.5 if left else 0))
        for fd, events in ready:
            for event in (_READ, _WRITE):
                if events & ~(_READ | _WRITE) or events & event:
                    act = self._interest().get((fd, event))
                    if act is not None:
                        act()
        self._after()

    def _interest(self) -> dict[tuple[int, int], Callable[[], None]]:
        """Return what is waited for at this moment, and what is done then."""
        if self.has_ended:
            return {}
        wanted: dict[tuple[int, int], Callable[[], None]] = {}
        if self._pidfd >= 0 and self._exited is None:
            wanted[self._pidfd, _READ] = self._note_exit
        for channel in self._channels:
            if channel.fd >= 0 and not channel.is_full and self._left > 0:
                wanted[channel.fd, _READ] = lambda c=channel: self._read(c)  # type: ignore[misc]
        stdin = self.process.stdin
        if self._unsent and stdin is not None and not stdin.closed:
            wanted[stdin.fileno(), _WRITE] = self._write
        return wanted

    def _due(self) -> float:
        """Return when, by time.monotonic(), there is something to do though nothing happens."""
        due = self._looked + LOOK
        if self._is_dirty() or self._left <= 0:
            due = min(due, self._ticked + TICK)
        if self._exited is not None:
            due = min(due, self._exited + GRACE)
        return due

    def _after(self) -> None:
        """Do what is due, and have the loop wait for what comes next."""
        if self.has_ended:
            return
        now = time.monotonic()
        if self._exited is None and self._pidfd < 0 and self.process.poll() is not None:
            self._exited = now  # no process of this machine: nobody tells us
        streams_ended = all(channel.fd < 0 for channel in self._channels)
        if self._exited is not None and (streams_ended or now >= self._exited + GRACE):
            self._finish()
            return
        ticks = now >= self._ticked + TICK
        looks = now >= self._looked + LOOK
        if ticks:
            self._left = PER_TICK
        if looks:
            self._looked = now
        self._sync()
        if ticks and self._is_dirty():
            self._ticked = now
            self._show()
        if looks and not self.has_ended and self._exited is None:
            _tell(self._on_look)

    def _sync(self) -> None:
        """Have the loop call for exactly what is of interest, and at the time that is due."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        wanted = self._interest()
        for fd, event in [key for key in self._registered if key not in wanted]:
            self._forget(fd, event)
        for fd, event in wanted:
            if (fd, event) not in self._registered:
                add = loop.add_reader if event == _READ else loop.add_writer
                add(fd, _call, weakref.ref(self), (fd, event))
                self._registered[fd, event] = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self.has_ended:
            left = max(0.0, self._due() - time.monotonic())
            self._timer = loop.call_later(left, _call, weakref.ref(self), None)

    def _forget(self, fd: int, event: int) -> None:
        if self._registered.pop((fd, event), None) is None:
            return
        if self._loop is not None and not self._loop.is_closed():
            (self._loop.remove_reader if event == _READ else self._loop.remove_writer)(fd)

    # -- what happens -----------------------------------------------------------------

    def _read(self, channel: Channel) -> None:
        count = channel.read(self._left)
        if count < 0:
            self._forget(channel.fd, _READ)
            channel.close()
        else:
            self._left -= count

    def _write(self) -> None:
        stdin = self.process.stdin
        if stdin is None or stdin.closed:
            self._unsent.clear()
            return
        fd = stdin.fileno()
        os.set_blocking(fd, False)
        try:
            del self._unsent[: os.write(fd, self._unsent)]
        except BlockingIOError:
            return
        except BrokenPipeError:  # the process reads no more
            self._unsent.clear()
            self._closing_stdin = True
        finally:
            os.set_blocking(fd, True)  # as a script expects that writes to process.stdin
        if not self._unsent and self._closing_stdin:
            self._forget(fd, _WRITE)
            close_quietly(stdin)

    def _note_exit(self) -> None:
        self._exited = time.monotonic()
        self._forget(self._pidfd, _READ)
        # With PID 1 its PID namespace ends; without one, its process group does, while the
        # number of it is nobody else's.
        self.process._kill_with_group()
        self.process.poll()
        for channel in self._channels:  # nobody waits any more: the rest is what pipes hold
            channel.bound = max(channel.bound, channel.total + AT_THE_END)
            if channel.trouble:
                channel.close()

    def _is_dirty(self) -> bool:
        return any(channel.is_dirty for channel in self._channels)

    def _show(self) -> None:
        stdout, stderr = (channel.excerpt() for channel in self._channels)
        said = notices(self._channels, (stdout, stderr))
        self._output = Output(stdout, stderr, said)
        _tell(self._on_output, self._output)

    def _finish(self) -> None:
        for channel in self._channels:  # the loop may have been held up meanwhile
            while channel.fd >= 0 and not channel.is_full and (count := channel.read()):
                if count < 0:
                    self._forget(channel.fd, _READ)
                    channel.close()
        self._let_go(cut=True)
        self.process.close()
        try:
            self._show()
        finally:
            _tell(self._on_end)

    def _let_go(self, *, cut: bool = False) -> None:
        """Close the descriptors that are ours, after the loop has forgotten them."""
        self.has_ended = True
        for fd, event in list(self._registered):
            self._forget(fd, event)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for channel in self._channels:
            channel.close(cut=cut)
        if self._pidfd >= 0:
            fd, self._pidfd = self._pidfd, -1
            os.close(fd)
        self._unsent.clear()

    # -- what one asks for --------------------------------------------------------------

    def send(self, data: bytes) -> str:
        """Send bytes to stdin, in time; return why not, or ""."""
        stdin = self.process.stdin
        if self.has_ended or self._exited is not None:
            return "the process has ended"
        if stdin is None or stdin.closed or self._closing_stdin:
            return "its stdin is closed"
        if len(self._unsent) + len(data) > UNSENT:
            waiting = f"it has not read {len(self._unsent)} bytes yet, " * bool(self._unsent)
            return f"{waiting}{len(data)} are to come, and {UNSENT} may wait at most"
        self._unsent += data
        if self._unsent:
            self._write()
        self._sync()
        return ""

    def close_stdin(self) -> None:
        """Close stdin when what was sent has been read: the process sees its end."""
        self._closing_stdin = True
        stdin = self.process.stdin
        if not self._unsent and stdin is not None:
            close_quietly(stdin)
        self._sync()

    def more(self) -> None:
        """Read on where nothing more was read: as much again."""
        for channel in self._channels:
            if channel.is_full:
                channel.bound = channel.total + KEPT
        self._after()

    def kill(self) -> None:
        """Kill it with all that is in it; its end is noted as any other."""
        self.process._kill_with_group()

    def read_output(self, name: str, size: int = -1) -> bytes:
        """Return what is kept of a stream: so many of its first bytes; all, by default."""
        return next(c for c in self._channels if c.name == name).spool.read(size)

    def close(self) -> None:
        """End the process, and let go of everything, what was kept too; nobody is called."""
        if os.getpid() != self._owner:
            return  # in a forked copy all of it is the original's, the loop's descriptor too
        self._let_go()
        self.process.close()
        for channel in self._channels:
            channel.spool.close()

    def __del__(self) -> None:
        if hasattr(self, "_registered"):
            self.close()


_followed: weakref.WeakSet[Streaming] = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    """End what runs in good order, while there is still an interpreter to do it."""
    for streaming in list(_followed):
        streaming.close()


def _tell(method: _Weak, *words: Any) -> None:
    act = method()
    if act is not None:
        act(*words)


def _call(reference: weakref.ref[Streaming], key: Any) -> None:
    """Do what the loop has noticed. It knows us weakly: who drops us ends the process."""
    streaming = reference()
    if streaming is None or os.getpid() != streaming._owner:
        return
    act = streaming._interest().get(key) if key is not None else None
    if act is not None:
        act()
    streaming._after()

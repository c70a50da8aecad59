"""Reaping the processes that nobody holds: started by `exec`, or detached and dropped.

Their callers have a number at most. One who waits for it with os.waitpid gets
the exit status; where nobody has within `GRACE`, the zombie is reaped here. The
thread that does it lives only while there are such processes.
"""

from __future__ import annotations

import os
import select
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ._spawn import Spawn

__all__ = ["reap_later"]

GRACE: Final = 1.0
"""Seconds after its end in which a process may be waited for by its PID."""


class _Reaper:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.spawns: dict[int, Spawn] = {}  # by pidfd
        self.ended: dict[int, float] = {}  # pidfd -> when to reap it
        self.thread: threading.Thread | None = None
        self.wake_r, self.wake_w = -1, -1

    def add(self, spawn: Spawn) -> None:
        with self.lock:
            self.spawns[spawn.pidfd] = spawn
            if self.thread is None:
                self.wake_r, self.wake_w = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
                self.thread = threading.Thread(
                    target=self.run, name="nsexplore-reaper", daemon=True
                )
                self.thread.start()
            else:
                os.write(self.wake_w, b"+")

    def run(self) -> None:
        while True:
            with self.lock:
                self.reap_due()
                if not self.spawns:
                    os.close(self.wake_r)
                    os.close(self.wake_w)
                    self.thread = None
                    return
                running = [fd for fd in self.spawns if fd not in self.ended]
                next_due = min(self.ended.values(), default=None)
            self.wait(running, next_due)

    def wait(self, running: list[int], next_due: float | None) -> None:
        poller = select.poll()
        for fd in (self.wake_r, *running):
            poller.register(fd, select.POLLIN)
        left = None if next_due is None else max(0.0, next_due - time.monotonic()) * 1000 + 1
        for fd, _ in poller.poll(left):
            if fd == self.wake_r:
                os.read(fd, 4096)
            else:
                self.ended[fd] = time.monotonic() + GRACE

    def reap_due(self) -> None:
        now = time.monotonic()
        for fd in [fd for fd, due in self.ended.items() if due <= now]:
            del self.ended[fd]
            self.spawns.pop(fd).abandon()  # has ended: nothing to kill, all to reap and close


_reaper = _Reaper()


def reap_later(spawn: Spawn) -> None:
    """Let a process run on without an owner, and reap it when it has ended."""
    _reaper.add(spawn)


def _forget() -> None:
    """In a forked copy of this process: those are its parent's children, not its own."""
    global _reaper
    _reaper = _Reaper()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)

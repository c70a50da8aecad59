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

from .interrupts import held

if TYPE_CHECKING:
    from ._spawn import Spawn

__all__ = ["is_reaped_later", "reap_later"]

GRACE: Final = 1.0
"""Seconds after its end in which a process may be waited for by its PID."""

PAUSE: Final = 0.1
"""Seconds between the end of a process and the look at it."""


class _Reaper:
    def __init__(self) -> None:
        # Reentrant: a finalizer that hands over a process may run while it is held.
        self.lock = threading.RLock()
        self.spawns: dict[int, Spawn] = {}  # by pidfd
        self.epoll: select.epoll | None = None  # the thread's, while there is one

    def add(self, spawn: Spawn) -> None:
        with self.lock:
            if self.epoll is None:
                self.epoll = select.epoll()
                try:
                    threading.Thread(
                        target=self.run, args=(self.epoll,), name="nsexplore-reaper", daemon=True
                    ).start()
                except BaseException:
                    self.epoll = None
                    raise
            self.epoll.register(spawn.pidfd, select.EPOLLIN)
            self.spawns[spawn.pidfd] = spawn

    def run(self, epoll: select.epoll) -> None:
        ended: dict[int, float] = {}  # pidfd -> when to reap it
        while self.reap_due(ended):
            due = min(ended.values(), default=None)
            left = None if due is None else max(0.0, due - time.monotonic())
            if not epoll.poll(left, 1):
                continue
            # Not at once: one look at many, when their callers have waited for most. In a
            # row of starts, a thread that wakes for each of them would hold up the next.
            time.sleep(PAUSE)
            for fd, _ in epoll.poll(0):
                epoll.unregister(fd)
                ended[fd] = time.monotonic() + (0 if _is_reaped(fd) else GRACE)

    def reap_due(self, ended: dict[int, float]) -> bool:
        now = time.monotonic()
        with self.lock:
            for fd in [fd for fd, due in ended.items() if due <= now]:
                del ended[fd]
                self.spawns.pop(fd).abandon()  # has ended: nothing to kill, all to reap and close
            if not self.spawns:
                self.epoll = None
            return bool(self.spawns)


def _is_reaped(pidfd: int) -> bool:
    try:
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


_reaper = _Reaper()


def reap_later(spawn: Spawn) -> None:
    """Let a process run on without an owner, and reap it when it has ended."""
    with held():
        _reaper.add(spawn)


def is_reaped_later(spawn: Spawn) -> bool:
    """Return whether a process has been handed over, and is no more the caller's to close."""
    return _reaper.spawns.get(spawn.pidfd) is spawn


def _forget() -> None:
    """In a forked copy of this process: those are its parent's children, not its own."""
    global _reaper
    _reaper = _Reaper()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)

"""`forward`: TCP ports on the loopback interface here, reachable from another network namespace."""

from __future__ import annotations

import asyncio
import errno
import operator
import os
import socket
import sys
import threading
import weakref
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from .descriptors import Descriptors
from .entering import Inside, inside
from .errors import StartError
from .interrupts import held
from .nsfs import relatives

if TYPE_CHECKING:
    from .process import Completed

__all__ = ["Forwarding", "forward"]

# A socket belongs to the network namespace in which it was made, wherever it is passed to. So
# this is all that happens inside; a new namespace's lo is down (network_namespaces(7)).
_LISTEN: Final = """
import fcntl, socket, struct, sys
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP, IFREQ, port = 0x8913, 0x8914, 1, "16sH22x", 0
report = socket.socket(fileno=3)
try:
    with socket.socket() as any:
        asked = fcntl.ioctl(any, SIOCGIFFLAGS, struct.pack(IFREQ, b"lo", 0))
        flags = struct.unpack(IFREQ, asked)[1]
        if not flags & IFF_UP:
            fcntl.ioctl(any, SIOCSIFFLAGS, struct.pack(IFREQ, b"lo", flags | IFF_UP))
    made = [socket.create_server(("127.0.0.1", port := int(word))) for word in sys.argv[1:]]
except OSError as error:
    report.send(b"%d %d" % (error.errno, port))
else:
    socket.send_fds(report, [b"0 0"], [each.fileno() for each in made])
"""

_MOST: Final = 253
"""Descriptors in one message: SCM_MAX_FD (unix(7))."""
_ROOM: Final = 64
"""Connections at a time, two descriptors each: who floods us must not take all that we may have."""


class Forwarding:
    """Connections that go on here from another network namespace. Made by `forward`.

    A thread of this process carries them, until `close`, the end of a with block, or the end
    of the process. Until then its sockets keep the network namespace alive.

    Attributes
    ----------
    ports : tuple of int
        The TCP ports: the same there and here.
    """

    def __init__(self, listeners: list[socket.socket]) -> None:
        self.ports: tuple[int, ...] = tuple(each.getsockname()[1] for each in listeners)
        with held():
            self._end = weakref.finalize(self, _Relay(listeners).end)

    def close(self) -> None:
        """End all connections, and let go of the network namespace."""
        with held():
            self._end()

    def __enter__(self) -> Forwarding:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "open" if self._end.alive else "closed"
        return f"<Forwarding {state} ports={list(self.ports)}>"


def forward(target: Any, *ports: int) -> Forwarding:
    """Make TCP ports of the loopback interface here reachable from another network namespace.

    Who connects to 127.0.0.1:PORT there is connected to 127.0.0.1:PORT here, as by a
    RemoteForward of ssh_config(5). So what lives in a network of its own can have this one
    service, and no other way out. The loopback interface there is brought up if it is down.

    Parameters
    ----------
    target : int, Process, path or open file
        Whose network namespace: as in `enter`.
    *ports : int
        TCP ports, 1 to 65535, at most 253 of them.

    Returns
    -------
    Forwarding
        Which ends by ``close()``, or at the end of a with block.

    Raises
    ------
    ValueError
        No port, one out of range or named twice, too many; the target shares this process's
        network.
    OSError
        A port is in use there (EADDRINUSE), or may not be had; lo cannot be brought up.
    ProcessLookupError, PermissionError
        As by `enter`.
    StartError
        The namespace may not be entered, with the rule.

    Examples
    --------
    >>> execer = nx.NamespacingExecer()  # doctest: +SKIP
    >>> with execer.start("sleep", "60") as process, nx.forward(process, 8888):
    ...     print(nx.enter(process, "curl", "http://127.0.0.1:8888/api").stdout)
    """
    numbers = [_port(port) for port in ports]
    if not 1 <= len(numbers) <= _MOST:
        raise ValueError(f"{len(numbers)} ports cannot be forwarded: name 1 to {_MOST} of them")
    if len({*numbers}) < len(numbers):
        raise ValueError(f"a port is named twice: {numbers}")
    return Forwarding(_listeners(target, numbers))


def _port(value: int) -> int:
    if isinstance(value, bool):
        raise TypeError(f"a port must be a number, not {value}")
    port = operator.index(value)
    if not 1 <= port <= 65535:
        raise ValueError(f"{port} is no TCP port: those are 1 to 65535")
    return port


def _listeners(target: Any, ports: list[int]) -> list[socket.socket]:
    """Make listening sockets in another network namespace."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        done = _listen(target, ports, theirs)
        ours.setblocking(False)  # it has ended: what it said is there by now, or never will be
        with held():
            try:
                said, fds, flags, _ = socket.recv_fds(ours, 64, len(ports))
            except BlockingIOError:
                said, fds, flags = b"", [], 0
            listeners = [socket.socket(fileno=fd) for fd in fds]
    if len(listeners) == len(ports):
        return listeners
    for each in listeners:
        each.close()
    if not said:
        raise ChildProcessError(
            f"what was to listen in the network namespace of {target!r} has ended before it"
            f" could, with {done.returncode}: {done.stderr[-500:]!r}"
        )
    number, port = map(int, said.split())
    what = f"listen on 127.0.0.1:{port}" if port else "bring lo up"
    if flags & socket.MSG_CTRUNC:
        number, what = errno.EMFILE, "receive the sockets that were made"
    raise OSError(
        number, f"cannot {what} in the network namespace of {target!r}: {os.strerror(number)}"
    )


def _listen(target: Any, ports: list[int], report: socket.socket) -> Completed:
    def run(execer: Inside) -> Completed:
        words = ("-I", "-S", "-c", _LISTEN, *map(str, ports))
        return replace(execer, extra_files=(report,)).run(sys.executable, *words)

    with inside(target, types="net") as execer:
        if not execer.joins:
            raise ValueError(f"{target!r} is in this process's network: nothing to forward")
        network = execer.joins[0].fd
        try:
            return run(execer)
        except StartError as error:
            if error.errno != errno.EPERM:
                raise
            refusal = error
        # Whoever may not enter it from here may do so as root of the user namespace that owns it.
        with Descriptors() as files:
            with held():
                related, _ = relatives("net", network)
                files.own(*related.values())
            if "owner" not in related:
                raise refusal
            with (
                open(related["owner"], closefd=False) as owner,
                open(network, closefd=False) as owned,
                inside((owner, owned)) as execer,
            ):
                return run(execer)


class _Relay:
    """The thread. It knows nothing of the `Forwarding`, so that one may be forgotten."""

    def __init__(self, listeners: list[socket.socket]) -> None:
        self._listeners = listeners
        self._carried: set[asyncio.Task[None]] = set()
        try:
            self._loop = asyncio.new_event_loop()
            self._over = asyncio.Event()
            self._thread = threading.Thread(target=self._run, name="nsexplore-forward", daemon=True)
            self._thread.start()
        except BaseException:
            for each in listeners:
                each.close()
            raise

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        if threading.current_thread() is not self._thread:  # where it is collected as garbage
            self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())  # whose end cancels what is carried

    async def _serve(self) -> None:
        for each in self._listeners:
            each.setblocking(False)
        self._attend()
        await self._over.wait()
        self._attend()
        for each in self._listeners:
            _end(each)

    def _attend(self) -> None:
        """Look after the listeners, unless there is no room, or all is over."""
        busy = self._over.is_set() or len(self._carried) >= _ROOM
        for each in self._listeners:
            if busy:
                self._loop.remove_reader(each)
            else:
                self._loop.add_reader(each, self._accept, each)

    def _accept(self, listener: socket.socket) -> None:
        try:
            talks, _ = listener.accept()
        except BlockingIOError:
            return
        except OSError:  # such as EMFILE, which lasts a while
            for each in self._listeners:
                self._loop.remove_reader(each)
            self._loop.call_later(0.1, self._attend)
            return
        task = self._loop.create_task(_connect(talks, listener.getsockname()[1]))
        self._carried.add(task)
        # Of one that is cancelled before it has begun, too.
        task.add_done_callback(partial(self._ended, talks))
        self._attend()

    def _ended(self, talks: socket.socket, task: asyncio.Task[None]) -> None:
        _end(talks)
        self._carried.discard(task)
        if not self._over.is_set():
            self._attend()


async def _connect(theirs: socket.socket, port: int) -> None:
    """Carry one connection, until both sides have said all, or one is gone."""
    try:
        ours = socket.socket()
    except OSError:  # no descriptor is left
        return
    try:
        for each in (theirs, ours):
            each.setblocking(False)
        await asyncio.get_running_loop().sock_connect(ours, ("127.0.0.1", port))
        async with asyncio.TaskGroup() as ways:
            ways.create_task(_carry(theirs, ours))
            ways.create_task(_carry(ours, theirs))
    except* OSError:
        pass  # nobody listens here, or a side has gone: so goes the other
    finally:
        _end(ours)


async def _carry(source: socket.socket, sink: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(source, 1 << 16):
        await loop.sock_sendall(sink, data)
    sink.shutdown(socket.SHUT_WR)


def _end(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)  # a forked copy of this process has it open, too
    end.close()

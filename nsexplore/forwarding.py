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
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from .entering import inside
from .errors import StartError
from .interrupts import held

if TYPE_CHECKING:
    from .process import Completed

__all__ = ["Forwarding", "forward"]

# A socket belongs to the network namespace in which it was made, wherever it is passed to. So
# this is all that happens inside; a new namespace's lo is down (network_namespaces(7)).
_LISTEN: Final = """
import fcntl, socket, struct, sys
SIOCSIFFLAGS, IFF_UP, port = 0x8914, 1, 0
report = socket.socket(fileno=3)
try:
    with socket.socket() as any:
        fcntl.ioctl(any, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", IFF_UP))
    made = [socket.create_server(("127.0.0.1", port := int(word))) for word in sys.argv[1:]]
except OSError as error:
    report.send(b"%d %d" % (error.errno, port))
else:
    socket.send_fds(report, [b"0 0"], [each.fileno() for each in made])
"""

_MOST: Final = 253
"""Descriptors in one message: SCM_MAX_FD (unix(7))."""


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
        relay = _Relay(listeners)
        self.close = weakref.finalize(self, relay.end)
        """End all connections, and let go of the network namespace."""

    def __enter__(self) -> Forwarding:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "open" if self.close.alive else "closed"
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
        No port, one out of range, too many; the target shares this process's network.
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
    return Forwarding(_listeners(target, [_port(port) for port in ports]))


def _port(value: int) -> int:
    port = operator.index(value)
    if not 1 <= port <= 65535:
        raise ValueError(f"{port} is no TCP port: those are 1 to 65535")
    return port


def _listeners(target: Any, ports: list[int]) -> list[socket.socket]:
    """Make listening sockets in another network namespace."""
    if not 1 <= len(ports) <= _MOST:
        raise ValueError(f"{len(ports)} ports cannot be forwarded: name 1 to {_MOST} of them")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        done = _listen(target, ports, theirs)
        theirs.close()
        with held():
            said, fds, _, _ = socket.recv_fds(ours, 64, len(ports))
            listeners = [socket.socket(fileno=fd) for fd in fds]
    if listeners:
        return listeners
    if not said:
        raise ChildProcessError(
            f"what was to listen in the network namespace of {target!r} has ended before it"
            f" could, with {done.returncode}: {done.stderr[-500:]!r}"
        )
    number, port = map(int, said.split())
    what = f"listen on 127.0.0.1:{port}" if port else "bring lo up"
    raise OSError(
        number, f"cannot {what} in the network namespace of {target!r}: {os.strerror(number)}"
    )


def _listen(target: Any, ports: list[int], report: socket.socket) -> Completed:
    # The owner of the user namespace has a right to its networks only as its root.
    types = "net"
    while True:
        with inside(target, types=types) as execer:
            if not any(join.kind == "net" for join in execer.joins):
                raise ValueError(f"{target!r} is in this process's network: nothing to forward")
            execer = replace(execer, extra_files=(report,))
            words = (sys.executable, "-I", "-S", "-c", _LISTEN, *map(str, ports))
            try:
                return execer.run(*words)
            except StartError as error:
                if error.errno != errno.EPERM or types != "net":
                    raise
        types = "user,net"


class _Relay:
    """The thread. It knows nothing of the `Forwarding`, so that one may be forgotten."""

    def __init__(self, listeners: list[socket.socket]) -> None:
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._thread = threading.Thread(
            target=self._run, args=(listeners,), name="nsexplore-forward", daemon=True
        )
        self._thread.start()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def _run(self, listeners: list[socket.socket]) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(listeners))  # whose end ends the connections, too

    async def _serve(self, listeners: list[socket.socket]) -> None:
        # asyncio refers to what waits for the network by weak references alone.
        carrying: set[asyncio.Task[None]] = set()

        def accept(port: int, *streams: Any) -> None:
            task = asyncio.create_task(_connect(port, *streams))
            carrying.add(task)
            task.add_done_callback(carrying.discard)

        servers = [
            await asyncio.start_server(partial(accept, each.getsockname()[1]), sock=each)
            for each in listeners
        ]
        await self._over.wait()
        for server in servers:
            server.close()


async def _connect(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry one connection, until both sides have said all, or one is gone."""
    ends = [writer]
    try:
        our_reader, our_writer = await asyncio.open_connection("127.0.0.1", port)
        ends.append(our_writer)
        async with asyncio.TaskGroup() as ways:
            ways.create_task(_carry(reader, our_writer))
            ways.create_task(_carry(our_reader, writer))
    except* OSError:
        pass  # nobody listens here, or a side has gone: so goes the other
    finally:
        for end in ends:
            end.transport.abort()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.set_write_buffer_limits(0)  # drained is what the kernel has
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.write_eof()

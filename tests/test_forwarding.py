"""`forward`: a port here, reachable from a network namespace that has only lo."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest
from conftest import open_descriptors
from drivers.whoever import OWN_MAP

import nsexplore as nx
from nsexplore import CloneFlags
from nsexplore.entering import inside

pytestmark = [pytest.mark.needs("user namespaces"), pytest.mark.usefixtures("leaves_nothing")]

NETWORK = OWN_MAP | {"clone_flags": CloneFlags.NEWUSER | CloneFlags.NEWNET}

# What asks inside says: all of its words, then that it has no more.
ASK = """
import socket, sys
asks = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10)
asks.sendall(sys.stdin.buffer.read())
asks.shutdown(socket.SHUT_WR)
while said := asks.recv(1 << 16):
    sys.stdout.buffer.write(said)
"""


@pytest.fixture
def network() -> Iterator[nx.Process]:
    """A process in a network of its own, which has nothing but lo."""
    with nx.NamespacingExecer(**NETWORK).start("sleep", "60") as process:
        yield process


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server here that says everything twice, at the end."""

    def serve() -> None:
        while True:
            try:
                talks, _ = listener.accept()
            except OSError:
                return
            with talks:
                heard = b"".join(iter(partial(talks.recv, 1 << 16), b""))
                talks.sendall(heard * 2)

    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    listener.close()


def asked(process: nx.Process, port: int, words: str = "yes") -> nx.Completed:
    """Ask from within the network."""
    with inside(process, types=types_of(process)) as execer:
        return execer.run(sys.executable, "-I", "-S", "-c", ASK, str(port), input=words)


def types_of(process: nx.Process) -> str:
    return "net" if os.geteuid() == 0 else "user,net"


def test_a_port_here_answers_there(network: nx.Process, echo: int):
    """Both ways, each to its end; and without forwarding there is nobody."""
    assert "refused" in asked(network, echo).stderr or "unreachable" in asked(network, echo).stderr
    with nx.forward(network, echo) as there:
        assert there.ports == (echo,)
        assert asked(network, echo).stdout == "yesyes"
        assert asked(network, echo, "").stdout == ""
    assert "refused" in asked(network, echo).stderr


def test_much_is_carried_whole(network: nx.Process, echo: int):
    """More than any buffer holds."""
    words = "0123456789abcdef" * 250_000
    with nx.forward(network, echo):
        assert asked(network, echo, words).stdout == words * 2


def test_who_is_refused_here_is_ended_there(network: nx.Process):
    """Nobody listens here: the connection is made, and ends without a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as nobody:
        port = nobody.getsockname()[1]
    with nx.forward(network, port):
        said = asked(network, port)
    assert said.stdout == ""
    assert "timed out" not in said.stderr


def test_many_connections_are_kept_apart(network: nx.Process, echo: int):
    """Each gets the answer to its own words."""
    answers: dict[str, str] = {}

    def ask(word: str) -> None:
        answers[word] = asked(network, echo, word).stdout

    with nx.forward(network, echo):
        threads = [threading.Thread(target=ask, args=(f"{i};",)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == {word: word * 2 for word in (f"{i};" for i in range(8))}


def test_close_ends_what_is_connected(network: nx.Process):
    """And may be said twice; its repr tells."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    with closing(listener), inside(network, types=types_of(network)) as execer:
        forwarding = nx.forward(network, port)
        assert repr(forwarding) == f"<Forwarding open ports=[{port}]>"
        asks = execer.start(
            *(sys.executable, "-I", "-S", "-c", ASK, str(port)),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        talks, _ = listener.accept()
        with talks, asks:
            forwarding.close()
            forwarding.close()
            assert talks.recv(1) == b""
            asks.wait(10)
    assert repr(forwarding) == f"<Forwarding closed ports=[{port}]>"


def test_close_ends_also_what_has_just_come(echo: int):
    """Whoever is accepted while it ends is not forgotten: at any moment of it."""
    for turn in range(100):
        listener = socket.create_server(("127.0.0.2", echo))
        forwarding = nx.Forwarding([listener])
        asking = [socket.create_connection(("127.0.0.2", echo)) for _ in range(8)]
        time.sleep(turn % 10 * 0.0003)
        forwarding.close()
        for each in asking:
            with each:
                each.settimeout(10)
                with suppress(ConnectionError):
                    assert each.recv(1) == b""


def test_a_flood_takes_few_of_our_descriptors(network: nx.Process, echo: int):
    """Those that come when there is no room wait; they are carried when others have gone."""
    flood = f"""if True:
        import socket
        port = ("127.0.0.1", {echo})
        talks = [socket.create_connection(port, timeout=10) for _ in range(150)]
        print("connected", flush=True)
        input()
        for each in talks:
            each.shutdown(socket.SHUT_WR)
        print([each.recv(1) for each in talks] == [b""] * 150)
    """
    with inside(network, types=types_of(network)) as execer, nx.forward(network, echo):
        before = len(open_descriptors())
        with execer.start(
            *(sys.executable, "-I", "-S", "-c", flood),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        ) as process:  # fmt: skip
            assert process.stdout.readline() == "connected\n"
            time.sleep(0.2)  # in which all of them would be accepted
            taken = len(open_descriptors()) - before
            assert 2 <= taken <= 2 * 64 + 10  # with that of the server, which is here too
            assert process.communicate("\n")[0] == "True\n"


def test_a_relay_that_is_garbage_in_its_own_thread_ends(network: nx.Process, echo: int):
    """It cannot wait for itself."""
    forwarding = nx.forward(network, echo)
    ended = threading.Event()

    def end() -> None:
        forwarding.close()
        ended.set()

    (relay,) = (each for each in threading.enumerate() if each.name == "nsexplore-forward")
    forwarding._end.peek()[1].__self__._loop.call_soon_threadsafe(end)
    assert ended.wait(10)
    relay.join(10)
    assert not relay.is_alive()


def test_a_forgotten_one_ends(network: nx.Process, echo: int):
    """It is not its own thread that keeps it."""
    nx.forward(network, echo)
    assert "refused" in asked(network, echo).stderr


def test_a_port_in_use_there_is_told(network: nx.Process, echo: int):
    """With errno, the port, and whose network it is; the first one is let go."""
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        second = other.getsockname()[1]
    with (
        nx.forward(network, echo),
        pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{echo} in .*pid") as caught,
    ):
        nx.forward(network, second, echo)
    assert caught.value.errno == errno.EADDRINUSE
    nx.forward(network, second, echo).close()


@pytest.mark.parametrize(
    ("ports", "error"),
    [((), ValueError), ((0,), ValueError), ((65536,), ValueError), (("80",), TypeError),
     (range(1, 255), ValueError), ((80, 80), ValueError), ((True,), TypeError)],
)  # fmt: skip
def test_what_are_no_ports_is_refused(network: nx.Process, ports: tuple, error: type[Exception]):
    """Before anything is started."""
    with pytest.raises(error, match=r"port|interpreted as an integer"):
        nx.forward(network, *ports)


def test_our_own_network_is_refused():
    """There is nothing to forward."""
    with pytest.raises(ValueError, match="is in this process's network"):
        nx.forward(os.getpid(), 80)
    with (
        nx.NamespacingExecer(**OWN_MAP | {"clone_flags": CloneFlags.NEWUSER}).start(
            "sleep", "60"
        ) as process,
        pytest.raises(ValueError, match="is in this process's network"),
    ):
        nx.forward(process, 80)


def test_a_process_that_is_gone_is_told(network: nx.Process):
    """As by `enter`."""
    network.close()
    with pytest.raises(ProcessLookupError):
        nx.forward(network, 80)


def test_a_listener_that_dies_is_told(network: nx.Process, monkeypatch: pytest.MonkeyPatch):
    """With what it said."""
    monkeypatch.setattr("nsexplore.forwarding._LISTEN", "raise SystemExit('no room')")
    with pytest.raises(ChildProcessError, match=r"with 1: 'no room"):
        nx.forward(network, 80)


def test_flags_of_lo_stay_as_they_are(network: nx.Process, tool: Callable[[str], str]):
    """It is brought up, and nothing else."""

    def lo(*words: str) -> str:
        with inside(network, types=types_of(network)) as execer:
            return execer.run(tool("ip"), "link", *words).stdout

    lo("set", "lo", "promisc", "on")
    assert "<LOOPBACK,PROMISC>" in lo("show", "lo")
    with nx.forward(network, 8888):
        assert "<LOOPBACK,PROMISC,UP,LOWER_UP>" in lo("show", "lo")


@pytest.mark.needs("an ordinary user")
def test_a_network_is_entered_as_root_of_its_owner(echo: int):
    """The process may live in a user namespace below; a file of the network will do, too."""
    script = "unshare --user sh -c 'echo ready; exec sleep 60'"
    with nx.NamespacingExecer(**NETWORK).start("sh", "-c", script, stdout=subprocess.PIPE) as outer:
        assert outer.stdout.readline() == "ready\n"
        (below,) = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        for target in (int(below), f"/proc/{outer.pid}/ns/net"):
            with nx.forward(target, echo):
                assert asked(outer, echo).stdout == "yesyes"

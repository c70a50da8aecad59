"""``nsexplore run``: signals, and the keys of a terminal, reach the command as they should."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace

import pytest
from command_line import (
    ANYBODY,
    COMMAND,
    CTRL_C,
    CTRL_Z,
    Terminal,
    child_of,
    command,
    said,
    started,
    state_of,
)
from conftest import count, eventually
from drivers.whoever import OWN_MAP

import nsexplore as nx
import nsexplore.foreground
from nsexplore.foreground import Foreground

# -- run: signals ---------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
@pytest.mark.parametrize("more", [[], ["--namespaces", "user,uts"], ["--json"]])
def test_signal_for_nsexplore_ends_the_command(
    number: signal.Signals, more: list[str], marker: str
):
    """Also one that PID 1 is spared: outside it would have ended the command."""
    script = f"sleep {marker} & exec sleep {marker}"
    process = started("run", *ANYBODY, *more, "-q", "--", "sh", "-c", script)
    try:
        assert eventually(lambda: count(marker) == 2, 20)
        process.send_signal(number)
        process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 128 + number


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_command_that_handles_a_signal_is_left_to_it(number: signal.Signals, marker: str):
    """The command's own exit code counts."""
    script = f"trap 'echo handled; exit 3' {number}; echo ready; while :; do sleep 0.05; done"
    process = started("run", *ANYBODY, "-q", "--", "sh", "-c", script, marker)
    try:
        said(process, "ready")
        process.send_signal(number)
        said(process, "handled")
        assert process.wait(20) == 3
    finally:
        process.kill()
        process.communicate()


def test_ignored_signal_stays_ignored(marker: str, tool: Callable[[str], str]):
    """Under nohup, SIGHUP ends neither us nor the command."""
    process = subprocess.Popen(
        [tool("nohup"), *command("run", *ANYBODY), "-q", "--", "sh", "-c",
         "echo ready; read line; echo $line", marker],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        encoding="utf-8", start_new_session=True,
    )  # fmt: skip
    try:
        said(process, "ready")
        process.send_signal(signal.SIGHUP)
        out, _ = process.communicate("still here\n", timeout=20)
    finally:
        process.kill()
    assert (process.returncode, out) == (0, "still here\n")


def test_command_dies_with_a_killed_nsexplore(marker: str):
    """SIGKILL cannot be passed on; the parent-death signal does it."""
    process = started("run", *ANYBODY, "-q", "--", "sh", "-c", "echo ready; sleep 60", marker)
    said(process, "ready")
    process.kill()
    process.communicate()
    assert eventually(lambda: count(marker) == 0)


# -- run: at a terminal ---------------------------------------------------------


@pytest.fixture
def terminal(tool: Callable[[str], str]) -> Iterator[Callable[..., Terminal]]:
    """Return what runs nsexplore at a terminal of its own."""
    opened: list[Terminal] = []

    def open_terminal(*args: str, through: Sequence[str] = ()) -> Terminal:
        opened.append(Terminal(tool("setsid"), *args, through=through))
        return opened[-1]

    yield open_terminal
    for each in opened:
        each.close()


def test_command_reads_from_the_terminal(terminal: Callable[..., Terminal], marker: str):
    """It is in the terminal's foreground group: reading neither fails nor spins."""
    here = terminal("--", "sh", "-c", 'echo ready; read line; echo "got $line"', marker)
    assert here.shows(b"ready")
    here.type(b"a word\n")
    assert here.shows(b"got a word")
    assert here.process.wait(20) == 0


def test_ctrl_c_ends_a_command_that_has_no_handler(terminal: Callable[..., Terminal], marker: str):
    """Although PID 1 is spared that signal by the kernel."""
    here = terminal("--", "sleep", marker)
    assert eventually(lambda: count(marker) == 2, 20)
    here.type(CTRL_C)
    assert here.process.wait(20) == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_execve_is_not_lost(number: signal.Signals):
    """What is not the command yet has our handlers: it would be taken for one that is prepared."""
    with nx.NamespacingExecer(**OWN_MAP).step("/bin/sleep", "60") as start:
        while start.state != "released":
            start.next()
        with Foreground(start) as foreground:
            os.kill(os.getpid(), number)
            with pytest.raises(nx.StartError, match="killed by signal 9"):
                start.finish()
    assert foreground.ended_by == number


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_has_just_begun_gets_its_signal(number: signal.Signals):
    """It may have said something before its start's finish() has returned: it is the command."""
    script = f"trap 'echo handled; exit 3' {number}; echo ready; while :; do sleep 0.05; done"
    begun = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, encoding="utf-8")
    pidfd = os.pidfd_open(begun.pid)
    try:
        said(begun, "ready")
        start = SimpleNamespace(state="released", pid=begun.pid, pidfd=pidfd)
        with Foreground(start) as foreground:  # type: ignore[arg-type]  # as it is meanwhile
            os.kill(os.getpid(), number)
        said(begun, "handled")
        assert begun.wait(20) == 3
    finally:
        os.close(pidfd)
        begun.kill()
        begun.communicate()
    assert foreground.ended_by is None


def test_ctrl_c_reaches_a_command_with_a_handler_once(
    terminal: Callable[..., Terminal], marker: str
):
    """From the terminal alone, not from us as well; and it goes on."""
    script = (
        "import signal\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})\n"
        "print('ready', flush=True)\n"
        "signal.sigwait({signal.SIGINT})\n"
        "print('again:', signal.sigtimedwait({signal.SIGINT}, 0.3), flush=True)\n"
    )
    here = terminal("--", sys.executable, "-c", script, marker)
    assert here.shows(b"ready")
    here.type(CTRL_C)
    assert here.shows(b"again: None")
    assert here.process.wait(20) == 0


def test_ctrl_z_stops_the_command_too_and_cont_continues_both(
    terminal: Callable[..., Terminal], marker: str
):
    """PID 1 is spared that signal as well; a stopped job whose command runs on is none."""
    here = terminal("--", "sh", "-c", "echo ready; read line; echo $line", marker)
    assert here.shows(b"ready")
    ours = here.process.pid
    inside = child_of(ours)
    here.type(CTRL_Z)
    assert eventually(lambda: state_of(ours) == state_of(inside) == "T")
    os.kill(ours, signal.SIGCONT)
    here.type(b"on it goes\n")
    assert here.shows(b"on it goes\r\non it goes")
    assert here.process.wait(20) == 0


def test_end_of_the_terminal_ends_the_command(terminal: Callable[..., Terminal], marker: str):
    """Nobody is left behind by a closed window."""
    here = terminal("--", "sh", "-c", "echo ready; sleep 60", marker)
    assert here.shows(b"ready")
    os.close(here.ours)
    here.ours = os.open(os.devnull, os.O_RDONLY)
    assert here.process.wait(20) == 128 + signal.SIGHUP


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, "timeout"])
@pytest.mark.parametrize("kinds", ["user,uts", "user,pid"])
def test_end_at_a_terminal_takes_everyone_along(
    terminal: Callable[..., Terminal], marker: str, how: signal.Signals | str, kinds: str
):
    """Below a shell, which stays."""
    shell = ("sh", "-c", '"$@"; echo "ended with $?"; read line', "sh")
    script = f"(sleep {marker} & wait) & sleep {marker} & echo ready; exec sleep {marker}"
    limit = ["--timeout", "1"] if how == "timeout" else []
    here = terminal("--namespaces", kinds, *limit, "--", "sh", "-c", script, through=shell)
    assert here.shows(b"ready")
    assert eventually(lambda: count(marker) == 3)
    if isinstance(how, signal.Signals):
        os.kill(child_of(here.process.pid), how)
    code = 128 + how if isinstance(how, signal.Signals) else 124
    assert here.shows(f"ended with {code}".encode())
    assert count(marker) == 0


def test_ctrl_c_is_left_to_those_below_who_handle_it(
    terminal: Callable[..., Terminal], marker: str
):
    """Each of them has it from the terminal; only a command that is not prepared ends at once."""
    below = """if True:
        import signal, sys, time
        def clean(*_):
            time.sleep(0.2)
            sys.exit("cleaned")
        signal.signal(signal.SIGINT, clean)
        print("ready", flush=True)
        time.sleep(60)
    """
    script = """if True:
        import signal, subprocess, sys
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        subprocess.run([sys.executable, "-c", *sys.argv[1:]])
    """
    shell = ("sh", "-c", 'trap : INT; "$@"; echo "ended with $?"; read line', "sh")
    here = terminal(
        *("--namespaces", "user,uts", "--", sys.executable, "-c", script, below, marker),
        through=shell,
    )
    assert here.shows(b"ready")
    os.kill(child_of(child_of(here.process.pid)), signal.SIGSTOP)  # so that it is there still
    here.type(CTRL_C)
    assert here.shows(b"ended with 130")
    assert here.shows(b"cleaned")
    here.type(b"\n")  # the shell has the marker, too
    here.process.wait(20)


# -- before there is a command ----------------------------------------------------


def test_ctrl_c_while_it_is_loaded_says_nothing():
    """At any moment after the package itself is there: no traceback, and it is the end."""
    for turn in range(1, 20, 2):
        process = subprocess.Popen(
            [sys.executable, "-v", *COMMAND[1:], "plan", "--", "true"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            encoding="utf-8",
        )  # fmt: skip
        # Python says what it loads, one after the other.
        loaded = (line for line in process.stderr if line.startswith("import "))
        next(line for line in loaded if line.startswith("import 'nsexplore' "))
        for _ in zip(range(turn), loaded, strict=False):
            pass
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=20)
        assert "Traceback" not in rest
        assert process.returncode in (-signal.SIGINT, 0, 130)

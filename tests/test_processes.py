"""What one does with a started process: talk to it, wait, end it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import eventually
from drivers.whoever import BARE, OWN_MAP

import nsexplore as nx

pytestmark = pytest.mark.usefixtures("leaves_nothing")

PIPE = subprocess.PIPE


BARELY = nx.NamespacingExecer(**BARE)
IN_NAMESPACES = [
    pytest.param({"privileged": True}, id="privileged", marks=pytest.mark.needs("root")),
    pytest.param(OWN_MAP, id="unprivileged", marks=pytest.mark.needs("user namespaces")),
]


@pytest.fixture(params=IN_NAMESPACES)
def namespaced(request: pytest.FixtureRequest) -> nx.NamespacingExecer:
    return nx.NamespacingExecer(**request.param)


@pytest.fixture(params=[*IN_NAMESPACES, pytest.param(BARE, id="bare")])
def execer(request: pytest.FixtureRequest) -> nx.NamespacingExecer:
    return nx.NamespacingExecer(**request.param)


def test_run_returns_both_outputs_as_text_and_the_exit_status(
    execer: nx.NamespacingExecer,
) -> None:
    """The main job in one call, in each mode."""
    done = execer.run("/bin/sh", "-c", "id -u; echo oops >&2; exit 7")
    own = f"{os.getuid()}\n" if execer.clone_flags == 0 else "0\n"
    assert (done.stdout, done.stderr, done.returncode) == (own, "oops\n", 7)
    assert done.args == ("/bin/sh", "-c", "id -u; echo oops >&2; exit 7")
    with pytest.raises(subprocess.CalledProcessError):
        done.check_returncode()


def test_bytes_that_are_no_text_are_replaced(execer: nx.NamespacingExecer) -> None:
    """Decoding never raises."""
    assert execer.run("/usr/bin/printf", r"a\377b").stdout == "a\ufffdb"


def test_input_is_sent_while_output_is_read(execer: nx.NamespacingExecer) -> None:
    """More than a pipe holds, both ways at once: no deadlock."""
    text = "0123456789abcde\n" * 50_000
    assert execer.run("/bin/cat", input=text).stdout == text


def test_a_child_that_does_not_read_its_input_is_no_error(execer: nx.NamespacingExecer) -> None:
    """EPIPE is the child's business."""
    assert execer.run("/bin/true", input="x" * 1_000_000).returncode == 0


def test_100_megabytes_of_output_are_kept_and_shown_bounded() -> None:
    """All of it is in stdout; what a notebook would show of it is short."""
    done = BARELY.run("/usr/bin/head", "-c", "100000000", "/dev/zero")
    assert len(done.stdout) == 100_000_000
    assert all(len(shown) < 100_000 for shown in done._repr_mimebundle_().values())


def test_a_timeout_kills_everything_and_keeps_the_partial_output(
    execer: nx.NamespacingExecer,
) -> None:
    """Grandchildren hold the pipe open, and go too."""
    mark = f"60.{os.getpid()}"
    script = f"echo early; (sleep {mark}; echo late) & wait"
    begin = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        execer.run("/bin/sh", "-c", script, timeout=0.3)
    assert time.monotonic() - begin < 5
    assert caught.value.output == "early\n"
    assert caught.value.timeout == 0.3
    assert eventually(lambda: not _sleeping(mark))


def _sleeping(mark: str) -> bool:
    """Return whether a process with this argument is there."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (folder / "cmdline").read_bytes() == f"sleep\0{mark}\0".encode():
                return True
    return False


@pytest.mark.parametrize("end", ["timeout", "with", "drop"])
def test_children_of_a_leader_that_has_ended_are_ended_with_their_group(end: str) -> None:
    """Without a PID namespace nothing else takes them along."""
    mark = f"61.{os.getpid()}"
    script = f"sleep {mark} & echo here"
    if end == "timeout":
        with pytest.raises(subprocess.TimeoutExpired):
            BARELY.run("/bin/sh", "-c", script, timeout=0.3)
    else:
        process = BARELY.start("/bin/sh", "-c", script)
        os.waitid(os.P_PIDFD, process.pidfd, os.WEXITED | os.WNOWAIT)
        assert eventually(lambda: _sleeping(mark))
        if end == "with":
            process.close()
        del process
    assert eventually(lambda: not _sleeping(mark))


def test_a_group_is_not_signalled_once_its_number_may_be_another_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After wait() the number is free: close() leaves it alone."""
    killed: list[int] = []
    process = BARELY.start("/bin/true")
    process.wait()
    monkeypatch.setattr(os, "killpg", lambda pid, _: killed.append(pid))
    process.close()
    assert killed == []


def test_a_handler_of_a_signal_may_poll_and_signal_the_process(
    execer: nx.NamespacingExecer,
) -> None:
    """It runs in the middle of anything, a poll of the same process included."""
    seen: list[int | None] = []
    with execer.start("/bin/sleep", "60") as process:

        def handler(*_: object) -> None:
            process.send_signal(0)
            seen.append(process.poll())

        before = signal.signal(signal.SIGALRM, handler)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
            until = time.monotonic() + 0.5
            while time.monotonic() < until:
                process.poll()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
    assert len(seen) > 20
    assert set(seen) == {None}


@pytest.mark.parametrize("text", [True, False])
def test_what_was_written_before_communicate_comes_first(
    execer: nx.NamespacingExecer, text: bool
) -> None:
    """The buffer is emptied before the input is sent."""
    words = ("first\n", "second\n") if text else (b"first\n", b"second\n")
    with execer.start("/bin/cat", stdin=PIPE, stdout=PIPE, text=text) as process:
        assert process.stdin is not None
        process.stdin.write(words[0])
        assert process.communicate(words[1])[0] == words[0] + words[1]


def test_a_full_pipe_does_not_hold_up_the_timeout_or_other_starts(
    execer: nx.NamespacingExecer,
) -> None:
    """A child that reads nothing: communicate comes back in time, and others can start."""
    with execer.start("/bin/sleep", "60", stdin=PIPE, stdout=PIPE, text=False) as process:
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), False)
        while process.stdin.raw.write(b"x" * 65536):  # type: ignore[attr-defined]
            pass
        os.set_blocking(process.stdin.fileno(), True)
        process.stdin.write(b"stays in the buffer")
        begin = time.monotonic()
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(timeout=0.2)
        assert execer.run("/bin/echo", "x", timeout=5).stdout == "x\n"
        assert time.monotonic() - begin < 3


def test_input_for_a_closed_stdin_is_refused(execer: nx.NamespacingExecer) -> None:
    """It would be lost in silence."""
    with execer.start("/bin/cat", stdin=PIPE, stdout=PIPE) as process:
        assert process.stdin is not None
        process.stdin.close()
        with pytest.raises(ValueError, match="stdin is closed"):
            process.communicate("lost")


def test_a_timeout_may_be_longer_than_poll_takes(execer: nx.NamespacingExecer) -> None:
    """More than 24 days, and for ever."""
    for timeout in (3e6, 1e12, float("inf")):
        assert execer.run("/bin/true", timeout=timeout).returncode == 0
    with execer.start("/bin/true") as process:
        assert process.wait(3e6) == 0


def test_a_timeout_without_a_pid_namespace_ends_the_process_group() -> None:
    """No PID 1 dies there: the grandchild is ended as a member of the group."""
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        BARELY.run("/bin/sh", "-c", "sleep 60 & echo $!; wait", timeout=0.3)
    grandchild = int(caught.value.output)
    assert eventually(lambda: not _runs(grandchild))


def _runs(pid: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_communicate_can_be_taken_up_after_its_timeout(execer: nx.NamespacingExecer) -> None:
    """Nothing is lost, as with subprocess."""
    with execer.start("/bin/sh", "-c", "echo a; sleep 0.4; echo b", stdout=PIPE) as process:
        with pytest.raises(subprocess.TimeoutExpired) as caught:
            process.communicate(timeout=0.1)
        assert caught.value.output == "a\n"
        assert process.communicate(timeout=10) == ("a\nb\n", None)


def test_streams_speak_bytes_when_asked(execer: nx.NamespacingExecer) -> None:
    """With text=False."""
    with execer.start("/usr/bin/printf", r"\377", stdout=PIPE, text=False) as process:
        assert process.communicate() == (b"\xff", None)


def test_one_can_talk_to_a_process_line_by_line(execer: nx.NamespacingExecer) -> None:
    """Both ends are files."""
    with execer.start("/bin/cat", stdin=PIPE, stdout=PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for word in ("one\n", "two\n"):
            process.stdin.write(word)
            process.stdin.flush()
            assert process.stdout.readline() == word


def test_stderr_goes_where_stdout_goes_when_asked(execer: nx.NamespacingExecer) -> None:
    """As in subprocess: STDOUT."""
    script = "echo a; echo b >&2"
    with execer.start("/bin/sh", "-c", script, stdout=PIPE, stderr=subprocess.STDOUT) as process:
        assert process.communicate() == ("a\nb\n", None)


def test_by_default_the_streams_are_dev_null(execer: nx.NamespacingExecer) -> None:
    """As in the seed."""
    with execer.start(
        "/bin/sh", "-c", "readlink /proc/self/fd/0 /proc/self/fd/2", stdout=PIPE
    ) as process:
        assert process.communicate()[0].split() == ["/dev/null", "/dev/null"]


def test_poll_wait_and_kill(execer: nx.NamespacingExecer) -> None:
    """A signal's number comes back negative."""
    with execer.start("/bin/sleep", "60") as process:
        assert process.poll() is None
        assert process.pidfd >= 0
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)
        process.kill()
        assert process.wait(timeout=10) == -signal.SIGKILL
        assert (process.returncode, process.pidfd) == (-signal.SIGKILL, -1)
        process.kill()
        process.terminate()


def test_term_reaches_pid_1_only_with_a_handler(namespaced: nx.NamespacingExecer) -> None:
    """pid_namespaces(7): init ignores what it does not handle."""
    with namespaced.start("/bin/sleep", "60") as process:
        process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.1)
    script = "trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done"
    with namespaced.start("/bin/sh", "-c", script, stdout=PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.wait(timeout=10) == 3


def test_eight_threads_may_wait_for_one_process(execer: nx.NamespacingExecer) -> None:
    """All get the same answer."""
    answers: list[int] = []
    with execer.start("/bin/sh", "-c", "sleep 0.2; exit 5") as process:
        threads = [
            threading.Thread(target=lambda: answers.append(process.wait())) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=10)
    assert answers == [5] * 8


def test_exec_returns_a_pid_that_one_may_wait_for(execer: nx.NamespacingExecer) -> None:
    """As with os.fork: the exit status is there for the taking."""
    pid = execer.exec("/bin/sh", "-c", "exit 9")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9


def test_exec_reaps_what_nobody_waits_for(execer: nx.NamespacingExecer) -> None:
    """A second after the end the zombie is gone, and with it the thread that waited."""
    pid = execer.exec("/bin/true")
    assert eventually(lambda: not Path(f"/proc/{pid}").exists())


def test_dropping_a_running_process_ends_it_with_a_warning(
    execer: nx.NamespacingExecer,
) -> None:
    """It does not run on without anybody who knows it."""
    process = execer.start("/bin/sleep", "60")
    pid = process.pid
    with pytest.warns(ResourceWarning, match="was dropped while it ran"):
        del process
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("options", IN_NAMESPACES)
def test_a_detached_process_is_not_ended_when_dropped(options: dict[str, Any]) -> None:
    """That is what detached means; it is reaped all the same."""
    execer = nx.NamespacingExecer(**options, detached=True)
    process = execer.start("/bin/sleep", "60")
    pid = process.pid
    del process
    assert _runs(pid)
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not Path(f"/proc/{pid}").exists())


def test_the_child_has_its_own_process_group_and_our_session(
    execer: nx.NamespacingExecer,
) -> None:
    """A notebook's Ctrl-C does not reach it."""
    with execer.start("/bin/sleep", "60") as process:
        assert os.getpgid(process.pid) == process.pid
        assert os.getsid(process.pid) == os.getsid(0)


def test_a_reaped_stranger_is_said_so(execer: nx.NamespacingExecer) -> None:
    """Somebody called os.wait: the exit status is lost, and nothing hangs."""
    process = execer.start("/bin/true")
    os.waitpid(process.pid, 0)
    with pytest.warns(RuntimeWarning, match="reaped by somebody else"):
        assert process.wait(timeout=5) == 255

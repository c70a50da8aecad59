"""``nsexplore enter``, used as a stranger would: in a process of its own."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from command_line import COMMAND, CTRL_C, Terminal, cli
from conftest import eventually
from drivers.whoever import OWN_MAP

import nsexplore as nx
from nsexplore.cli import main
from nsexplore.flags import ALL_NAMESPACES, CloneFlags

pytestmark = pytest.mark.needs("user namespaces")


class Entered(Terminal):
    """A terminal whose session is any of our commands."""

    def __init__(self, setsid: str, *words: str) -> None:
        self.ours, theirs = pty.openpty()
        self.seen = b""
        try:
            self.process = subprocess.Popen(
                [setsid, "--ctty", *COMMAND, *words], stdin=theirs, stdout=theirs, stderr=theirs
            )
        finally:
            os.close(theirs)


@pytest.fixture
def target() -> Iterator[nx.Process]:
    options = {**OWN_MAP, "clone_flags": ALL_NAMESPACES}
    with nx.NamespacingExecer(**options).start("/bin/sleep", "60") as process:
        yield process


def test_the_commands_output_is_its_own_and_the_tables_go_to_stderr(target: nx.Process) -> None:
    """As of `run`: what was asked, what was given, how it started."""
    done = cli("enter", str(target.pid), "--", "readlink", "/proc/self/ns/net")
    assert (done.returncode, done.stdout) == (0, nx.inspect(target).links["net"] + "\n")
    assert f"enters net     /proc/{target.pid}/ns/net" in done.stderr
    assert "setns(user)" in done.stderr
    assert "--- given by the kernel" in done.stderr
    assert cli("enter", "-q", str(target.pid), "--", "true").stderr == ""


def test_types_and_paths_choose_what_is_entered(target: nx.Process) -> None:
    """Only those kinds; or the one that a namespace file is of."""
    links, own = nx.inspect(target).links, nx.inspect(os.getpid()).links
    script = "readlink /proc/self/ns/uts /proc/self/ns/net"
    words = ["-q", "--types", "user, uts", str(target.pid), "--", "sh", "-c", script]
    assert cli("enter", *words).stdout.split() == [links["uts"], own["net"]]
    path = f"/proc/{target.pid}/ns/user"
    done = cli("enter", "-q", path, "--", "readlink", "/proc/self/ns/user")
    assert done.stdout == links["user"] + "\n"


def test_json_is_one_object_with_everything_in_it(target: nx.Process) -> None:
    """The command with what it enters, the output, the birth, the timeline."""
    done = cli("enter", "--json", str(target.pid), "--", "echo", "here")
    record = json.loads(done.stdout)
    assert (record["returncode"], record["stdout"], done.stderr) == (0, "here\n", "")
    assert {join["kind"] for join in record["command"]["joins"]} >= {"user", "net", "mnt"}
    assert record["birth"]["namespaces"]["net"]["link"] == nx.inspect(target).links["net"]
    assert "setns(net)" in [step["name"] for step in record["timeline"]]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--", "sh", "-c", "exit 7"], 7, ""),
        (["--", "sh", "-c", "kill -TERM $$"], 128 + signal.SIGTERM, ""),
        (["--", "no-such-program"], 127, "none of these folders"),
        (["--", "/etc/passwd"], 126, "may not be executed"),
    ],
)
def test_exit_codes_are_those_of_run(
    words: list[str], code: int, said: str, target: nx.Process
) -> None:
    """The command's own, 128+N, 126, 127."""
    # As for execvp(3), a folder that root inside may not search would make 126 of 127.
    environment = {**os.environ, "PATH": "/usr/bin:/bin"}
    done = cli("enter", "-q", str(target.pid), *words, env=environment)
    assert done.returncode == code, done.stderr
    assert said in done.stderr


def test_timeout_kills_it_and_gives_124(target: nx.Process) -> None:
    """And says so."""
    done = cli("enter", "-q", "--timeout", "0.2", str(target.pid), "--", "sleep", "60")
    assert done.returncode == 124
    assert "killed after 0.2 s" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["0", "--", "id"], "PID 0 is no PID"),
        (["/etc/passwd", "--", "id"], "no namespace but an ordinary file"),
        (["--types", "network", "1", "--", "id"], "'network' is no kind of namespace"),
        (["--types", "uts", "/proc/self/ns/net", "--", "id"], "leads to no uts namespace"),
        (["1", "--types", "uts", "--", "id"], "--types stands behind TARGET"),
        (["1"], "a command is missing"),
        ([], "required"),
    ],
)
def test_wrong_arguments_exit_with_2(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The usage and one line; no parameter of the library's is named."""
    with pytest.raises(SystemExit) as caught:
        main(["enter", *words])
    out, err = capsys.readouterr()
    assert (caught.value.code, out) == (2, "")
    assert err.startswith("usage: nsexplore enter")
    assert said in err.splitlines()[-1]
    assert "=" not in err.splitlines()[-1]


@pytest.mark.parametrize("where", [str(1 << 22), "/no/such/file"])
def test_nobody_there_is_an_error_without_a_traceback(
    where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """125: nsexplore could not start it."""
    assert main(["enter", where, "--", "id"]) == 125
    assert capsys.readouterr().err.startswith("nsexplore: ")


def sleeps_inside(target: nx.Process) -> bool:
    """Return whether the shell's sleep runs: a second process of that name in there."""
    own = os.readlink(f"/proc/{target.pid}/ns/pid")
    found = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            is_there = os.readlink(folder / "ns" / "pid") == own
            found += is_there and (folder / "comm").read_text() == "sleep\n"
    return found > 1


def test_a_shell_at_a_terminal(target: nx.Process, tool: Callable[[str], str]) -> None:
    """It prompts, reads, has job control, and its exit status is ours.

    Of bash: on its way out dash gives the terminal back to a group that has no number in
    there, and fails, under nsenter(1) too.
    """
    words = ["enter", "-q", str(target.pid), "--", tool("bash"), "--norc", "-i"]
    here = Entered(tool("setsid"), *words)
    try:
        here.type(b"echo $((40+2)) inside\n")
        assert here.shows(b"42 inside")
        here.type(b"sleep 60\n")
        assert here.shows(b"sleep 60")
        assert eventually(lambda: sleeps_inside(target))
        here.type(CTRL_C)
        here.type(b"echo again $((40+3))\n")
        assert here.shows(b"again 43")
        here.type(b"readlink /proc/self/ns/net; exit 3\n")
        assert here.shows(nx.inspect(target).links["net"].encode())
        assert here.process.wait(20) == 3
    finally:
        here.close()


def test_a_killed_nsexplore_takes_the_command_along(target: nx.Process) -> None:
    """The parent-death signal is that of the process that was born inside, too."""
    words = ["enter", "-q", str(target.pid), "--", "sh", "-c", "echo ready; exec sleep 60"]
    with subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        [pid] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
        assert eventually(lambda: not Path(f"/proc/{pid}/ns/net").exists())


@pytest.mark.needs("root")
def test_an_ordinary_user_is_told_the_rule(target: nx.Process) -> None:
    """Another's process: 125 and why, no traceback."""
    code = (
        "import os, sys\n"
        "import nsexplore.cli, nsexplore.entering, nsexplore.foreground, nsexplore._spawn\n"
        "os.setgroups([]); os.setresgid(1000, 1000, 1000); os.setresuid(1000, 1000, 1000)\n"
        f"sys.exit(nsexplore.cli.main(['enter', '{target.pid}', '--', 'id']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 125
    assert "only with CAP_SYS_PTRACE in its user namespace" in done.stderr
    assert "Traceback" not in done.stderr


def test_flags_of_nothing_new_are_told(target: nx.Process) -> None:
    """Without a user namespace among them, whose root one is."""
    with nx.NamespacingExecer(**OWN_MAP, clone_flags=CloneFlags.NEWUSER).start(
        "/bin/sleep", "60"
    ) as process:
        done = cli("enter", str(process.pid), "--", "id", "-u")
    assert done.stdout == "0\n"
    assert "real root" not in done.stderr

"""The command ``nsexplore``, used as a stranger would: in a process of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import ANYBODY, cli, command, said
from ordinary_user import as_ordinary_user

import nsexplore
import nsexplore._spawn  # for as_ordinary_user, as the next one
import nsexplore.foreground
from nsexplore.cli import main
from nsexplore.jsonable import jsonable
from nsexplore.options import parser

REAL_ROOT = "root inside is this machine's real root"


# -- run: what goes where -------------------------------------------------------


def test_stdout_is_the_commands_own_and_the_tables_go_to_stderr():
    """Not a byte of ours is on stdout; asked, given and timeline are on stderr, in order."""
    done = cli("run", *ANYBODY, "--", "echo", "hello")
    assert (done.returncode, done.stdout) == (0, "hello\n")
    words = ("clone(CLONE_NEWUSER", "ID map", "namespaces\n", "credentials\n", "\ntimeline")
    places = [done.stderr.index(word) for word in words[:-1]]
    places.append(done.stderr.rindex(words[-1]))
    assert places == sorted(places)
    assert done.stderr.rstrip().endswith("exit status 0")


def test_given_namespaces_are_told_new_or_shared():
    """The namespaces of the process itself are listed, each with new or shared."""
    done = cli("run", *ANYBODY, "--namespaces", "user,uts", "--show", "given", "--", "true")
    lines = {line.split()[0]: line.split() for line in done.stderr.splitlines() if ":[" in line}
    states = {kind: lines[kind][2] for kind in lines}
    assert {kind for kind, state in states.items() if state == "new"} == {"user", "uts"}
    own = os.readlink("/proc/self/ns/net")
    assert lines["net"][1:3] == [own, "shared"]


def test_tables_are_told_before_the_command_speaks():
    """On one stream, what was asked and given stands before the output, the timeline after."""
    both = {"capture_output": False, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = cli("run", *ANYBODY, "--", "echo", "hello", **both)
    given, hello, timeline = (
        done.stdout.index(word) for word in ("namespaces\n", "\nhello\n", "exit status 0")
    )
    assert given < hello < timeline


def test_stdin_and_stderr_reach_the_command():
    """Its three streams are ours."""
    script = "cat; echo oops >&2"
    done = cli("run", *ANYBODY, "-q", "--", "sh", "-c", script, input="from outside")
    assert (done.stdout, done.stderr) == ("from outside", "oops\n")


def test_options_of_the_command_are_left_to_it():
    """What follows the command belongs to it, with -- before it or without."""
    for dashes in (["--"], []):
        done = cli("run", *ANYBODY, "-q", *dashes, "echo", "--json", "-q", "--", "x")
        assert done.stdout == "--json -q -- x\n"


def test_show_chooses_tables_and_quiet_shows_none():
    """Each table can be had alone."""

    def headings(*options: str) -> list[str]:
        done = cli("run", *ANYBODY, *options, "--", "true")
        return [line for line in done.stderr.splitlines() if line.startswith("--- ")]

    asked, given, own_output, timeline = headings()
    assert headings("--show", "timeline,asked") == [asked, own_output, timeline]
    assert headings("--show", "given") == [given, own_output]
    assert cli("run", *ANYBODY, "--quiet", "--", "true").stderr == ""


def test_streams_closed_by_the_caller_stay_closed_to_the_command(tool: Callable[[str], str]):
    """With fd 0, 1 and 2 closed, the command gets /dev/null, never another of our files."""
    shell = [tool("sh"), "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh", *command("run", *ANYBODY)]
    inside = 'for n in 0 1 2; do test /proc/self/fd/$n -ef /dev/null || exit "1$n"; done'
    done = subprocess.run([*shell, "--", "sh", "-c", inside], timeout=30, check=False)
    assert done.returncode == 0


def test_nobody_reading_the_tables_is_no_reason_to_fail():
    """With a broken pipe as stderr the command runs, and its exit code is handed on."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = cli("run", *ANYBODY, "--", "sh", "-c", "echo here; exit 3",
                   capture_output=False, stdout=subprocess.PIPE, stderr=write)  # fmt: skip
    finally:
        os.close(write)
    assert (done.returncode, done.stdout) == (3, "here\n")


def test_a_reader_who_has_seen_enough_gets_no_traceback():
    """`nsexplore plan | head -0` ends as a program that SIGPIPE ends, without a word."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = cli("plan", *ANYBODY, "--", "id", capture_output=False, stdout=write,
                   stderr=subprocess.PIPE)  # fmt: skip
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_speaks_no_utf8_is_no_problem(encoding: str):
    """What it cannot show is written as an escape."""
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    done = cli("plan", "--max-uid", "33", "--", "id", "\N{SNOWMAN}", env=env, encoding=encoding)
    assert done.returncode == 0
    assert "\\u2603" in done.stdout


# -- run: exit codes ------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "exit 255"], 255),
        (["no-such-program"], 127),
        (["/no/such/program"], 127),
        ([""], 127),
        (["/etc/passwd"], 126),
        (["/"], 126),
        (["/etc/passwd/below"], 126),
    ],
)
def test_exit_code_is_the_one_a_shell_would_give(command: list[str], code: int):
    """The command's own; 127 where it is not found, 126 where it cannot be executed."""
    done = cli("run", *ANYBODY, "-q", "--", *command)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert bool(done.stderr) == (code in (126, 127))


def test_program_found_through_a_relative_entry_of_path_is_126(tmp_path: Path):
    """As Go refuses it; the hint tells how to say which one is meant."""
    script = tmp_path / "tool-here"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    env = {**os.environ, "PATH": ".", "PYTHONPATH": str(Path(nsexplore.__file__).parents[1])}
    done = cli("run", *ANYBODY, "-q", "--", "tool-here", env=env, cwd=tmp_path)
    assert done.returncode == 126
    assert "say ./tool-here" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_command_ended_by_a_signal_gives_128_and_its_number(number: signal.Signals):
    """Without a PID namespace a command may end itself by a signal."""
    done = cli(
        "run", *ANYBODY, "--namespaces", "user", "-q", "--", "sh", "-c", f"kill -{number} $$"
    )
    assert done.returncode == 128 + number


def test_timeout_kills_everything_and_gives_124(marker: str):
    """As timeout(1): the command and what it started are gone."""
    script = f"sleep {marker} & echo started; wait"
    begin = time.monotonic()
    done = cli("run", *ANYBODY, "-q", "--timeout", "0.5", "--", "sh", "-c", script)
    assert (done.returncode, done.stdout) == (124, "started\n")
    assert "killed after 0.5 s" in done.stderr
    assert 0.5 <= time.monotonic() - begin < 20


WRONG = {
    "no command": ["run"],
    "nothing after the dashes": ["run", "--"],
    "an unknown option": ["run", "--bogus", "--", "id"],
    "an abbreviated option": ["run", "--quie", "--", "id"],
    "a max-uid below 2": ["run", "--max-uid", "1", "--", "id"],
    "a max-uid too large": ["plan", "--max-uid", "4294967295", "--", "id"],
    "a max-uid in words": ["run", "--max-uid", "many", "--", "id"],
    "two kinds of root": ["run", "--privileged", "--rootless", "--", "id"],
    "an unknown namespace": ["run", "--namespaces", "network", "--", "id"],
    "a user namespace, privileged": ["run", "--privileged", "--namespaces", "user", "--", "id"],
    "proc without a PID namespace": ["plan", "--namespaces", "mnt", "--mount-proc", "--", "id"],
    "an unknown propagation": ["run", "--propagation", "public", "--", "id"],
    "no number of seconds": ["run", "--timeout", "nan", "--", "id"],
    "an unknown table": ["run", "--show", "everything", "--", "id"],
    "no subcommand": [],
    "an unknown subcommand": ["start"],
    "no PID": ["inspect"],
    "a PID in words": ["inspect", "init"],
    "PID 0": ["inspect", "0"],
    "a negative PID": ["inspect", "-1"],
    "a PID of 70 bits": ["inspect", str(1 << 70)],
}


@pytest.mark.parametrize("arguments", WRONG.values(), ids=WRONG)
def test_wrong_arguments_exit_with_2_and_say_what_is_wrong(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
):
    """The usage and one line; nothing was started; no parameter of the library's is named."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    out, err = capsys.readouterr()
    assert (caught.value.code, out) == (2, "")
    assert err.startswith("usage: nsexplore")
    last = err.splitlines()[-1]
    assert ": error: " in last
    assert "=" not in last


# -- privilege ------------------------------------------------------------------


@pytest.mark.needs("root")
@pytest.mark.parametrize("options", [[], ["--show", "timeline"]])
def test_privileged_says_whose_root_it_is(options: list[str]):
    """In those words, whichever tables are chosen."""
    done = cli("run", "--privileged", *options, "--", "id", "-u")
    assert (done.returncode, done.stdout) == (0, "0\n")
    assert REAL_ROOT in done.stderr
    assert REAL_ROOT in " ".join(cli("run", "--help").stdout.split())
    assert REAL_ROOT in cli("plan", "--privileged", "--", "id").stdout


@pytest.mark.needs("root")
def test_garden_map_is_what_the_command_sees():
    """--max-uid N: root inside is host ID N."""
    done = cli("run", "-q", "--max-uid", "65535", "--", "cat", "/proc/self/uid_map")
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["0", "65535", "1"],
        ["1", "1", "65534"],
    ]


@pytest.mark.needs("root")
def test_mount_proc_and_namespaces_do_what_they_say():
    """A fresh /proc shows PID 1 to be the command; only the kinds named are new."""
    done = cli("run", "-q", "--mount-proc", "--", "readlink", "/proc/self")
    assert done.stdout == "1\n"
    done = cli(
        "run", "--json", "--namespaces", "time,cgroup", "--", "readlink", "/proc/self/ns/net"
    )
    assert json.loads(done.stdout)["stdout"].strip() == os.readlink("/proc/self/ns/net")


def _main(*args: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(args)
    return code, out.getvalue(), err.getvalue()


@pytest.mark.needs("root")
def test_ordinary_user_is_told_what_works():
    """The map of garden: 125, the reason and the option to use; --rootless, and it works."""
    code, _, err = as_ordinary_user(_main, "run", "-q", "--", "id")
    assert code == 125
    assert "step: uid_map" in err
    assert "--rootless" in err
    code, _, err = as_ordinary_user(_main, "run", "-q", "--privileged", "--", "id")
    assert (code, "CAP_SYS_ADMIN" in err) == (125, True)
    code, out, _ = as_ordinary_user(_main, "run", "--json", "--rootless", "--", "id", "-u")
    assert (code, json.loads(out)["stdout"]) == (0, "0\n")
    assert json.loads(out)["birth"]["credentials"]["euid"] == 1000


# -- plan and inspect -----------------------------------------------------------


def test_plan_starts_nothing_and_needs_nothing(capfd: pytest.CaptureFixture[str], tmp_path: Path):
    """It tells the flags and the map of a command that would leave a trace."""
    trace = tmp_path / "trace"
    assert main(["plan", "--max-uid", "33", "--", "touch", str(trace)]) == 0
    out, _ = capfd.readouterr()
    assert "CLONE_NEWUSER" in out
    assert "root inside is host 33" in out
    assert not trace.exists()


def test_plan_of_a_missing_program_says_so(capfd: pytest.CaptureFixture[str]):
    """A plan it is all the same."""
    assert main(["plan", "--max-uid", "33", "--", "no-such-program"]) == 0
    assert "executable file not found in $PATH" in capfd.readouterr().out


def test_inspect_shows_a_process(capfd: pytest.CaptureFixture[str]):
    """Its namespaces are those that /proc has."""
    assert main(["inspect", str(os.getpid())]) == 0
    out, _ = capfd.readouterr()
    for kind in ("user", "pid", "net"):
        assert os.readlink(f"/proc/self/ns/{kind}") in out


def test_inspect_of_nobody_is_an_error_without_a_traceback(capfd: pytest.CaptureFixture[str]):
    """Exit code 1, one line."""
    child = subprocess.Popen(["true"])
    child.wait()
    assert main(["inspect", str(child.pid)]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"nsexplore: no process {child.pid} ")


HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202e<b>&amp;\r\n$(touch x)"


def test_inspect_makes_a_hostile_process_harmless():
    """Neither its name nor its arguments bring a control character to the terminal."""
    name = HOSTILE.encode()[:15]
    script = (
        "import ctypes, sys\n"
        f"ctypes.CDLL(None).prctl(15, {name!r}, 0, 0, 0)\n"
        "print('ready', flush=True); sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, HOSTILE, "\udcff"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
    )  # fmt: skip
    with process:
        said(process, "ready")
        text = cli("inspect", str(process.pid)).stdout
        data = json.loads(cli("inspect", "--json", str(process.pid), encoding="ascii").stdout)
    assert "owned" in text
    assert all(character.isprintable() for character in text.replace("\n", ""))
    assert HOSTILE in data["process"]["cmdline"]


# -- json -----------------------------------------------------------------------


def test_json_is_one_object_with_everything_in_it():
    """What it has is what the README tells; it agrees with itself."""
    done = cli("run", *ANYBODY, "--json", "--", "sh", "-c", "cat; echo err >&2; exit 5", input="in")
    data = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (5, "")
    assert list(data) == [
        "command", "pid", "birth", "timeline", "stdout", "stderr", "returncode", "timed_out",
    ]  # fmt: skip
    assert (data["returncode"], data["stdout"], data["stderr"]) == (5, "in", "err\n")
    assert data["timed_out"] is False
    assert data["command"]["args"][0] == "sh"
    assert data["command"]["clone_flags"]["names"][0] == "CLONE_NEWUSER"
    assert data["birth"]["pid"] == data["pid"] == data["birth"]["nspid"][0]
    assert data["birth"]["moment"] == "birth"
    assert data["birth"]["uid_map"] == data["command"]["uid_mappings"]
    assert data["timeline"][-1]["name"] == "execve"
    own = os.readlink("/proc/self/ns/uts")
    assert data["birth"]["namespaces"]["uts"]["link"] != own
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    assert all(f"`{key}`" in readme for key in [*data, "error"])


def test_json_of_a_failure_has_the_command_and_the_error():
    """Still one object on stdout; the words for people are on stderr."""
    done = cli("run", *ANYBODY, "--json", "--", "/no/such/program")
    data = json.loads(done.stdout)
    assert done.returncode == 127
    assert list(data) == ["command", "error"]
    assert (data["error"]["step"], data["error"]["errno"]) == ("execve", 2)
    assert data["error"]["message"].splitlines()[0] in done.stderr


def test_json_keeps_the_output_before_a_timeout():
    """And says that the time was over."""
    done = cli(
        "run", *ANYBODY, "--json", "--timeout", "0.5", "--", "sh", "-c", "echo so far; sleep 60"
    )
    data = json.loads(done.stdout)
    assert (done.returncode, data["timed_out"], data["stdout"]) == (124, True, "so far\n")
    assert data["returncode"] == -signal.SIGKILL


def test_json_bytes_that_are_no_text_are_replaced():
    """The object is text whatever the command wrote, and pure ASCII on the wire."""
    done = cli("run", *ANYBODY, "--json", "--", "printf", r"\377\342\230\203", encoding="ascii")
    assert json.loads(done.stdout)["stdout"] == "\ufffd\N{SNOWMAN}"


def test_every_value_has_a_json_form_that_is_plain():
    """Commands, views and timelines go through json and come back as they were."""
    command = nsexplore.NamespacingExecer(max_uid=33).plan("/bin/id", env={"A": "b"})
    view = nsexplore.inspect(os.getpid())
    for value in (command, view):
        data = jsonable(value)
        assert json.loads(json.dumps(data)) == data
    assert jsonable(command)["env"] == {"A": "b"}
    assert jsonable(view)["capabilities"]["effective"] == list(view.capabilities.effective.names)
    with pytest.raises(TypeError, match="PosixPath has no form in JSON"):
        jsonable(Path("x"))


# -- help -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["run", "enter", "plan", "inspect", "lab"])
def test_help_ends_with_examples_that_are_understood(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """Whoever copies one of them gets no usage error."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    _, _, examples = capsys.readouterr().out.partition("example")
    lines = [line.strip() for line in examples.splitlines()[1:] if line]
    assert lines
    for line in lines:
        words = shlex.split(line.partition(" | ")[0].replace("$$", "1"))
        options, unknown = parser().parse_known_args(words[1:])
        assert (words[0], options.act, unknown) == ("nsexplore", name, [])


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]):
    """From the metadata of what is installed: there is no second place."""
    from importlib.metadata import version

    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert (caught.value.code, capsys.readouterr().out) == (
        0,
        f"nsexplore {version('nsexplore')}\n",
    )

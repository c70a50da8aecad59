"""Where a machine refuses to start anything, what was recorded elsewhere is shown, and marked."""

from __future__ import annotations

import errno
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import need
from ordinary_user import as_ordinary_user

from nsexplore.book import Book
from nsexplore.command import Command
from nsexplore.errors import StartError
from nsexplore.execer import NamespacingExecer
from nsexplore.inspecting import inspect
from nsexplore.pictures import html, text
from nsexplore.recording import Recording, RecordingError
from nsexplore.replaying import ReplayingCommandRunner
from nsexplore.tables import (
    capabilities_frame,
    clone_flags_frame,
    id_map_frame,
    namespaces_frame,
    timeline_frame,
)
from nsexplore.timeline import Timeline
from nsexplore.views import ProcessView

PIPE, STDOUT = subprocess.PIPE, subprocess.STDOUT
LONG = "head -c 300000 /dev/zero | tr '\\0' x; echo done >&2; exit 3"
FRAMES = (clone_flags_frame, id_map_frame, namespaces_frame, timeline_frame, capabilities_frame)

html(Timeline(()))  # what it imports lies where an ordinary user may not look

pytestmark = [pytest.mark.usefixtures("leaves_nothing")]


def all_of_it(runner: ReplayingCommandRunner) -> dict[str, Any]:
    """Use a runner in every way there is; return what is seen, to be compared and looked at."""
    unprivileged = NamespacingExecer(runner, max_uid=65535)
    privileged = NamespacingExecer(runner, privileged=True)
    seen: dict[str, Any] = {}
    for mode, execer in (("unprivileged", unprivileged), ("privileged", privileged)):
        done = execer.run("id")
        seen[f"run {mode}"] = (done.stdout, done.stderr, done.returncode, done.birth, done.timeline)
        with execer.start("/bin/sleep", "60") as process:
            assert process.poll() is None
            seen[f"start {mode}"] = (process.birth, process.timeline, inspect(process))
            seen[f"frames {mode}"] = [frame(process).to_dict() for frame in FRAMES]
            pictures = [
                text(process),
                html(process),
                text(inspect(process)),
                html(inspect(process)),
            ]
        seen[f"end {mode}"] = (process.returncode, process.poll(), process.wait(1))
        with execer.step("/bin/sleep", "60") as step:
            stops = []
            for state in step.states:
                while step.state != state:
                    step.next()
                assert inspect(step).namespaces == step.view().namespaces
                stops.append((state, step.view(), step.timeline))
                pictures += [text(step), html(step)]
            assert step.process is step.finish()
            assert step.process.poll() is None
        seen[f"step {mode}"] = (stops, step.state, step.process.returncode)
        pictures += [text(done), html(done), text(done.timeline), html(done.timeline)]
        pictures += [frame(done).to_string() for frame in FRAMES]
        pictures += [frame(done).to_html() for frame in FRAMES]
        seen[f"pictures {mode}"] = pictures
    done = unprivileged.run("/bin/sh", "-c", LONG)
    seen["long"] = (len(done.stdout), set(done.stdout), done.stderr, done.returncode)
    with unprivileged.start("/bin/sh", "-c", "cat; printf '\\377'", stdin=PIPE, stdout=PIPE) as cat:
        assert cat.stdin is not None
        assert cat.stdout is not None
        cat.stdin.write("hello\n" * 20_000)
        cat.stdin.close()
        seen["pipes"] = (cat.stdout.read(7), len(cat.stdout.read()), cat.wait(), cat.poll())
    with unprivileged.start(
        "/bin/sh", "-c", LONG, "together", stdout=PIPE, stderr=STDOUT, text=False
    ) as both:
        assert both.stdout is not None
        seen["together"] = (both.stdout.read(3), len(both.stdout.read()))
    try:
        unprivileged.run("/bin/no-such-program")
    except StartError as error:
        seen["failure"] = (str(error), error.step, error.errno)
    return seen


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Return a book that was recorded here, and what was seen meanwhile."""
    need("root")
    path = tmp_path_factory.mktemp("book") / "recordings" / "all.json"
    runner = ReplayingCommandRunner(path, record=True)
    seen = all_of_it(runner)
    runner.save()
    path.parent.parent.chmod(0o755)
    path.parent.parent.parent.chmod(0o755)  # an ordinary user is to read it
    return path, seen


def replay(text: str) -> tuple[dict[str, Any], list[str]]:
    """Return what a replay of the book shows, and the lines that it prints."""
    said: list[str] = []
    book = Recording.from_json(text).value
    assert isinstance(book, Book)
    runner = ReplayingCommandRunner("not read", notice=said.append)
    runner._book = book
    return all_of_it(runner), said


def locked_down(text: str) -> tuple[dict[str, Any], list[str]]:
    """Return the same from a process that Docker's filter is on."""
    tests = Path(__file__).parent
    script = (
        "import pickle, sys, test_replaying\n"
        "text = pickle.load(sys.stdin.buffer)\n"
        "pickle.dump(test_replaying.replay(text), sys.stdout.buffer)\n"
    )
    done = subprocess.run(
        [sys.executable, tests / "locked_down.py", sys.executable, "-c", script],
        input=pickle.dumps(text),
        stdout=PIPE,
        env={**os.environ, "PYTHONPATH": str(tests)},
        check=True,
        timeout=60,
    )
    found: tuple[dict[str, Any], list[str]] = pickle.loads(done.stdout)
    return found


def as_user(text: str) -> tuple[dict[str, Any], list[str]]:
    """Return the same from an ordinary user's process, to which garden's map is refused."""
    found: tuple[dict[str, Any], list[str]] = as_ordinary_user(replay, text)
    return found


@pytest.mark.parametrize(
    ("where", "refusals"),
    [(locked_down, {"clone: EPERM"}), (as_user, {"clone: EPERM", "uid_map: EPERM"})],
)
def test_a_replay_shows_exactly_what_was_recorded(
    where: Callable[[str], tuple[dict[str, Any], list[str]]],
    refusals: set[str],
    recorded: tuple[Path, dict[str, Any]],
) -> None:
    """Each value, output, stop, end and error; frames compare with the recording machine."""
    path, live = recorded
    shown, said = where(path.read_text())
    for name, value in live.items():
        if name.startswith("pictures"):
            continue
        assert shown[name] == _without_arguments(value), name
    day = Recording.load(path).recorded_on[:10]
    refused = {
        re.fullmatch(r"(recorded on \S+) \(.+\): this machine refuses, (.+)", s) for s in said
    }
    assert {match[1] for match in refused if match} == {f"recorded on {day}"}
    assert {match[2] for match in refused if match} == refusals
    assert len(said) == 10  # one a start
    for mode in ("unprivileged", "privileged"):
        for picture in shown[f"pictures {mode}"]:
            assert "recorded on" in picture
        for picture in live[f"pictures {mode}"]:
            assert "recorded on" not in picture


def _without_arguments(value: Any) -> Any:
    """Return what was seen, without this process's own arguments: until execve they are shown."""
    if isinstance(value, ProcessView) and value.moment != "now":
        return replace(value, cmdline=())
    if isinstance(value, tuple | list):
        return type(value)(map(_without_arguments, value))
    return value


def test_nothing_of_this_machine_is_in_the_book(recorded: tuple[Path, dict[str, Any]]) -> None:
    """Neither its folders nor who runs here: the arguments before execve are this process's."""
    text = recorded[0].read_text()
    for private in {sys.executable, sys.prefix, str(Path(__file__).parent), str(Path.home())}:
        assert private + os.sep not in text + os.sep
    assert os.uname().nodename not in text


# -- a machine that refuses, made here ---------------------------------------------


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what makes every start fail at a step, as on a machine that refuses it."""

    def refuse(step: str = "clone", number: int | None = errno.EPERM) -> None:
        def fail(*_: object) -> None:
            raise StartError("fork/exec: refused", step=step, errno=number, hint="ask someone")

        monkeypatch.setattr("nsexplore.runner.begin", fail)
        monkeypatch.setattr("nsexplore.stepping.begin", fail)

    return refuse


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def execer(recorded: tuple[Path, dict[str, Any]], said: list[str]) -> NamespacingExecer:
    runner = ReplayingCommandRunner(recorded[0], notice=said.append)
    return NamespacingExecer(runner, max_uid=65535)


@pytest.mark.parametrize(
    "step",
    [
        "spawner", "clone", "proc", "uid_map", "setgroups", "gid_map", "newuidmap", "newgidmap",
        "setgroups(0)", "setgid", "setuid", "propagation", "mount_proc", "newtime",
    ],
)  # fmt: skip
def test_each_step_at_which_a_machine_refuses_is_replayed(
    step: str, execer: NamespacingExecer, said: list[str], refusal: Callable[..., None]
) -> None:
    """Whatever the errno."""
    refusal(step, None if step == "spawner" else errno.ENOSPC)
    assert execer.run("id").stdout.startswith("uid=0(root)")
    with execer.step("/bin/sleep", "60") as stopped:
        assert stopped.state == "cloned"
    reason = "fork/exec: refused" if step == "spawner" else "ENOSPC"
    assert [line.partition("): ")[2] for line in said] == [
        f"this machine refuses, {step}: {reason}"
    ] * 2


@pytest.mark.parametrize("step", ["lookup", "execve", "chdir", "files", "runner"])
def test_the_callers_own_mistakes_are_not_replayed(
    step: str, execer: NamespacingExecer, said: list[str], refusal: Callable[..., None]
) -> None:
    """They would be the same on any machine."""
    refusal(step, errno.ENOENT)
    for start in (execer.run, execer.step):
        with pytest.raises(StartError) as caught:
            start("/bin/sleep", "60")
        assert caught.value.step == step
    assert said == []


@pytest.mark.usefixtures("root")
def test_a_machine_that_can_is_live(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No recording is read, there need not be any, and nothing is printed or marked."""
    execer = NamespacingExecer(ReplayingCommandRunner(tmp_path / "none.json"), max_uid=65535)
    done = execer.run("id")
    assert done.recorded is None
    with execer.step("/bin/true") as step:
        assert step.recorded is None
        step.finish()
    with pytest.raises(StartError, match="execve"):
        execer.run("/bin/no-such-program")
    assert os.waitstatus_to_exitcode(os.waitpid(execer.exec("/bin/true"), 0)[1]) == 0
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []


def test_every_replay_prints_a_line(
    recorded: tuple[Path, dict[str, Any]],
    refusal: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By default."""
    refusal()
    NamespacingExecer(ReplayingCommandRunner(recorded[0]), max_uid=65535).run("id")
    origin = Recording.load(recorded[0])
    assert capsys.readouterr().out == (
        f"recorded on {origin.recorded_on[:10]} ({origin.system}): this machine refuses,"
        " clone: EPERM\n"
    )


def test_a_command_that_is_not_in_the_book_fails_as_it_would(
    execer: NamespacingExecer, said: list[str], refusal: Callable[..., None]
) -> None:
    """The error is the machine's; a note says what there is."""
    refusal()
    for call in (
        lambda: execer.run("id", "-u"),
        lambda: execer.run("id", cwd="/"),
        lambda: execer.step("id"),  # started, never stepped through
    ):
        with pytest.raises(StartError, match="clone") as caught:
            call()
        (note,) = caught.value.__notes__
        assert "No recording can be shown instead" in note
        assert "\n  /bin/sleep 60" in note
    assert said == []


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(None, "is not there"), ("{", "not the JSON"), ("view", "holds a ProcessView, not a book")],
)
def test_without_a_book_the_refusal_stays(
    content: str | None, complaint: str, tmp_path: Path, refusal: Callable[..., None]
) -> None:
    """A note says what is wrong with the book."""
    path = tmp_path / "book.json"
    if content == "view":
        Recording.take(inspect(os.getpid())).save(path)
    elif content is not None:
        path.write_text(content)
    refusal()
    runner = ReplayingCommandRunner(path)
    with pytest.raises(StartError) as caught:
        NamespacingExecer(runner, max_uid=65535).run("id")
    assert complaint in caught.value.__notes__[0]
    with pytest.raises(RecordingError, match=complaint):
        _ = runner.book


def test_a_bare_pid_is_never_replayed(
    execer: NamespacingExecer, refusal: Callable[..., None]
) -> None:
    """It would be some other process's, and might be signalled; a process's own is nobody's."""
    refusal()
    with pytest.raises(StartError, match="clone") as caught:
        execer.exec("/bin/sleep", "60")
    assert "mere PID" in caught.value.__notes__[0]
    with execer.start("/bin/sleep", "60") as process, execer.step("/bin/sleep", "60") as step:
        for pid in (process.pid, step.pid, step.finish().pid):
            assert pid > 2**22
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
        assert (process.pidfd, step.pidfd) == (-1, -1)
        assert f"process {process.birth.pid} · running" in text(process)


def test_a_recorded_process_ends_as_it_did(
    execer: NamespacingExecer, refusal: Callable[..., None]
) -> None:
    """One that a signal has ended runs until it gets one; the timeouts are real."""
    refusal()
    with execer.start("/bin/sleep", "60") as process:
        process.terminate()  # which it ignored, being PID 1
        assert process.poll() is None
        began = time.monotonic()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05)
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(timeout=0.05)
        assert time.monotonic() - began >= 0.1
        assert inspect(process).cmdline == ("/bin/sleep", "60")
        process.kill()
        assert process.poll() == -signal.SIGKILL
        with pytest.raises(ProcessLookupError):
            inspect(process)
    assert execer.start("/bin/sleep", "60").wait() == -signal.SIGKILL
    assert execer.start("/bin/sh", "-c", LONG).wait() == 3
    with pytest.raises(subprocess.TimeoutExpired):
        execer.run("/bin/sleep", "60", timeout=0.05)


def test_outputs_reach_whatever_they_are_sent_to(
    execer: NamespacingExecer, refusal: Callable[..., None], tmp_path: Path
) -> None:
    """A file; a pipe that nobody reads, which keeps nobody waiting; bytes; nothing."""
    refusal()
    with (tmp_path / "out").open("w+b") as file:
        process = execer.start("id", stdout=file, stderr=STDOUT)
        assert process.wait() == 0
        deadline = time.monotonic() + 5
        while not (found := (tmp_path / "out").read_bytes()) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert found.startswith(b"uid=0(root)")
    with execer.start("/bin/sh", "-c", LONG, stdout=PIPE):
        pass
    process = execer.start("/bin/sh", "-c", LONG, stdin=PIPE, stdout=PIPE, text=False)
    out, err = process.communicate(b"ignored")
    assert (len(out), set(out), err) == (300_000, {ord("x")}, None)
    with pytest.raises(ValueError, match="stdin=PIPE"):
        execer.start("id").communicate("x")


def test_a_step_goes_as_far_as_was_recorded(
    tmp_path: Path, root: None, refusal: Callable[..., None]
) -> None:
    """And then ends, with the recorded error where that is why."""
    path = tmp_path / "book.json"
    recorder = ReplayingCommandRunner(path, record=True)
    execer = NamespacingExecer(recorder, max_uid=65535)
    with execer.step("/bin/sleep", "7") as step:
        step.next()
    with pytest.raises(StartError) as live, execer.step("/bin/no-such-program") as step:
        step.finish()
    recorder.save()
    refusal()
    execer = NamespacingExecer(ReplayingCommandRunner(path, notice=len), max_uid=65535)
    with execer.step("/bin/sleep", "7") as step:
        assert step.states == ("cloned", "uid_map")
        assert step.next() == "uid_map"
        with pytest.raises(RuntimeError, match="the recording ends here, at 'uid_map'"):
            step.next()
        assert step.state == "ended"
        with pytest.raises(ProcessLookupError):
            step.view()
        with pytest.raises(RuntimeError, match="has ended"):
            step.next()
    with execer.step("/bin/no-such-program") as step:
        with pytest.raises(StartError) as shown:
            step.finish()
        assert str(shown.value) == str(live.value)
    with pytest.raises(StartError, match="clone"):  # stepped through, never started
        execer.run("/bin/sleep", "7")


# -- recording --------------------------------------------------------------------


def test_recording_changes_nothing_of_what_is_seen(root: None, tmp_path: Path) -> None:
    """The same outputs, codes, commands and ends as without; a full pipe stops the process."""
    execer = NamespacingExecer(ReplayingCommandRunner(tmp_path / "b", record=True), max_uid=65535)
    done = execer.run("/bin/sh", "-c", LONG)
    assert (len(done.stdout), done.stderr, done.returncode) == (300_000, "done\n", 3)
    with execer.start("yes", stdout=PIPE) as process:
        assert process.stdout is not None
        assert isinstance(process.command, Command)
        assert process.stdout.readline() == "y\n"
        process.stdout.close()
        assert process.wait(10) == 1  # PID 1 ignores SIGPIPE, and sees EPIPE
    assert os.waitstatus_to_exitcode(os.waitpid(execer.exec("/bin/true"), 0)[1]) == 0


def test_recording_again_changes_times_and_numbers_only(root: None, tmp_path: Path) -> None:
    """So that what really changed can be seen."""

    def record() -> list[str]:
        runner = ReplayingCommandRunner(tmp_path / "book.json", record=True)
        execer = NamespacingExecer(runner, privileged=True)
        execer.run("id")
        with execer.start("/bin/sleep", "60"):
            pass
        runner.save()
        lines = re.sub(r"\d[\d.]*", "N", (tmp_path / "book.json").read_text()).splitlines()
        # Parent and child work at the same time: who is first differs from start to start.
        return sorted(re.sub(r"\b[RSD] \(\w+\)", "S", line).rstrip(",") for line in lines)

    assert record() == record()


def test_what_ended_by_itself_is_shown_alive_only_if_it_was_looked_at(
    root: None, tmp_path: Path, refusal: Callable[..., None]
) -> None:
    """What `inspect` said while it was recorded, it says again."""
    path = tmp_path / "book.json"
    recorder = ReplayingCommandRunner(path, record=True)
    execer = NamespacingExecer(recorder, max_uid=65535)
    for args in (("-c", "read x"), ("-c", "read y")):
        with execer.start("/bin/sh", *args, stdin=PIPE) as process:
            if "read x" in args:
                looked = inspect(process)
            process.communicate("\n")
            with pytest.raises(ProcessLookupError):
                inspect(process)
    recorder.save()
    refusal()
    execer = NamespacingExecer(ReplayingCommandRunner(path, notice=len), max_uid=65535)
    with execer.start("/bin/sh", "-c", "read x") as process:
        assert inspect(process) == looked
    with execer.start("/bin/sh", "-c", "read y") as process, pytest.raises(ProcessLookupError):
        inspect(process)


def test_neither_refusals_nor_environments_are_recorded(tmp_path: Path, root: None) -> None:
    """The one is this machine's, the other is secret."""
    path = tmp_path / "book.json"
    runner = ReplayingCommandRunner(path, record=True)
    NamespacingExecer(runner, max_uid=65535).run("/bin/true", env={"TOKEN": "s3cret"})
    with pytest.raises(StartError):
        NamespacingExecer(runner).run("no-such-program-in-path")
    runner.save("a note")
    loaded = Recording.load(path)
    assert isinstance(loaded.value, Book)
    assert [entry.failure for entry in loaded.value.entries if entry.failure] == []
    assert "s3cret" not in path.read_text()
    assert loaded.note == "a note"
    assert loaded.value == runner.book


def test_only_a_recorder_saves(tmp_path: Path) -> None:
    """Else there would be nothing in it."""
    with pytest.raises(ValueError, match="record=True"):
        ReplayingCommandRunner(tmp_path / "book.json").save()


def test_the_environment_switches_recording_on(tmp_path: Path, root: None) -> None:
    """Where the code is the same on every machine; the end of the process saves the book."""
    script = (
        "import os\n"
        "from nsexplore.execer import NamespacingExecer\n"
        "from nsexplore.replaying import ReplayingCommandRunner\n"
        "here = ReplayingCommandRunner('recordings/mine.json')\n"
        "os.chdir('/')\n"
        "NamespacingExecer(here, max_uid=33).run('id')\n"
    )
    for value, saved in (("0", []), ("1", [tmp_path / "recordings"])):
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env={**os.environ, "NSEXPLORE_RECORD": value},
            check=True,
        )
        assert list(tmp_path.iterdir()) == saved
    book = Recording.load(tmp_path / "recordings/mine.json").value
    assert isinstance(book, Book)
    assert [entry.command.args for entry in book.entries] == [("id",)]

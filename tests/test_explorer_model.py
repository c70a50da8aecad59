"""The explorer without its browser: controls, the plan, starts, steps and refusals."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import traitlets
from conftest import eventually
from drivers.whoever import BARE, IS_ROOT, ROOTLESS, UNMAPPED
from explorer_asking import is_gone, model, shell

import nsexplore as nx
from nsexplore import inhabitants as insides
from nsexplore.errors import StartError
from nsexplore.flags import ALL_NAMESPACES
from nsexplore.widgets.model import Model

pytestmark = pytest.mark.usefixtures("leaves_nothing")

F = nx.CloneFlags


# -- controls and the plan ------------------------------------------------------------


def test_every_control_changes_the_plan_as_the_execer_would() -> None:
    """What Run will ask is what `NamespacingExecer` plans for the same values."""
    m = Model(id_map="garden", max_uid=65535, command="/bin/sleep 60")
    assert m.plan == nx.NamespacingExecer(max_uid=65535).plan("/bin/sleep", "60")
    m.max_uid = 4294967294
    assert m.plan == nx.NamespacingExecer(max_uid=4294967294).plan("/bin/sleep", "60")
    m.namespaces = "user,uts"
    only = nx.NamespacingExecer(clone_flags=F.NEWUSER | F.NEWUTS)
    assert m.plan == only.plan("/bin/sleep", "60")
    m.command = "/bin/echo 'two words' $HOME"
    assert m.plan.args == ("/bin/echo", "two words", "$HOME")
    m.namespaces = ALL_NAMESPACES
    assert m.plan.clone_flags == ALL_NAMESPACES
    m.mount_proc = True
    assert m.plan.mount_proc


def test_max_uid_is_the_largest_valid_id_at_first() -> None:
    """As for an execer without one."""
    assert Model().max_uid == nx.max_valid_id()


def test_the_first_id_map_is_one_that_may_be_written_here() -> None:
    """Root's is garden's; an ordinary user's is the rootless one."""
    assert Model().id_map == ("garden" if IS_ROOT else "rootless")


def test_privileged_and_newuser_are_never_both() -> None:
    """Whichever of the two is set, the other follows; privileged says what it means."""
    m = Model()
    m.privileged = True
    assert m.namespaces == F.garden(privileged=True)
    assert "this machine's real root" in m.notes["privileged"]
    assert "says nothing" in m.notes["max_uid"]
    m.namespaces |= F.NEWUSER
    assert m.privileged is False
    assert "privileged" not in m.notes
    m.namespaces = 0
    assert m.privileged is True
    assert m.plan.privileged
    with m.hold_trait_notifications():
        m.privileged = True
        m.namespaces = F.NEWUSER
    assert m.privileged is (F.NEWUSER not in m.namespaces)


def test_observers_never_see_a_plan_that_is_not_the_controls() -> None:
    """When `plan` changes, the words and `can_run` change with it."""
    m = Model(id_map="garden")
    seen: list[tuple[bool, bool, bool]] = []
    m.observe(
        lambda change: seen.append((m.plan is None, "max_uid" in m.problems, m.can_run)), "plan"
    )
    for value in (1, 65535, 0, 2):
        m.max_uid = value
    assert seen == [(True, True, False), (False, False, True)] * 2


@pytest.mark.parametrize(
    ("control", "value", "words"),
    [
        ("max_uid", 1, "max_uid=1 is not from 2 to 4294967294"),
        ("max_uid", 0, "its size is not a positive number"),
        ("max_uid", 4294967295, "(uid_t) -1, never a valid ID"),
        ("max_uid", 4294967329, "would silently take this one for 33"),
        ("max_uid", -(2**70), "is negative"),
        ("command", "sh -c 'id", "a quotation mark is not closed"),
        ("command", "sh \\", "split"),
        ("command", "", "exec: no command"),
        ("command", "  ", "exec: no command"),
        ("command", "no-such-program-anywhere -x", "executable file not found in $PATH"),
        ("command", "echo a\0b", "NUL byte"),
        ("command", "echo \ud800", "lone surrogate"),
        ("command", "echo " + "x" * 20000, "too long"),
    ],
)
def test_an_illegal_value_explains_itself(control: str, value: Any, words: str) -> None:
    """Nothing is raised: the words stand under the control's name, and Run is off."""
    m = Model(id_map="garden")
    setattr(m, control, value)
    assert words in m.problems[control]
    assert list(m.problems) == [control]
    assert not m.can_run
    assert m.run() is False
    assert control in m.problems["run"]
    assert m.state == "idle"
    setattr(m, control, {"max_uid": 33, "command": "true"}[control])
    assert m.problems == {}
    assert m.can_run


@pytest.mark.parametrize(
    ("control", "value"),
    [("max_uid", "many"), ("max_uid", 1.5), ("id_map", "mine"), ("namespaces", "user,usr"),
     ("namespaces", 3), ("custom", 7), ("command", 7), ("privileged", "yes")],
)  # fmt: skip
def test_what_is_no_value_at_all_is_an_error_of_the_script(control: str, value: Any) -> None:
    """`TraitError`, as of any trait; the control keeps its value."""
    m = Model()
    before = getattr(m, control)
    with pytest.raises(traitlets.TraitError):
        setattr(m, control, value)
    assert getattr(m, control) == before


def test_what_is_shown_cannot_be_set() -> None:
    """Only controls are set from outside."""
    m = Model()
    for name in ("plan", "problems", "state", "process", "history", "output", "can_run"):
        with pytest.raises(traitlets.TraitError, match="read-only"):
            setattr(m, name, None)


def test_two_illegal_values_are_both_explained() -> None:
    """Each beside its own control; the one that is put right leaves the other."""
    m = Model(id_map="garden", max_uid=1, command="'", namespaces="user", mount_proc=True)
    assert set(m.problems) == {"max_uid", "command", "mount_proc"}
    m.namespaces = F.garden(privileged=False)
    assert set(m.problems) == {"max_uid", "command"}


def test_a_missing_program_is_a_warning_and_the_kernel_may_still_be_asked() -> None:
    """A path is looked up by execve alone: one may see its ENOENT."""
    m = model(asked=ROOTLESS, command="/no/such/program")
    assert m.warnings["command"] == "/no/such/program does not exist"
    assert m.can_run
    assert m.run() is False
    assert "fork/exec /no/such/program: no such file or directory" in m.problems["run"]
    assert m.state == "ended"
    assert m.failure.step == "execve"
    assert not m.offers_doctor  # it is no fault of the machine's
    assert m.process is None
    assert m.history == ()
    assert m.can_run


# -- a custom map ---------------------------------------------------------------------


def test_the_custom_table_begins_with_the_map_that_was_seen() -> None:
    """If one asks for that; a table of one's own is never touched."""
    m = Model(id_map="garden", max_uid=65535)
    m.id_map = "custom"
    assert "it is empty" in m.problems["custom"]
    m.fill_table()
    assert m.custom == ((0, 65535, 1), (1, 1, 65534))
    assert m.custom_groups is None
    assert m.plan.uid_mappings == nx.IDMap.garden(65535)
    own = ((0, 1000, 1),)
    m = Model(custom=own)
    m.id_map = "custom"
    assert m.custom == own


@pytest.mark.parametrize(
    "value",
    [[[0, 1000, 10]], (("0", " 1000", "10"),), "0 1000 10\n", nx.IDMap([(0, 1000, 10)]),
     [nx.IDMapping(0, 1000, 10)], [[0, 1000, 10], ["", None, " "]]],
)  # fmt: skip
def test_a_table_may_be_given_in_any_way(value: Any) -> None:
    """Numbers, what somebody has typed, /proc's text, the library's own; empty rows are none."""
    m = Model(id_map="custom", custom=value)
    assert m.plan.uid_mappings == nx.IDMap([(0, 1000, 10)])
    assert m.plan.gid_mappings == m.plan.uid_mappings


@pytest.mark.parametrize(
    ("rows", "marked", "words"),
    [
        ([(0, 5, 1), (1, 5, 1)], 1, "overlaps that of line 1"),
        ([(0, 5, 1), ("", "", ""), (1, 6, 0)], 2, "its size is 0"),
        ([(0, 5, 1), (1, 6, "")], 1, "not filled in yet"),
        ([(0, 5, 1), (1, "x", 1)], 1, "is not an integer"),
        ([(0, -5, 1)], 0, "it is negative"),
        ([(0, 2**32, 1)], 0, "silently take this one for 0"),
        ([(0, 5)], 0, "is not (container_id, host_id, size)"),
        ([(0, 4294967295, 1)], 0, "never a valid ID"),
        ([(1, 5, 1)], None, "no line for ID 0 inside"),
        ([], None, "it is empty"),
    ],
)
def test_a_map_that_the_kernel_would_refuse_is_marked(
    rows: Any, marked: int | None, words: str
) -> None:
    """The row, by its place in the table as it is typed, and the rule."""
    for control in ("custom", "custom_groups"):
        m = Model(id_map="custom", custom=[(0, 7, 1)])
        setattr(m, control, rows)
        if control == "custom" and not rows:
            continue
        assert words in m.problems[control]
        assert m.marked == (None if marked is None else (control, marked))
        assert m.plan is None


def test_a_table_that_is_not_in_use_is_not_judged() -> None:
    """Privileged there is no map, and garden's says it all itself."""
    m = Model(id_map="custom", custom=[(0, 5, 0)])
    assert m.problems
    m.privileged = True
    assert m.problems == {}
    m.privileged = False
    m.id_map = "garden"
    assert m.problems == {}


def test_a_map_that_is_not_for_this_process_to_write_is_a_warning() -> None:
    """The kernel's EPERM is foretold, with the row; one may see it come true."""
    if IS_ROOT:
        m = Model(id_map="custom", custom=[(0, 5, 1), (1, 4294967294, 1)])
        assert m.warnings == {}  # root may map all there is
    else:
        m = Model(id_map="custom", custom=[(0, 5, 1), (1, 6, 1)])
        assert "EPERM" in m.warnings["custom"]
        assert m.marked is not None
        m.id_map = "garden"
        assert '"rootless" is what' in m.warnings["id_map"]
    assert m.can_run


# -- run --------------------------------------------------------------------------------


def test_run_and_wait_without_a_loop() -> None:
    """A script has the output, the views and the run in the history."""
    m = model("echo out; echo err >&2; exit 3")
    states: list[str] = []
    m.observe(lambda change: states.append(change.new), "state")
    assert m.run() is True
    assert m.wait(10) == 3
    assert (m.output.stdout.text, m.output.stderr.text) == ("out\n", "err\n")
    assert m.output.text == "out\nerr\n"
    assert states == ["running", "ended"]
    (run,) = m.history
    assert (run.number, run.returncode, run.stdout, run.stderr) == (1, 3, "out\n", "err\n")
    assert run.ended == "exit status 3"
    assert run.birth is m.view is m.process.birth
    assert run.birth.moment == "birth"
    assert run.timeline == m.timeline
    assert "execve" in m.timeline.names
    assert run.command.clone_flags == m.plan.clone_flags
    assert m.asked == run.command


def test_a_second_run_begins_anew() -> None:
    """Its output is not that of the first; both are in the history, under their numbers."""
    m = model("echo one")
    m.run()
    m.wait(10)
    m.command = shell("echo two")
    m.run()
    m.wait(10)
    assert m.output.stdout.text == "two\n"
    assert [(run.number, run.stdout) for run in m.history] == [(1, "one\n"), (2, "two\n")]


def test_an_end_that_nobody_waited_for_is_noticed_by_the_next_run() -> None:
    """A script that does something else in between, and a cell that holds up the loop."""

    async def cell() -> None:
        for act in (m.run, m.run, m.step):
            assert act(), m.problems
            time.sleep(0.15)
        assert [run.stdout for run in m.history] == ["out\n"] * 2
        m.stop()

    for run in (asyncio.run, lambda cell: cell.send(None)):
        m = model("echo out")
        with suppress(StopIteration):
            run(cell())


def test_run_while_one_runs_is_refused_in_words() -> None:
    """The first is not disturbed; nor does Step begin another."""
    m = model("sleep 60")
    m.run()
    first = m.process
    assert not m.can_run
    assert m.run() is False
    assert f"process {first.pid} runs" in m.problems["run"]
    assert m.step() is False
    assert m.process is first
    assert first.poll() is None
    m.stop()
    assert m.problems == {}
    assert m.can_run


def test_controls_may_change_while_it_runs() -> None:
    """The plan follows them; what was asked stays."""
    m = model("sleep 60")
    m.run()
    asked = m.asked
    m.command = "true"
    assert m.plan.args == ("true",)
    assert m.asked is asked
    m.stop()
    assert m.history[0].command == asked


def test_stop_kills_what_ignores_term_and_reaps_it() -> None:
    """It has ended when `stop` returns, with all that was in it."""
    m = model("trap '' TERM; sleep 60 & sleep 60; sleep 60")
    m.run()
    assert m.stop() is True
    assert m.state == "ended"
    assert m.process.returncode == -9
    assert m.history[0].ended == "killed by SIGKILL (signal 9), by Stop"
    assert m.stop() is False
    assert m.problems["run"] == "nothing runs"


def test_what_a_process_leaves_behind_ends_with_it() -> None:
    """Without a PID namespace, too: its process group is ended before it is reaped."""
    m = model("sleep 60 & echo $!", BARE)
    m.run()
    assert m.wait(10) == 0
    left = int(m.output.stdout.text)
    assert eventually(lambda: is_gone(left))


def test_somebody_else_may_kill_close_and_wait() -> None:
    """`process` is the library's own: what a script does with it is noticed."""
    for act in ("kill", "close", "wait"):
        m = model("exit 4" if act == "wait" else "sleep 60")
        m.run()
        getattr(m.process, act)()
        assert m.wait(10) == (4 if act == "wait" else -9)
        assert len(m.history) == 1


def test_what_is_sent_arrives_and_the_end_is_seen() -> None:
    """Stdin is a pipe; more than it holds is sent in time."""
    m = model("cat")
    assert m.send("x") is False
    assert m.problems["send"] == "nothing runs"
    m.run()
    assert m.send("grüße\n")
    assert m.send("x" * 300_000)
    assert m.close_stdin()
    assert m.send("more") is False
    assert "closed" in m.problems["send"]
    assert m.wait(10) == 0
    assert m.read_output() == "grüße\n".encode() + b"x" * 300_000  # kept in a file


def test_sending_to_what_does_not_read() -> None:
    """No more than some is kept for it, in words; its end is no error."""
    m = model("sleep 60")
    m.run()
    assert m.send("x" * 1_000_000)
    assert m.send("x" * 1_000_000) is False
    assert "has not read" in m.problems["send"]
    m.stop()
    m.command = shell("exec 0<&-; echo ready; sleep 60")
    m.run()
    while not m.output.text:
        m.wait(0.01)
    assert m.send("x")
    assert m.send("x") is False
    m.stop()


# -- views while it runs ------------------------------------------------------------------


def test_the_view_is_refreshed_while_it_runs_and_the_birth_stays() -> None:
    """At most twice a second; with who is inside."""
    m = model("exec 2>/dev/null; sleep 60 & exec sleep 61")
    m.run()
    assert m.view.moment == "birth"
    looks: list[float] = []
    m.observe(lambda change: looks.append(time.monotonic()), "view")
    m.wait(1.2)
    assert 1 <= len(looks) <= 2
    assert m.view.moment == "now"
    assert m.view.cmdline == ("sleep", "61")
    assert [(p.comm, p.depth) for p in m.inside.processes] == [("sleep", 0), ("sleep", 1)]
    assert m.inside.is_whole
    if m.plan.clone_flags & F.NEWPID:
        assert m.inside.processes[0].pid_inside == 1
    m.stop()
    assert m.view is m.process.birth
    assert m.inside.processes == ()


def test_a_crowd_inside_is_bounded() -> None:
    """No more than some are looked at, and it says so."""
    m = model("i=0; while [ $i -lt 80 ]; do sleep 60 & i=$((i+1)); done; wait")
    m.run()
    m.wait(1.2)
    assert len(m.inside.processes) == 64
    assert not m.inside.is_whole
    m.stop()


def test_a_number_that_is_anothers_by_now_is_not_taken_for_a_child(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A child that ended while one looked: who has its number has another parent."""
    files = {
        "/proc/7/status": "Name:\tsh\nState:\tS (sleeping)\nPPid:\t1\nNSpid:\t7\t1\n",
        "/proc/7/task/7/children": "8 9 10 ",
        "/proc/8/status": "Name:\tkaputt\nPPid:\t1\n",
        "/proc/9/status": "Name:\ta b\nState:\tR (running)\nPPid:\t7\nNSpid:\t9\t2\n",
        "/proc/9/task/9/children": "",
    }

    def read(name: str) -> str:
        if name not in files:
            raise FileNotFoundError(2, name)
        return files[name]

    monkeypatch.setattr(insides, "read_text", read)
    monkeypatch.setattr(insides, "number_in_proc", lambda pidfd: 7)
    monkeypatch.setattr(insides.os, "listdir", lambda folder: [folder.split("/")[2]])
    found = insides.inhabitants(3)
    assert [(p.number, p.pid_inside, p.comm, p.depth) for p in found.processes] == [
        (7, 1, "sh", 0),
        (9, 2, "a b", 1),
    ]
    assert found.is_whole


# -- step ---------------------------------------------------------------------------------


@pytest.mark.needs("user namespaces")
def test_step_walks_a_start_through_its_stops() -> None:
    """The views follow: nobody turns into root; then it runs, and Step is over."""
    m = model("echo ran", ROOTLESS)
    seen = []
    while m.step():
        seen.append((m.state, m.stop_at, m.view.inside.uid if m.view else None))
        assert m.can_run is False
    stops = "cloned uid_map setgroups gid_map released".split()
    assert [stop for _, stop, _ in seen] == [*stops, ""]
    assert [uid for *_, uid in seen][::4] == [65534, 0]
    assert seen[-1][0] == "running"
    assert "no step after exec'd" in m.problems["run"]
    assert m.wait(10) == 0
    assert m.output.stdout.text == "ran\n"
    assert m.history[0].birth is not None


def test_finish_goes_on_to_the_end_of_the_start() -> None:
    """From any stop; without one there is nothing to finish."""
    m = model("echo ran", UNMAPPED)
    assert m.finish() is False
    assert m.step()
    assert (m.state, m.stop_at, m.stops) == ("stepping", "cloned", ("cloned", "released", "exec'd"))
    assert m.run() is False
    assert "waits at cloned" in m.problems["run"]
    assert m.send("x") is False
    assert m.wait() is None
    assert m.finish()
    assert m.wait(10) == 0
    assert m.output.stdout.text == "ran\n"


def test_stepping_in_a_loop_comes_to_its_end() -> None:
    """However soon the process ends, the last step is not taken for the first of another."""
    m = model("true", UNMAPPED)
    count = 0
    while m.step():
        count += 1
        time.sleep(0.05)
    assert count == len(m.stops) == 3
    assert m.wait(10) == 0
    assert len(m.history) == 1


def test_stop_ends_a_start_that_waits() -> None:
    """No run comes of it."""
    m = model("true")
    m.step()
    pid = m.view.pid
    assert m.stop() is True
    assert (m.state, m.stop_at, m.history) == ("ended", "", ())
    assert not Path(f"/proc/{pid}").exists()
    assert m.can_run


def test_a_step_that_fails_says_why() -> None:
    """The steps until then are in the timeline; nothing is left."""
    m = model(asked=UNMAPPED, command="/no/such/program")
    while m.step():
        assert m.state == "stepping"
    assert "no such file or directory" in m.problems["run"]
    assert m.state == "ended"
    assert m.timeline[-1].name == "execve"
    assert m.timeline[-1].errno == 2


# -- where nothing may be spawned -----------------------------------------------------------


def test_a_refusal_by_the_machine_offers_the_doctor() -> None:
    """The plan works; Run has the error's words, and no traceback."""
    refusal = StartError("fork/exec /bin/true: operation not permitted", step="clone", errno=1)
    runner = nx.RecordingCommandRunner(error=refusal)
    m = Model(runner, command="/bin/true")
    assert m.can_run
    assert m.run() is False
    assert m.problems["run"] == str(refusal)
    assert m.offers_doctor
    assert m.failure is refusal
    assert refusal.__traceback__ is None
    assert m.plan is not None
    assert m.can_run  # one may try again
    m.max_uid = 33
    assert m.problems == {}


def test_a_runner_that_starts_nothing_has_ended_at_once() -> None:
    """A fake's process is no process of this machine: nobody tells of its end."""
    m = Model(nx.RecordingCommandRunner(pid=12), command="/bin/true")
    assert m.run()
    assert m.wait(5) == 0
    assert len(m.history) == 1


def test_under_a_container_engines_filter_run_says_why_not() -> None:
    """Docker's seccomp filter: EPERM by clone, in words, with the doctor offered."""
    code = """if True:
        import sys
        sys.path.insert(0, sys.argv[1])
        import seccomp
        seccomp.install(seccomp.docker())
        from nsexplore.widgets.model import Model
        m = Model(command="/bin/true", id_map="rootless")
        print(m.plan is not None, m.can_run, m.run(), m.offers_doctor, m.state)
        print(m.problems["run"])
    """
    done = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("True True False True ended\n"), done.stderr
    assert "operation not permitted" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.needs("user namespaces")
def test_a_recording_is_explored_where_nothing_may_be_spawned(tmp_path: Path) -> None:
    """Run and Step as elsewhere, and every view says that it is recorded."""
    book = tmp_path / "book.json"
    runner = nx.ReplayingCommandRunner(book, record=True)
    # One ID, whether or not one has sub-IDs: under the filter below nobody gets those.
    table = ((0, os.getuid(), 1),), ((0, os.getgid(), 1),)
    asked = dict(zip(("custom", "custom_groups"), table, strict=True))
    asked |= {"id_map": "custom", "command": shell("echo out; exit 3")}
    m = Model(runner, **asked)
    m.run()
    assert m.wait(10) == 3
    while m.step():
        pass
    assert m.wait(10) == 3
    runner.save()
    code = f"""if True:
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import nsexplore as nx, seccomp
        from nsexplore.widgets.model import Model
        seccomp.install(seccomp.docker())
        m = Model(nx.ReplayingCommandRunner({str(book)!r}, notice=str), **{asked!r})
        print(m.run(), m.wait(10), repr(m.output.text), m.view.recorded is not None)
        while m.step():
            print(m.stop_at, m.view.recorded is not None)
        print(m.wait(10), len(m.history))
    """
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True
    )
    assert done.stdout.splitlines() == [
        "True 3 'out\\n' True",
        *(f"{stop} True" for stop in ("cloned", "uid_map", "setgroups", "gid_map", "released", "")),
        "3 2",
    ]

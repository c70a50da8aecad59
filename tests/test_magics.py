"""``%%ns`` and ``%nsdoctor``, in a real IPython."""

from __future__ import annotations

import atexit
import errno
import os
import re
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import eventually
from explorer_asking import is_gone
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import nsexplore as nx
from nsexplore import magics
from nsexplore.pictures._words import PRIVILEGED
from nsexplore.widgets import output as outputs

pytestmark = pytest.mark.usefixtures("leaves_nothing")

NEW = ["-q", "--rootless", "--namespaces", "user,pid,uts"]
"""Options that work for whoever may make user namespaces."""

BARE = ["-q", "--privileged", "--namespaces", "uts"]

needs_namespaces = pytest.mark.needs("user namespaces")


class Cells:
    """An IPython with the extension, whose cells are numbered."""

    def __init__(self, folder: Path) -> None:
        config = Config()
        config.HistoryManager.enabled = False  # it has a thread
        self.ipython = InteractiveShell(config=config, ipython_dir=str(folder), colors="nocolor")
        assert self.run("%load_ext nsexplore").success

    def run(self, source: str) -> Any:
        return self.ipython.run_cell(source, store_history=True)

    def ns(self, script: str, *options: str) -> nx.Completed:
        """Run a script, and return the cell's result."""
        outcome = self.run(f"%%ns {shlex.join(options or NEW)}\n{script}")
        assert outcome.success
        assert self.ipython.user_ns["_"] is outcome.result
        assert type(outcome.result) is nx.Completed
        return outcome.result

    def html(self, value: Any) -> str:
        data, _ = self.ipython.display_formatter.format(value)
        return str(data["text/html"])


@pytest.fixture
def cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cells]:
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)  # whoever has another one active is warned
    hooks = sys.excepthook, sys.displayhook
    cells = Cells(tmp_path)
    yield cells
    assert (sys.excepthook, sys.displayhook) == hooks
    cells.ipython.atexit_operations()
    atexit.unregister(cells.ipython.atexit_operations)


class Hearing:
    """A stream that calls when it has got a word."""

    def __init__(self, word: str, call: Callable[[], object]) -> None:
        self.word, self.call, self.text = word, call, ""

    def write(self, text: str) -> int:
        self.text += text
        if self.word in self.text:
            self.word = "\0"  # once
            self.call()
        return len(text)

    def flush(self) -> None:
        pass


# -- a cell -----------------------------------------------------------------------


@needs_namespaces
def test_script_runs_in_new_namespaces_and_its_result_is_the_cells(
    cells: Cells, capsys: pytest.CaptureFixture[str]
):
    """Both streams are shown where they belong; the result has them, the birth, the timeline."""
    done = cells.ns("id -u\necho $$\nreadlink /proc/self/ns/uts\necho oops >&2")
    uid, pid, link = done.stdout.split()
    assert (uid, pid) == ("0", "1")
    assert link == done.birth.links["uts"] != os.readlink("/proc/self/ns/uts")
    assert [step.name for step in done.timeline][-1] == "execve"
    assert (done.returncode, done.stderr) == (0, "oops\n")
    shown = capsys.readouterr()
    assert done.stdout in shown.out
    assert shown.err == "oops\n"


@needs_namespaces
def test_output_is_shown_while_the_script_runs(
    cells: Cells, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It waits for what only its first words, once shown, bring about; they are no whole line."""
    flag = tmp_path / "flag"
    script = f"printf first; until [ -e {flag} ]; do sleep .02; done; echo , last"
    stream = Hearing("first", flag.touch)
    monkeypatch.setattr(sys, "stdout", stream)
    done = cells.ns(script, *NEW, "--timeout", "10")
    assert done.stdout == "first, last\n"
    assert stream.text.startswith("first, last\n")


@needs_namespaces
def test_stdin_of_the_script_is_empty(cells: Cells):
    """A cat in it reads neither the rest of the script nor the notebook's stdin."""
    assert cells.ns("cat; read x || echo nothing; echo end").stdout == "nothing\nend\n"


@needs_namespaces
@pytest.mark.parametrize(
    ("words", "script"),
    [
        (["bash", "-e"], "echo hello; false; echo no"),
        (["--", "/bin/sh"], "echo hello"),
        (["/usr/bin/perl"], 'print "hello\\n";'),
        (["perl", "-w"], 'print "hello\\n";'),
    ],
)
def test_another_interpreter_runs_the_script(
    cells: Cells, tool: Callable[[str], str], words: list[str], script: str
):
    """With arguments of its own before the script."""
    tool(next(word for word in words if not word.startswith("-")))
    assert cells.ns(script, *NEW, *words).stdout == "hello\n"


@pytest.mark.parametrize(
    ("interpreter", "option"),
    [("/opt/bin/python3.12", "-c"), ("perl5.36", "-e"), ("node", "-e"), ("php8", "-r")],
)
def test_each_interpreter_gets_the_script_as_it_takes_one(
    cells: Cells, interpreter: str, option: str
):
    """Known by its name, without path and version."""
    cells.ipython.user_ns["here"] = runner = nx.RecordingCommandRunner()
    cells.ns("some\nscript", "-q", "--runner", "here", interpreter, "-x")
    assert runner.commands[0].args == (interpreter, "-x", option, "some\nscript")


@needs_namespaces
@pytest.mark.parametrize("script", ["exit 3", "kill -9 $$"])
def test_how_it_ended_is_said_in_words(
    cells: Cells, capsys: pytest.CaptureFixture[str], script: str
):
    """A non-zero exit status is no error of the notebook's: the next cell runs."""
    done = cells.ns(script, "-q", "--rootless", "--namespaces", "user,uts")
    words = {3: "exit status 3", -9: "killed by SIGKILL (signal 9)"}[done.returncode]
    assert words in capsys.readouterr().out
    assert f"✗ {words}" in cells.html(done)


@needs_namespaces
def test_views_are_folded_below_and_do_not_repeat_the_output(
    cells: Cells, capsys: pytest.CaptureFixture[str]
):
    """Plan, birth and timeline in the cell itself; in later cells all of it, as of any other."""
    source = "%%ns --rootless --namespaces user,uts\necho said once"
    shown: list[str] = []
    show = cells.ipython.display_formatter.mimebundle_formatter.lookup_by_type(nx.Completed)
    cells.ipython.display_formatter.mimebundle_formatter.for_type(
        nx.Completed, lambda done: shown.append(show(done)["text/html"]) or show(done)
    )
    done = cells.run(source).result
    (html,) = shown
    assert re.findall("<summary>(plan|birth|timeline)", html) == ["plan", "birth", "timeline"]
    assert '<details class="nsx-d" open' not in html
    assert "said once</pre>" not in html
    out = capsys.readouterr().out
    assert out.count("said once") == 1
    assert "birth (all of it in .birth)" in out
    assert ">said once\n</pre>" in cells.html(done)
    assert cells.run("_").success
    assert "said once" in capsys.readouterr().out


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("quiet", [True, False])
def test_privileged_is_said_in_plain_words(
    cells: Cells, capsys: pytest.CaptureFixture[str], quiet: bool
):
    """Also where the views are not wanted."""
    cells.ns("true", *BARE[not quiet :])
    assert PRIVILEGED in capsys.readouterr().out


# -- what is wrong ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("--bogus", "unknown option --bogus"),
        ("--max-uid", "--max-uid: expected one argument"),
        ("--max-uid 1", "--max-uid 1 is not from 2 to 4294967294"),
        ("--privileged --max-uid 33", "not allowed with"),
        ("--namespaces uts,nose", "'nose'"),
        ("--timeout 0", "'0' is no number of seconds above 0"),
        ("'unbalanced", "No closing quotation"),
        ("--runner nobody", "--runner nobody: there is no variable of this name"),
        ("--runner os", "--runner os: it has no start(), being of type module"),
        ("sh \0", "NUL"),
    ],
)
def test_line_that_is_not_understood_says_how_it_is_used(
    cells: Cells, capsys: pytest.CaptureFixture[str], line: str, complaint: str
):
    """The complaint and the usage, without a traceback; nothing is started."""
    cells.ipython.user_ns["os"] = os
    outcome = cells.ipython.run_cell_magic if "\0" in line else None
    if outcome is None:
        error = cells.run(f"%%ns {line}\ntouch /no-such-folder").error_in_exec
    else:
        with pytest.raises(magics.UsageError) as caught:
            cells.ipython.run_cell_magic("ns", line, "true")
        error = caught.value
    assert isinstance(error, magics.UsageError)
    assert complaint in str(error)
    assert "usage: %%ns [OPTIONS] [INTERPRETER [ARGS]]\n" in str(error)
    assert "Traceback" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(("step", "offered"), [("clone", True), ("execve", False)])
def test_refused_start_says_why_and_whom_to_ask(
    cells: Cells, capsys: pytest.CaptureFixture[str], step: str, offered: bool
):
    """The error's words and notes, no traceback, no error: a notebook goes on to its end."""
    error = nx.StartError("refused", step=step, errno=errno.EPERM, hint="leave max_uid=1 out")
    error.add_note("a note")
    cells.ipython.user_ns["here"] = nx.RecordingCommandRunner(error=error)
    outcome = cells.run("%%ns --runner here\nid")
    assert outcome.success
    assert outcome.result is None
    said = capsys.readouterr().err
    assert said.startswith("system: failed to start the supplied command: refused\n")
    assert "  hint: leave --max-uid 1 out\na note\n" in said
    assert ("%nsdoctor" in said) is offered
    assert "Traceback" not in said


def test_program_that_is_not_there_is_named(cells: Cells, capsys: pytest.CaptureFixture[str]):
    """By the same words as anywhere else."""
    assert cells.run(f"%%ns {shlex.join(BARE)} no-such-program\nid").success
    assert 'exec: "no-such-program": executable file not found' in capsys.readouterr().err


# -- who starts it ----------------------------------------------------------------


def test_options_mean_what_they_mean_on_the_command_line(cells: Cells):
    """One after the other, and the variables of the notebook in them."""
    cells.ipython.user_ns.update(here=nx.RecordingCommandRunner(), most=33)
    options = "--max-uid {most} --namespaces user,mnt,pid --mount-proc --propagation slave"
    assert cells.run(f"%%ns --runner here {options}\nid").success
    flags = nx.CloneFlags.NEWUSER | nx.CloneFlags.NEWNS | nx.CloneFlags.NEWPID
    settings = {"clone_flags": flags, "mount_proc": True, "propagation": "slave"}
    wanted = nx.NamespacingExecer(max_uid=33, **settings).plan("/bin/sh", "-c", "id")
    (asked,) = cells.ipython.user_ns["here"].commands
    same = ("path", "args", "clone_flags", "uid_mappings", "gid_mappings", "mount_proc")
    assert [getattr(asked, n) for n in same] == [getattr(wanted, n) for n in same]
    assert asked.propagation == "slave"


@needs_namespaces
def test_recorded_cells_are_shown_where_the_machine_refuses(
    cells: Cells,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """Each script has its own recording, and is marked; one without says that there is none."""
    book = tmp_path / "book.json"
    cells.ipython.user_ns["here"] = runner = nx.ReplayingCommandRunner(book, record=True)
    options = ["-q", "--rootless", "--namespaces", "user,uts", "--runner", "here"]
    scripts = ["echo one", "echo two >&2; exit 4", "echo three; kill -9 $$", "seq 100000"]
    live = [cells.ns(script, *options) for script in scripts]
    runner.save()

    def refuse(*_: object) -> None:
        raise nx.StartError("refused here", step="clone", errno=errno.EPERM)

    monkeypatch.setattr("nsexplore.runner.begin", refuse)
    cells.ipython.user_ns["here"] = nx.ReplayingCommandRunner(book)
    capsys.readouterr()
    for script, there in zip(scripts, live, strict=True):
        here = cells.ns(script, *options)
        assert here.recorded is not None
        assert here.birth.links == there.birth.links
        outcome = ("returncode", "stdout", "stderr")
        assert [getattr(here, n) for n in outcome] == [getattr(there, n) for n in outcome]
        said = capsys.readouterr().out
        assert said.count("recorded on") == 2  # as it starts, and with its result
    assert cells.run(f"%%ns {shlex.join(options)}\necho no").result is None
    assert "No recording can be shown instead" in capsys.readouterr().err


# -- hostile output ---------------------------------------------------------------


@needs_namespaces
def test_bytes_that_are_no_text_are_replaced_and_escapes_made_visible(
    cells: Cells, capsys: pytest.CaptureFixture[str]
):
    """Also where a character comes in two parts; the result has what was written."""
    script = r"printf '\342\230'; sleep .2; printf '\203\377\033[31m<b>\r\n\342'"
    done = cells.ns(script)
    assert done.stdout == "☃\ufffd\x1b[31m<b>\r\n\ufffd"
    assert capsys.readouterr().out.startswith("☃\ufffd\\x1b[31m<b>\\r\n\ufffd")


@needs_namespaces
def test_much_output_is_cut_in_the_middle_and_the_rest_is_counted(
    cells: Cells, capsys: pytest.CaptureFixture[str]
):
    """Its beginning comes at once, its end at the end; the result has all of it."""
    done = cells.ns("seq 1000000")
    shown, said = capsys.readouterr()
    whole = "".join(f"{number}\n" for number in range(1, 1000001))
    assert done.stdout == whole
    bulk = shown[: shown.rindex("1000000\n") + 8]
    assert bulk.startswith(whole[: magics.BEGINNING])
    ending = bulk[magics.BEGINNING :]
    assert whole.endswith(ending)
    assert 0 < len(ending) <= magics.END
    left_out = int(re.search(r"stdout: (\d+) bytes are left out; _.stdout has them", said)[1])
    assert left_out == len(whole) - len(bulk)


@needs_namespaces
def test_output_beyond_every_bound_is_dropped_and_the_process_goes_on(
    cells: Cells, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """It is counted, and its end is shown; memory does not grow with it."""
    kept = 1 << 18
    monkeypatch.setattr(outputs, "KEPT", kept)
    monkeypatch.setattr(magics, "KEPT", kept)
    script = "yes 123456789 | head -c 5000000; echo; echo x >&2; sleep .3; echo the end"
    done = cells.ns(script, *NEW, "--timeout", "20")
    assert done.returncode == 0
    assert done.stdout == ("123456789\n" * kept)[:kept]
    shown, said = capsys.readouterr()
    assert "6789\n\nthe end\n" in shown
    numbers = re.search(r"(\d+) bytes are left out; _.stdout has the first (\d+) of (\d+)", said)
    assert [int(number) for number in numbers.groups()[1:]] == [kept, 5000009]
    shown = shown[: shown.index("the end\n") + 8]
    assert int(numbers[1]) == 5000009 - len(shown)


# -- the end ----------------------------------------------------------------------


@needs_namespaces
def test_timeout_kills_and_says_so(cells: Cells, capsys: pytest.CaptureFixture[str]):
    """What was written before is shown; the result tells the signal."""
    begin = time.monotonic()
    done = cells.ns("echo before; sleep 60; echo after", *NEW, "--timeout", "0.3")
    assert time.monotonic() - begin < 10
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "before\n")
    shown = capsys.readouterr()
    assert shown.out.startswith("before\n")
    assert "killed after 0.3 s" in shown.err


@needs_namespaces
@pytest.mark.parametrize("kinds", ["user,pid,uts", "user,uts"])
def test_interrupt_ends_the_process_and_everything_in_it(
    cells: Cells, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kinds: str
):
    """With a PID namespace of its own, and without; in one line, and the cell has failed."""
    marker = f"60.{os.getpid()}"
    words = f"-q --rootless --namespaces {kinds}"

    def interrupt() -> None:
        threading.Timer(0.2, signal.raise_signal, [signal.SIGINT]).start()

    monkeypatch.setattr(sys, "stdout", Hearing("ready", interrupt))
    script = f"sleep {marker} & trap '' INT; echo ready; sleep {marker}"
    outcome = cells.run(f"%%ns {words} --timeout 20\n{script}")
    assert isinstance(outcome.error_in_exec, KeyboardInterrupt)
    monkeypatch.undo()
    assert eventually(lambda: not running(marker)), running(marker)


@needs_namespaces
def test_interrupt_while_output_is_printed_prints_nothing_twice(
    cells: Cells, monkeypatch: pytest.MonkeyPatch
):
    """A notebook's printing takes its time: that is where most interrupts come."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    stream = Hearing("ready", interrupt)
    monkeypatch.setattr(sys, "stdout", stream)
    outcome = cells.run(f"%%ns {shlex.join(NEW)} --timeout 20\necho ready; sleep 60")
    monkeypatch.undo()
    assert isinstance(outcome.error_in_exec, KeyboardInterrupt)
    assert stream.text.count("ready") == 1


def running(word: str) -> list[int]:
    """Return the processes that have a word among their arguments."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if word.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@needs_namespaces
def test_who_holds_a_stream_open_after_the_end_is_not_waited_for(
    cells: Cells, capsys: pytest.CaptureFixture[str]
):
    """Out of its group and without a PID namespace it lives on; the cell ends, and says so."""
    script = "setsid sh -c 'echo $$; sleep 2' & sleep .4; echo end"
    begin = time.monotonic()
    done = cells.ns(script, "-q", "--rootless", "--namespaces", "user,uts")
    assert time.monotonic() - begin < 1.9
    pid, last = done.stdout.split()
    assert last == "end"
    assert "stdout: another process holds it open" in capsys.readouterr().err
    assert eventually(lambda: is_gone(int(pid)))


# -- help, the doctor, and the way out --------------------------------------------


def test_help_is_the_usage_with_examples_that_are_understood(
    cells: Cells, capsys: pytest.CaptureFixture[str]
):
    """By ``%%ns?`` and by ``--help``; whoever copies an example gets no usage error."""
    assert cells.run("%%ns --help\nid").result is None
    told = capsys.readouterr().out
    assert told.startswith("usage: %%ns [OPTIONS]")
    doc = cells.ipython.object_inspect_text("%%ns")
    assert "--mount-proc" in doc
    examples = told.partition("examples:\n")[2].split("\n")
    lines = [line.strip() for line in examples if line.strip()]
    assert all(line.strip() in doc for line in lines)
    cells.ipython.user_ns["here"] = runner = nx.RecordingCommandRunner()
    for line in lines:
        magic, _, options = line.partition(" ")
        assert magic == "%%ns"
        assert cells.run(f"%%ns --runner here {options}\nid").success
    assert len(runner.commands) == len(lines) >= 4


def test_nsdoctor_shows_the_diagnosis(cells: Cells, capsys: pytest.CaptureFixture[str]):
    """And returns it."""
    outcome = cells.run("%nsdoctor")
    assert type(outcome.result) is nx.Diagnosis
    assert capsys.readouterr().out.partition("\n")[2].startswith("doctor · Linux")
    assert isinstance(cells.run("%nsdoctor now").error_in_exec, magics.UsageError)


def test_extension_can_be_unloaded_and_loaded_again(cells: Cells):
    """Nothing of it is left; twice is as once."""
    assert cells.run("%load_ext nsexplore").success
    assert cells.run("%unload_ext nsexplore").success
    for kind, name in (("cell", "ns"), ("line", "nsdoctor")):
        assert cells.ipython.find_magic(name, kind) is None
    formatter = cells.ipython.display_formatter.mimebundle_formatter
    assert nx.Completed not in formatter.type_printers
    callbacks = cells.ipython.events.callbacks["post_execute"]
    assert not [call for call in callbacks if call.__module__ == magics.__name__]
    assert cells.run("%load_ext nsexplore").success
    assert cells.ipython.find_magic("ns", "cell") is not None

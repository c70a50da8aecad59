"""The notebooks, run from top to bottom and compared with what is saved in them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import notebook_tool
import pytest
from conftest import eventually, need
from jupyter_apart import apart, still_running
from nbval.plugin import find_comment_markers, get_sanitize_patterns

import nsexplore as nx
from nsexplore import pytest_plugin
from nsexplore.book import Book
from nsexplore.pytest_plugin import SANITIZER
from nsexplore.recording import Recording

NOTEBOOKS = sorted(notebook_tool.NOTEBOOKS.glob("*.ipynb"))
REFRESH = "the notebook and the package disagree; if the package is right: python {} {}"

INDEX = notebook_tool.NOTEBOOKS / "00-index.ipynb"
FLEET = notebook_tool.NOTEBOOKS / "12-many-machines.ipynb"
"""It asks a cluster, which it starts wherever it runs: nothing in it is recorded or replayed."""

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
each_but_the_fleet = pytest.mark.parametrize(
    "path", [path for path in NOTEBOOKS if path != FLEET], ids=lambda path: path.stem
)
each_with_recordings = pytest.mark.parametrize(
    "path", [path for path in NOTEBOOKS if path not in (INDEX, FLEET)], ids=lambda path: path.stem
)

BY_FILE = ("--nbval-sanitize-with", str(SANITIZER))
BY_PLUGIN = ("-p", "nsexplore.pytest_plugin")
BY_OPTION = ("--nbval-namespaces",)


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def validate(notebook: Path, *options: str) -> tuple[dict[str, int], set[int], str]:
    """Run nbval as a reader would, beside nothing but the notebook; leave no process.

    Returns how many cells ended how, which ones failed, and all that was printed.
    """
    folder = notebook.parent
    env = apart(folder / "jupyter")
    always = ("--nbval-current-env", "--color=no", "-rf", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *always, *options, notebook.name],
        cwd=folder,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=100,
    )
    assert eventually(lambda: not still_running(env)), still_running(env)
    failed = re.findall(r"^FAILED .*::Cell (\d+)", done.stdout, re.MULTILINE)
    try:
        outcomes = pytest.RunResult.parse_summary_nouns(done.stdout.splitlines())
    except ValueError:  # it did not come as far as a summary
        outcomes = {}
    return outcomes, {int(number) for number in failed}, done.stdout


def copied(path: Path, folder: Path) -> Path:
    """Copy a notebook, and the recordings beside it, to where it may leave things."""
    shutil.copytree(path.parent / "recordings", folder / "recordings")
    return Path(shutil.copy(path, folder))


# -- the notebooks --------------------------------------------------------------


def test_there_is_a_notebook() -> None:
    """Or else the tests below would have nothing to do."""
    assert NOTEBOOKS


@each_notebook
@pytest.mark.usefixtures("root")
def test_every_cell_shows_what_is_saved(path: Path, tmp_path: Path) -> None:
    """Strictly, in text and HTML, in one line, as a reader does it."""
    all_pass(path, BY_OPTION, tmp_path)


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("options", [BY_FILE, BY_PLUGIN], ids=["file", "plugin"])
def test_there_are_two_more_ways_to_name_the_rules(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    """One notebook tells whether they are found; what they find is the same."""
    all_pass(notebook_tool.NOTEBOOKS / "01-first-namespaces.ipynb", ("--nbval", *options), tmp_path)


def all_pass(path: Path, options: tuple[str, ...], folder: Path) -> None:
    copy = copied(path, folder)
    cells = code_cells(nbformat.read(path, as_version=4))
    outcomes, _, printed = validate(copy, *options)
    command = REFRESH.format("tests/notebook_tool.py", f"notebooks/{path.name}")
    assert outcomes == {"passed": len(cells)}, f"{printed}\n{command}"


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("kind", ["text/html", "text"])
@pytest.mark.parametrize("name", ["01-first-namespaces", "09-the-whole-machine"])
def test_an_output_that_was_changed_is_found_in_every_cell(
    name: str, kind: str, tmp_path: Path
) -> None:
    """The comparison is one: changed HTML, or changed text, fails each cell that has any."""
    path = notebook_tool.NOTEBOOKS / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    changed = set()
    for number, cell in enumerate(code_cells(notebook)):
        for output in cell.outputs:
            for place, key in ((output, "text"), (output.get("data", {}), "text/plain")):
                if kind == "text" and key in place:
                    place[key] = re.sub(r"[^\W\d]", "changed", place[key], count=1)
                    changed.add(number)
            if kind in output.get("data", {}):
                shown = output.data[kind]
                output.data[kind] = re.sub(
                    r"<(t[dh]|li|p)\b[^>]*>", r"\g<0>changed", shown, count=1
                )
                changed.add(number)
    copy = copied(path, tmp_path)
    nbformat.write(notebook, copy)
    outcomes, failed, printed = validate(copy, "--nbval", *BY_FILE)
    assert failed == changed, printed
    assert outcomes["failed"] == len(changed) >= 5, printed


@each_notebook
def test_a_notebook_holds_its_cells_and_outputs_only(path: Path) -> None:
    """No times, no versions, no tags: saved as the tool saves it; every code cell counted."""
    notebook = nbformat.read(path, as_version=4)
    expected = notebook_tool.text(notebook_tool.normalised(notebook))
    assert path.read_text(encoding="utf-8") == expected, "run make format"
    assert all(cell.source.strip() for cell in notebook.cells)


@each_notebook
def test_a_notebook_hides_nothing_from_its_validation(path: Path) -> None:
    """No cell is left out of it, and none ends in an error or writes to stderr."""
    for cell in code_cells(nbformat.read(path, as_version=4)):
        assert not dict(find_comment_markers(cell.source)), cell.source
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr"


@each_notebook
def test_a_notebook_names_no_folder_of_the_machine_it_was_made_on(path: Path) -> None:
    """It reads the same on any."""
    text = path.read_text(encoding="utf-8")
    found = re.findall(r"(?<![\w./])/(?:home|opt|root|srv|tmp|Users|var|venv|work)\b[^\s<]*", text)
    assert not found


# -- where nothing can be started -----------------------------------------------

STARTS = re.compile(r"\.(?:run|start|step)\(|= diagnose\(")
ASKS = re.compile(r"^diagnosis = nx\.doctor\(\)", re.MULTILINE)
SHOWS = re.compile(
    'aria-label="(?:Process|Completed process|Stopped start|Timeline|Recording|Tree of namespaces'
    '|Translation of an ID)"|<th>recorded on '
)
PLAIN = "plain engines: they all see this one machine"
SHOWN = re.compile(r"^ *(?:print\()?shown\(", re.MULTILINE)
MARK = re.compile(r"recorded on \d{4}-\d\d-\d\d")
LOCKED_DOWN = Path(__file__).with_name("locked_down.py")


@pytest.fixture(scope="module")
def locked_down(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Any]:
    """Return what runs a notebook, beside its recordings, where nothing can be started.

    For root, who has recorded them: the others run them as they are, in `environments`.
    """
    need("root")
    folder = tmp_path_factory.mktemp("locked") / "notebooks"
    shutil.copytree(notebook_tool.NOTEBOOKS, folder)
    run = (
        "import pathlib, sys, notebook_tool\n"
        "notebook_tool.execute(pathlib.Path(sys.argv[1]), record=False)"
    )

    @cache
    def execute(path: Path) -> Any:
        env = apart(folder.parent / "jupyter") | {"PYTHONPATH": _python_path()}
        subprocess.run(
            [sys.executable, LOCKED_DOWN, sys.executable, "-c", run, folder / path.name],
            env=env,
            check=True,
            timeout=100,
        )
        assert eventually(lambda: not still_running(env)), still_running(env)
        return nbformat.read(folder / path.name, as_version=4)

    return execute


def _python_path() -> str:
    return os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])


def printed(cell: nbformat.NotebookNode) -> dict[str, list[str]]:
    """Return what a cell shows, by MIME type; what it prints is text/plain, too."""
    found: dict[str, list[str]] = {}
    for output in cell.outputs:
        for mime, shown in output.get("data", {"text/plain": output.get("text", "")}).items():
            found.setdefault(mime, []).append(shown)
    return found


@each_but_the_fleet
def test_a_notebook_runs_where_nothing_can_be_started(
    path: Path, locked_down: Callable[[Path], Any]
) -> None:
    """From top to bottom, without an error; each cell that starts or shows a process says so."""
    marked = 0
    for cell in code_cells(locked_down(path)):
        shown = printed(cell)
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr"
        if STARTS.search(cell.source):
            assert MARK.search("".join(shown["text/plain"])), cell.source
            marked += 1
        if SHOWS.search("".join(shown.get("text/html", ()))):
            for pictures in shown.values():
                assert MARK.search("".join(pictures)), cell.source
            marked += 1
        if "text/vnd.mermaid" in shown:
            assert MARK.search(shown["text/vnd.mermaid"][0]), cell.source
            marked += 1
    assert marked >= 8 or path == INDEX  # which only looks


def test_a_fleet_is_asked_where_nothing_can_be_started(locked_down: Callable[[Path], Any]) -> None:
    """Of plain engines, without an error; each cell with what they have answered says so."""
    marked = 0
    for cell in code_cells(locked_down(FLEET)):
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr"
        if SHOWN.search(cell.source):
            assert PLAIN in "".join(printed(cell)["text/plain"]), cell.source
            marked += 1
    assert marked >= 8


def test_a_fleet_that_was_saved_is_of_machines_that_differ() -> None:
    """Where there are namespaces, no cell says that its engines are plain ones."""
    cells = code_cells(nbformat.read(FLEET, as_version=4))
    assert not [cell.source for cell in cells if PLAIN in str(cell.outputs)]


@each_notebook
@pytest.mark.needs("an ordinary user")  # as root they are compared, too
def test_a_notebook_runs_for_whoever_we_are(path: Path, tmp_path: Path) -> None:
    """From top to bottom, without an error: an ordinary user, or nobody who may anything."""
    copy = copied(path, tmp_path)
    run = (
        "import pathlib, sys, notebook_tool\n"
        "notebook_tool.execute(pathlib.Path(sys.argv[1]), record=False)"
    )
    env = apart(tmp_path / "jupyter") | {"PYTHONPATH": _python_path()}
    subprocess.run([sys.executable, "-c", run, copy], env=env, check=True, timeout=100)
    assert eventually(lambda: not still_running(env)), still_running(env)
    for cell in code_cells(nbformat.read(copy, as_version=4)):
        assert cell.outputs or "=" in cell.source or "import" in cell.source
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr"


@each_but_the_fleet
def test_a_recording_shows_what_is_saved_in_the_notebook(
    path: Path, locked_down: Callable[[Path], Any]
) -> None:
    """Both are of one kind of start: but for the marks, they differ no more than any two."""

    def words(cell: nbformat.NotebookNode) -> list[str]:
        text = "\n".join(printed(cell).get("text/plain", ()))
        text = re.sub(rf"{MARK.pattern} \(.+\n|◉ {MARK.pattern}.*\n|{MARK.pattern}", "", text)
        text = re.sub(r'\\n  recorded\["[^"]*"\]:::more', "", text)  # of a diagram
        return sanitized(text).split()

    saved = code_cells(nbformat.read(path, as_version=4))
    shown = code_cells(locked_down(path))
    for here, there in zip(shown, saved, strict=True):
        # What the doctor says of the machine itself is never a recording.
        assert words(here) == words(there) or ASKS.search(here.source)


@each_with_recordings
def test_the_recordings_of_a_notebook_are_a_book(path: Path) -> None:
    """Sound, without any folder of the machine that it was made on."""
    book = notebook_tool.NOTEBOOKS / "recordings" / f"{path.stem}.json"
    assert isinstance(Recording.load(book).value, Book)
    found = re.findall(
        r"(?<![\w./])/(?:home|opt|root|srv|tmp|Users|var|venv|work)\b[^\s\"]*", book.read_text()
    )
    assert not found


# -- the rules ------------------------------------------------------------------


def sanitized(text: str) -> str:
    """Return what nbval compares."""
    for regex, replace in get_sanitize_patterns(SANITIZER.read_text(encoding="utf-8")):
        text = re.sub(regex, replace, text)
    return text


def test_every_rule_is_read() -> None:
    """Of nbval: it overlooks a rule that is not two lines, and keeps one of two alike."""
    text = SANITIZER.read_text(encoding="utf-8")
    rules = get_sanitize_patterns(text)
    assert len(rules) == text.count("\nregex:") == len(dict(rules)) > 10
    assert not [line for line in text.splitlines() if line != line.rstrip()]  # editors cut that


def shown(value: object) -> Iterator[tuple[str, str]]:
    """Return what a notebook would show of a value, as compared."""
    bundle = value._repr_mimebundle_()  # type: ignore[attr-defined]
    return ((mime, sanitized(text)) for mime, text in sorted(bundle.items()))


def show_completed(execer: nx.NamespacingExecer) -> list[object]:
    return list(shown(execer.run("id")))


def show_running(execer: nx.NamespacingExecer) -> list[object]:
    with execer.start("/bin/sleep", "60") as process:
        return list(shown(process))


def show_inspected(execer: nx.NamespacingExecer) -> list[object]:
    with execer.start("/bin/sleep", "60") as process:
        view = nx.inspect(process.pid)
    return [pair for value in (view, *view.namespaces.values()) for pair in shown(value)]


def show_timeline(execer: nx.NamespacingExecer) -> list[object]:
    return list(shown(execer.run("id").timeline))


def show_frame(execer: nx.NamespacingExecer) -> list[object]:
    with execer.start("/bin/sleep", "60") as process:
        frame = nx.namespaces_frame(process).drop(columns=["dev", "unique_id"])
    return [sanitized(frame.to_string()), sanitized(frame.to_html())]


def show_stops(execer: nx.NamespacingExecer) -> list[object]:
    found: list[object] = []
    with execer.step("/bin/sleep", "60") as step:
        found += shown(step)
        while step.state != "exec'd":
            step.next()
            found += shown(step)
    return found


@pytest.mark.usefixtures("root", "leaves_nothing")
@pytest.mark.parametrize("privileged", [False, True], ids=["unprivileged", "privileged"])
@pytest.mark.parametrize(
    "show",
    [show_completed, show_running, show_inspected, show_timeline, show_frame, show_stops],
)
def test_any_two_starts_show_the_same(
    show: Callable[[nx.NamespacingExecer], list[object]], privileged: bool
) -> None:
    """Whatever the package shows can be tested: only what the rules know differs."""
    execer = nx.NamespacingExecer(privileged=privileged)
    first = show(execer)
    for _ in range(15):
        assert show(execer) == first


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("net:[4026532186]", "net:[4026531]"),
        ("pid_for_children:[1]", "pid_for_children:[22]"),
        ("net  4026532186  True", "net  4026700001  True"),
        ("process 7 (sh) · R (running)", "process 1234567 (sh) · S (sleeping)"),
        ("<code>4711 → 1, from here to inside", "<code>12 → 1, from here to inside"),
        ("PIDs  4711 → 99 → 1, from here to inside", "PIDs  5 → 1, from here to inside"),
        ("pid  812 outside, 1 inside", "pid  7 outside, 1 inside"),
        ("  parent        19697\n", "  parent        2\n"),
        ('">parent</th><td><code>4000</code>', '">parent</th><td><code>31</code>'),
        ("NSpid:\t4711\t1", "NSpid:\t23\t17\t1"),
        ("<Process pid=4711 args=['id']>", "<Process pid=99 args=['id']>"),
        ('{"ppid": 4711, "pidfd": 9}', '{"ppid": 23, "pidfd": 10}'),
        ("stdout  fd 55 of this process", "stdout  fd 7 of this process"),
        ("fd 3 ← 11, fd 4 ← 12", "fd 3 ← 6, fd 4 ← 70"),
        ("timeline · 0.61 ms to execve", "timeline · 99 µs to execve"),
        ("clone  parent  8.3 µs  676.4 µs  ok", "clone  parent     11.0 µs    1.2 µs  ok"),
        ("left:0.38%;width:12.90%", "left:1.00%;width:0.01%"),
        ("at 2026-01-02T03:04:05.678Z, 03:04:05", "at 2031-11-22 13:14:15+01:00, 23:59:59.9"),
        ("<object at 0x7f01>", "<object at 0x7fffdeadbeef>"),
        ("<style> .nsx { color: red } </style><p>", "<style>.nsx{}</style><p>"),
        (
            "<code>/a/b/python3.13 -Xopt=off -m ipykernel_launcher -f /x/k-1.json --A.b=:c:</code>",
            "<code>python -m ipykernel_launcher -f /y/k-2.json</code>",
        ),
    ],
)  # fmt: skip
def test_what_differs_from_run_to_run_is_not_compared(one: str, other: str) -> None:
    """Numbers that the kernel and the clock hand out."""
    assert sanitized(one) == sanitized(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("net:[4026532186]", "mnt:[4026532186]"),
        ("link net:[4026532186] new True", "link net:[4026532186] new False"),
        ("uid  65535 outside, 0 inside", "uid  65534 outside, 0 inside"),
        ("         0      65535          1", "         0      65535          2"),
        ("0 outside is inside 4294967294", "0 outside is inside 4294967295"),
        ("clone(…) = 0x7c020000", "clone(…) = 0x6c020000"),
        ("pid  812 outside, 1 inside", "pid  812 outside, 2 inside"),
        ("NSpid:\t4711\t1", "NSpid:\t4711\t2"),
        ("PID 1", "PID 2"),
        ("ppid: 0", "ppid: 1"),
        ("process 7 (sh)", "process 7 (id)"),
        ("S (sleeping)", "Z (zombie)"),
        ("(python)", "(perl)"),
        ("fd 3 ← 11", "fd 4 ← 11"),
        ("timeline · 0.61 ms to execve", "timeline · 0.61 ms to clone"),
        ("uid_map  13.8 µs  ok", "uid_map  13.8 µs  EPERM: Operation not permitted"),
        ("/bin/sleep 60", "/bin/sleep 61"),
        ("/bin/sleep 60 s", "/bin/sleep 61 s"),
        ("two words", "twowords"),
        ("one\ntwo", "one two"),
        ("<style>.other { color: red }</style>", "<style>.other { color: blue }</style>"),
        ("CapEff:\t000001ffffffffff", "CapEff:\t000001fffffffffe"),
        ("4711 → 1, from here", "4711 → 1, from there"),
    ],
)
def test_what_was_found_out_is_compared(one: str, other: str) -> None:
    """IDs, maps, flags, names, results, and the PID inside stay as they are."""
    assert sanitized(one) != sanitized(other)


# -- the plugin -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "given", "used"),
    [
        ({"nbval": True}, None, str(SANITIZER)),
        ({"nbval_lax": True}, None, str(SANITIZER)),
        ({"nbval": True}, "mine.cfg", "mine.cfg"),
        ({}, None, None),
    ],
)
def test_the_plugin_fills_in_only_what_was_not_said(
    asked: dict[str, bool], given: str | None, used: str | None
) -> None:
    """Rules of one's own stay; without nbval's work there is nothing to do."""
    chosen = {"nbval": False, "nbval_lax": False, **asked}
    option = SimpleNamespace(**chosen, nbval_sanitize_with=given)
    manager = SimpleNamespace(hasplugin=lambda name: name == "nbval")
    config: Any = SimpleNamespace(option=option, pluginmanager=manager)
    pytest_plugin.pytest_configure(config)
    assert option.nbval_sanitize_with == used
    said = pytest_plugin.pytest_report_header(config)
    assert said == (used and f"nbval: outputs are compared after {used}")


def test_the_option_alone_is_there_for_other_peoples_tests(tmp_path: Path) -> None:
    """What pytest loads by itself is small, brings nothing heavy, and does nothing unasked."""
    heavy = {"pandas", "numpy", "ipywidgets", "nsexplore.pytest_plugin"}
    script = (
        "import sys, pytest\n"
        "pytest.main(['--collect-only', '-q', '-p', 'no:cacheprovider', '-p', 'no:nbval', '.'])\n"
        "assert 'nsexplore.pytest_option' in sys.modules\n"
        f"assert not {heavy!r} & set(sys.modules), {heavy!r} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60, cwd=tmp_path)


@pytest.mark.parametrize("options", [BY_PLUGIN, BY_OPTION], ids=["plugin", "option"])
def test_it_is_said_when_nbval_is_missing(options: tuple[str, ...], tmp_path: Path) -> None:
    """With the way to get it."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:nbval", *options],
        cwd=tmp_path,
        env=apart(tmp_path),
        text=True,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "needs nbval: pip install" in done.stderr

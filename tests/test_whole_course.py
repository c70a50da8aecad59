"""The whole course, run in order: it shows what is saved, run for run, and leaves nothing behind.

How long it takes is told by ``python tests/whole_course.py`` (make bench-course), never asserted.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import notebook_tool
import pytest
from jupyter_apart import apart
from nbval.plugin import get_sanitize_patterns

from nsexplore.pytest_plugin import SANITIZER

pytestmark = [pytest.mark.needs("root"), pytest.mark.timeout(600)]

NOTEBOOKS = sorted(notebook_tool.NOTEBOOKS.glob("*.ipynb"))
RUNS = ("first", "second")
PATIENCE = 500
# What runs beside us, in other tests, is not seen from a PID namespace of one's own.
# The shell is its PID 1, which reaps orphans.
ALONE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", '"$@"; exit $?')
ALONE += ("sh",)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run the whole course twice from a cold start, side by side; return what came of each."""
    started = {}
    for name in RUNS:
        folder = tmp_path_factory.mktemp(name)
        shutil.copytree(notebook_tool.NOTEBOOKS, folder / "notebooks")
        for empty in ("home", "tmp"):
            (folder / empty).mkdir()
        env = apart(folder / "jupyter")
        env |= {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp")}
        program = [sys.executable, Path(__file__).with_name("whole_course.py")]
        started[name] = (
            folder,
            subprocess.Popen(
                [*ALONE, *program, folder / "notebooks"], env=env, stdout=subprocess.PIPE, text=True
            ),
        )
    found = {}
    try:
        for name, (folder, process) in started.items():
            printed, _ = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0, printed
            found[name] = {"folder": folder, **json.loads(printed.splitlines()[-1])}
    finally:
        for _, process in started.values():
            process.kill()
            process.wait()
    return found


@cache
def rules() -> list[tuple[re.Pattern[str], str]]:
    text = SANITIZER.read_text(encoding="utf-8")
    return [(re.compile(regex), replace) for regex, replace in get_sanitize_patterns(text)]


def stable(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield each output of a notebook as nbval compares it: cell, MIME type and text."""
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", ()):
            shown = output.get("data") or {output.output_type: output.get("text", "")}
            for mime, text in sorted(shown.items()):
                compared = text
                for regex, replace in rules():
                    compared = regex.sub(replace, compared)
                yield cell.id, mime, compared


@pytest.mark.parametrize("run", RUNS)
def test_nothing_is_left_behind(course: dict[str, Any], run: str) -> None:
    """No namespace, process, mount, interface or file more or less than before, by any notebook."""
    assert [*course[run]["seconds"]] == [path.stem for path in NOTEBOOKS]
    assert course[run]["left"] == []
    assert [*(course[run]["folder"] / "home").iterdir()] == []


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_run_from_a_cold_start_shows_the_same(
    course: dict[str, Any], run: str, path: Path
) -> None:
    """The saved run and these two, text and HTML: three, one after the other or side by side."""
    assert [*stable(course[run]["folder"] / "notebooks" / path.name)] == [*stable(path)]


def test_what_is_left_behind_is_found(tmp_path: Path) -> None:
    """A notebook that leaves a process with its namespace, a mount and two files is told apart."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    leave = (
        "import subprocess\n"
        "subprocess.Popen(['unshare', '--uts', 'sleep', '600'], start_new_session=True)\n"
        f"subprocess.run(['mount', '-t', 'tmpfs', 'left', {str(tmp_path / 'tmp')!r}], check=True)\n"
        "open('file', 'w').close()\n"
    )
    cell = nbformat.v4.new_code_cell(leave)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), folder / "leaves.ipynb")
    (tmp_path / "tmp").mkdir()
    program = [sys.executable, Path(__file__).with_name("whole_course.py"), folder]
    env = apart(tmp_path / "jupyter") | {"TMPDIR": str(tmp_path / "own")}
    (tmp_path / "own").mkdir()
    done = subprocess.run(
        [*ALONE, *program], env=env, stdout=subprocess.PIPE, text=True, check=True, timeout=100
    )
    left = "\n".join(json.loads(done.stdout.splitlines()[-1])["left"])
    for word in ("sleep 600", "uts", " tmpfs left", f"{folder}/file"):
        assert word in left, left

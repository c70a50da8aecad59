"""The exercises of the course: asked in its notebooks, and judged rightly."""

from __future__ import annotations

import re
from importlib import import_module
from types import ModuleType

import nbformat
import notebook_tool
import pytest

import nsexplore as nx
from nsexplore.course import PARTS

ASKED = 'answer = ...\n\nnx.check("{}", answer)'
# Whatever it is, a judge says something of it.
STRANGE = [None, 1.5, b"bytes", object(), {}, [], (), [[1]], {"a": 1}, print, 10**30, "\x1b[31m"]


@pytest.fixture(params=PARTS)
def part(request: pytest.FixtureRequest) -> str:
    """A part of the course."""
    name: str = request.param
    return name


def exercises(part: str) -> dict[str, nx.Exercise]:
    found = import_module(f"nsexplore.course.{part}").EXERCISES
    return {exercise.name: exercise for exercise in found}


def answers(part: str) -> ModuleType:
    return import_module(f"course_answers.{part}")


def cells_of(part: str) -> list[nbformat.NotebookNode]:
    path = notebook_tool.NOTEBOOKS / f"{PARTS[part]}.ipynb"
    cells: list[nbformat.NotebookNode] = nbformat.read(path, as_version=4).cells
    return cells


def each_answer(kind: str) -> list[object]:
    """Return a parameter for each answer; a part without any is one that fails."""
    found = []
    for part in PARTS:
        try:
            names = [*getattr(answers(part), kind)]
        except ModuleNotFoundError:
            names = [f"{part}.1"]
        found += [pytest.param(part, name, id=name) for name in names]
    return found


def test_every_notebook_of_the_course_has_a_part() -> None:
    """But for the index; and none is missing."""
    there = {path.stem for path in notebook_tool.NOTEBOOKS.glob("[0-9]*.ipynb")}
    assert set(PARTS.values()) <= there
    assert [*PARTS.values()] == sorted(PARTS.values())


def test_a_part_has_three_or_four_exercises_in_order(part: str) -> None:
    """Named for the part and counted from 1; each says what it asks for, and why so."""
    found = exercises(part)
    assert [*found] == [f"{part}.{number}" for number in range(1, len(found) + 1)]
    assert 3 <= len(found) <= 4
    for exercise in found.values():
        assert exercise.asks
        assert not exercise.asks.endswith(".")
        assert len(exercise.because) > 20


def test_a_notebook_asks_all_of_its_exercises_and_no_other(part: str) -> None:
    """In order, below one heading, each a cell of the same form, and shipped unanswered."""
    cells = cells_of(part)
    asking = [cell for cell in cells if "nx.check(" in cell.source and cell.cell_type == "code"]
    assert [cell.source for cell in asking] == [ASKED.format(name) for name in exercises(part)]
    for cell, name in zip(asking, exercises(part), strict=True):
        assert f"{name}: no answer yet" in cell.outputs[0].data["text/plain"]
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings[-2:] == ["## Exercises", "## Where to go next"]
    asked = text.partition("## Exercises")[2].partition("## Where")[0]
    numbers = re.findall(r"^\*\*(\d)\.\*\*", asked, re.MULTILINE)
    assert numbers == [name.rpartition(".")[2] for name in exercises(part)]


def test_every_exercise_has_answers_of_both_kinds(part: str) -> None:
    """One that was never answered may have no answer."""
    given = answers(part)
    assert [*given.RIGHT] == [*given.WRONG] == [*exercises(part)]
    assert all(given.WRONG.values())


@pytest.mark.needs("root")
@pytest.mark.usefixtures("leaves_nothing")
@pytest.mark.parametrize(("part", "name"), each_answer("RIGHT"))
def test_what_the_kernel_answers_is_right(part: str, name: str) -> None:
    """Asked for real, by starting processes; and it is said why."""
    verdict = nx.check(name, answers(part).RIGHT[name]())
    assert verdict, verdict
    assert verdict.said == exercises(part)[name].because


@pytest.mark.needs("root")
@pytest.mark.usefixtures("leaves_nothing")
@pytest.mark.parametrize(("part", "name"), each_answer("WRONG"))
def test_wrong_answers_are_told_why_each_its_own(part: str, name: str) -> None:
    """Likely ones, and those of a wrong type; what is said does not give the right one away."""
    said = []
    for answer in answers(part).WRONG[name]:
        verdict = nx.check(name, answer() if callable(answer) else answer)
        assert verdict.right is False, answer
        assert "cannot be judged" not in verdict.said
        said.append(verdict.said)
    assert len(set(said)) == len(said)
    assert all(len(words) > 10 for words in said)


def test_a_strange_answer_is_a_wrong_one(part: str) -> None:
    """No judge stumbles, and none takes everything."""
    for name in exercises(part):
        for answer in STRANGE:
            verdict = nx.check(name, answer)
            assert verdict.right is False, answer
            assert "cannot be judged" not in verdict.said, verdict


def test_a_right_answer_may_be_spelled_otherwise(part: str) -> None:
    """As a flag, a path, a signal's full name, with other options: who does has understood."""
    for name, also in getattr(answers(part), "ALSO_RIGHT", {}).items():
        for answer in also:
            assert nx.check(name, answer), (name, answer)


@pytest.mark.needs("root")
@pytest.mark.parametrize(
    "args",
    [
        ["ps", "-Ao", "pid="],
        ["ps", "-e", "-opid="],
        ["ps", "-o", "pid=", "-A"],
        ["ps", "axo", "pid="],
        ["sh", "-c", "exec ps -A -o 'pid='"],
    ],
    ids=" ".join,
)
def test_the_options_of_ps_may_be_joined(args: list[str]) -> None:
    """And be in any order, and in a script."""
    verdict = nx.check("pids.3", answers("pids").BOXED.run(*args))
    assert verdict, verdict


@pytest.mark.needs("root")
@pytest.mark.parametrize(
    "script",
    [
        "hostname meadow && uname -n",
        "echo meadow > /proc/sys/kernel/hostname; exec cat /proc/sys/kernel/hostname",
        'echo "$(hostname meadow; hostname)"',
        "# that's the name\nhostname meadow\n# and that's all\necho $(hostname)",
        "echo hostname meadow | sh; hostname",
        "say() { hostname meadow; hostname; }; say",
    ],
)
def test_who_prints_by_echo_what_the_kernel_says_is_believed(script: str) -> None:
    """Refused is only what cannot have done anything else than print."""
    verdict = nx.check("uts.4", answers("uts").alone.run("sh", "-c", script))
    assert verdict, verdict


@pytest.mark.parametrize(
    "args",
    [
        ["echo", "meadow"],
        ["/bin/echo", "meadow"],
        ["sh", "-c", "echo meadow"],
        ["/bin/sh", "-ec", "printf 'meadow\\n'; exit 0"],
        ["bash", "-c", 'true && echo "meadow"'],
    ],
    ids=" ".join,
)
def test_who_only_prints_is_told_so(args: list[str]) -> None:
    """By whichever of the ways there are."""
    given = answers("uts")
    verdict = nx.check("uts.4", given.ended(given.alone, "meadow\n", args=tuple(args)))
    assert verdict.right is False
    assert "printed a word" in verdict.said

"""Pictures of many hosts: who was asked, who has answered, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..hosts import Answer, Answers, Fleet
from ._escape import visible
from ._html import Html, code, muted, section, table, tag
from ._plain import columns, indent
from ._words import listed, plural

__all__ = ["answer_html", "answer_text", "answers_html", "answers_text", "fleet_html", "fleet_text"]

_HEADER: Final = ("host", "engine", "answer", "nsexplore", "UID", "system")
SHOWN: Final = 50
"""Hosts that a table shows, those without an answer first; ``.hosts`` has them all."""


def fleet_text(fleet: Fleet) -> str:
    """Return the hosts that are asked."""
    lines = [_fleet_words(fleet), *_lines(_asked(fleet)), *indent(_fleet_notes(fleet))]
    return "\n".join(lines)


def fleet_html(fleet: Fleet) -> Html:
    """Return the hosts that are asked."""
    notes = (tag("p", note, class_="nsx-p nsx-mut") for note in _fleet_notes(fleet))
    return section(_table(_asked(fleet)), *notes, heading=_fleet_words(fleet))


def answers_text(answers: Answers[object]) -> str:
    """Return who has answered, and why the others have not."""
    return "\n".join([_words(answers.answers), *_lines(answers.answers)])


def answers_html(answers: Answers[object]) -> Html:
    """Return who has answered, and why the others have not."""
    return section(_table(answers.answers), heading=_words(answers.answers))


def answer_text(answer: Answer) -> str:
    """Return one answer in a line, or why there is none."""
    return f"{visible(answer.host)}: {_said(answer)}"


def answer_html(answer: Answer) -> Html:
    """Return one answer in a line, or why there is none."""
    return section(tag("p", tag("b", f"{answer.host}: "), _said(answer), class_="nsx-p"))


def _asked(fleet: Fleet) -> list[Answer]:
    return [answer for answer in fleet.present if answer.engine in fleet.labels]


def _fleet_words(fleet: Fleet) -> str:
    asked = _asked(fleet)
    silent = sum(answer.problem is not None for answer in asked)
    words = [f"fleet of {plural(len(asked), 'host')}"]
    return ", ".join(words + ([f"{silent} of them without an answer"] if silent else []))


def _fleet_notes(fleet: Fleet) -> list[str]:
    notes = []
    if fleet.same:
        engines = plural(len(fleet.same), "engine")
        notes.append(f"{engines} that see what another one sees are not asked (every=True: all)")
    if len(fleet.versions) > 1:
        found = sorted(fleet.versions.items(), key=lambda item: -len(item[1]))
        said = "; ".join(f"{version} on {listed(hosts, 5)}" for version, hosts in found)
        notes.append(f"versions of nsexplore differ: {said}")
    return notes


def _words(answers: Iterable[Answer]) -> str:
    answers = list(answers)
    good = sum(answer.problem is None for answer in answers)
    return f"answers of {good} of {plural(len(answers), 'host')}"


def _rows(answers: Iterable[Answer]) -> list[tuple[object, ...]]:
    ordered = sorted(answers, key=lambda answer: answer.problem is None)
    return [_row(answer) for answer in ordered[:SHOWN]]


def _row(answer: Answer) -> tuple[object, ...]:
    who = answer.who
    told = (None, None, None) if who is None else (who.nsexplore, who.uid, who.system)
    return answer.host, answer.engine, _said(answer), *told


def _said(answer: Answer) -> str:
    problem = answer.problem
    if problem is None:
        return "yes"
    return f"✗ {visible(problem.kind, 60)}: {visible(problem.words.partition(chr(10))[0], 300)}"


def _more(answers: Iterable[Answer]) -> list[str]:
    hidden = len(list(answers)) - SHOWN
    return [f"… {plural(hidden, 'more host')}, all in .hosts"] if hidden > 0 else []


def _lines(answers: Iterable[Answer]) -> list[str]:
    answers = list(answers)
    rows = _rows(answers)
    return indent([*(columns(rows, _HEADER) if rows else []), *_more(answers)])


def _table(answers: Iterable[Answer]) -> Html:
    answers = list(answers)
    rows = [
        (host, engine, tag("span", said, class_="nsx-bad" if said != "yes" else "nsx-ok"), *told)
        for host, engine, said, *told in _rows(answers)
    ]
    cells = [[cell if cell is not None else code(None) for cell in row] for row in rows]
    more = (tag("p", muted(line), class_="nsx-p") for line in _more(answers))
    return Html(table("Hosts", _HEADER, cells) + "".join(more))

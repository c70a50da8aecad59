"""A diagnosis in three lines, and the table of kinds: what the course's index shows."""

from __future__ import annotations

import html as entities
import re

import pytest

from nsexplore.diagnosis import Cause, Check, Diagnosis
from nsexplore.kinds import KINDS
from nsexplore.pictures import html, text

pytestmark = pytest.mark.anywhere


def cause(key: str, kind: str, fix: str = "do this", by: str = "the administrator") -> Cause:
    return Cause(key, f"the words of {key}", "proven", "", (), fix, by, "", kind)  # type: ignore[arg-type]


def diagnosis(*causes: Cause, possible: bool = False) -> Diagnosis:
    """Return one in which a user namespace is refused for these reasons."""
    started = Check("start", "a child", "", True)
    tried = Check("namespaces", "user", "", possible, "" if possible else "clone", 1, causes)
    mapped = Check("ID maps", "garden", "", possible)
    return Diagnosis("Linux 6.18 x86_64", "UID 0", (started, tried, mapped))


def lines(found: Diagnosis) -> list[str]:
    """Return the three lines; the HTML says the same."""
    said = text(found.brief).splitlines()
    shown = " ".join(entities.unescape(re.sub(r"<[^>]*>", " ", html(found.brief))).split())
    for line in said:
        assert " ".join(line.split()) in shown
    return said


def test_a_healthy_machine_has_nothing_to_do() -> None:
    """Three lines all the same, so that nobody waits for more; an option is no reason."""
    works, refused, todo = lines(diagnosis(cause("no-subids", "option"), possible=True))
    assert works.startswith("works")
    assert "✓" in works
    assert refused.split(maxsplit=1) == ["refused", "nothing that namespaces need"]
    assert todo.split() == ["to", "do", "nothing"]


def test_of_several_faults_the_first_is_told_and_the_others_are_counted() -> None:
    """With who may do what about it; a rule of the kernel steps back behind a fault."""
    found = diagnosis(cause("a", "fault"), cause("b", "rule"), cause("c", "fault"))
    works, refused, todo = lines(found)
    assert "✓" not in works
    assert "the words of a" in refused
    assert "1 more reason: nx.doctor()" in refused
    assert todo.endswith("ask the administrator: do this")


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (cause("a", "fault", by="you"), "do this"),
        (cause("a", "fault", fix=""), "nothing helps here; there are recordings to look at"),
        (cause("a", "rule"), "nothing is broken; instead, do this"),
    ],
)
def test_what_to_do_says_who_and_whether_anything_is_broken(one: Cause, said: str) -> None:
    """A rule is how the kernel means it to be."""
    assert lines(diagnosis(one))[2].partition("to do")[2].strip() == said


def test_what_a_machine_says_is_escaped_and_stays_in_its_line() -> None:
    """Words may come from a file that anybody has written."""
    evil = Cause("a", "<b>\n\x1b[31m" + "x" * 9000, "proven", "", (), "", "", "", "fault")
    found = diagnosis(evil)
    assert len(text(found.brief).splitlines()) == 3
    assert "<b>\n" not in html(found.brief)
    assert "\x1b" not in text(found.brief) + html(found.brief)
    assert len(html(found.brief)) < len(html(diagnosis(cause("a", "fault")).brief)) + 9000


def test_the_kinds_show_themselves_as_one_table() -> None:
    """A tuple to all who iterate; to a reader, what each is, with its sign and its colour."""
    assert isinstance(KINDS, tuple)
    header, *rows = text(KINDS).splitlines()
    assert header.split() == ["kind", "isolates", "flag", "since", "manual", "page"]
    for kind, row in zip(KINDS, rows, strict=True):
        assert row.startswith(f"{kind.sign} {kind.name} ")
        for word in (kind.isolates, kind.flag_name, kind.since, kind.man):
            assert word in row
        assert f"--nsx-c:{kind.colour}" in html(KINDS)
    assert html(KINDS).count("<tr>") == 9

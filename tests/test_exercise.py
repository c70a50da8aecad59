"""Answers are judged: by what they are, whatever they are; and what is said shows itself safely."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import nsexplore as nx
from nsexplore.exercise import brief, is_one, is_set
from nsexplore.pictures import html, mimebundle, text

EVIL = "<script>alert(1)</script>\x1b[31m\u202e"

number = is_one(8, {7: "one more", 9: "one less"}, "count them")
word = is_one("UTS", {"hostname": "that is the program"}, "look it up")
truth = is_one(True, {False: "it is"}, "yes or no")
call = is_one("clone", {}, "look it up", lambda word: word.removeprefix("sys_"))
calls = is_set(frozenset({"clone", "setns"}), {}, "more", lambda word: word.removeprefix("sys_"))
words = is_set(frozenset({"user", "net"}), {"pid": "it has its own"}, "there are more")


class Odd:
    """Raises when it is looked at."""

    def __repr__(self) -> str:
        raise RuntimeError("not to be seen")


class OddWords(Odd):
    def __iter__(self) -> Any:
        raise RuntimeError("not to be had")


@pytest.mark.parametrize(
    ("judge", "answer"),
    [
        (number, 8),
        (number, np.int64(8)),
        (number, 8.0),
        (number, np.float32(8)),
        (word, "uts"),
        (word, " UTS\n"),
        (word, "uts(7)"),
        (call, "SYS_Clone(2)"),
        (calls, ["sys_clone", "setns(2)"]),
        (truth, True),
        (truth, np.True_),
        (words, {"net", "user"}),
        (words, ["USER", "net ", "net"]),
        (words, (name for name in ("net", "user"))),
    ],
)
def test_a_right_answer_is_right_in_any_of_its_forms(judge: Any, answer: object) -> None:
    """Case, space, order, a page's section, numpy's types, a judge's spellings do not matter."""
    assert judge(answer) == ""


@pytest.mark.parametrize(
    ("judge", "answer", "said"),
    [
        (number, 7, "one more"),
        (number, 9, "one less"),
        (number, -1, "count them"),
        (number, True, "a whole number is asked for"),
        (number, "8", "without quotes; this is '8'"),
        (number, 8.5, "a whole number is asked for"),
        (number, float("nan"), "a whole number is asked for"),
        (number, float("inf"), "a whole number is asked for"),
        (word, "hostname", "that is the program"),
        (word, "", "look it up"),
        (word, 8, "in quotes; this is 8"),
        (truth, False, "it is"),
        (truth, 1, "True or False is asked for"),
        (words, {"user"}, "there are more"),
        (words, set(), "there are more"),
        (words, {"user", "net", "pid"}, "'pid' does not belong there: it has its own"),
        (words, {"user", "net", "ipc"}, "'ipc' does not belong there"),
        (words, "user net", "several words are asked for"),
        (words, 2, "several words are asked for"),
        (words, {"user", 2}, "2 is none"),
    ],
)
def test_a_wrong_answer_is_told_why(judge: Any, answer: object, said: str) -> None:
    """A likely one what is wrong with it, one of another type what is wanted."""
    assert said in judge(answer)


def exercise(judge: Any) -> nx.Exercise:
    return nx.Exercise("mine.1", "a thing", judge, "so it is")


@pytest.mark.parametrize("judge", [number, word, truth, words])
@pytest.mark.parametrize(
    "answer",
    [Odd(), OddWords(), EVIL, "x" * 10**6, {"x" * 10**6}, itertools.count(), [Odd()] * 3, None],
    ids=["odd", "odd-words", "markup", "long", "long-word", "endless", "odd-list", "none"],
)
def test_no_answer_is_too_strange_to_be_judged(judge: Any, answer: object) -> None:
    """It is wrong; the verdict is short, and shows as text and HTML without its markup."""
    verdict = nx.check(exercise(judge), answer)
    assert verdict.right is False
    assert not verdict
    assert len(verdict.said) < 400
    assert "<script" not in html(verdict)
    for shown in mimebundle(verdict).values():
        assert "\x1b" not in shown
        assert "\u202e" not in shown


def test_what_is_quoted_of_an_answer_is_short_and_never_raises() -> None:
    """Also of one that cannot even be shown, or is deeper than Python goes."""
    deep: list[Any] = []
    deep.append(deep)
    for answer in (Odd(), deep, "x" * 10**6, range(10**9), {1: "y" * 10**6}, np.zeros(10**6)):
        assert 0 < len(brief(answer)) <= 100


def test_a_verdict_is_true_only_where_the_answer_is_right() -> None:
    """An answer that is not there yet is neither right nor wrong."""
    assert nx.check(exercise(number), 8)
    assert nx.check(exercise(number), 8).said == "so it is"
    open_ = nx.check(exercise(number))
    assert open_.right is None
    assert not open_
    assert open_.said == "a thing"
    assert nx.check(exercise(number), ...) == open_


@pytest.mark.parametrize(
    ("answer", "sign"), [(8, "✓ right"), (7, "✗ not yet right"), (..., "no answer yet")]
)
def test_a_verdict_shows_a_sign_and_a_word_beside_the_colour(answer: object, sign: str) -> None:
    """In text and in HTML, with the reason."""
    verdict = nx.check(exercise(number), answer)
    for shown in (text(verdict), html(verdict), str(verdict)):
        assert "mine.1" in shown
        assert sign in shown
        assert verdict.said in shown


def test_a_verdict_of_others_words_is_harmless() -> None:
    """Whoever writes an exercise may quote what he likes: it is bounded, and no markup."""
    verdict = nx.Verdict(EVIL, False, EVIL * 10_000)
    for shown in (text(verdict), html(verdict)):
        assert "\x1b" not in shown
        assert len(shown) < 20_000
    assert "<script" not in html(verdict)


def test_a_judge_that_fails_is_no_traceback_for_who_answers() -> None:
    """The answer is not right, and what is wanted is said."""

    def judge(answer: Any) -> str:
        return str(answer.missing)

    verdict = nx.check(exercise(judge), 3)
    assert verdict.right is False
    assert "cannot be judged" in verdict.said
    assert verdict.said.endswith("Wanted: a thing")


@pytest.mark.parametrize("said", [True, False, None])
def test_a_judge_that_says_yes_or_no_is_an_error_of_who_wrote_it(said: object) -> None:
    """Or True, meant as right, would be taken for a reason."""
    with pytest.raises(TypeError, match=r"the judge of 'mine\.1' returned"):
        nx.check(exercise(lambda answer: said), 3)


@pytest.mark.parametrize(
    ("name", "known"),
    [("", "first, uts"), ("unknown.1", "first, uts"), ("uts", "uts.1"), ("uts.99", "uts.1")],
)
def test_an_unknown_name_is_answered_with_those_there_are(name: str, known: str) -> None:
    """Parts, or the exercises of the part."""
    with pytest.raises(LookupError, match="is no exercise") as caught:
        nx.check(name, 1)
    assert known in str(caught.value)

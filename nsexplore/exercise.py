"""Exercises: a question of the course, and what is said of an answer to it."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from numbers import Real
from typing import Any, Final, TypeAlias

from ._renders import Renders

__all__ = ["Exercise", "Judge", "Verdict", "brief", "is_one", "is_set"]

Judge: TypeAlias = Callable[[Any], str]
"""Returns why an answer is wrong, and an empty string for a right one."""


@dataclass(frozen=True, slots=True)
class Exercise:
    """One question.

    Attributes
    ----------
    name : str
        Such as ``"uts.1"``: the part of the course, and its number there.
    asks : str
        What kind of answer is wanted, in one sentence.
    judge : callable
        Returns why an answer is wrong, and an empty string for a right one.
    because : str
        Why the right answer is right.

    Examples
    --------
    One of your own; `check` takes it in the place of a name.

    >>> bits = Exercise(
    ...     "mine.1",
    ...     "a number",
    ...     is_one(8, {7: "count the time namespace, too"}, "one flag of clone(2) each"),
    ...     "there are eight kinds of namespaces",
    ... )
    >>> bits.judge(7)
    'count the time namespace, too'
    """

    name: str
    asks: str
    judge: Judge
    because: str


@dataclass(frozen=True, slots=True)
class Verdict(Renders):
    """What is said of an answer.

    Attributes
    ----------
    name : str
        The exercise's.
    right : bool or None
        None: there is no answer yet.
    said : str
        Why it is right, or wrong; what is asked for where there is no answer.
    """

    name: str
    right: bool | None
    said: str

    def __bool__(self) -> bool:
        return self.right is True


# -- judges ---------------------------------------------------------------------------

_MANY: Final = 100
"""Words of an answer that are looked at: one may be endless."""


def brief(answer: object) -> str:
    """Return an answer as it is quoted in what is said of it: short, whatever it is."""
    try:
        return f"{reprlib.repr(answer):.80}"
    except Exception:  # its own repr
        return f"something of type {type(answer).__name__:.40}"


def is_one(
    right: int | str | bool,
    wrong: Mapping[int | str | bool, str],
    otherwise: str,
    spelled: Callable[[str], str] = str,
) -> Judge:
    """Return a judge that wants one value: a number, a word or True or False.

    Parameters
    ----------
    right : int, str or bool
        Upper and lower case, space around a word, and the section of a manual page behind it
        (``unshare(2)``) do not matter.
    wrong : mapping
        For answers that are likely to be given, why they are wrong.
    otherwise : str
        What is said of any other answer: a hint, not the answer.
    spelled : callable, optional
        Returns a word, in lower case, in the one spelling of several that is compared.
    """
    likely = {_plain(answer, spelled): why for answer, why in wrong.items()}

    def judge(answer: Any) -> str:
        if said := _of_another_type(right, answer):
            return said
        given = _plain(answer, spelled)
        return "" if given == _plain(right, spelled) else likely.get(given, otherwise)

    return judge


def is_set(
    right: frozenset[str],
    wrong: Mapping[str, str],
    missing: str,
    spelled: Callable[[str], str] = str,
) -> Judge:
    """Return a judge that wants several words, in any order: ``{"uts", "user"}``.

    Parameters
    ----------
    right : frozenset of str
        What does not matter is as in `is_one`.
    wrong : mapping
        For words that are likely to be given, why they do not belong there.
    missing : str
        What is said where only some are missing.
    spelled : callable, optional
        As in `is_one`.
    """
    wanted = {_folded(word, spelled) for word in right}
    likely = {_folded(word, spelled): why for word, why in wrong.items()}

    def judge(answer: Any) -> str:
        if isinstance(answer, str) or not isinstance(answer, Iterable):
            return f"several words are asked for, as in {{'one', 'other'}}; this is {brief(answer)}"
        words = [*islice(answer, _MANY)]
        for word in words:
            if not isinstance(word, str):
                return f"words are asked for, in quotes; {brief(word)} is none"
        given = {_folded(word, spelled) for word in words}
        for word in sorted(given - wanted):
            said = f"{brief(word)} does not belong there"
            return f"{said}: {likely[word]}" if word in likely else said
        return "" if given == wanted else missing

    return judge


def _folded(word: str, spelled: Callable[[str], str]) -> str:
    return spelled(re.sub(r"\(\d\)$", "", word.strip().casefold()))


def _plain(answer: Any, spelled: Callable[[str], str]) -> tuple[str, int | str]:
    """Return what is compared: True is not 1, and numpy's numbers are Python's."""
    if isinstance(answer, str):
        return "str", _folded(answer, spelled)
    if _is_bool(answer):
        return "bool", int(answer)
    return "int", int(answer)


def _is_bool(answer: object) -> bool:
    return type(answer).__name__ in ("bool", "bool_")  # numpy's go by both names


def _of_another_type(right: int | str | bool, answer: object) -> str:
    if isinstance(right, bool):
        fits, wanted = _is_bool(answer), "True or False is asked for"
    elif isinstance(right, int):
        fits = isinstance(answer, Real) and not _is_bool(answer) and answer == answer // 1
        wanted = "a whole number is asked for, without quotes"
    else:
        fits, wanted = isinstance(answer, str), "a string is asked for, in quotes"
    return "" if fits else f"{wanted}; this is {brief(answer)}"

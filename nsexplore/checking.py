"""`check`: the answer to an exercise of the course, judged."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from . import course
from .exercise import Exercise, Verdict, brief

__all__ = ["check"]


def check(exercise: str | Exercise, answer: Any = ...) -> Verdict:
    """Tell whether an answer to an exercise is right, and if not, why.

    Parameters
    ----------
    exercise : str or Exercise
        The name of one of the course, such as ``"uts.1"``, or one of your own.
    answer : object
        ``...`` where there is none yet.

    Returns
    -------
    Verdict
        True in an ``if`` where the answer is right.

    Raises
    ------
    LookupError
        There is no exercise of that name; the message lists those there are.
    TypeError
        The judge of an exercise of your own said neither why not, nor an empty string.

    Examples
    --------
    >>> print(check("uts.1"))  # doctest: +ELLIPSIS
    uts.1: no answer yet...
    """
    found = exercise if isinstance(exercise, Exercise) else _named(exercise)
    if answer is ...:
        return Verdict(found.name, None, found.asks)
    wrong = _judged(found, answer)
    return Verdict(found.name, not wrong, wrong or found.because)


def _judged(exercise: Exercise, answer: Any) -> str:
    try:
        said = exercise.judge(answer)
    except Exception as error:  # an answer may be anything, and do anything when it is looked at
        return f"this cannot be judged: {brief(error)}. Wanted: {exercise.asks}"
    if not isinstance(said, str):
        raise TypeError(
            f"the judge of {exercise.name!r} returned {brief(said)}: it returns why an answer is"
            " wrong, and an empty string for a right one"
        )
    return said


def _named(name: str) -> Exercise:
    part, _, _ = str(name).partition(".")
    if part not in course.PARTS:
        raise LookupError(f"{name!r} is no exercise; the parts are {', '.join(course.PARTS)}")
    exercises = import_module(f".{part}", course.__name__).EXERCISES
    for exercise in exercises:
        if exercise.name == name:
            return exercise  # type: ignore[no-any-return]
    known = ", ".join(exercise.name for exercise in exercises)
    raise LookupError(f"{name!r} is no exercise; there are {known}")

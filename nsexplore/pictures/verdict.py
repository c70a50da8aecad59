"""Pictures of what is said of an answer: a sign, a word, and why."""

from __future__ import annotations

from textwrap import wrap
from typing import Final

from ..exercise import Verdict
from ._escape import visible
from ._html import Html, escape, section, tag
from ._plain import indent

__all__ = ["as_html", "as_text"]

_LONGEST: Final = 1000

_WORDS: Final = {True: "✓ right", False: "✗ not yet right", None: "no answer yet"}
_CLASSES: Final = {True: "nsx-ok", False: "nsx-bad", None: "nsx-mut"}
_WAITING: Final = "Put it in the place of the three dots. Wanted: "


def as_text(verdict: Verdict) -> str:
    """Return the word, and below it why."""
    head = f"{visible(verdict.name)}: {_WORDS[verdict.right]}"
    return "\n".join([head, *indent(wrap(_said(verdict), 92))])


def as_html(verdict: Verdict) -> Html:
    """Return the word, and below it why. Colour never says it alone."""
    word = tag("strong", _WORDS[verdict.right], class_=_CLASSES[verdict.right])
    return section(
        tag("p", f"{verdict.name}: ", word, class_="nsx-p"),
        tag("p", escape(_said(verdict), 2 * _LONGEST), class_="nsx-p"),
    )


def _said(verdict: Verdict) -> str:
    said = visible(" ".join(verdict.said.split()), _LONGEST)
    return _WAITING + said if verdict.right is None else said

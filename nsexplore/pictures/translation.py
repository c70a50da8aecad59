"""Pictures of a translated ID: what it is in each user namespace on the way."""

from __future__ import annotations

from ..naming import namespace_name
from ..translation import Translation, TranslationStep
from ._html import Html, section, table, tag
from ._plain import columns, indent

__all__ = ["as_html", "as_text"]

_UNTOLD = "not known: no map of it could be read"


def as_text(translation: Translation) -> str:
    """Return the answer, and below it the way."""
    rows = columns(_rows(translation), _header(translation), right="lr")
    return "\n".join([translation.words, *indent(rows)])


def as_html(translation: Translation) -> Html:
    """Return the answer, and below it the way as a table."""
    return section(
        tag("p", translation.words, class_="nsx-p"),
        table("The way", _header(translation), _rows(translation)),
        heading=f"{translation.kind.upper()} {translation.given}, translated",
    )


def _header(translation: Translation) -> tuple[str, str, str]:
    return "user namespace", translation.kind, "shows as"


def _rows(translation: Translation) -> list[tuple[str, str, str]]:
    return [
        (namespace_name("user", step.namespace), *_cells(step, translation.overflow))
        for step in translation.steps
    ]


def _cells(step: TranslationStep, overflow: int) -> tuple[str, str]:
    if not step.told:
        return "-", _UNTOLD
    if step.id is None:
        return "no mapping", str(overflow)
    return str(step.id), str(step.id)

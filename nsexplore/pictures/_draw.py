"""Which value is drawn by what: the only table of its kind.

A value is known by the name of its class, or of one of the classes it
derives from: the classes that act are drawn without being imported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from .._renders import Renders
from . import command, idmap, process, timeline, view
from ._escape import visible
from ._html import Html, page

__all__ = ["fragment", "html", "mimebundle", "text"]


class _Picture(NamedTuple):
    as_text: Callable[[Any], str]
    as_html: Callable[[Any], Html]
    label: str


_PICTURES: Final = {
    "Command": _Picture(command.as_text, command.as_html, "Command"),
    "IDMap": _Picture(idmap.as_text, idmap.as_html, "ID map"),
    "ProcessView": _Picture(view.as_text, view.as_html, "Process"),
    "Namespace": _Picture(view.namespace_text, view.namespace_html, "Namespace"),
    "Capabilities": _Picture(view.capabilities_text, view.capabilities_html, "Capabilities"),
    "Timeline": _Picture(timeline.as_text, timeline.as_html, "Timeline"),
    "Process": _Picture(process.process_text, process.process_html, "Process"),
    "Completed": _Picture(process.completed_text, process.completed_html, "Completed process"),
    "Step": _Picture(process.step_text, process.step_html, "Stopped start"),
}


def mimebundle(value: object) -> dict[str, str]:
    """Return what a notebook shows: ``text/plain`` and ``text/html``.

    Raises
    ------
    TypeError
        For a value that has no picture.
    """
    return {"text/plain": text(value), "text/html": html(value)}


def text(value: object) -> str:
    """Return a value as plain aligned text, without colours: what ``print`` shows.

    Raises
    ------
    TypeError
        For a value that has no picture.
    """
    drawn = _picture(value).as_text(value)
    # HTML escapes whatever is not marked as markup; for text, this is the last gate.
    return "\n".join(visible(line, len(line), keep="\t") for line in drawn.split("\n"))


def html(value: object) -> str:
    """Return a value as HTML that stands alone: no script, nothing from elsewhere.

    Raises
    ------
    TypeError
        For a value that has no picture.
    """
    return page(fragment(value), _picture(value).label)


def fragment(value: object) -> Html:
    """Return a value as HTML to be put into a page that has the style sheet already."""
    return _picture(value).as_html(value)


def _picture(value: object) -> _Picture:
    if isinstance(value, Renders):
        for cls in type(value).__mro__:
            if cls.__name__ in _PICTURES:
                return _PICTURES[cls.__name__]
    known = ", ".join(_PICTURES)
    raise TypeError(f"{type(value).__name__!r} has no picture; there are some of {known}")

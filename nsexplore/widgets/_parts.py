"""What the explorer's parts are made of: pictures, words beside a control, and links."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, Final

import ipywidgets as w
import traitlets

from ..pictures._html import Html, escape, join, tag
from ..pictures._words import PRIVILEGED
from .model import Model

__all__ = [
    "Words",
    "boxed",
    "close_all",
    "in_thread",
    "lines",
    "paragraph",
    "picture",
    "processes",
    "show",
    "tie",
]

_LABELS: Final = {"max_uid": "MaxUID", "id_map": "ID map", "mount_proc": "Fresh /proc"}


def picture(markup: str = "", *classes: str) -> w.HTML:
    """Return a widget for a piece of a picture; there is none of it without markup."""
    widget = w.HTML()
    for name in classes:
        widget.add_class(name)
    show(widget, markup)
    return widget


def show(widget: w.HTML, markup: str) -> None:
    """Show markup, or nothing; what is shown already is left alone."""
    widget.value = markup
    widget.layout.display = None if markup else "none"


def boxed(*children: w.Widget, class_: str = "nsx-x-row") -> w.Box:
    """Return children in a box that the style sheet lays out."""
    box = w.Box(children)
    for name in class_.split():
        box.add_class(name)
    return box


def lines(text: str) -> Html:
    """Return text of several lines as markup."""
    return join((escape(line, 2000) for line in text.split("\n")), "<br>")


def paragraph(*children: object, class_: str = "", **attributes: object) -> Html:
    """Return a sentence of its own."""
    return tag("p", *children, class_=f"nsx-p {class_}".rstrip(), **attributes)


def processes(count: int) -> str:
    """Return a count of processes in words."""
    return "1 process" if count == 1 else f"{count} processes"


class Words:
    """What is to say of some controls, beside them: problems, warnings and notes.

    Parameters
    ----------
    controls : str
        Names as in ``Model.problems``.
    quiet : str
        What is said where there is nothing else to say.
    """

    def __init__(self, model: Model, *controls: str, quiet: str = "") -> None:
        self.widget = picture()
        self._model, self._controls, self._quiet = model, controls, quiet
        model.observe(self._tell, ["problems", "warnings", "notes"])
        self._tell()

    def _tell(self, change: object = None) -> None:
        model, said = self._model, []
        for name in self._controls:
            if why := model.problems.get(name):
                said.append(paragraph(tag("b", "✗ "), lines(why), class_="nsx-bad", role="alert"))
            if why := model.warnings.get(name):
                head = tag("b", "Probably refused: ")
                said.append(paragraph(head, lines(why), class_="nsx-x-doubt", role="status"))
        said += self._notes()
        if not said and self._quiet:
            said.append(paragraph(self._quiet, class_="nsx-mut"))
        show(self.widget, join(said))

    def _notes(self) -> Iterator[Html]:
        """Yield what the controls mean as they stand; which of them, where there are several."""
        about: dict[str, list[str]] = {}
        for name in self._controls:
            if name in self._model.notes:
                about.setdefault(self._model.notes[name], []).append(_LABELS.get(name, name))
        for note, labels in about.items():
            head = f"{', '.join(labels)}: " if len(self._controls) > 1 else ""
            class_ = "nsx-warn" if note == PRIVILEGED else "nsx-mut"
            yield paragraph(head, lines(note), class_=class_, role="status")


def tie(
    model: Model,
    name: str,
    widget: Any,
    shown: Callable[[Any], Any] = lambda value: value,
    meant: Callable[[Any], Any] = lambda value: value,
) -> None:
    """Keep a control and a trait of the model in step, whoever changes which.

    Parameters
    ----------
    shown : callable
        The widget's value for one of the trait. It may be coarser: what the model then
        shows is not taken for something that somebody has chosen.
    meant : callable
        The trait's value for one of the widget.
    """
    is_showing = False

    def to_widget(change: object = None) -> None:
        nonlocal is_showing
        before, is_showing = is_showing, True
        try:
            widget.value = shown(getattr(model, name))
        finally:
            is_showing = before

    def to_model(change: Any) -> None:
        if not is_showing:
            with suppress(traitlets.TraitError):
                setattr(model, name, meant(change.new))

    model.observe(to_widget, name)
    widget.observe(to_model, "value")
    to_widget()


def in_thread(act: Callable[[], Any], then: Callable[[Any], None]) -> asyncio.Task[None] | None:
    """Do something that takes long without holding up the event loop.

    Parameters
    ----------
    then : callable
        Called with what it returned or raised, in the loop's thread. Without a loop both
        are done at once.

    Returns
    -------
    asyncio.Task or None
        To be kept as long as it is wanted: a loop holds on to its tasks but weakly.
    """

    def outcome() -> Any:
        try:
            return act()
        except Exception as error:
            return error

    async def work() -> None:
        then(await asyncio.to_thread(outcome))

    try:
        return asyncio.get_running_loop().create_task(work())
    except RuntimeError:
        then(outcome())
        return None


def close_all(widgets: Iterable[w.Widget]) -> None:
    """Close widgets and all that belongs to them: ipywidgets itself leaves that open."""
    for widget in widgets:
        close_all(getattr(widget, "children", ()))
        for name in ("layout", "style"):
            with suppress(AttributeError):
                getattr(widget, name).close()
        widget.unobserve_all()
        widget.close()

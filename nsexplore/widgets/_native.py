"""What ipywidgets has not: elements of the browser's own, each with a small script beside this."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import traitlets
from anywidget import AnyWidget

__all__ = ["Choosable", "Line", "Pointer", "Range"]

_HERE: Final = Path(__file__).parent


class Range(AnyWidget):
    """A slider with places from 0 to `last`, and words for the one that it is at."""

    _esm = _HERE / "range.js"

    description = traitlets.Unicode().tag(sync=True)
    last = traitlets.Int(100).tag(sync=True)
    value = traitlets.Int(0).tag(sync=True)
    words = traitlets.Unicode().tag(sync=True)


class Line(AnyWidget):
    """A line of text that Enter sends, and its button.

    Parameters
    ----------
    send : callable
        Called with the line, without its end; returns whether it was taken. If not, it is
        there again to be sent later.
    """

    _esm = _HERE / "line.js"

    description = traitlets.Unicode().tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)

    def __init__(self, send: Callable[[str], bool], **traits: Any) -> None:
        super().__init__(**traits)
        self._take = send
        self.on_msg(self._heard)

    def _heard(self, widget: object, content: Any, buffers: object) -> None:
        line = content.get("line") if isinstance(content, dict) else None
        if isinstance(line, str) and not self._take(line):
            self.send({"refused": line})


class Choosable(AnyWidget):
    """A picture; its buttons have values, of which one, or none, is `chosen`."""

    _esm = _HERE / "choosable.js"

    markup = traitlets.Unicode().tag(sync=True)
    chosen = traitlets.Unicode().tag(sync=True)


class Pointer(AnyWidget):
    """Nothing to see: it tells where somebody points in the pictures of the box that it is in.

    Parameters
    ----------
    point : callable
        Called with the number of a picture and the place in it, from 0 to 1 each: to the right,
        and down; with None when nothing is pointed at any more.
    """

    _esm = _HERE / "pointer.js"

    def __init__(self, point: Callable[[tuple[int, float, float] | None], None]) -> None:
        super().__init__()
        self._point = point
        self.on_msg(self._heard)

    def _heard(self, widget: object, content: Any, buffers: object) -> None:
        if not isinstance(content, dict):
            return
        number, x, y = (content.get(name) for name in ("picture", "x", "y"))
        if isinstance(number, int) and isinstance(x, int | float) and isinstance(y, int | float):
            self._point((number, float(x), float(y)))
        else:
            self._point(None)

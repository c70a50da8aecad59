"""What the process writes, as it writes it; and its stdin."""

from __future__ import annotations

from typing import Final

import ipywidgets as w

from ..pictures._escape import visible
from ..pictures._html import Html, escape, join
from ._native import Line
from ._parts import Words, boxed, paragraph, picture, show
from .model import Model
from .output import Excerpt, Output

__all__ = ["OutputView", "as_pre"]

LAST: Final = 24_000
"""Characters of a stream that the page shows: all of them go there anew with each update."""


class OutputView:
    """Both streams, scrolled to their ends; a line to send; and how to read on."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._out, self._err = (self._stream(name) for name in ("stdout", "stderr"))
        self._err_heading = picture('<div class="nsx-h">stderr</div>')
        self._notices = picture()
        self._more = w.Button(description="Read on", tooltip="Read as much again of its output")
        self._more.on_click(lambda _: model.more())
        heading = picture('<div class="nsx-h">output</div>')
        self.widget = boxed(
            *(heading, self._out, self._err_heading, self._err, self._notices, self._more),
            *(self._stdin(), Words(model, "send", "output").widget),
            class_="nsx-x-column",
        )
        model.observe(self._draw, ["output", "state"])
        self._draw()

    def _stream(self, name: str) -> w.HTML:
        # The widget itself scrolls, not what is in it: that is replaced.
        widget = picture("", "nsx-x-scroll")
        widget.tooltip, widget.tabbable = f"{name} of the process", True
        return widget

    def _stdin(self) -> w.Widget:
        line = Line(lambda said: self._model.send(f"{said}\n"), description="stdin")
        line.add_class("nsx-x-line")
        end = w.Button(description="End of input")
        end.tooltip = "Close its stdin: it has read all there is"

        def enable(change: object = None) -> None:
            line.disabled = end.disabled = self._model.state != "running"

        end.on_click(lambda _: self._model.close_stdin())
        self._model.observe(enable, "state")
        enable()
        return boxed(line, end)

    def _draw(self, change: object = None) -> None:
        output: Output = self._model.output
        stderr = as_pre(output.stderr)
        waiting = "nothing yet" if self._model.state == "running" else "nothing"
        nothing = "" if stderr else paragraph(waiting, class_="nsx-mut")
        show(self._out, as_pre(output.stdout) or nothing)
        show(self._err, stderr)
        self._err_heading.layout.display = None if stderr else "none"
        said = (paragraph(notice, class_="nsx-mut", role="status") for notice in output.notices)
        show(self._notices, join(said))
        self._more.layout.display = None if output.waits else "none"


def as_pre(excerpt: Excerpt) -> Html:
    """Return the end of a stream, escaped and bounded; empty where there is nothing."""
    text = excerpt.text[-LAST:]
    if not text:
        return Html()
    shown = "\n".join(visible(line, LAST, keep="\t") for line in text.split("\n"))
    is_cut = not excerpt.is_whole or len(text) < len(excerpt.text)
    return Html(f'<pre class="nsx-pre">{"…" * is_cut}{_escaped(shown)}</pre>')


def _escaped(shown: str) -> str:
    # Bounded and made visible above, but for the lines and tabs, which stay what they are.
    return "\n".join(
        "\t".join(escape(cell, 2 * len(shown)) for cell in line.split("\t"))
        for line in shown.split("\n")
    )

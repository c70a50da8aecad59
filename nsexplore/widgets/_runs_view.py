"""What was run so far, and two of them side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ipywidgets as w

from ..pictures._escape import shell
from ..pictures._html import code, section, table
from ..pictures._words import duration
from ._parts import boxed, picture, show
from .comparison import compare
from .history import Run
from .model import Model

__all__ = ["RunsView"]


class RunsView:
    """A list of the runs, the newest first; the last two are compared until one chooses."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._list, self._compared = picture(), picture("", "nsx-x-compared")
        self._only = w.Checkbox(description="Only what differs", indent=False)
        self._only.observe(self._compare, "value")
        self._a, self._b = (
            w.Dropdown(description=name, style={"description_width": "initial"})
            for name in ("Compare", "with")
        )
        for choice in (self._a, self._b):
            choice.add_class("nsx-x-choice")
            choice.observe(self._compare, "value")
        self._choices = boxed(self._a, self._b, self._only, class_="nsx-x-row nsx-x-s")
        self._is_filling = False
        self.widget = boxed(self._list, self._choices, self._compared, class_="nsx-x-part")
        model.observe(self._fill, "history")
        self._fill()

    def _fill(self, change: object = None) -> None:
        runs: tuple[Run, ...] = self._model.history
        show(self._list, _listed(runs) if runs else "")
        self._choices.layout.display = None if len(runs) > 1 else "none"
        options = [(run.name, run.number) for run in runs]
        self._is_filling = True
        try:
            for choice, last in ((self._a, 2), (self._b, 1)):
                choice.options = options
                choice.value = runs[-last].number if len(runs) >= last else None
        finally:
            self._is_filling = False
        self._compare()

    def _compare(self, change: Any = None) -> None:
        if self._is_filling:
            return
        runs = {run.number: run for run in self._model.history}
        a, b = runs.get(self._a.value), runs.get(self._b.value)
        if a is None or b is None or len(runs) < 2:
            show(self._compared, "")
            return
        compared = compare(a, b)
        if self._only.value:
            compared = replace(compared, rows=compared.differing)
        show(self._compared, compared.as_html())


def _listed(runs: tuple[Run, ...]) -> str:
    rows = (
        (run.name, code(shell(run.command.args, 120)), run.ended, duration(run.timeline.total_us))
        for run in reversed(runs)
    )
    return section(table("runs", ("run", "command", "how it ended", "time to execve"), rows))

"""The table of a custom ID map, to be edited row by row."""

from __future__ import annotations

from typing import Any, Final

import ipywidgets as w

from ._parts import boxed, close_all, picture
from .controls import Row
from .model import Model

__all__ = ["RowsView"]

COLUMNS: Final = ("container_id", "host_id", "size")


class RowsView:
    """An editable table over one trait of the model.

    Parameters
    ----------
    trait : {"custom", "custom_groups"}
    whose : str
        ``"users"`` or ``"groups"``.
    """

    def __init__(self, model: Model, trait: str, whose: str) -> None:
        self._model, self._trait, self._whose = model, trait, whose
        self._is_filling = False
        self._rows = w.Box().add_class("nsx-x-rows")
        add = w.Button(description="Add a row", tooltip=f"Add a row to the map of {whose}")
        add.on_click(lambda _: self._put((*self._cells(), ("", "", ""))))
        heading = picture(f'<div class="nsx-h">map of {whose}: {", ".join(COLUMNS)}</div>')
        self.widget = boxed(heading, self._rows, add, class_="nsx-x-table")
        model.observe(self._fill, trait)
        model.observe(self._mark, ["marked", trait])
        self._fill()
        self._mark()

    def _cells(self) -> tuple[Row, ...]:
        return tuple(tuple(cell.value for cell in row.children[:3]) for row in self._rows.children)

    def _put(self, rows: tuple[Row, ...]) -> None:
        setattr(self._model, self._trait, rows)

    def _fill(self, change: object = None) -> None:
        """Show the model's rows; cells that stay are not made anew, or one could not type."""
        wanted = getattr(self._model, self._trait) or ()
        self._is_filling = True
        try:
            rows = self._rows.children
            self._rows.children = (
                *rows[: len(wanted)],
                *(self._row() for _ in range(len(wanted) - len(rows))),
            )
            close_all(rows[len(wanted) :])
            for box, row in zip(self._rows.children, wanted, strict=True):
                padded = (*row, "", "", "")[: max(3, len(row))]
                values = [*map(str, padded[:2]), " ".join(map(str, padded[2:]))]
                for cell, value in zip(box.children[:3], values, strict=True):
                    if cell.value.strip() != value:
                        cell.value = value
        finally:
            self._is_filling = False

    def _row(self) -> w.Box:
        cells = [
            w.Text(placeholder=name, tooltip=f"{name} of {self._whose}").add_class("nsx-x-cell")
            for name in COLUMNS
        ]
        for cell in cells:
            cell.observe(self._typed, "value")
        remove = w.Button(description="Remove", tooltip="Remove this row")
        row = boxed(*cells, remove, class_="nsx-x-maprow")
        remove.on_click(lambda _: self._remove(row))
        return row

    def _typed(self, change: Any) -> None:
        if not self._is_filling:
            self._put(self._cells())

    def _remove(self, row: w.Box) -> None:
        at = self._rows.children.index(row)
        cells = self._cells()
        self._put((*cells[:at], *cells[at + 1 :]))

    def _mark(self, change: object = None) -> None:
        for at, row in enumerate(self._rows.children):
            if self._model.marked == (self._trait, at):
                row.add_class("nsx-x-marked")
            else:
                row.remove_class("nsx-x-marked")

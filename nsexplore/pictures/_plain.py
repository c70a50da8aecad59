"""Aligned text for terminals: no colours, no control characters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ._escape import visible

__all__ = ["columns", "facts", "indent"]


def columns(
    rows: Iterable[Sequence[object]], header: Sequence[str] = (), *, right: str = ""
) -> list[str]:
    """Return rows as lines with aligned columns.

    Parameters
    ----------
    rows : iterable of sequences
        None is a dash; other cells are made visible and bounded.
    header : sequence of str
        The first line, if any.
    right : str
        One letter a column: ``r`` where it is aligned to the right, anything
        else to the left.
    """
    cells = [["-" if cell is None else visible(cell) for cell in row] for row in rows]
    if header:
        cells.insert(0, list(header))
    if not cells:
        return []
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    sides = [">" if side == "r" else "<" for side in right.ljust(len(widths))]
    return [
        "  ".join(
            f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)
        ).rstrip()
        for row in cells
    ]


def facts(rows: Iterable[tuple[str, object]]) -> list[str]:
    """Return names and what they are, one a line."""
    rows = list(rows)
    width = max((len(name) for name, _ in rows), default=0)
    # Not through `columns`: a long value (an argument vector) is bounded by who made it.
    return [f"{name:{width}}  {visible(value, 8192)}" for name, value in rows]


def indent(lines: Iterable[str], by: str = "  ") -> list[str]:
    """Return the lines, indented; empty ones stay empty."""
    return [by + line if line else line for line in lines]

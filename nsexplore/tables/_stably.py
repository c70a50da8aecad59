"""How IPython shows our frames in stable mode: symbols for numbers that no two runs share."""

from __future__ import annotations

import sys
from typing import Any, Final

import pandas as pd

from ..kinds import KINDS
from ..naming import in_words, is_stable, namespace_name, number_name, pid_name, tell_apart

__all__ = ["show_stably", "symbolic"]

_OURS: Final = "nsexplore"
"""The mark in ``DataFrame.attrs``, which choosing rows or columns keeps."""

_OF_THE_KIND: Final = ("inode", "reference_inode", "parent", "parent_inode")
_OF_USERS: Final = ("owner", "owner_inode", "member_of")
_CHANCE: Final = ("dev", "id", "unique_id", "start_us", "duration_us")


def show_stably(frame: pd.DataFrame) -> None:
    """Mark a frame as ours, and let IPython, where it runs, show such frames in stable mode."""
    frame.attrs[_OURS] = True
    if not is_stable():
        return
    _note(frame)
    if "IPython" not in sys.modules:
        return
    shell = sys.modules["IPython"].get_ipython()
    if shell is None:
        return
    formatters = shell.display_formatter.formatters
    formatters["text/plain"].for_type(pd.DataFrame, _text)
    formatters["text/plain"].for_type(pd.Series, _column_text)
    formatters["text/html"].for_type(pd.DataFrame, _html)


_kind_of: dict[int, str] = {}
"""The kinds of the inodes in frames, whose column ``type`` may be left out when they are shown."""


def _note(frame: pd.DataFrame) -> None:
    """Keep what a choice of columns may leave out: the kinds, and the IDs that tell apart."""
    if "inode" in frame.columns:
        inodes = zip(frame["inode"], _kinds(frame), strict=True)
        _kind_of.update((int(inode), kind) for inode, kind in inodes if not pd.isna(inode))
    unique = next((frame[name] for name in ("unique_id", "id") if name in frame.columns), None)
    if unique is None or "inode" not in frame.columns:
        return
    for kind, inode, one in zip(_kinds(frame), frame["inode"], unique, strict=True):
        if not (pd.isna(inode) or pd.isna(one)):
            tell_apart(kind, int(inode), int(one))


def _text(frame: pd.DataFrame, printer: Any, cycle: bool) -> None:
    printer.text(repr(symbolic(frame)))


def _column_text(column: Any, printer: Any, cycle: bool) -> None:
    printer.text(repr(symbolic(column.to_frame()).iloc[:, 0]))


def _html(frame: pd.DataFrame) -> Any:
    return symbolic(frame)._repr_html_()  # type: ignore[operator]


def symbolic(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame as it is shown in stable mode: itself, unless it is one of ours."""
    if not is_stable() or _OURS not in frame.attrs:
        return frame
    shown = frame.astype(object).copy()
    kinds = _kinds(frame)
    for at, name in enumerate(frame.columns):
        column = [
            _cell(str(name), kind, cell)
            for kind, cell in zip(kinds, frame.iloc[:, at], strict=True)
        ]
        shown.isetitem(at, column)
    return shown


def _kinds(frame: pd.DataFrame) -> list[str]:
    """Return the kind of namespace that each row is about."""
    if "type" in frame.columns:
        return [*map(str, frame["type"])]
    if frame.index.name == "type":
        return [*map(str, frame.index)]
    if "inode" in frame.columns:
        return [_kind_of.get(-1 if pd.isna(i) else int(i), "user") for i in frame["inode"]]
    return ["user"] * len(frame)  # ID maps and rights are about those


def _cell(column: str, kind: str, cell: Any) -> Any:
    if isinstance(cell, str):
        return in_words(cell)
    if not pd.api.types.is_scalar(cell):  # a reader's own column
        return in_words(str(cell))
    if cell is pd.NA or pd.isna(cell):  # the versions of pandas show it differently
        return "-"
    if column in ("pid", "ppid"):
        return pid_name(int(cell))
    if column in _CHANCE:
        return number_name(cell)
    if column in _OF_THE_KIND:
        return namespace_name(kind, int(cell))
    if column in _OF_USERS:
        return namespace_name("user", int(cell))
    whose = column.removesuffix("_ns")
    if whose != column and any(whose == k.name for k in KINDS):
        return namespace_name(whose, int(cell))
    return cell

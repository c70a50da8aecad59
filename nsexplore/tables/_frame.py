"""How every frame is made: its columns and dtypes, whatever it is made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from ..origin import Origin
from ._stably import show_stably

__all__ = ["make_frame", "origin_of", "wrong_type"]


def origin_of(x: object) -> Origin | None:
    return getattr(x, "recorded", None)


def wrong_type(x: object, accepted: str) -> TypeError:
    return TypeError(f"{type(x).__name__!r} is not accepted here: give {accepted}")


def _dtype(name: str) -> Any:
    return pd.api.types.pandas_dtype(name)


def make_frame(
    rows: Iterable[Sequence[Any]], dtypes: Mapping[str, str], *sources: object
) -> pd.DataFrame:
    # Column by column, each with its own dtype from the start: a column of None
    # and large integers would otherwise pass through float64 and lose digits.
    columns = list(zip(*rows, strict=True)) or [()] * len(dtypes)
    frame = pd.DataFrame(
        {
            name: pd.Series(list(values), dtype=_dtype(dtype))
            for (name, dtype), values in zip(dtypes.items(), columns, strict=True)
        }
    )
    marks = [origin.mark for origin in map(origin_of, sources) if origin is not None]
    # Text and HTML show it in the corner; choosing rows or columns keeps it.
    frame.columns.name = marks[0] if marks else None
    show_stably(frame)
    return frame

"""The log scale of IDs: where one stands on an axis, and which one stands where."""

from __future__ import annotations

import math
from typing import Final

from ._sentences import INVALID_ID

__all__ = ["LEFT", "RIGHT", "TOP", "WIDTH", "id_at", "middle", "span"]

WIDTH: Final = 480
LEFT: Final = 62.0
RIGHT: Final = 470.0
TOP: Final = 26.0
LEAST: Final = 5.0
"""How wide a single ID is drawn."""

_ZERO: Final = 20.0  # the room of ID 0, which a log scale does not have
_ROOM: Final = RIGHT - LEFT - _ZERO


def _x(number: int) -> float:
    """Return where an ID begins; one past the last ID is the end of the axis."""
    if number <= 0:
        return LEFT
    return LEFT + _ZERO + _ROOM * math.log(min(number, INVALID_ID)) / math.log(INVALID_ID)


def span(first: int, size: int, least: float) -> tuple[float, float]:
    """Return where a range of IDs begins and ends; it is drawn `least` wide or wider."""
    left = _x(first)
    right = left + least if (first, size) == (0, 1) else _x(first + size)
    if right - left < least:
        left = min(left, RIGHT - least)
        right = left + least
    return left, right


def middle(number: int) -> float:
    """Return where a single ID stands."""
    left, right = span(number, 1, LEAST)
    return (left + right) / 2


def id_at(x: float) -> int:
    """Return the ID that stands at a place; the nearest one beside the axis."""
    if x < LEFT + _ZERO:
        return 0
    part = min((x - LEFT - _ZERO) / _ROOM, 1.0)
    return min(round(math.exp(part * math.log(INVALID_ID))), INVALID_ID - 1)

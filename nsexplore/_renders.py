"""How a value shows itself: one mixin for all of them."""

from __future__ import annotations

from typing import Any

__all__ = ["Renders"]


class Renders:
    """A value that a notebook shows as text and as HTML.

    The pictures are looked up when somebody looks, never at import: this is
    the one place where a lower layer calls a higher one.
    """

    __slots__ = ()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return ``text/plain`` and ``text/html`` (and what else suits the value)."""
        from .pictures import mimebundle

        return mimebundle(self)

    def __str__(self) -> str:
        from .pictures import text

        return text(self)

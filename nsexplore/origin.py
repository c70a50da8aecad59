"""Where and when a recorded value was seen: the mark that it carries wherever it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ._frozen import FrozenMapping

if TYPE_CHECKING:
    from .views import Namespace

__all__ = ["Origin", "encodable", "printable"]


def printable(text: str, limit: int = 300) -> str:
    """Return the beginning of a string of somebody else's in one line, without control characters.

    Recorded words appear in errors and notices, too, which no picture escapes.
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:limit]
    )


def encodable(text: str) -> str:
    r"""Return a string of somebody else's as valid Unicode, which any file and any table takes.

    A byte that is no UTF-8 (a lone surrogate in Python) is shown as it looks in C: ``\xff``.
    """
    if text.isascii():
        return text
    try:
        data = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a surrogate that stands for no byte
        data = text.encode("utf-8", "backslashreplace")
    return data.decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where and when a recorded value was seen.

    Attributes
    ----------
    recorded_on : str
        ISO 8601, in UTC: ``"2026-11-23T18:10:00Z"``.
    system : str
        The machine it was seen on: ``"Linux 6.18.5 x86_64"``.
    note : str
        What whoever recorded it wants to say.
    reference : mapping of str to Namespace
        The namespaces of the process that recorded it: on another machine, what is
        new can only be told by comparing with them.

    Examples
    --------
    >>> print(Origin("2026-11-23T18:10:00Z", "Linux 6.18.5 x86_64"))
    recorded on 2026-11-23 · Linux 6.18.5 x86_64
    """

    recorded_on: str
    system: str
    note: str = ""
    reference: Mapping[str, Namespace] = field(default=FrozenMapping(), repr=False)

    @property
    def mark(self) -> str:
        """The shortest form: ``recorded on`` and the day."""
        return f"recorded on {self.recorded_on[:10]}"

    def __str__(self) -> str:
        return " · ".join(printable(word) for word in (self.mark, self.system, self.note) if word)

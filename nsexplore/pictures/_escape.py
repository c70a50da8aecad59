"""Strings that another process chose, made safe to look at.

A comm, a path or an output may hold terminal escapes, bidirectional
overrides, lone surrogates (undecodable bytes) or markup, and may be of any
length. Nothing in this package prints such a string but through `visible`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Final

__all__ = ["LIMIT", "OUTPUT_LIMIT", "output", "shell", "visible"]

LIMIT: Final = 300
"""Characters shown of one string."""

OUTPUT_LIMIT: Final = 4096
"""Characters shown of one output stream."""

_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(value: object, limit: int = LIMIT, *, keep: str = "") -> str:
    r"""Return a bounded, printable rendering of any string.

    Parameters
    ----------
    value : object
        Its ``str`` is shown.
    limit : int
        How many of its characters are shown; "… +N" counts the rest.
    keep : str
        Characters that stay although they are not printable.

    Returns
    -------
    str
        Whatever `str.isprintable` refuses (controls, format characters, lone
        surrogates, odd spaces) is a visible escape, such as ``\x1b`` or
        ``\u202e``.

    Examples
    --------
    >>> print(visible("\x1b[31mred"))
    \x1b[31mred
    """
    whole = str(value)
    shown = whole[:limit]
    if not shown.isprintable():
        shown = "".join(c if c.isprintable() or c in keep else _code(c) for c in shown)
    hidden = len(whole) - limit
    return shown if hidden <= 0 else f"{shown}… +{hidden}"


def output(stream: str, name: str) -> str:
    """Return the beginning of an output stream, its lines and tabs as they are.

    Parameters
    ----------
    stream : str
        What was read.
    name : str
        The attribute where the whole is found, such as ``".stdout"``.
    """
    shown = visible(stream[:OUTPUT_LIMIT], OUTPUT_LIMIT, keep="\n\t")
    hidden = len(stream) - OUTPUT_LIMIT
    if hidden <= 0:
        return shown
    return f"{shown}\n… {hidden} more character{'s' * (hidden != 1)} in {name}"


def shell(words: Iterable[str], limit: int = 3 * LIMIT) -> str:
    """Return an argument vector as one would type it in a shell, bounded.

    Words are quoted before they are made visible: a word with an escape in it
    is for looking at, not for pasting.
    """
    shown: list[str] = []
    left = limit
    words = list(words)
    for at, word in enumerate(words):
        if left <= 0:
            return f"{' '.join(shown)} … +{len(words) - at} arguments"
        quoted = shlex.quote(word[:left])
        cut = f"… +{len(word) - left}" if len(word) > left else ""
        shown.append(visible(quoted, 6 * limit) + cut)
        left -= len(quoted) + 1
    return " ".join(shown)


def _code(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"

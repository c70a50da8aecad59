"""Finding a program in PATH by the rules of Go's os/exec."""

from __future__ import annotations

import os

__all__ = ["look_path", "not_in_path"]


def look_path(name: str) -> tuple[str, str | None]:
    """Return (path, error): where the program is, or Go's words for why it cannot be run.

    A name with a slash is taken as it is. A bare name is looked up in this
    process's PATH; a hit through a relative entry is refused, and an empty or
    unset PATH finds nothing (os/exec of Go 1.19 and later).

    Examples
    --------
    >>> look_path("/no/such/file")
    ('/no/such/file', None)
    >>> look_path("")
    ('', 'exec: no command')
    """
    if not name:
        return "", not_in_path(name)
    if "/" in name:
        return name, None
    path = os.environ.get("PATH", "")
    for entry in path.split(":") if path else []:
        found = os.path.normpath(os.path.join(entry or ".", name))
        if found.startswith("//"):  # normpath keeps two slashes, Go one
            found = found[1:]
        if os.path.isdir(found) or not os.access(found, os.X_OK, effective_ids=_HAS_EACCESS):
            continue
        if not os.path.isabs(found):
            return (
                found,
                f"exec: {_quote(name)}: cannot run executable found relative to current directory",
            )
        return found, None
    return name, not_in_path(name)


def not_in_path(name: str) -> str:
    """Return Go's words for a program that is in none of the folders of PATH."""
    return (
        f"exec: {_quote(name)}: executable file not found in $PATH" if name else "exec: no command"
    )


_HAS_EACCESS = os.access in os.supports_effective_ids


_ESCAPES = {c: f"\\{e}" for c, e in zip('\a\b\f\n\r\t\v"\\', 'abfnrtv"\\', strict=True)}


def _quote(name: str) -> str:
    """Return the name as Go's strconv.Quote shows it."""
    return f'"{"".join(map(_quoted, name))}"'


def _quoted(character: str) -> str:
    number = ord(character)
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    if 0xDC80 <= number <= 0xDCFF:  # a byte that is no UTF-8, as os.fsdecode shows it
        number -= 0xDC00
    elif number >= 0x80:
        return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
    return f"\\x{number:02x}"

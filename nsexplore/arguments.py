"""Checking what a caller passes: every error names the argument."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from types import MappingProxyType
from typing import IO, Any

__all__ = ["Argument", "Stream", "as_descriptor", "as_environment", "as_file", "as_text"]

Argument = str | bytes | os.PathLike[str] | os.PathLike[bytes]
"""What a program, its arguments and folders may be given as."""

Stream = int | IO[Any] | None
"""What ``stdin``, ``stdout`` and ``stderr`` accept: None, PIPE, DEVNULL, STDOUT, a fd, a file."""


def as_text(name: str, value: Any) -> str:
    """Return a string for execve(2); `TypeError`, or `ValueError` for one with a NUL byte."""
    if not isinstance(value, str | bytes | os.PathLike):
        raise TypeError(f"{name} must be str, bytes or a path, not {value!r}")
    text = os.fsdecode(value)
    if "\0" in text:
        raise ValueError(f"{name}={text!r} contains a NUL byte, which ends a string in execve(2)")
    return text


def as_environment(env: Any) -> Mapping[str, str]:
    """Return an environment that nobody can change any more."""
    if not isinstance(env, Mapping):
        raise TypeError(f"env must be a mapping of str to str, not {env!r}")
    checked = {}
    for name, value in env.items():
        key = as_text("a name in env", name)
        if not key or "=" in key:
            raise ValueError(f"env: {key!r} is no name of a variable")
        checked[key] = as_text(f"env[{key!r}]", value)
    return MappingProxyType(checked)


def as_file(name: str, value: Stream) -> int | None:
    """Return the descriptor of a stream's file, None for /dev/null."""
    if value is None or (type(value) is int and value == subprocess.DEVNULL):
        return None
    return as_descriptor(name, value)


def as_descriptor(name: str, value: Any) -> int:
    """Return the open file descriptor of a file or an int.

    Raises
    ------
    TypeError, ValueError
        It is no file, or closed, or a descriptor that is not open here.
    """
    if isinstance(value, bool) or not (isinstance(value, int) or hasattr(value, "fileno")):
        raise TypeError(f"{name} must be an open file or a file descriptor, not {value!r}")
    try:
        fd = value if isinstance(value, int) else value.fileno()
    except (ValueError, OSError) as error:
        raise ValueError(f"{name} has no file descriptor: {error}") from None
    if fd < 0:
        raise ValueError(f"{name}={fd} is no file descriptor")
    try:
        os.fstat(fd)
    except (OSError, OverflowError):
        raise ValueError(f"{name}: file descriptor {fd} is not open in this process") from None
    return fd

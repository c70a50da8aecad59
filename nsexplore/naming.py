"""Stable names: what a notebook shows is the same in every run.

Inodes, PIDs and durations differ from run to run, so an output that has them
cannot be compared with the saved one. In stable mode pictures and tables show
symbols instead: ``net:#2`` is the second network namespace that was shown
(``#1`` is this process's own), ``#3`` the third process. PID 1 stays 1, and the
values themselves stay what they are: only what is shown changes.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import Final

from .kinds import KINDS
from .views import NamespaceID

__all__ = ["in_words", "is_stable", "namespace_name", "number_name", "pid_name", "stable"]


class _Numbers:
    """What was shown so far, numbered in the order in which it was shown."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[int, int]] = {}
        for kind in KINDS:
            with suppress(OSError):
                self.of(kind.name, os.stat(f"/proc/self/ns/{kind.name}").st_ino)
        self.of("pid of a process", os.getpid())

    def of(self, kind: str, number: int) -> int:
        seen = self._seen.setdefault(kind, {})
        return seen.setdefault(number, len(seen) + 1)


_numbers: _Numbers | None = None


def stable(on: bool = True) -> None:
    """Show names that are the same in every run, such as ``net:#2`` for ``net:[4026532186]``.

    For notebooks whose outputs are compared (nbval): call it in the first cell. Each
    call begins to count anew. Pictures and tables show the symbols (tables where IPython
    shows them); the values are what they are: ``namespace.ino`` stays the inode.
    In text, durations are left out.

    Parameters
    ----------
    on : bool
        False goes back to numbers.

    Examples
    --------
    >>> from nsexplore import inspect
    >>> stable()
    >>> print(inspect(os.getpid()).namespaces["net"].link == "net:#1")
    False
    >>> namespace_name("net", inspect(os.getpid()).namespaces["net"].id)
    'net:#1'
    >>> stable(False)
    """
    global _numbers
    _numbers = _Numbers() if on else None


def is_stable() -> bool:
    """Return whether names are shown instead of numbers."""
    return _numbers is not None


def namespace_name(kind: str, identity: NamespaceID | int) -> str:
    """Return how a namespace is shown: ``net:[4026532186]``, or ``net:#2`` in stable mode."""
    inode = identity if isinstance(identity, int) else identity.ino
    return f"{kind}:[{inode}]" if _numbers is None else f"{kind}:#{_numbers.of(kind, inode)}"


def pid_name(pid: int) -> str:
    """Return how a PID is shown: ``4711``, or ``#3`` in stable mode; 0 and 1 stay."""
    if _numbers is None or pid in (0, 1):
        return str(pid)
    return f"#{_numbers.of('pid of a process', pid)}"


def number_name(number: object) -> str:
    """Return how a number is shown that no two runs share: a device, an ID that is never reused."""
    return str(number) if _numbers is None else "…"


_LINK: Final = re.compile(r"\b([a-z]+)(_for_children)?:\[([0-9]+)\]")
_PROC: Final = re.compile(r"(?<=/proc/)[0-9]+\b")


def in_words(text: str) -> str:
    """Return a text in which links of namespaces and paths below /proc/PID are named stably."""
    if _numbers is None:
        return text
    text = _LINK.sub(lambda m: namespace_name(m[1], int(m[3])), text)
    return _PROC.sub(lambda m: pid_name(int(m[0])), text)

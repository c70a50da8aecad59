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
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from .kinds import KINDS
from .views import Namespace, NamespaceID

__all__ = [
    "in_words",
    "is_stable",
    "namespace_name",
    "number_name",
    "pid_name",
    "recorded_by",
    "stable",
    "tell_apart",
]


class _Numbers:
    """What was shown so far, numbered in the order in which it was shown.

    Inodes are used again once a namespace has ended: where the kernel tells the ID that
    never is, the next namespace of an inode gets the next number.
    """

    def __init__(self) -> None:
        self._seen: dict[str, dict[int, int]] = {}
        self._last: dict[str, int] = {}
        self._unique: dict[tuple[str, int], int] = {}
        self._own: dict[str, int] = {}
        for kind in KINDS:
            with suppress(OSError):
                self._own[kind.name] = os.stat(f"/proc/self/ns/{kind.name}").st_ino
        for name, number in {**self._own, _PID: os.getpid()}.items():
            self.note_ours(name, number)
        for name, numbers in _recorders.items():
            for number in numbers:
                self.note_recorders(name, number)

    def of(self, kind: str, number: int) -> int:
        seen = self._seen.setdefault(kind, {})
        if number not in seen:
            seen[number] = self._last[kind] = self._last.get(kind, 0) + 1
        return seen[number]

    def tell_apart(self, kind: str, inode: int, unique: int) -> None:
        if self._unique.setdefault((kind, inode), unique) != unique:
            self._unique[kind, inode] = unique
            self._seen.get(kind, {}).pop(inode, None)

    def note_ours(self, kind: str, number: int) -> None:
        self._seen.setdefault(kind, {})[number] = 1
        self._last.setdefault(kind, 1)

    def note_recorders(self, kind: str, number: int) -> None:
        # What has our inode is another machine's, then: the lowest free ones are given out.
        # Once only: afterwards that inode may have a number of its own.
        own = self._own.pop(kind, number)
        if own != number:
            self._seen[kind].pop(own)
        self.note_ours(kind, number)


_PID: Final = "PID"

_numbers: _Numbers | None = None
_recorders: dict[str, set[int]] = {}
"""Namespaces and PIDs of processes that have recorded what is shown here: theirs are #1, too."""


def recorded_by(namespaces: Mapping[str, Namespace | NamespaceID], pid: int | None = None) -> None:
    """Show the namespaces and the PID of whoever recorded something as this process's own."""
    found = [(kind, namespace.ino) for kind, namespace in namespaces.items()]
    for name, number in [*found, *([(_PID, pid)] if pid is not None else [])]:
        _recorders.setdefault(name, set()).add(number)
        if _numbers is not None:
            _numbers.note_recorders(name, number)


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


def namespace_name(kind: str, identity: Namespace | NamespaceID | int) -> str:
    """Return how a namespace is shown: ``net:[4026532186]``, or ``net:#2`` in stable mode.

    Given a `Namespace`, one that has got the inode of another one is known as such.
    """
    inode = identity if isinstance(identity, int) else identity.ino
    if _numbers is None:
        return f"{kind}:[{inode}]"
    if isinstance(identity, Namespace):
        tell_apart(kind, inode, identity.unique_id)
    return f"{kind}:#{_numbers.of(kind, inode)}"


def tell_apart(kind: str, inode: int, unique_id: int | None) -> None:
    """Take a namespace for another one than that which had its inode before, where it is."""
    if _numbers is not None and unique_id is not None:
        _numbers.tell_apart(kind, inode, unique_id)


def pid_name(pid: int) -> str:
    """Return how a PID is shown: ``4711``, or ``#3`` in stable mode; 0 and 1 stay."""
    if _numbers is None or pid in (0, 1):
        return str(pid)
    return f"#{_numbers.of(_PID, pid)}"


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

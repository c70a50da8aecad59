"""What is left of a run: a value to list, to show and to compare."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from .._frozen import FrozenMapping
from ..command import Command
from ..kinds import KINDS
from ..pictures._words import exit_status
from ..timeline import Timeline
from ..views import NamespaceID, ProcessView

__all__ = ["BEGINNING", "Run", "own_namespaces"]

BEGINNING = 4096
"""Bytes of each stream that a run keeps: the first ones."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the explorer, from Run or Step to its end.

    Attributes
    ----------
    number : int
        Counted from 1 in each explorer.
    command : Command
        What was asked of the kernel.
    birth : ProcessView or None
        The process just before execve.
    timeline : Timeline
        The steps of its start.
    returncode : int
        Its exit status; ``-N`` if signal N ended it.
    stdout, stderr : str
        The beginning of what it wrote.
    written : (int, int)
        Bytes of both that were read.
    ended : str
        How, in words.
    here : mapping of str to NamespaceID
        This process's own namespaces by kind: what is not one of them was new.
    """

    number: int
    command: Command
    birth: ProcessView | None
    timeline: Timeline
    returncode: int
    stdout: str
    stderr: str
    written: tuple[int, int]
    ended: str
    here: Mapping[str, NamespaceID]

    def __post_init__(self) -> None:
        object.__setattr__(self, "here", FrozenMapping(self.here))

    @property
    def name(self) -> str:
        """What tells it from others: ``#2 MaxUID 65535``."""
        users = self.command.uid_mappings
        if users is None:
            return f"#{self.number} privileged"
        root = users.to_host(0)
        is_garden = [*map(str, users)] == [f"0 {root} 1", f"1 1 {(root or 0) - 1}"]
        return f"#{self.number} " + (f"MaxUID {root}" if is_garden else f"root is {root}")


def how_it_ended(returncode: int, *, stopped: bool) -> str:
    """Return in words how a run ended."""
    return exit_status(returncode) + (", by Stop" if stopped and returncode < 0 else "")


def own_namespaces() -> dict[str, NamespaceID]:
    """Return this process's own namespaces, as far as they can be seen."""
    found = {}
    for kind in KINDS:
        try:
            status = os.stat(f"/proc/self/ns/{kind.name}")
        except OSError:
            continue
        found[kind.name] = NamespaceID(status.st_dev, status.st_ino)
    return found

"""Who lives with a process: its descendants, as far as one looks."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from .procfs import number_in_proc, parse_status, read_text

__all__ = ["Inhabitant", "Inhabitants", "inhabitants"]

MOST: Final = 64
"""Processes that are looked at, and threads of each: an explorer does so again and again."""


@dataclass(frozen=True, slots=True)
class Inhabitant:
    """One process inside.

    Attributes
    ----------
    number : int
        Its number in the /proc that is mounted here.
    pid_inside : int
        Its PID in its own PID namespace.
    comm : str
        The name it goes by; it may choose any.
    state : str
        As in /proc/PID/status: ``S (sleeping)``.
    depth : int
        0 for the process itself, 1 for its children …
    """

    number: int
    pid_inside: int
    comm: str
    state: str
    depth: int


@dataclass(frozen=True, slots=True)
class Inhabitants:
    """A process and its descendants, each behind its parent.

    Attributes
    ----------
    processes : tuple of Inhabitant
    is_whole : bool
        False: there are more than one looks at.
    """

    processes: tuple[Inhabitant, ...] = ()
    is_whole: bool = True


def inhabitants(pidfd: int, most: int = MOST) -> Inhabitants:
    """Look at a process and its descendants now; none where it has ended.

    Two processes that are children of none of them, such as those that another one put
    into the namespace, are not seen: this asks the parents.
    """
    found: list[Inhabitant] = []
    with suppress(OSError, ValueError):
        whole = _walk(number_in_proc(pidfd), None, 0, found, most)
        return Inhabitants(tuple(found), whole)
    return Inhabitants()


def _walk(number: int, parent: int | None, depth: int, found: list[Inhabitant], most: int) -> bool:
    """Add a process and its descendants; return whether all were looked at."""
    if len(found) >= most or depth >= most:
        return False
    status = parse_status(read_text(f"/proc/{number}/status"))
    if parent is not None and status.get("PPid") != str(parent):
        return True  # it has ended, and the number is another's
    pid = int(status.get("NSpid", str(number)).split()[-1])
    found.append(Inhabitant(number, pid, status.get("Name", ""), status.get("State", ""), depth))
    tasks = sorted(map(int, os.listdir(f"/proc/{number}/task")))
    whole = len(tasks) <= most
    for task in tasks[:most]:
        with suppress(OSError, ValueError):
            for child in read_text(f"/proc/{number}/task/{task}/children").split():
                with suppress(OSError, ValueError):  # it has ended meanwhile
                    whole &= _walk(int(child), number, depth + 1, found, most)
                if len(found) >= most and not whole:
                    return False
    return whole

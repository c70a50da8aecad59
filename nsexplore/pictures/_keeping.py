"""What keeps a namespace alive, and how a process is called: in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from ..naming import in_words, pid_name
from ..snapshot import SeenNamespace, SeenProcess, Sighting, Snapshot
from ._escape import visible

__all__ = ["command_of", "held", "is_held_by_processes", "keeps", "process_name", "sighting_words"]

COMMAND: Final = 48
"""Characters shown of a command in a line with other things."""


def command_of(process: SeenProcess, limit: int = COMMAND) -> str:
    """Return its command, or for want of one the name it goes by, as ps(1) shows it."""
    return visible(process.command, limit) if process.command else f"[{visible(process.comm, 32)}]"


def process_name(process: SeenProcess) -> str:
    """Return its PID and its command."""
    return f"{pid_name(process.pid)} {command_of(process)}"


def is_held_by_processes(seen: SeenNamespace, snapshot: Snapshot) -> bool:
    """Return whether a process is in it: then there is nothing to wonder at."""
    return bool(snapshot.members(seen.id)) or any(s.place == "process" for s in seen.sightings)


def keeps(seen: SeenNamespace, snapshot: Snapshot) -> str:
    """Return what keeps a namespace alive: its processes, or else whatever holds it."""
    members = snapshot.members(seen.id)
    if not members:
        return held(seen, snapshot)
    oldest = process_name(members[0])
    if len(members) == 1:
        return f"1 process: {oldest}"
    return f"{len(members)} processes, the oldest: {oldest}"


def held(seen: SeenNamespace, snapshot: Snapshot) -> str:
    """Return what keeps a namespace alive in which no process is."""
    holders = [s for s in seen.sightings if s.place in _WORDS]
    if holders:
        more = f", and {len(holders) - 1} more" if len(holders) > 1 else ""
        return sighting_words(holders[0], snapshot) + more
    places = {s.place for s in seen.sightings}
    if "process" in places:
        return "processes that are not shown here"
    if "parent" in places:
        return "only its children"
    if "owner" in places:
        return "only what it owns"
    return "what holds it was not seen"


def sighting_words(sighting: Sighting, snapshot: Snapshot | None = None) -> str:
    """Return one place where a namespace was found, in words."""
    words = _WORDS.get(sighting.place)
    return words(sighting, _who(sighting, snapshot)) if words else _detail(sighting, "")


def _who(sighting: Sighting, snapshot: Snapshot | None) -> str:
    if sighting.pid is None:
        return "a process"
    process = snapshot.process(sighting.pid) if snapshot else None
    if process is None:
        return f"process {pid_name(sighting.pid)}"
    return f"process {pid_name(process.pid)} ({command_of(process)})"


def _detail(sighting: Sighting, instead: str) -> str:
    # Thread IDs, links and paths below /proc are other ones in the next run.
    detail = re.sub(r"(?<=^thread )\d+", lambda m: pid_name(int(m[0])), sighting.detail)
    return visible(in_words(detail), 80) or instead


_WORDS: Final[dict[str, Callable[[Sighting, str], str]]] = {
    "children": lambda s, who: f"the children to come of {who}",
    "thread": lambda s, who: f"{_detail(s, 'a thread')} of {who}",
    "fd": lambda s, who: f"{_detail(s, 'a file descriptor')} of {who}",
    "socket": lambda s, who: f"{_socket(s)} of {who}",
    "mount": lambda s, who: f"bind mount {_detail(s, '')}".rstrip(),
}


def _socket(sighting: Sighting) -> str:
    detail = _detail(sighting, "")
    return detail if "socket" in detail else f"socket {detail}".rstrip()

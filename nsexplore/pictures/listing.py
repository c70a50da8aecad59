"""All namespaces of a snapshot, a line each, as lsns(8) prints them: for terminals."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache
from typing import Final

from ..naming import namespace_name, pid_name
from ..snapshot import SeenNamespace, SeenProcess, Snapshot
from ._escape import visible
from ._keeping import command_of, held
from ._plain import columns

__all__ = ["listing", "missing"]

_HEADER: Final = ("TYPE", "NAMESPACE", "PROCS", "PID", "USER", "OWNER", "CONTAINER", "COMMAND")
_RIGHT: Final = "llrrllll"
_COMMAND: Final = 300


def listing(snapshot: Snapshot, kinds: Collection[str] = (), width: int | None = None) -> list[str]:
    """Return a line a namespace, below a header.

    Where no process is in it, what keeps it stands in parentheses in place of a command.

    Parameters
    ----------
    snapshot : Snapshot
    kinds : collection of str
        Only these; all by default.
    width : int, optional
        Of the terminal: longer lines are cut.
    """
    seen = (ns for ns in snapshot.seen_namespaces if not kinds or ns.kind in kinds)
    lines = columns((_row(snapshot, ns) for ns in seen), _HEADER, right=_RIGHT)
    if width is None:
        return lines
    return [line if len(line) <= width else f"{line[: width - 1]}…" for line in lines]


def _row(snapshot: Snapshot, ns: SeenNamespace) -> tuple[object, ...]:
    members = snapshot.members(ns.id)
    lowest = min(members, key=lambda process: process.pid, default=None)
    owner = None if ns.namespace.owner is None else namespace_name("user", ns.namespace.owner)
    name = namespace_name(ns.kind, ns.namespace)
    if lowest is None:
        return ns.kind, name, 0, None, None, owner, None, f"({held(ns, snapshot)})"
    user, command = _user(lowest, snapshot), command_of(lowest, _COMMAND)
    return (
        *(ns.kind, name, len(members), pid_name(lowest.pid), user),
        *(owner, lowest.container, command),
    )


def _user(process: SeenProcess, snapshot: Snapshot) -> str | None:
    if process.credentials is None:
        return None
    uid = process.credentials.euid
    # The names of this machine would be wrong for another one's.
    return str(uid) if snapshot.recorded else _login(uid)


@cache
def _login(uid: int) -> str:
    try:
        import pwd  # not on every system

        return pwd.getpwuid(uid).pw_name
    except (ImportError, KeyError):
        return str(uid)


def missing(snapshot: Snapshot) -> Iterator[str]:
    """Yield a sentence for each thing that could not be read."""
    for what, count in snapshot.hidden.items():
        yield f"not readable: {visible(what, 100)}: {count}"
    yield from (visible(note) for note in snapshot.notes)

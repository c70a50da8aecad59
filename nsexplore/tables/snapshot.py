"""The tables of a whole machine: its namespaces, processes and ID maps, and what changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, Final

import pandas as pd

from ..comparing import Change
from ..kinds import KINDS
from ..origin import encodable
from ..snapshot import SeenNamespace, SeenProcess, Snapshot
from ..views import Credentials, NamespaceID
from ._frame import make_frame

__all__ = [
    "ID_MAPS",
    "NAMESPACES",
    "PROCESSES",
    "changes_frame",
    "id_maps_of",
    "map_rows",
    "namespace_rows",
    "namespaces_of",
    "process_rows",
    "processes_of",
]

NAMESPACES: Final = {
    "type": "string",
    "inode": "int64",
    "dev": "int64",
    "id": "UInt64",
    "nprocs": "int64",
    "pid": "Int64",
    "ppid": "Int64",
    "command": "string",
    "uid": "Int64",
    "user": "string",
    "path": "string",
    "netnsid": "Int64",
    "nsfs": "string",
    "parent": "Int64",
    "owner": "Int64",
    "depth": "Int64",
    "owner_uid": "Int64",
    "found": "string",
    "container": "string",
}
_IDS: Final = ("uid", "euid", "gid", "egid")
PROCESSES: Final = {
    "pid": "int64",
    "ppid": "int64",
    "pid_inside": "int64",
    "comm": "string",
    "command": "string",
    "threads": "int64",
    **dict.fromkeys(_IDS, "Int64"),
    "user": "string",
    **dict.fromkeys((f"{name}_inside" for name in _IDS), "Int64"),
    "container": "string",
    **dict.fromkeys((f"{kind.name}_ns" for kind in KINDS), "Int64"),
}
ID_MAPS: Final = {
    "inode": "int64",
    "depth": "Int64",
    "parent": "Int64",
    "map": "string",
    "container_id": "int64",
    "host_id": "int64",
    "size": "int64",
}
_CHANGES: Final = {
    "change": "string",
    "what": "string",
    "type": "string",
    "inode": "Int64",
    "pid": "Int64",
    "command": "string",
    "field": "string",
    "before": "string",
    "after": "string",
}

_NONE: Final = (None,) * len(_IDS)


def namespaces_of(snapshot: Snapshot) -> pd.DataFrame:
    """Return the frame behind `Snapshot.namespaces`."""
    return make_frame(namespace_rows(snapshot), NAMESPACES, snapshot)


def namespace_rows(snapshot: Snapshot) -> Iterator[tuple[Any, ...]]:
    """Yield its rows."""
    name_of = _names(snapshot)
    return (_namespace(seen, snapshot, name_of) for seen in snapshot.seen_namespaces)


def _namespace(
    seen: SeenNamespace, snapshot: Snapshot, name_of: Callable[[int | None], str | None]
) -> tuple[Any, ...]:
    namespace, members = seen.namespace, snapshot.members(seen.id)
    lowest = min(members, key=lambda process: process.pid, default=None)
    who: tuple[Any, ...] = (None,) * 6
    if lowest is not None:
        uid = lowest.credentials.euid if lowest.credentials else None
        who = (
            lowest.pid,
            lowest.ppid,
            _unicode(lowest.command or lowest.comm),
            uid,
            name_of(uid),
            f"/proc/{lowest.pid}/ns/{namespace.kind}",
        )
    return (
        namespace.kind,
        namespace.ino,
        namespace.dev,
        namespace.unique_id,
        len(members),
        *who,
        seen.netnsid,
        _unicode(", ".join(seen.mounts)) or None,
        _inode(namespace.parent),
        _inode(namespace.owner),
        snapshot.depth(seen.id),
        namespace.owner_uid,
        ", ".join(dict.fromkeys(s.place for s in seen.sightings)),
        _container(lowest),
    )


def processes_of(snapshot: Snapshot) -> pd.DataFrame:
    """Return the frame behind `Snapshot.processes`."""
    return make_frame(process_rows(snapshot), PROCESSES, snapshot)


def process_rows(snapshot: Snapshot) -> Iterator[tuple[Any, ...]]:
    """Yield its rows."""
    name_of, inside_of = _names(snapshot), _inside(snapshot)
    kinds = [kind.name for kind in KINDS]
    for process in snapshot.seen_processes:
        namespaces, credentials = process.namespaces, process.credentials
        yield (
            process.pid,
            process.ppid,
            process.nspid[-1] if process.nspid else process.pid,
            _unicode(process.comm),
            _unicode(process.command),
            process.threads,
            *_ids(credentials),
            name_of(credentials.euid if credentials else None),
            *inside_of(namespaces.get("user"), credentials),
            _container(process),
            *(_inode(namespaces.get(kind)) for kind in kinds),
        )


def id_maps_of(snapshot: Snapshot) -> pd.DataFrame:
    """Return the frame behind `Snapshot.id_maps`."""
    return make_frame(map_rows(snapshot), ID_MAPS, snapshot)


def map_rows(snapshot: Snapshot) -> Iterator[tuple[Any, ...]]:
    """Yield its rows."""
    for seen in snapshot.seen_namespaces:
        whose = (seen.id.ino, snapshot.depth(seen.id), _inode(seen.namespace.parent))
        for name, id_map in (("uid", seen.uid_map), ("gid", seen.gid_map)):
            for line in id_map or ():
                yield (*whose, name, line.container_id, line.host_id, line.size)


def changes_frame(changes: Iterable[Change], *sources: Snapshot) -> pd.DataFrame:
    """Return the frame behind `Snapshot.diff`."""
    rows = (
        (
            change.change,
            change.what,
            change.type,
            change.inode,
            change.pid,
            *map(_unicode, (change.command, change.field, change.before, change.after)),
        )
        for change in changes
    )
    return make_frame(rows, _CHANGES, *sources)


# -- cells ----------------------------------------------------------------------


def _inode(identity: NamespaceID | None) -> int | None:
    return None if identity is None else identity.ino


def _container(process: SeenProcess | None) -> str | None:
    container = process.container if process else None
    return None if container is None else _unicode(str(container))


def _unicode(text: str | None) -> str | None:
    # A byte that is no UTF-8 (a lone surrogate) fits neither Arrow's strings nor a file.
    return None if text is None else encodable(text)


def _names(snapshot: Snapshot) -> Callable[[int | None], str | None]:
    """Return what finds the name of a UID: only here, where the snapshot was taken."""

    @cache
    def name_of(uid: int | None) -> str | None:
        if uid is None or snapshot.recorded is not None:
            return None
        try:
            from pwd import getpwuid  # here, since the module must import on any system

            return getpwuid(uid).pw_name
        except (ImportError, KeyError):
            return None

    return name_of


def _ids(credentials: Credentials | None) -> tuple[int | None, ...]:
    if credentials is None:
        return _NONE
    return credentials.uid, credentials.euid, credentials.gid, credentials.egid


def _inside(
    snapshot: Snapshot,
) -> Callable[[NamespaceID | None, Credentials | None], tuple[int | None, ...]]:
    """Return what tells the IDs of a process as it counts itself."""
    ours = snapshot.here.get("user")

    @cache
    def inside(
        identity: NamespaceID | None, credentials: Credentials | None
    ) -> tuple[int | None, ...]:
        if identity is None or credentials is None:
            return _NONE
        # Our own map leads to our parent, so it says nothing of what we see ourselves.
        if identity == ours:
            return _ids(credentials)
        seen = snapshot.namespace(identity)
        if seen is None or seen.uid_map is None or seen.gid_map is None:
            return _NONE
        return _ids(credentials.inside(seen.uid_map, seen.gid_map))

    return inside

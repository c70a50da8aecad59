"""Snapshots for tests: made up, or of a few processes, read by `inspect` and nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from nsexplore.idmap import IDMap
from nsexplore.inspecting import inspect
from nsexplore.snapshot import SeenNamespace, SeenProcess, Snapshot
from nsexplore.views import Namespace, NamespaceID, ProcessView

FULL = IDMap([(0, 0, 2**32 - 1)])
"""What the initial user namespace maps."""

INITIAL = 0xEFFFFFFD
NS_DEV = 4


def identity(inode: int) -> NamespaceID:
    return NamespaceID(NS_DEV, inode)


def user(inode: int, parent: int | None = None, **changes: Any) -> SeenNamespace:
    """Make up a user namespace; by default its creator is root and it maps nothing."""
    above = None if parent is None else identity(parent)
    owner_uid = changes.pop("owner_uid", 0)
    changes = {"uid_map": IDMap(), "gid_map": IDMap()} | changes
    return SeenNamespace(
        Namespace("user", NS_DEV, inode, owner=above, parent=above, owner_uid=owner_uid), **changes
    )


def made_up(
    namespaces: Sequence[SeenNamespace],
    processes: Sequence[SeenProcess] = (),
    here: Mapping[str, int] | None = None,
) -> Snapshot:
    """Make up a snapshot, taken in the initial user namespace by default."""
    kinds = {"user": INITIAL} if here is None else here
    return Snapshot(
        host="machine",
        boot_id="00000000-0000-0000-0000-000000000000",
        taken_ns=1,
        here={kind: identity(inode) for kind, inode in kinds.items()},
        seen_namespaces=tuple(namespaces),
        seen_processes=tuple(processes),
    )


def process(pid: int, namespaces: Mapping[str, int], **changes: Any) -> SeenProcess:
    """Make up a process."""
    found = {kind: identity(inode) for kind, inode in namespaces.items()}
    return SeenProcess(pid, 1, 1, "sleep", "sleep 60", (pid,), 1, found, **changes)


def snapshot_of(*targets: Any) -> Snapshot:
    """Look at this process and at these; only namespaces that one of them is in are there."""
    views = [inspect(os.getpid()), *map(inspect, targets)]
    namespaces: dict[NamespaceID, SeenNamespace] = {}
    for view in views:
        for kind, namespace in view.namespaces.items():
            maps = (view.uid_map, view.gid_map) if kind == "user" else (None, None)
            seen = SeenNamespace(namespace, uid_map=maps[0], gid_map=maps[1])
            namespaces.setdefault(namespace.id, seen)
    return Snapshot(
        host=os.uname().nodename,
        boot_id="",
        taken_ns=1,
        here=_identities(views[0]),
        seen_namespaces=tuple(namespaces.values()),
        seen_processes=tuple(map(_seen, views)),
    )


def _identities(view: ProcessView) -> dict[str, NamespaceID]:
    return {kind: namespace.id for kind, namespace in view.namespaces.items()}


def _seen(view: ProcessView) -> SeenProcess:
    return SeenProcess(
        view.pid,
        view.ppid,
        1,
        view.comm,
        " ".join(view.cmdline),
        view.nspid,
        1,
        _identities(view),
        view.credentials,
        None if view.capabilities is None else view.capabilities.effective,
    )

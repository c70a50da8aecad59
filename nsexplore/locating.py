"""Which namespace or process of a snapshot is meant: by PID, by inode, by what one has of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .kinds import kind_of_name
from .parting import integer, pid_of
from .snapshot import SeenNamespace, SeenProcess, Snapshot
from .views import Namespace, NamespaceID

__all__ = [
    "INITIAL_USER",
    "CannotTellError",
    "below_here",
    "initial_user",
    "namespace_in",
    "process_in",
]

INITIAL_USER: Final = 0xEFFFFFFD
"""The inode of the initial user namespace on every machine (PROC_USER_INIT_INO, since 3.8)."""

_LOWEST_INODE: Final = 0xEFFFFFF8  # of any namespace (include/linux/proc_ns.h)
_MOST_PIDS: Final = 1 << 22  # PID_MAX_LIMIT


class CannotTellError(LookupError):
    """What was asked for cannot be told from where the snapshot was taken."""


def namespace_in(snapshot: Snapshot, target: object, kind: str = "user") -> SeenNamespace:
    """Return the namespace of one kind that a target is, or that it is in.

    Parameters
    ----------
    snapshot : Snapshot
    target : object
        ``"here"``; a NamespaceID, Namespace or SeenNamespace; an inode or a PID (no inode
        is as small as a PID); or what has a ``pid`` or ``namespaces``, such as a Process,
        a ProcessView or a SeenProcess.
    kind : str

    Raises
    ------
    TypeError, ValueError
        It is nothing of these, or a namespace of another kind.
    LookupError
        The snapshot does not have it. `ProcessLookupError` for a process.
    CannotTellError
        The process was seen, but not which namespace it is in.
    """
    kind_of_name(kind)
    identity = _identity(snapshot, target, kind)
    seen = snapshot.namespace(identity)
    if seen is None:
        raise LookupError(f"{kind}:[{identity.ino}] is not in this snapshot")
    if seen.kind != kind:
        owner = seen.namespace.owner
        hint = f"; user:[{owner.ino}] owns it" if owner and kind == "user" else ""
        raise ValueError(f"{seen.namespace.link} is no {kind} namespace{hint}")
    return seen


def process_in(snapshot: Snapshot, target: object) -> SeenProcess:
    """Return the process that is meant by a PID, or by what has a ``pid``.

    Raises
    ------
    TypeError, ValueError
        It is no PID.
    ProcessLookupError
        The snapshot does not have it.
    """
    if isinstance(target, SeenProcess):
        return target
    pid = _pid(target)
    process = snapshot.process(pid)
    if process is None:
        raise ProcessLookupError(f"process {pid} is not in this snapshot")
    return process


def below_here(snapshot: Snapshot, identity: NamespaceID | None) -> bool:
    """Return whether a user namespace is known to be the snapshot's own, or below it.

    The kernel tells the parents of these alone (ioctl_ns(2)).
    """
    here = snapshot.here.get("user")
    if identity is None or here is None:
        return False
    return identity == here or any(seen.id == here for seen in snapshot.ancestors(identity))


def initial_user(snapshot: Snapshot) -> NamespaceID:
    """Return the identity of the machine's initial user namespace, which need not be in sight."""
    devices = (identity.dev for identity in snapshot.here.values())
    return NamespaceID(next(devices, 0), INITIAL_USER)


def _identity(snapshot: Snapshot, target: object, kind: str) -> NamespaceID:
    if isinstance(target, str):
        if target != "here":
            raise ValueError(f'{target!r} is no namespace: the only one with a name is "here"')
        return _in(snapshot.here, kind, "the process that took the snapshot")
    if isinstance(target, NamespaceID):
        return target
    if isinstance(target, Namespace | SeenNamespace):
        return target.id
    namespaces = getattr(target, "namespaces", None)
    if isinstance(namespaces, Mapping):  # it says itself, as it was seen then
        return _in(namespaces, kind, f"process {getattr(target, 'pid', '?')}")
    number = integer(target)
    if number is not None and number >= _LOWEST_INODE:
        return _of_inode(snapshot, number)
    birth = getattr(target, "birth", None)
    if birth is not None and snapshot.process(_pid(target)) is None:  # it has ended
        return _in(birth.namespaces, kind, f"process {_pid(target)}")
    process = process_in(snapshot, target)
    return _in(process.namespaces, kind, f"process {process.pid}")


def _in(namespaces: Mapping[str, Any], kind: str, whose: str) -> NamespaceID:
    found = namespaces.get(kind)
    if found is None:
        raise CannotTellError(f"which {kind} namespace {whose} is in could not be read")
    return found if isinstance(found, NamespaceID) else NamespaceID(found.dev, found.ino)


def _of_inode(snapshot: Snapshot, inode: int) -> NamespaceID:
    found = {seen.id for seen in snapshot.seen_namespaces if seen.id.ino == inode}
    if not found:
        raise LookupError(f"no namespace with inode {inode} is in this snapshot")
    if len(found) > 1:
        raise LookupError(f"{len(found)} namespaces have inode {inode}: give a NamespaceID")
    return found.pop()


def _pid(target: object) -> int:
    number = pid_of(target)
    if not 0 < number <= _MOST_PIDS:
        raise ValueError(f"{number} is no PID: they go from 1 to {_MOST_PIDS}")
    return number

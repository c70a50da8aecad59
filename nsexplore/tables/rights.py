"""Who may do what, and who owns what, as tables."""

from __future__ import annotations

import stat
from contextlib import suppress
from typing import Final

import pandas as pd

from ..arguments import Argument
from ..denial import verdicts
from ..owning import Owner, owners
from ..snapshot import Snapshot
from ..views import NamespaceID
from ._frame import make_frame

__all__ = ["who_owns", "why_denied"]

_DENIED: Final = {
    "operation": "string",
    "capability": "string",
    "kind": "string",
    "resource": "Int64",
    "owner": "Int64",
    "member_of": "Int64",
    "has_there": "boolean",
    "allowed": "boolean",
    "why": "string",
    "source": "string",
}
_OWNS: Final = {
    "seen_from": "string",
    "inode": "Int64",
    "uid": "Int64",
    "gid": "Int64",
    "user": "string",
    "group": "string",
    "mode": "string",
    "mapped": "boolean",
    "words": "string",
}


def why_denied(
    target: object, what: str | None = None, *, snapshot: Snapshot | None = None
) -> pd.DataFrame:
    """Tell what the root of somewhere may do, and by which rule.

    It is capabilities that are judged, and the user namespace that owns what they are
    needed for. A security module, a seccomp filter or the file system may forbid more.

    Parameters
    ----------
    target : int, Process or ProcessView
        A PID as this process counts them, or what has one.
    what : str, optional
        The name of an operation ("set the hostname") or of its system call
        ("sethostname"); or a capability ("CAP_NET_ADMIN"): then over everything that it may
        be asked for. By default all operations that are known.
    snapshot : Snapshot, optional
        What is known of the machine; by default `nsexplore.discover` looks now.

    Returns
    -------
    pandas.DataFrame
        A row for each capability that an operation needs; columns ``operation``,
        ``capability``, ``kind`` (of the resource; "machine" where no namespace isolates
        it), ``resource``, ``owner`` (the user namespace in which it is asked for) and
        ``member_of`` (the process's; all three inodes, Int64), ``has_there`` (boolean;
        <NA> where it cannot be told, or none is needed), ``allowed`` (boolean: it has all
        that the operation needs), ``why`` (the rule in words), ``source``.

    Raises
    ------
    TypeError, ValueError
        `target` is no PID; `what` is nothing that is known: lists what is.
    ProcessLookupError
        The process was not seen.
    """
    snapshot = _discovered(snapshot)
    rows = (
        (
            v.operation,
            v.capability,
            v.kind,
            _inode(v.resource),
            _inode(v.owner),
            _inode(v.member_of),
            v.held,
            v.allowed,
            v.why,
            v.source,
        )
        for v in verdicts(snapshot, target, what)
    )
    return make_frame(rows, _DENIED, snapshot)


def who_owns(
    path: Argument, target: object = None, *, snapshot: Snapshot | None = None
) -> pd.DataFrame:
    """Tell who owns a path, as seen from here and from inside.

    Parameters
    ----------
    path : str, bytes or path
        Symbolic links are followed. With a `target` it begins at ``/``, the target's root.
    target : int or Process, optional
        A PID as this process counts them, or what has one: the path is looked up in its
        root and mount namespace, and seen from its user namespace and those between. By
        default it is this process's path, seen from every user namespace of the machine.
    snapshot : Snapshot, optional
        What is known of the machine; by default `nsexplore.discover` looks now.

    Returns
    -------
    pandas.DataFrame
        A row for each user namespace, this process's first; columns ``seen_from`` ("here",
        "between", "target" or "elsewhere"), ``inode`` (of the user namespace, Int64),
        ``uid`` and ``gid`` (what stat(2) shows there, Int64), ``user`` and ``group`` (their
        names here; <NA> elsewhere, where they may be others), ``mode``, ``mapped``
        (boolean; <NA> where it cannot be told), ``words``.

    Raises
    ------
    TypeError, ValueError
        `path` is no path, or relative though another process's; `target` is no PID.
    LookupError
        The process (`ProcessLookupError`) or its user namespace was not seen.
    OSError
        There is nothing at that path, or this process may not look.
    """
    snapshot = _discovered(snapshot)
    rows = (
        (
            owner.seen_from,
            owner.namespace.ino,
            owner.uid,
            owner.gid,
            *_names(owner),
            stat.filemode(owner.mode),
            owner.mapped,
            owner.words,
        )
        for owner in owners(snapshot, path, target)
    )
    return make_frame(rows, _OWNS, snapshot)


def _discovered(snapshot: Snapshot | None) -> Snapshot:
    if snapshot is not None:
        return snapshot
    from ..discovering import discover

    return discover()


def _names(owner: Owner) -> tuple[str | None, str | None]:
    """Return the names of user and group where our own files have them right: here."""
    if owner.seen_from != "here":
        return None, None
    import grp
    import pwd

    user = group = None
    if owner.uid is not None:
        with suppress(KeyError):
            user = pwd.getpwuid(owner.uid).pw_name
    if owner.gid is not None:
        with suppress(KeyError):
            group = grp.getgrgid(owner.gid).gr_name
    return user, group


def _inode(identity: NamespaceID | None) -> int | None:
    return None if identity is None else identity.ino

"""`translate`: what a user or group ID is elsewhere on this machine."""

from __future__ import annotations

from typing import Literal

from .idmap import OVERFLOW_ID
from .procfs import read_text
from .snapshot import Snapshot
from .translation import Translation, translation_of

__all__ = ["overflow_of", "translate"]


def translate(
    id: int,
    from_ns: object,
    to_ns: object,
    *,
    kind: Literal["uid", "gid"] = "uid",
    snapshot: Snapshot | None = None,
) -> Translation:
    """Translate an ID from one user namespace to another, through nesting.

    Parameters
    ----------
    id : int
        A user or group ID, from 0 to 4294967294.
    from_ns, to_ns : object
        Which user namespaces: a NamespaceID, an inode, a Namespace or SeenNamespace; or the
        one that a PID, a Process or a ProcessView is in; or ``"here"``. A small integer is a
        PID: no inode of a namespace is as small.
    kind : {"uid", "gid"}
        Which of the two maps.
    snapshot : Snapshot, optional
        What is known of the machine; by default `nsexplore.discover` looks now.

    Returns
    -------
    Translation
        Its ``id`` is None where there is no mapping: then it shows as ``shown``.

    Raises
    ------
    TypeError, ValueError
        What was given is no ID, no user namespace, no kind.
    LookupError
        No such namespace or process (as `ProcessLookupError`) was seen; or, as
        `CannotTellError`, the answer cannot be had from here: in an ancestor of one's own
        user namespace, or beside it, or where a map could not be read.
    """
    if snapshot is None:
        from .discovering import discover

        snapshot = discover()
    return translation_of(
        snapshot, id, from_ns, to_ns, kind=kind, overflow=overflow_of(snapshot, kind)
    )


def overflow_of(snapshot: Snapshot, kind: Literal["uid", "gid"] = "uid") -> int:
    """Return what an ID without a mapping shows as: this machine's, but for a recording."""
    if snapshot.recorded is None:
        try:
            return int(read_text(f"/proc/sys/kernel/overflow{kind}"))
        except (OSError, ValueError):  # another system, or /proc is masked
            pass
    return OVERFLOW_ID

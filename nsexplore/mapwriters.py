"""This process as the writer of an ID map: its IDs, its own map, its capabilities."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal

from .capabilities import CapabilitySet
from .idmap import IDMap, MapWriter

__all__ = ["writer_now"]

_SELF: Final = Path("/proc/self")
_SET_IDS: Final = {"uid": "CAP_SETUID", "gid": "CAP_SETGID"}


def writer_now(kind: Literal["uid", "gid"], setgroups_denied: bool) -> MapWriter:
    """Return this process as the writer of a map of a new child user namespace.

    The new namespace's parent is this process's own user namespace, so all
    that `MapWriter` holds is what this process sees of itself: its effective
    IDs, the inside of its own map, the capabilities that CapEff lists.

    Parameters
    ----------
    kind : {"uid", "gid"}
        Which of the two files it is to write.
    setgroups_denied : bool
        Whether it writes "deny" to /proc/PID/setgroups before. Where its own
        namespace says "deny", the new one does from the start.

    Raises
    ------
    OSError
        Where /proc/self cannot be read: no /proc, or not Linux.

    Examples
    --------
    >>> writer = writer_now("uid", setgroups_denied=False)
    >>> IDMap.rootless().validate(writer=writer)  # doctest: +SKIP
    IDMap(mappings=(IDMapping(container_id=0, host_id=1000, size=1),))
    """
    if kind not in _SET_IDS:
        raise ValueError(f"kind={kind!r} is neither 'uid' nor 'gid'")
    effective = _effective()
    return MapWriter(
        euid=os.geteuid(),
        egid=os.getegid(),
        parent=IDMap.parse((_SELF / f"{kind}_map").read_text()),
        can_set_ids=_SET_IDS[kind] in effective,
        can_set_fcap="CAP_SETFCAP" in effective,
        setgroups_denied=setgroups_denied or (_SELF / "setgroups").read_text() == "deny\n",
    )


def _effective() -> CapabilitySet:
    for line in (_SELF / "status").read_text(errors="replace").splitlines():
        if line.startswith("CapEff:"):
            return CapabilitySet(int(line.split()[1], 16))
    raise OSError("/proc/self/status has no CapEff line: this is no Linux kernel's /proc")

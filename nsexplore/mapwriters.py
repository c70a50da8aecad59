"""This process as the writer of an ID map: its IDs, its own map, its capabilities."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from .capabilities import CapabilitySet
from .idmap import IDMap, MapWriter

__all__ = ["Writers", "denies_setgroups", "writer_now", "writers_now", "writes_any_map"]

_SELF: Final = Path("/proc/self")
_SET_IDS: Final = {"uid": "CAP_SETUID", "gid": "CAP_SETGID"}


@dataclass(frozen=True, slots=True)
class Writers:
    """This process as the writer of both maps, and what limits its setuid programs.

    Attributes
    ----------
    uid, gid : MapWriter
        Before anything is written to setgroups.
    no_new_privs : bool
        No program that it executes gets any privilege by its setuid bit.
    bounding : CapabilitySet
        What such a program can get at most.
    """

    uid: MapWriter
    gid: MapWriter
    no_new_privs: bool
    bounding: CapabilitySet


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
    return _writer(kind, setgroups_denied or denies_setgroups(), _effective(_status()))


def writers_now() -> Writers:
    """Return this process as the writer of both maps.

    Raises
    ------
    OSError
        As in `writer_now`.
    """
    status, denied = _status(), denies_setgroups()
    effective = _effective(status)
    return Writers(
        _writer("uid", denied, effective),
        _writer("gid", denied, effective),
        status.get("NoNewPrivs") == "1",
        CapabilitySet(int(status.get("CapBnd", "0"), 16)),
    )


def writes_any_map() -> bool:
    """Return whether this process has both CAP_SETUID and CAP_SETGID.

    Raises
    ------
    OSError
        As in `writer_now`.
    """
    effective = _effective(_status())
    return all(name in effective for name in _SET_IDS.values())


def denies_setgroups() -> bool:
    """Return whether this process's user namespace denies setgroups; those below it do then, too.

    Raises
    ------
    OSError
        As in `writer_now`.
    """
    return (_SELF / "setgroups").read_text() == "deny\n"


def _writer(kind: Literal["uid", "gid"], denied: bool, effective: CapabilitySet) -> MapWriter:
    return MapWriter(
        euid=os.geteuid(),
        egid=os.getegid(),
        parent=IDMap.parse((_SELF / f"{kind}_map").read_text()),
        can_set_ids=_SET_IDS[kind] in effective,
        can_set_fcap="CAP_SETFCAP" in effective,
        setgroups_denied=denied,
    )


def _status() -> dict[str, str]:
    lines = (_SELF / "status").read_text(errors="replace").split("\n")
    fields = (line.partition(":") for line in lines)
    return {name: value.strip() for name, _, value in fields}


def _effective(status: dict[str, str]) -> CapabilitySet:
    if "CapEff" not in status:
        raise OSError("/proc/self/status has no CapEff line: this is no Linux kernel's /proc")
    return CapabilitySet(int(status["CapEff"], 16))

"""The ID maps of a start: which they are, and who writes them.

Garden's map and a map of one's own choice are what they are. ``"rootless"`` is
what this user may map here: everything that /etc/subuid and /etc/subgid give
him, or one ID, and then it says why.

A process with CAP_SETUID and CAP_SETGID writes any map itself, and any other
process one line with its own ID; what else is in the user's ranges, newuidmap
and newgidmap write for it.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, NoReturn

from . import maphelpers, subids
from .command import Command
from .errors import IDMapError
from .idmap import IDMap, IDMapping, MapWriter
from .mapwriters import Writers, denies_setgroups, writer_now, writers_now, writes_any_map
from .procfs import max_valid_id
from .subids import SubIDRange, SubIDs

__all__ = ["NO_MAPS", "Maps", "custom_maps", "garden_maps", "refusal", "rootless_maps"]

MOST: Final = 100
"""Ranges of one user that are mapped: a map has to fit in a page."""

Kind = Literal["uid", "gid"]


@dataclass(frozen=True, slots=True)
class Maps:
    """The maps of a new user namespace, and who writes them: the fields of a `Command`."""

    uid: IDMap | None
    gid: IDMap | None
    setgroups: bool
    newuidmap: str | None = None
    newgidmap: str | None = None
    notes: tuple[str, ...] = ()


NO_MAPS: Final = Maps(None, None, False)
"""Without a user namespace."""


def garden_maps(max_uid: int | None) -> Maps:
    """Return garden's map for users and groups, of the largest valid ID by default.

    Raises
    ------
    IDMapError
        The largest valid ID here is below 2.
    """
    if max_uid is not None:
        idmap = IDMap.garden(max_uid)
        return Maps(idmap, idmap, True)
    largest = max_valid_id()
    try:
        idmap = IDMap.garden(largest)
    except IDMapError as error:
        raise IDMapError(
            f"garden's map needs valid IDs up to 2 at least, and the largest one here is"
            f' {largest} (/proc/self/uid_map and gid_map): use id_map="rootless"',
            errno=error.errno,
            line=error.line,
            rule=error.rule,
        ) from None
    return Maps(idmap, idmap, True)


# -- what this user may map -------------------------------------------------------


def rootless_maps(max_uid: int | None = None) -> Maps:
    """Return the largest maps that this user may have.

    Parameters
    ----------
    max_uid : int, optional
        Who root inside is to be: oneself (the default), or an ID in the ranges
        of both files.

    Raises
    ------
    IDMapError
        `max_uid` can be had here by nobody, or not by this user.
    """
    if not hasattr(os, "geteuid"):
        IDMap.rootless()  # says what is missing
    own = (os.geteuid(), os.getegid())
    mine = subids.own()
    if mine.missing:
        return _one_id(*own, max_uid, mine.missing)
    try:
        writers = writers_now()
    except OSError as error:
        return _one_id(*own, max_uid, f"/proc/self cannot be read ({error.strerror})")
    uids = _mapped_here(mine.uids, writers.uid.parent)
    gids = _mapped_here(mine.gids, writers.gid.parent)
    for ranges, file in ((uids, subids.SUBUID), (gids, subids.SUBGID)):
        if not ranges:
            why = f"no ID that {file} gives to {mine.user} exists in this user namespace"
            return _one_id(*own, max_uid, why)
    newuidmap, newgidmap, why = _helpers(
        mine, writers, not writers.uid.can_set_ids, not writers.gid.can_set_ids
    )
    if why:
        return _one_id(*own, max_uid, why)
    if max_uid is not None:
        _check_root(max_uid, own, mine.user, uids, gids)
    uid_map, cut_uids = _full(own[0], uids, max_uid)
    gid_map, cut_gids = _full(own[1], gids, max_uid)
    note = f"the first {MOST} ranges only: a map has to fit in a page"
    return Maps(
        uid_map,
        gid_map,
        not writers.gid.setgroups_denied,
        newuidmap,
        newgidmap,
        (note,) if cut_uids or cut_gids else (),
    )


@lru_cache(maxsize=16)
def _one_id(uid: int, gid: int, max_uid: int | None, why: str) -> Maps:
    if max_uid is not None and not max_uid == uid == gid:
        if uid == gid:
            allowed = f"root inside can be {uid} only, oneself"
        else:
            allowed = f"root inside is oneself, UID {uid} and GID {gid}: leave max_uid out"
        _refuse_root(max_uid, f"only one ID can be mapped, since {why}", allowed)
    return Maps(
        IDMap.rootless(uid), IDMap.rootless(gid), False, notes=(f"one ID only, since {why}",)
    )


def _full(own: int, ranges: Sequence[SubIDRange], root: int | None) -> tuple[IDMap, bool]:
    """Return root, the ranges in their order, and oneself, if not root; and whether some lack."""
    first = own if root is None else root
    taken = [SubIDRange("", number, 1) for number in {first, own}]
    rest = [part for line in ranges[:MOST] for part in subids.without(line, taken)]
    if first != own:
        rest.append(SubIDRange("", own, 1))
    lines = [IDMapping(0, first, 1)]
    for part in rest:
        lines.append(IDMapping(lines[-1].container_end, part.start, part.count))
    return IDMap(lines), len(ranges) > MOST


def _mapped_here(ranges: Sequence[SubIDRange], parent: IDMap) -> list[SubIDRange]:
    """Return the ranges as far as they exist in our user namespace, cut where its lines end."""
    return [
        part
        for line in ranges
        for m in parent
        for part in subids.common(line, (m.container_id, m.container_end))
    ]


def _check_root(
    root: int, own: tuple[int, int], user: str, uids: list[SubIDRange], gids: list[SubIDRange]
) -> None:
    files = ((own[0], uids, subids.SUBUID), (own[1], gids, subids.SUBGID))
    bad = [file for me, ranges, file in files if root != me and not _covered(root, 1, ranges)]
    if not bad:
        return
    both = [part for u in uids for g in gids for part in subids.common(u, (g.start, g.end))]
    choices = [f"{own[0]} (oneself)"] if own[0] == own[1] else []
    choices += [f"{part} (in both files)" for part in both[:4]] + ["…"] * (len(both) > 4)
    why = f"it lies in no range for {user} in {' or '.join(bad)}, and is not one's own ID"
    if len(bad) == 1:
        why += f" (root inside is {root} as a user and as a group: it must lie in both files)"
    _refuse_root(root, why, f"root inside can be {', '.join(choices) or 'oneself: leave it out'}")


def _refuse_root(root: int, why: str, allowed: str) -> NoReturn:
    raise IDMapError(
        f'max_uid={root} cannot be root inside with id_map="rootless": {why}; {allowed}',
        errno=errno.EPERM,
        line=1,
        rule=why,
    )


# -- a map of one's own choice ----------------------------------------------------


def custom_maps(id_map: IDMap, gid_map: IDMap) -> Maps:
    """Return the maps, with the helpers where it takes them and they would write them.

    What neither we nor they may write is left to the kernel to refuse: a plan
    may be looked at anywhere.
    """
    try:
        if writes_any_map():
            return Maps(id_map, gid_map, not denies_setgroups())
        writers = writers_now()
    except OSError:  # no /proc: nothing can be started here, and root could
        return Maps(id_map, gid_map, True)
    # Without CAP_SETGID the kernel asks for "deny" before gid_map.
    setgroups = writers.gid.can_set_ids and not writers.gid.setgroups_denied
    mine = subids.own()
    by_uid = _takes_helper("uid", id_map, writers.uid, mine.uids)
    by_gid = _takes_helper("gid", gid_map, writers.gid, mine.gids)
    newuidmap, newgidmap, why = _helpers(mine, writers, by_uid, by_gid)
    if newgidmap and not writers.gid.setgroups_denied:
        # newgidmap's own rule: it denies setgroups unless a range is in use.
        setgroups = any(_covered(m.host_id, m.size, mine.gids) for m in gid_map)
    names = [name for name, takes in (("newuidmap", by_uid), ("newgidmap", by_gid)) if takes]
    note = f"the kernel will refuse this map, which takes {' and '.join(names)}: {why}"
    return Maps(id_map, gid_map, setgroups, newuidmap, newgidmap, (note,) if why else ())


def _takes_helper(
    kind: Kind, idmap: IDMap, writer: MapWriter, ranges: Sequence[SubIDRange]
) -> bool:
    """Whether a map is not ours to write, and newuidmap (newgidmap) would write it."""
    return (
        not _may_write(kind, idmap, replace(writer, setgroups_denied=True))
        and all(
            (m.size == 1 and m.host_id == (writer.euid if kind == "uid" else writer.egid))
            or _covered(m.host_id, m.size, ranges)
            for m in idmap
        )
        and _may_write(kind, idmap, replace(writer, can_set_ids=True, can_set_fcap=True))
    )


def _may_write(kind: Kind, idmap: IDMap, writer: MapWriter) -> bool:
    try:
        idmap.validate(kind=kind, writer=writer)
    except IDMapError:
        return False
    return True


def _covered(first: int, size: int, ranges: Sequence[SubIDRange]) -> bool:
    # As shadow does it: ranges that touch each other count as one.
    return not subids.without(SubIDRange("", first, size), ranges)


# -- the helpers ------------------------------------------------------------------


def _helpers(
    mine: SubIDs, writers: Writers, uid: bool, gid: bool
) -> tuple[str | None, str | None, str]:
    """Return the paths of those that are needed, and why they cannot be used, or ""."""
    newuidmap = newgidmap = None
    why = ""
    if uid:
        newuidmap, why = _helper("newuidmap", mine, writers)
    if gid and not why:
        newgidmap, why = _helper("newgidmap", mine, writers)
    return (None, None, why) if why else (newuidmap, newgidmap, "")


def _helper(name: maphelpers.Helper, mine: SubIDs, writers: Writers) -> tuple[str | None, str]:
    why = _no_use(name, mine, writers)
    return (None, why) if why else maphelpers.find(name)


_TAKES: Final = {"newuidmap": "CAP_SETUID", "newgidmap": "CAP_SETGID"}


def _no_use(name: maphelpers.Helper, mine: SubIDs, writers: Writers) -> str:
    """Return what newuidmap and newgidmap would stumble over, or ""."""
    if writers.no_new_privs:
        return f"no_new_privs is set, so that {name}, a setuid program, has no effect"
    if (capability := _TAKES[name]) not in writers.bounding:
        return f"{name} cannot get {capability}, which the bounding set lacks"
    if (os.getuid(), os.getgid()) != (os.geteuid(), os.getegid()):
        return f"{name} asks for real IDs that are the effective ones"
    if mine.login_gid is None:
        return f"{name} asks for a name, and UID {mine.user} has none (getent passwd)"
    if os.getgid() != mine.login_gid and not _other_groups_granted():
        return f"{name} asks for the login group, {mine.login_gid}, and the group is {os.getgid()}"
    return ""


def _other_groups_granted() -> bool:
    try:
        text = Path("/etc/login.defs").read_text(errors="replace")
    except OSError:
        return False
    return bool(re.search(r"^\s*GRANT_AUX_GROUP_SUBIDS\s+\"?yes\b", text, re.M | re.I))


# -- what the kernel refuses ------------------------------------------------------


def refusal(command: Command, kind: Kind) -> str:
    """Return what the kernel refuses us of a map, and what may be had instead; or ""."""
    idmap = command.uid_mappings if kind == "uid" else command.gid_mappings
    if idmap is None:
        return ""
    denied = not command.gid_mappings_enable_setgroups
    try:
        writer = writer_now(kind, setgroups_denied=denied)
        idmap.validate(kind=kind, writer=writer)
    except OSError:
        return ""
    except IDMapError as error:
        line = "the map" if error.line is None else f"line {error.line} ({idmap[error.line - 1]})"
        return f"{line} is not allowed: {_allowed(kind, writer)}"
    return ""


def _allowed(kind: Kind, writer: MapWriter) -> str:
    own = writer.euid if kind == "uid" else writer.egid
    if writer.can_set_ids:
        return "this process may map what has a mapping in its own user namespace"
    mine = subids.own()
    ranges = mine.uids if kind == "uid" else mine.gids
    shown = ", ".join(map(str, ranges[:4])) + ", …" * (len(ranges) > 4)
    through = f", or {own} and {shown} through new{kind}map" if ranges else ""
    return f"{mine.user} may map {own} alone{through}"

"""Tables of commands, ID maps, processes and timelines."""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping
from errno import errorcode
from typing import Any, Final

import pandas as pd

from ..capabilities import CAPABILITY_NAMES, Capabilities, CapabilitySet
from ..command import Command
from ..flags import CloneFlags
from ..idmap import IDMap
from ..kinds import KINDS
from ..process import Completed, Process
from ..recording import Recording
from ..stepping import Step
from ..timeline import Timeline
from ..views import Namespace, NamespaceID, ProcessView
from ._frame import make_frame, origin_of, wrong_type

__all__ = [
    "PROCESS_NAMESPACES",
    "capabilities_frame",
    "clone_flags_frame",
    "id_map_frame",
    "namespaces_frame",
    "timeline_frame",
]

_FLAGS: Final = {
    "type": "string",
    "flag": "string",
    "value": "int64",
    "hex": "string",
    "set": "bool",
    "isolates": "string",
    "since": "string",
    "man": "string",
}
_ID_MAP: Final = {"map": "string", "container_id": "int64", "host_id": "int64", "size": "int64"}
PROCESS_NAMESPACES: Final = {
    "inode": "int64",
    "link": "string",
    "reference_inode": "Int64",
    "new": "bool",
    "dev": "int64",
    "owner": "string",
    "owner_inode": "Int64",
    "parent_inode": "Int64",
    "owner_uid": "Int64",
    "unique_id": "UInt64",
}
_TIMELINE: Final = {
    "step": "string",
    "syscall": "string",
    "by": "string",
    "start_us": "float64",
    "duration_us": "float64",
    "errno": "int64",
    "error": "string",
}
_CAPABILITY_SETS: Final = ("inheritable", "permitted", "effective", "bounding", "ambient")
_CAPABILITIES: Final = {
    "capability": "string",
    "number": "int64",
    **dict.fromkeys(_CAPABILITY_SETS, "bool"),
}


def clone_flags_frame(x: object) -> pd.DataFrame:
    """Return the eight namespace flags, and which of them are set.

    Parameters
    ----------
    x : Command, CloneFlags, Process, Completed, Step, ProcessView, Recording or int
        For an int (a PID) and a `ProcessView`, "set" means that the process's
        namespace of that kind is another one than this process's own (than the
        recording one's, in a recording): the kernel does not remember the flags
        of a clone.

    Returns
    -------
    pandas.DataFrame
        One row a kind, all eight, in the order of `KINDS`; columns ``type``,
        ``flag``, ``value`` (int64), ``hex``, ``set`` (bool), ``isolates``,
        ``since``, ``man``.

    Raises
    ------
    TypeError
        For anything else.
    OSError
        Where a process given by its PID cannot be inspected.
    """
    x = _value(x)
    flags = _flags_of(x)
    return make_frame(
        (
            (
                kind.name,
                kind.flag_name,
                int(kind.flag),
                f"{int(kind.flag):#010x}",
                kind.flag in flags,
                kind.isolates,
                kind.since,
                kind.man,
            )
            for kind in KINDS
        ),
        _FLAGS,
        x,
    )


def id_map_frame(x: object) -> pd.DataFrame:
    """Return the lines of ID maps: the user map's, then the group map's.

    Parameters
    ----------
    x : Command, IDMap, Process, Completed, Step, ProcessView, Recording or int
        A started process shows the maps of its birth view, so that they are
        there when it has ended; an int is the PID of a process to inspect.

    Returns
    -------
    pandas.DataFrame
        Columns ``map`` ("uid" or "gid"; "id" for a bare `IDMap`),
        ``container_id``, ``host_id`` and ``size`` (int64). No row where there
        is no map, or where it could not be read.

    Raises
    ------
    TypeError
        For anything else.
    OSError
        Where a process given by its PID cannot be inspected.
    """
    maps: dict[str, IDMap | None]
    x = _value(x)
    if isinstance(x, IDMap):
        maps = {"id": x}
    elif isinstance(x, Command):
        maps = {"uid": x.uid_mappings, "gid": x.gid_mappings}
    else:
        view = _view_of(x, "a Command, an IDMap, ")
        maps = {"uid": view.uid_map, "gid": view.gid_map}
    return make_frame(
        (
            (name, line.container_id, line.host_id, line.size)
            for name, id_map in maps.items()
            for line in id_map or ()
        ),
        _ID_MAP,
        x,
    )


def namespaces_frame(x: object, reference: object = None) -> pd.DataFrame:
    """Return a process's namespaces beside those of another.

    Parameters
    ----------
    x : Process, Completed, Step, ProcessView, Recording or int
        A started process shows its birth view, so that it is there when the
        process has ended; an int is the PID of a process to inspect.
    reference : the same, optional
        What to compare with; by default this process, and for a recording the
        process that recorded it.

    Returns
    -------
    pandas.DataFrame
        Index ``type``, in the order of `KINDS`, without kinds that could not
        be read; columns ``inode`` (int64), ``link``, ``reference_inode``
        (Int64), ``new`` (bool), ``dev`` (int64), ``owner`` (such as
        ``user:[4026531837]``), ``owner_inode``, ``parent_inode`` and
        ``owner_uid`` (Int64), ``unique_id`` (UInt64). ``new`` is True where
        both identities (device and inode) are known and differ;
        ``reference_inode`` is <NA> where the reference's is not known.

    Raises
    ------
    TypeError
        For anything else.
    OSError
        Where a process given by its PID cannot be inspected.
    """
    x, reference = _value(x), _value(reference)
    ours = _view_of(x).namespaces
    theirs = _own_of(x) if reference is None else _view_of(reference).namespaces
    rows = []
    for kind in KINDS:
        if (ns := ours.get(kind.name)) is None:
            continue
        other = theirs.get(kind.name)
        rows.append(
            (
                kind.name,
                ns.ino,
                ns.link,
                other.ino if other else None,
                other is not None and other.id != ns.id,
                ns.dev,
                f"user:[{ns.owner.ino}]" if ns.owner else None,
                _inode(ns.owner),
                _inode(ns.parent),
                ns.owner_uid,
                ns.unique_id,
            )
        )
    return make_frame(rows, {"type": "string", **PROCESS_NAMESPACES}, x, reference).set_index(
        "type"
    )


def timeline_frame(x: object) -> pd.DataFrame:
    """Return the steps of a start.

    Parameters
    ----------
    x : Timeline, Process, Completed, Step or Recording

    Returns
    -------
    pandas.DataFrame
        In the order in which they began; columns ``step``, ``syscall``,
        ``by``, ``start_us`` and ``duration_us`` (float64), ``errno`` (int64)
        and ``error`` (its name, <NA> for 0). No row where no timeline was
        recorded.

    Raises
    ------
    TypeError
        For anything else.
    """
    x = _value(x)
    if isinstance(x, Process | Completed | Step):
        timeline = x.timeline
    elif isinstance(x, Timeline):
        timeline = x
    else:
        raise wrong_type(x, "a Timeline, a Process, a Completed or a Step")
    return make_frame(
        (
            (
                step.name,
                step.syscall,
                step.by,
                step.start_us,
                step.duration_us,
                step.errno,
                errorcode.get(step.errno, str(step.errno)) if step.errno else None,
            )
            for step in timeline
        ),
        _TIMELINE,
        x,
    )


def capabilities_frame(x: object) -> pd.DataFrame:
    """Return which capability is in which of the five sets.

    Parameters
    ----------
    x : Capabilities, Process, Completed, Step, ProcessView, Recording or int

    Returns
    -------
    pandas.DataFrame
        One row a capability, by number; columns ``capability``, ``number``
        (int64), then ``inheritable``, ``permitted``, ``effective``,
        ``bounding``, ``ambient`` (bool). No row where they could not be read.

    Raises
    ------
    TypeError
        For anything else.
    OSError
        Where a process given by its PID cannot be inspected.
    """
    x = _value(x)
    capabilities = (
        x if isinstance(x, Capabilities) else _view_of(x, "a Capabilities, ").capabilities
    )
    if capabilities is None:
        return make_frame((), _CAPABILITIES, x)
    masks = [getattr(capabilities, name).mask for name in _CAPABILITY_SETS]
    # A kernel newer than our table of names shows its capabilities all the same.
    count = max(len(CAPABILITY_NAMES), *(mask.bit_length() for mask in masks))
    return make_frame(
        (
            (CapabilitySet(1 << bit).names[0], bit, *(bool(mask >> bit & 1) for mask in masks))
            for bit in range(count)
        ),
        _CAPABILITIES,
        x,
    )


def _value(x: object) -> object:
    """Return what was recorded, for a recording."""
    return x.value if isinstance(x, Recording) else x


def _own_of(x: object) -> Mapping[str, Namespace]:
    """Return the namespaces of who looked at it: this process's, but for a recording."""
    origin = origin_of(x)
    return _inspect(os.getpid()).namespaces if origin is None else origin.reference


def _flags_of(x: object) -> CloneFlags:
    if isinstance(x, CloneFlags):
        return x
    if isinstance(x, Command):
        return x.clone_flags
    if isinstance(x, Process | Completed | Step):
        return x.command.clone_flags
    ours = _view_of(x, "a Command, a CloneFlags, ").namespaces
    here = _own_of(x)
    flags = CloneFlags(0)
    for kind in KINDS:
        one, other = ours.get(kind.name), here.get(kind.name)
        if one and other and one.id != other.id:
            flags |= kind.flag
    return flags


def _view_of(x: object, also: str = "") -> ProcessView:
    """Return what was seen of a process: at its birth where it is ours, else now."""
    if isinstance(x, ProcessView):
        return x
    if isinstance(x, Step):
        return x.view()
    if isinstance(x, Process | Completed):
        if x.birth is not None:
            return x.birth
        if isinstance(x, Completed):
            raise ValueError("the process has ended, and no view was taken at its birth")
        return _inspect(x)
    # CloneFlags is an int too, and so is True: neither is meant as a PID. What a
    # DataFrame hands out (numpy.int64) is no int, but is meant as one.
    if isinstance(x, bool | CloneFlags) or not hasattr(x, "__index__"):
        raise wrong_type(x, f"{also}a Process, a Completed, a Step, a ProcessView or a PID (int)")
    return _inspect(operator.index(x))


def _inspect(target: Any) -> ProcessView:
    from ..inspecting import inspect

    return inspect(target)


def _inode(identity: NamespaceID | None) -> int | None:
    return None if identity is None else identity.ino

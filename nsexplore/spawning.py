"""From a `Command` to the native spawner and back: requests, stops, errors, timelines."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Mapping
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Final

from .arguments import check_mounts
from .command import Command
from .errors import StartError, go_reason
from .hints import A_WORD_EACH, hint_for
from .idmap import IDMap
from .kinds import kind_of_name
from .procfs import number_in_proc
from .timeline import Timeline, TimelineStep

if TYPE_CHECKING:
    from . import maphelpers
    from ._spawn import Spawn

__all__ = ["Stop", "advance", "begin", "timeline_of"]

# <sys/mount.h>: mount(2)
_PROPAGATION = {None: 0, "private": 1 << 18, "slave": 1 << 19, "shared": 1 << 20}


class Stop(IntEnum):
    """Where a start can be looked at (``enum spawn_stop`` of the native part)."""

    CLONED = 1
    UID_MAP = 2
    SETGROUPS = 3
    GID_MAP = 4
    RELEASED = 5
    EXECED = 6


def begin(command: Command) -> Spawn:
    """Return the start of a command, nothing of which has happened yet.

    Raises
    ------
    StartError
        The program was not found, or the native spawner is missing here.
    ValueError
        The mounts that are asked for would be this machine's.
    """
    if command.lookup_error is not None:
        raise StartError(
            command.lookup_error,
            step="lookup",
            hint=_lookup_hint(command),
        )
    # Again: a command need not come from an execer's plan.
    check_mounts(command.clone_flags, command.propagation, mount_proc=command.mount_proc)
    uids, gids = command.uid_mappings, command.gid_mappings
    uid_map = None if uids is None else uids.encode()
    gid_map = uid_map if gids is uids else None if gids is None else gids.encode()
    if command.newuidmap is not None:  # then not ours to write: see `advance`
        uid_map = None
    if command.newgidmap is not None:
        gid_map = None
    return _native()(
        tuple(map(os.fsencode, command.search or (command.path,))),
        tuple(map(os.fsencode, command.args)),
        _environment(command),
        None if command.cwd is None else os.fsencode(command.cwd),
        int(command.clone_flags),
        uid_map,
        gid_map,
        _setgroups(command),
        _credential(command),
        (
            *(-1 if fd is None else fd for fd in (command.stdin, command.stdout, command.stderr)),
            *command.extra_files,
        ),
        _PROPAGATION[command.propagation],
        command.mount_proc,
        command.detached,
        tuple((join.fd, int(kind_of_name(join.kind).flag)) for join in command.joins),
    )


def _environment(command: Command) -> tuple[bytes, ...]:
    if command.env is None:
        # Python's, not libc's: readline, once loaded, adds LINES and COLUMNS there. Read from
        # the dict inside, where there is one, in a fifth of the time.
        own: Mapping[bytes, bytes] = getattr(os.environb, "_data", os.environb)
        return tuple([b"%b=%b" % item for item in own.items()])
    return tuple(os.fsencode(f"{name}={value}") for name, value in command.env.items())


@cache
def _native() -> type[Spawn]:
    try:
        from ._spawn import Spawn
    except ModuleNotFoundError as error:
        raise StartError(
            "the native spawner is missing",
            step="spawner",
            hint=hint_for("spawner", 0, Command("", ())),
        ) from error
    except ImportError as error:  # it is there: another libc, no descriptor left to open it …
        raise StartError(
            f"the native spawner cannot be loaded: {error}",
            step="spawner",
            hint=hint_for("spawner", 0, Command("", ()), str(error)),
        ) from error
    return Spawn


def advance(spawn: Spawn, command: Command, stop: Stop) -> None:
    """Drive a start up to a stop.

    Raises
    ------
    StartError
        A step failed. The child is gone and reaped.
    """
    if command.newuidmap is not None:
        _advance_with(spawn, command, stop, "newuidmap", command.newuidmap)
    if command.newgidmap is not None:
        _advance_with(spawn, command, stop, "newgidmap", command.newgidmap)
    _advance(spawn, command, stop)


def _advance(spawn: Spawn, command: Command, stop: Stop) -> None:
    failure = spawn.advance(stop)
    if failure is None:
        return
    from ._spawn import STEPS

    index, number, signal_number = failure
    step, syscalls, by_child = STEPS[index]
    where = "in the child" if by_child else "in the parent"
    join = command.joins[spawn.joining] if step == "setns" else None
    if join is not None:
        where += f", entering {join}"
    elif syscalls != step:
        where += f" ({syscalls.replace(',', ', ')})"
    if number == errno.EPERM and step in ("uid_map", "gid_map"):
        from .rootless import refusal

        rule = refusal(command, "uid" if step == "uid_map" else "gid")
        where += f", where {rule}" if rule else ""
    if number == 0:
        how = f"was killed by signal {signal_number}"
        if not signal_number:  # SIGCHLD is ignored here, or somebody else has reaped it
            how = "has ended, and its exit status is lost"
        raise StartError(
            f"fork/exec {command.path}: the child {how}",
            step=step,
            detail=where,
            hint="somebody killed it before execve, or memory ran out (see the kernel's log)",
        )
    raise StartError(
        f"fork/exec {command.path}: {go_reason(number)}",
        errno=number,
        step=step,
        detail=where,
        hint=hint_for(step, number, command, join.kind if join else ""),
    )


# -- maps that newuidmap and newgidmap write ------------------------------------

# At these stops the native part has nothing to write, and the map is due.
_DUE: Final = {"newuidmap": Stop.UID_MAP, "newgidmap": Stop.GID_MAP}


def _advance_with(
    spawn: Spawn, command: Command, stop: Stop, step: maphelpers.Helper, path: str
) -> None:
    """Go to the stop at which a helper's map is due, if `stop` is there or beyond; run it."""
    if not spawn.reached < _DUE[step] <= stop:
        return
    _advance(spawn, command, _DUE[step])
    idmap = command.uid_mappings if step == "newuidmap" else command.gid_mappings
    begin = time.monotonic_ns()
    failure = _run(spawn, path, idmap or IDMap())
    end = time.monotonic_ns()
    spawn.note(_step_number(step), begin, end, failure.errno if failure else 0)
    if failure is None:
        return
    if _has_ended(spawn):  # that is why: its own failure tells more
        _advance(spawn, command, Stop.EXECED)
    spawn.abandon()
    raise StartError(
        f"fork/exec {command.path}: {go_reason(failure.errno)}",
        errno=failure.errno,
        step=step,
        detail=f"by {path}, which says: {failure.said}",
        hint=hint_for(step, failure.errno, command, failure.said),
    )


def _run(spawn: Spawn, path: str, idmap: IDMap) -> maphelpers.Failure | None:
    from . import maphelpers

    try:
        number = number_in_proc(spawn.pidfd)
    except OSError as error:
        return maphelpers.Failure(error.errno or errno.ESRCH, error.strerror or str(error))
    return maphelpers.run(path, number, idmap)


def _has_ended(spawn: Spawn) -> bool:
    try:
        look = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PIDFD, spawn.pidfd, look) is not None
    except ChildProcessError:  # reaped by somebody else
        return True


@cache
def _step_number(name: str) -> int:
    from ._spawn import STEPS

    return [step[0] for step in STEPS].index(name)


# -- what happened ----------------------------------------------------------------


def timeline_of(spawn: Spawn, command: Command) -> Timeline:
    """Return what the spawner has recorded so far, in the order in which steps began."""
    from ._spawn import STEPS

    records = sorted(spawn.records(), key=lambda record: record[1])
    zero = records[0][1] if records else 0
    kinds = iter([f"setns({join.kind})" for join in command.joins])
    return Timeline(
        tuple(
            TimelineStep(
                name=next(kinds) if STEPS[step][0] == "setns" else STEPS[step][0],
                syscall=STEPS[step][1],
                by="child" if STEPS[step][2] else "parent",
                start_us=(start - zero) / 1000,
                duration_us=max(end - start, 0) / 1000,
                errno=number,
            )
            for step, start, end, number in records
        )
    )


def _setgroups(command: Command) -> bytes | None:
    if command.gid_mappings is None:
        return None
    return b"allow" if command.gid_mappings_enable_setgroups else b"deny"


def _credential(command: Command) -> tuple[int, int, tuple[int, ...] | None] | None:
    identity = command.credential
    if identity is None:
        return None
    # As Go: where setgroups is denied, dropping all groups is not even tried.
    denied = command.gid_mappings is not None and not command.gid_mappings_enable_setgroups
    groups = None if denied and not identity.groups else identity.groups
    return identity.uid, identity.gid, groups


def _lookup_hint(command: Command) -> str:
    name = command.args[0] if command.args else ""
    if not name:
        return "bin_path is empty: name a program"
    if "relative" in (command.lookup_error or ""):
        return f"say ./{name} if that is the one you mean"
    if " " in name:
        return A_WORD_EACH
    path = os.environ.get("PATH")
    if not path:
        return "PATH is empty or unset: give the whole path"
    shown = path if len(path) <= 200 else path[:200] + "…"
    return f"give the whole path, or look at PATH={shown}"

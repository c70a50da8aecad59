"""Checking what a caller passes: every error names the argument."""

from __future__ import annotations

import math
import os
import subprocess
import time
from collections.abc import Mapping
from typing import IO, Any, get_args

from .command import Propagation
from .errors import IDMapError
from .flags import ALL_NAMESPACES, CloneFlags
from .idmap import IDMap, IDMapping, check_max_uid

__all__ = [
    "Argument",
    "Stream",
    "as_descriptor",
    "as_environment",
    "as_file",
    "as_flags",
    "as_input",
    "as_text",
    "check_maps",
    "check_mounts",
    "check_root",
    "deadline_of",
]

Argument = str | bytes | os.PathLike[str] | os.PathLike[bytes]
"""What a program, its arguments and folders may be given as."""

Stream = int | IO[Any] | None
"""What ``stdin``, ``stdout`` and ``stderr`` accept: None, PIPE, DEVNULL, STDOUT, a fd, a file."""


_PROPAGATIONS = get_args(Propagation)


def as_text(name: str, value: Any) -> str:
    """Return a string for execve(2); `TypeError`, or `ValueError` for one with a NUL byte."""
    if not isinstance(value, str | bytes | os.PathLike):
        words = "; give the words one by one" if isinstance(value, list | tuple) else ""
        raise TypeError(f"{name} must be str, bytes or a path, not {value!r}{words}")
    text = os.fsdecode(value)
    if "\0" in text:
        raise ValueError(f"{name}={text!r} contains a NUL byte, which ends a string in execve(2)")
    return text


def as_environment(env: Any) -> Mapping[str, str]:
    """Return an environment whose names and values can be had."""
    if not isinstance(env, Mapping):
        raise TypeError(f"env must be a mapping of str to str, not {env!r}")
    checked = {}
    for name, value in env.items():
        key = as_text("a name in env", name)
        if not key or "=" in key:
            raise ValueError(f"env: {key!r} is no name of a variable")
        checked[key] = as_text(f"env[{key!r}]", value)
    return checked


def as_file(name: str, value: Stream) -> int | None:
    """Return the descriptor of a stream's file, None for /dev/null."""
    if value is None or (type(value) is int and value == subprocess.DEVNULL):
        return None
    return as_descriptor(name, value)


def as_descriptor(name: str, value: Any) -> int:
    """Return the open file descriptor of a file or an int.

    Raises
    ------
    TypeError, ValueError
        It is no file, or closed, or a descriptor that is not open here.
    """
    if isinstance(value, bool) or not (isinstance(value, int) or hasattr(value, "fileno")):
        raise TypeError(f"{name} must be an open file or a file descriptor, not {value!r}")
    try:
        fd = value if isinstance(value, int) else value.fileno()
    except (ValueError, OSError) as error:
        raise ValueError(f"{name} has no file descriptor: {error}") from None
    if fd < 0:
        pipe = ": PIPE and STDOUT are for start() and step()" if fd in (-1, -2) else ""
        raise ValueError(f"{name}={fd} is no file descriptor{pipe}")
    try:
        os.fstat(fd)
    except (OSError, OverflowError):
        raise ValueError(f"{name}: file descriptor {fd} is not open in this process") from None
    return fd


def as_input(value: Any, *, text: bool) -> bytes:
    """Return what is to be sent to a process; bytes are taken as they are by text streams, too."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, str) and text:
        return value.encode("utf-8", "surrogateescape")
    raise TypeError(f"input must be {'str or bytes' if text else 'bytes'}, not {value!r}")


def deadline_of(timeout: Any) -> float | None:
    """Return when, by time.monotonic(), so many seconds are over; None: never."""
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"timeout must be a number of seconds or None, not {timeout!r}")
    if math.isnan(timeout):
        raise ValueError("timeout is not a number")
    return time.monotonic() + timeout


def as_flags(clone_flags: Any, *, privileged: bool) -> CloneFlags:
    """Return the namespaces that are asked for, none of which contradicts `privileged`."""
    if isinstance(clone_flags, bool) or not isinstance(clone_flags, int):
        raise TypeError(
            "clone_flags must be CloneFlags, such as CloneFlags.NEWUSER | CloneFlags.NEWPID,"
            f" not {clone_flags!r}"
        )
    other = int(clone_flags) & ~int(ALL_NAMESPACES)
    if other:
        raise ValueError(f"clone_flags: {other:#x} stands for no namespace; see CloneFlags")
    if privileged and clone_flags & CloneFlags.NEWUSER:
        raise ValueError("privileged=True means no user namespace: leave NEWUSER out of it")
    return CloneFlags(clone_flags)


def check_maps(id_map: Any, gid_map: Any, flags: CloneFlags) -> None:
    """Refuse maps that do not go together, and such as the kernel would refuse to everybody."""
    if isinstance(id_map, str) and id_map != "rootless":
        raise ValueError(
            f'id_map={id_map!r} must be "rootless", an IDMap (IDMap.parse reads text) or None'
        )
    if not isinstance(id_map, IDMap | str | None):
        raise TypeError(f"id_map must be an IDMap, such as IDMap([(0, 1000, 1)]), not {id_map!r}")
    if not isinstance(gid_map, IDMap | None):
        raise TypeError(f"gid_map must be an IDMap, not {gid_map!r}")
    if gid_map is not None and not isinstance(id_map, IDMap):
        raise ValueError("gid_map goes beside an id_map of your own")
    if id_map is not None and CloneFlags.NEWUSER not in flags:
        raise ValueError(
            "id_map belongs to a user namespace, and privileged=True, or clone_flags without"
            " NEWUSER, makes none"
        )
    for name, value in (("id_map", id_map), ("gid_map", gid_map)):
        if isinstance(value, IDMap):
            value.validate(kind="uid" if name == "id_map" else "gid")
            if value.to_host(0) is None:
                raise IDMapError(
                    f"{name} has no line for ID 0 inside, which the process is to become"
                )


def check_root(max_uid: Any, *, rootless: bool) -> None:
    """Refuse a MaxUID that nobody could have: of garden's map, or as root of a rootless one."""
    if max_uid is None:
        return
    if not rootless:
        check_max_uid(max_uid)
        return
    try:  # the ID alone, without garden's second line: 0 and 1 can be had, too
        IDMap([IDMapping(0, max_uid, 1)]).validate()
    except IDMapError as error:
        said = f"max_uid={max_uid}: {error}" if error.line else str(error)
        said = said.replace("host_id=", "max_uid=")
        raise type(error)(said, errno=error.errno, line=error.line, rule=error.rule) from None


def check_mounts(flags: CloneFlags, propagation: Any, *, mount_proc: bool) -> None:
    """Refuse a propagation that is none, and a /proc that would be mounted outside."""
    if propagation is not None and propagation not in _PROPAGATIONS:
        known = ", ".join(map(repr, _PROPAGATIONS))
        raise ValueError(f"propagation={propagation!r} must be one of {known} or None")
    if not mount_proc:
        return
    missing = (CloneFlags.NEWNS | CloneFlags.NEWPID) & ~flags
    if missing:
        raise ValueError(f"mount_proc=True needs {missing!s} too: else it is this machine's")
    if propagation not in ("private", "slave"):
        raise ValueError(
            "mount_proc=True with these mounts shared would mount it outside, too:"
            ' use propagation="private" or "slave"'
        )

"""Reading /proc: bounded, without exceptions for odd bytes, and always the right process."""

from __future__ import annotations

import errno
import os

from .idmap import MAX_UID_HIGH, IDMap
from .interrupts import held

__all__ = ["max_valid_id", "number_in_proc", "parse_status", "read_text"]

LIMIT = 1 << 16
"""Bytes read of any one file: what another process wrote may be of any length."""


def read_text(name: str, dir_fd: int | None = None, limit: int = LIMIT) -> str:
    """Return a /proc file's text; undecodable bytes become visible escapes.

    Raises
    ------
    OSError
        As open(2) and read(2) do.
    """
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)  # other systems have no such file, either
    with held():
        fd = os.open(name, flags, dir_fd=dir_fd)
        try:
            chunks = []
            while limit > 0 and (chunk := os.read(fd, min(limit, 8192))):
                chunks.append(chunk)
                limit -= len(chunk)
        finally:
            os.close(fd)
    return b"".join(chunks).decode("utf-8", "backslashreplace")


def parse_status(text: str) -> dict[str, str]:
    """Return the fields of /proc/PID/status by name; lines of another form are left out."""
    fields: dict[str, str] = {}
    for line in text.split("\n"):
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name, value.strip())
    return fields


def number_in_proc(pidfd: int) -> int:
    """Return the number, in the /proc that is mounted here, of the process behind a pidfd.

    It is the ``Pid`` line of the pidfd's fdinfo, which counts in the PID
    namespace of the mount, not in the caller's.

    Raises
    ------
    ProcessLookupError
        The process has ended and was reaped, or has no number there.
    FileNotFoundError
        There is no /proc, or one that does not know this process itself.
    """
    try:
        fields = parse_status(read_text(f"/proc/self/fdinfo/{pidfd}"))
    except FileNotFoundError:
        raise FileNotFoundError(
            errno.ENOENT, "no /proc that knows this process is mounted here"
        ) from None
    number = int(fields.get("Pid", "0"))
    if number < 0:
        raise ProcessLookupError(errno.ESRCH, "the process has ended")
    if number == 0:
        raise ProcessLookupError(
            errno.ESRCH,
            "the process has no number in the /proc mounted here, which belongs to another"
            " PID namespace",
        )
    return number


def max_valid_id(uid_map: str = "/proc/self/uid_map", gid_map: str = "/proc/self/gid_map") -> int:
    """Return the largest ID that is valid here both as a UID and as a GID.

    garden-linux's default for MaxUID. Where there is no /proc (another
    system), 4294967294: what a machine without user namespaces in use has.

    Raises
    ------
    IDMapError
        A map file holds something else than a map.
    """
    largest = []
    for path in (uid_map, gid_map):
        try:
            text = read_text(path)
        except FileNotFoundError:
            return MAX_UID_HIGH
        largest.append(max((m.container_end - 1 for m in IDMap.parse(text)), default=0))
    return min(largest)

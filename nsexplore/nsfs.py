"""What the kernel tells about a namespace behind a file descriptor: ioctl_ns(2)."""

from __future__ import annotations

import os
import struct
from contextlib import suppress

from .views import Namespace, NamespaceID

__all__ = ["read_namespace"]

# include/uapi/linux/nsfs.h: _IO(0xb7, n), and _IOR(0xb7, 13, __u64) since Linux 6.18
_NS_GET_USERNS = 0xB701
_NS_GET_PARENT = 0xB702
_NS_GET_OWNER_UID = 0xB704
_NS_GET_ID = 0x8008B70D


def read_namespace(kind: str, fd: int) -> Namespace:
    """Return the namespace of this kind that an open file descriptor stands for."""
    own = _identity(fd)
    return Namespace(
        kind=kind,
        dev=own.dev,
        ino=own.ino,
        owner=_related(fd, _NS_GET_USERNS),
        parent=_related(fd, _NS_GET_PARENT) if kind in ("user", "pid") else None,
        owner_uid=_integer(fd, _NS_GET_OWNER_UID, "I") if kind == "user" else None,
        unique_id=_integer(fd, _NS_GET_ID, "Q"),
    )


def _identity(fd: int) -> NamespaceID:
    status = os.fstat(fd)
    return NamespaceID(status.st_dev, status.st_ino)


def _related(fd: int, request: int) -> NamespaceID | None:
    from fcntl import ioctl  # here, since the module must import on any system

    try:
        other = ioctl(fd, request)
    except OSError:  # EPERM: out of this process's sight; EINVAL, ENOTTY: an older kernel
        return None
    try:
        return _identity(other)
    finally:
        os.close(other)


def _integer(fd: int, request: int, form: str) -> int | None:
    from fcntl import ioctl

    with suppress(OSError):
        answer = ioctl(fd, request, bytes(struct.calcsize(form)))
        return int(struct.unpack(form, answer)[0])
    return None

"""What the kernel tells about a namespace behind a file descriptor: ioctl_ns(2)."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Literal

from .flags import CloneFlags
from .interrupts import held
from .kinds import kind_of_flag
from .views import Namespace, NamespaceID

__all__ = [
    "EXHAUSTED",
    "Relation",
    "identity",
    "kind_of",
    "open_verified",
    "read_namespace",
    "relatives",
    "socket_namespace",
]

EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM))
"""Errors that say nothing of what was looked at: it could not be looked at."""

Relation = Literal["parent", "owner"]

# include/uapi/linux/nsfs.h: _IO(0xb7, n), and _IOR(0xb7, 13, __u64) since Linux 6.18
_NS_GET_USERNS = 0xB701
_NS_GET_PARENT = 0xB702
_NS_GET_NSTYPE = 0xB703
_NS_GET_OWNER_UID = 0xB704
_NS_GET_ID = 0x8008B70D
# include/uapi/linux/sockios.h
_SIOCGSKNS = 0x894C


def read_namespace(kind: str, fd: int, others: Mapping[Relation, int] | None = None) -> Namespace:
    """Return the namespace of this kind that an open file descriptor stands for.

    `others` are descriptors of its relatives, where the caller has them already.
    """
    if others is None:
        with held():
            others, _ = relatives(kind, fd)
            try:
                return read_namespace(kind, fd, others)
            finally:
                for other in others.values():
                    os.close(other)
    own, related = identity(fd), {word: identity(other) for word, other in others.items()}
    return Namespace(
        kind=kind,
        dev=own.dev,
        ino=own.ino,
        owner=related.get("owner"),
        parent=related.get("parent"),
        owner_uid=_integer(fd, _NS_GET_OWNER_UID, "I") if kind == "user" else None,
        unique_id=_integer(fd, _NS_GET_ID, "Q"),
    )


def identity(fd: int) -> NamespaceID:
    """Return what identifies the namespace behind a descriptor."""
    status = os.fstat(fd)
    return NamespaceID(status.st_dev, status.st_ino)


def kind_of(fd: int) -> str:
    """Return the kind of namespace behind a descriptor.

    Raises
    ------
    OSError
        It is none (ENOTTY).
    ValueError
        It is one of a kind that is newer than `KINDS`.
    """
    from fcntl import ioctl  # here, since the module must import on any system

    return kind_of_flag(CloneFlags(ioctl(fd, _NS_GET_NSTYPE))).name


def relatives(kind: str, fd: int) -> tuple[dict[Relation, int], set[Relation]]:
    """Return descriptors of a namespace's parent and owner, and which of them are refused.

    The caller owns the descriptors, and holds interrupts until they have owners.
    A user namespace's parent is its owner. The kernel also refuses the parent of
    the topmost one, which has none.
    """
    requests: dict[Relation, int] = {"owner": _NS_GET_USERNS}
    if kind in ("user", "pid"):
        requests["parent"] = _NS_GET_PARENT
    found: dict[Relation, int] = {}
    refused: set[Relation] = set()
    for word, request in requests.items():
        try:
            found[word] = _open(fd, request)
        except PermissionError:  # out of this process's sight, or there is none
            refused.add(word)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTTY):  # else it is an older kernel
                for fd in found.values():
                    os.close(fd)
                raise
    return found, refused


def socket_namespace(socket: int) -> int:
    """Return a descriptor of the network namespace that a socket lives in.

    Raises
    ------
    OSError
        EPERM without CAP_NET_ADMIN there; ENOTTY for what is no socket, or before Linux 4.10.
    """
    return _open(socket, _SIOCGSKNS)


def open_verified(path: str, expected: NamespaceID, dir_fd: int | None = None) -> int:
    """Open a namespace file, if it is the one that is expected.

    The path may be another process's choice, and something else by now: a FIFO
    that blocks, a device that acts on being opened. So first it is only found.

    Raises
    ------
    OSError
        As open(2) does; ESTALE where it is another file.
    """
    with held():
        place = os.open(path, os.O_PATH | os.O_CLOEXEC, dir_fd=dir_fd)
        try:
            if identity(place) != expected:
                raise OSError(errno.ESTALE, "it is another file by now", path)
            return os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(place)


def _open(fd: int, request: int) -> int:
    from fcntl import ioctl

    return ioctl(fd, request)


def _integer(fd: int, request: int, form: str) -> int | None:
    from fcntl import ioctl

    with suppress(OSError):
        answer = ioctl(fd, request, bytes(struct.calcsize(form)))
        return int(struct.unpack(form, answer)[0])
    return None

"""Which IDs this process's network namespace has for others: RTM_GETNSID, rtnetlink(7)."""

from __future__ import annotations

import os
import socket
import struct
from types import TracebackType

__all__ = ["NetnsIDs"]

# include/uapi/linux/{netlink,rtnetlink,net_namespace}.h
_NLM_F_REQUEST = 1
_NLMSG_ERROR = 2
_RTM_GETNSID = 90
_NETNSA_NSID = 1
_NETNSA_FD = 3

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence number, port
_FAMILY = struct.Struct("=Bxxx")  # struct rtgenmsg, padded
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_NUMBER = struct.Struct("=i")


class NetnsIDs:
    """Asks for IDs of network namespaces, all through one socket; a context manager."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._sequence = 0

    def __enter__(self) -> NetnsIDs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._socket is not None:
            self._socket.close()

    def get(self, fd: int) -> int | None:
        """Return the ID of the network namespace behind a descriptor; None where it has none."""
        try:
            if self._socket is None:
                family, protocol = socket.AF_NETLINK, socket.NETLINK_ROUTE
                self._socket = socket.socket(family, socket.SOCK_RAW, protocol)
            self._socket.send(self._question(fd))
            return self._answer(self._socket.recv(4096))
        except OSError:  # no netlink here, or not for this process
            return None

    def _question(self, fd: int) -> bytes:
        self._sequence += 1
        attribute = _ATTRIBUTE.pack(_ATTRIBUTE.size + _NUMBER.size, _NETNSA_FD) + _NUMBER.pack(fd)
        body = _FAMILY.pack(socket.AF_UNSPEC) + attribute
        length = _HEADER.size + len(body)
        return _HEADER.pack(length, _RTM_GETNSID, _NLM_F_REQUEST, self._sequence, 0) + body

    def _answer(self, message: bytes) -> int | None:
        length, kind, _, _, _ = _HEADER.unpack_from(message)
        if kind == _NLMSG_ERROR:
            number = -_NUMBER.unpack_from(message, _HEADER.size)[0]
            raise OSError(number, os.strerror(number))
        at = _HEADER.size + _FAMILY.size
        while at + _ATTRIBUTE.size <= min(length, len(message)):
            size, name = _ATTRIBUTE.unpack_from(message, at)
            if name == _NETNSA_NSID:
                found: int = _NUMBER.unpack_from(message, at + _ATTRIBUTE.size)[0]
                return None if found < 0 else found  # NETNSA_NSID_NOT_ASSIGNED
            at += max((size + 3) & ~3, _ATTRIBUTE.size)
        return None

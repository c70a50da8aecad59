"""The system calls of seeing.c: each is the kernel's own, and says what the kernel says."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from nsexplore._spawn import getfd, listns, open_namespace
from nsexplore.kinds import KINDS, NamespaceKind

pytestmark = [
    pytest.mark.usefixtures("leaves_nothing"),
    # A container's filter denies all three to whoever may make no namespaces, either.
    pytest.mark.needs("user namespaces"),
]

NS_GET_ID = 0x8008B70D
AT_EMPTY_PATH = 0x1000


def errno_of(act: Callable[[], object]) -> int | None:
    """Return the errno with which a call fails, None where it does not."""
    try:
        act()
    except OSError as error:
        return error.errno
    return None


def unique_id(fd: int) -> int:
    """Return a namespace's unique ID; skip where the kernel has none."""
    try:
        return struct.unpack("Q", fcntl.ioctl(fd, NS_GET_ID, bytes(8)))[0]
    except OSError:
        pytest.skip("needs unique IDs of namespaces (Linux 6.18)")


def file_handle(path: str) -> tuple[int, int, int, int]:
    """Return type, ID, kind and inode of the file handle that name_to_handle_at(2) gives."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = ctypes.create_string_buffer(struct.pack("Ii", 16, 0) + bytes(16))
    mount = ctypes.c_int()
    fd = os.open(path, os.O_RDONLY)
    try:
        failed = libc.name_to_handle_at(fd, b"", handle, ctypes.byref(mount), AT_EMPTY_PATH)
    finally:
        os.close(fd)
    if failed:
        pytest.skip(f"needs file handles of namespaces: {os.strerror(ctypes.get_errno())}")
    return struct.unpack("IiQII", handle.raw[:24])[1:]


def test_getfd_copies_a_descriptor_of_another_process() -> None:
    """The copy is the same open file, and is closed on exec."""
    r, w = os.pipe()
    pidfd = os.pidfd_open(os.getpid())
    copy = getfd(pidfd, w)
    os.close(w)
    try:
        assert copy not in (r, w)
        assert not os.get_inheritable(copy)
        os.write(copy, b"through it")
        assert os.read(r, 64) == b"through it"
    finally:
        for fd in (r, copy, pidfd):
            os.close(fd)


def test_getfd_fails_as_the_kernel_does() -> None:
    """No such descriptor there, and no pidfd: EBADF. A process that has ended: ESRCH."""
    child = os.posix_spawn("/bin/true", ["true"], {})
    pidfd = os.pidfd_open(child)
    os.waitpid(child, 0)
    own = os.pidfd_open(os.getpid())
    try:
        assert errno_of(lambda: getfd(own, 1_000_000)) == errno.EBADF
        assert errno_of(lambda: getfd(-1, 0)) == errno.EBADF
        assert errno_of(lambda: getfd(pidfd, 0)) == errno.ESRCH
    finally:
        os.close(own)
        os.close(pidfd)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_namespace_is_opened_by_its_id(kind: NamespaceKind) -> None:
    """The descriptor is of the same namespace, and is closed on exec."""
    path = f"/proc/self/ns/{kind.name}"
    status = Path(path).stat()
    fd = os.open(path, os.O_RDONLY)
    try:
        number = unique_id(fd)
    finally:
        os.close(fd)
    opened = open_namespace(number, kind.flag, status.st_ino)
    try:
        found = os.fstat(opened)
        assert (found.st_dev, found.st_ino) == (status.st_dev, status.st_ino)
        assert not os.get_inheritable(opened)
    finally:
        os.close(opened)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_handle_is_the_one_that_the_kernel_makes(kind: NamespaceKind) -> None:
    """name_to_handle_at(2) gives the type, ID, kind and inode that open_namespace puts together."""
    path = f"/proc/self/ns/{kind.name}"
    handle_type, number, flag, inode = file_handle(path)
    assert (handle_type, flag, inode) == (0xF1, kind.flag, Path(path).stat().st_ino)
    opened = open_namespace(number, flag, inode)
    try:
        assert os.fstat(opened).st_ino == inode
    finally:
        os.close(opened)


def test_an_id_of_no_namespace_is_stale() -> None:
    """Neither an ID that was never given, nor one with another's inode."""
    _, number, flag, inode = file_handle("/proc/self/ns/net")
    assert errno_of(lambda: open_namespace(1 << 60, flag, inode)) == errno.ESTALE
    assert errno_of(lambda: open_namespace(number, flag, inode - 1)) == errno.ESTALE


def test_listns_lists_or_says_that_the_kernel_is_too_old() -> None:
    """Where the call is there, our own network namespace is among its answers; else ENOSYS."""
    if (number := errno_of(lambda: listns(0, 0))) is not None:
        assert number == errno.ENOSYS
        return
    fd = os.open("/proc/self/ns/net", os.O_RDONLY)
    own = unique_id(fd)
    os.close(fd)
    found: list[int] = []
    while some := listns(KINDS[3].flag, found[-1] if found else 0):
        found += some
    assert own in found


@pytest.mark.parametrize("wrong", [("net",), (None,), ()])
def test_arguments_of_another_type_are_refused(wrong: tuple[object, ...]) -> None:
    """Before anything is asked of the kernel."""
    for call in (getfd, listns, open_namespace):
        with pytest.raises(TypeError):
            call(*wrong)

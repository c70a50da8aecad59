"""File servers that do not answer: any user may run one, and nobody's scan may hang on it."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import machine
import making
import pytest

from nsexplore.holding import _Mounts

SERVER = Path(__file__).with_name("drivers") / "silent_fuse.py"
UMOUNT_DETACH = 2


@contextmanager
def server(folder: str) -> Iterator[subprocess.Popen[str]]:
    """Serve a folder; the end frees everybody who waits, also in the middle of a failed test."""
    process = subprocess.Popen(
        [sys.executable, str(SERVER), folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()


def fall_silent(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "silent\n"


def look(seconds: float = 20) -> str:
    """Discover in a process of its own, which may hang; return what it prints."""
    code = "import nsexplore as nx; print(len(nx.discover(progress=False).seen_namespaces) >= 8)"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        return child.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        child.kill()  # which it does not hear before the server has ended
        return "it hangs"


def look_beside_a_detached_file() -> str:
    """The file's link is "/", and its inode number one of a namespace's."""
    making.private_mounts()
    making.mount("tmpfs", "/mnt", 0, "tmpfs")
    os.mkdir("/mnt/served")
    with server("/mnt/served") as process:
        fd = os.open("/mnt/served/n", os.O_RDONLY)
        ctypes.CDLL(None).umount2(b"/mnt/served", UMOUNT_DETACH)
        assert os.readlink(f"/proc/self/fd/{fd}").startswith("/")
        os.close(os.dup(fd))  # it is asked once whether closing is to be told, and never again
        fall_silent(process)
        return look()


def look_beside_a_mount_below_it() -> str:
    """A namespace is mounted on a file that the server serves: the way there asks it."""
    making.private_mounts()
    making.mount("tmpfs", "/mnt", 0, "tmpfs")
    os.mkdir("/mnt/served")
    with server("/mnt/served") as process:
        making.mount("/proc/self/ns/uts", "/mnt/served/n", making.MS_BIND)
        fall_silent(process)
        return look()


@pytest.mark.needs("root")
@pytest.mark.parametrize("beside", [look_beside_a_detached_file, look_beside_a_mount_below_it])
def test_a_server_that_is_silent_is_not_asked(beside) -> None:
    assert machine.on_quiet_machine(beside) == "True\n"


@pytest.mark.anywhere
@pytest.mark.parametrize(
    ("mounts", "answers"),
    [
        ([("/", "ext4"), ("/run", "tmpfs"), ("/run/netns/a", "nsfs")], True),
        ([("/", "ext4"), ("/run", "fuse"), ("/run/netns/a", "nsfs")], False),
        ([("/", "fuse.sshfs"), ("/run/netns/a", "nsfs")], False),
        ([("/", "ext4"), ("/run/netns/a", "nsfs"), ("/run", "nfs4")], False),
        ([("/", "ext4"), ("/run/net", "fuse"), ("/run/netns/a", "nsfs")], True),
        ([("/", "ext4"), ("/run/netns/a", "nsfs"), ("/run/netns/a", "fuse")], False),
    ],
)
def test_the_way_to_a_mount_point(mounts: list[tuple[str, str]], answers: bool) -> None:
    """Whatever is mounted on it counts, before or after; a name that only begins alike does not."""
    lines = [f"{n} 1 0:4 / {at} rw - {kind} x rw" for n, (at, kind) in enumerate(mounts)]
    table = _Mounts("\n".join(lines).encode())
    assert [words[4] for words in table.of_namespaces] == [b"/run/netns/a"]
    assert table.answers(b"/run/netns/a") is answers

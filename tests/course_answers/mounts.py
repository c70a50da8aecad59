"""Answers to the exercises on mounts: the right ones asked of the kernel."""

from __future__ import annotations

from collections.abc import Callable

import nsexplore as nx
from nsexplore.timeline import Timeline

FLAGS = nx.CloneFlags.NEWUSER | nx.CloneFlags.NEWNS
alone = nx.NamespacingExecer(max_uid=65535, clone_flags=FLAGS)
outside = nx.NamespacingExecer(clone_flags=nx.CloneFlags.NEWUTS, privileged=True)

LINE = "67 26 0:23 / /mnt rw,relatime {}- tmpfs meadow rw\n"

TOLD = """
mount --make-rshared /
mount -t tmpfs meadow /mnt && cd /mnt
mkdir first second && mkfifo ready go
unshare --mount --propagation $1 sh -c '
    mount -t tmpfs meadow second
    echo > ready; read line < go
    mountpoint -q first && echo inside
' &
read line < ready
mount -t tmpfs meadow first
mountpoint -q second && echo outside
echo > go
wait
"""

# What is unmounted must be there before.
TRIES = {
    "tmpfs": "mount -t tmpfs meadow /mnt",
    "bind": "mount -t tmpfs meadow /mnt; mkdir /mnt/a /mnt/b; mount --bind /mnt/a /mnt/b",
    "proc": "mount -t proc proc /proc",
    "umount": "umount /mnt",
    "ext4": "mount -t ext4 /dev/loop0 /mnt",
}

COVERED = """
mount -t tmpfs meadow /mnt
cd /mnt
mount -t tmpfs meadow /mnt
echo hello > note
ls /mnt | wc -l
"""

# The shell stays: without a member, there would be no group to be a slave of.
SLAVE = """
mount -t tmpfs meadow /mnt
mount --make-shared /mnt
unshare --mount --propagation=slave grep ' - tmpfs meadow ' /proc/self/mountinfo
exit
"""


def what_a_service_needs() -> str:
    """Try each, between two namespaces of our own."""
    (found,) = (
        how
        for how in ("private", "slave", "shared", "unchanged")
        if alone.run("sh", "-c", TOLD, "sh", how, timeout=20).stdout == "inside\n"
    )
    return found


def what_may_be_mounted() -> set[str]:
    """Try each in a new user and mount namespace, below one with a mount on /mnt."""
    below = 'mount -t tmpfs meadow /mnt; exec unshare --user --map-root-user --mount sh -c "$1"'
    return {
        word
        for word, script in TRIES.items()
        if alone.run("sh", "-c", below, "sh", script).returncode == 0
    }


def how_many_are_listed() -> int:
    """Run the lines of the question."""
    return int(alone.run("sh", "-c", COVERED).stdout)


def line_of_a_slave() -> nx.Completed:
    """Have a slave in a second namespace, which prints its own."""
    return alone.run("sh", "-c", SLAVE)


def ended(
    stdout: str,
    execer: nx.NamespacingExecer = alone,
    returncode: int = 0,
    script: str = SLAVE,
) -> nx.Completed:
    """Return what a command would have ended with: judged as if it had been run."""
    plan = execer.plan("sh", "-c", script)
    return nx.Completed(plan, returncode, stdout, "", None, Timeline(()))


RIGHT: dict[str, Callable[[], object]] = {
    "mounts.1": what_a_service_needs,
    "mounts.2": what_may_be_mounted,
    "mounts.3": how_many_are_listed,
    "mounts.4": line_of_a_slave,
}

ALSO_RIGHT: dict[str, list[object]] = {
    "mounts.1": ["rslave", "--propagation=slave", "--make-rslave", "MS_SLAVE"],
}

WRONG: dict[str, list[object]] = {
    "mounts.1": ["--make-rprivate", "rshared", "unchanged", "unbindable", "master", 1],
    "mounts.2": [
        {"tmpfs", "bind", "proc"},
        {"tmpfs", "umount"},
        {"tmpfs", "bind", "ext4"},
        {"tmpfs"},
        {"tmpfs", "bind", "overlay"},
        "tmpfs",
    ],
    "mounts.3": [1, 2, 3, "hello", False],
    "mounts.4": [
        "master:1",
        ended(LINE.format("master:1 "), outside),
        ended("", returncode=32),
        ended(""),
        ended("slave\n"),
        ended(LINE.format("master:1 ").replace("meadow", "tmpfs")),
        ended(LINE.format("shared:1 ")),
        ended(LINE.format("")),
        ended(LINE.format("master:1 "), script=f"echo '{LINE.format('master:1 ').strip()}'"),
    ],
}

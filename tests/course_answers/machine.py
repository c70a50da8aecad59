"""Answers to the exercises on the whole machine: the right ones found on this one."""

from __future__ import annotations

import os
from collections.abc import Callable

import nsexplore as nx

garden = nx.NamespacingExecer(max_uid=65535)
only_user = nx.NamespacingExecer(max_uid=65535, clone_flags=nx.CloneFlags.NEWUSER)

# The user namespace and its network are made by unshare in a child; its parent's root, who
# never was in there, steps into the network alone and brings its interface up.
FROM_ABOVE = """
unshare --user --map-root-user --net sh -c 'echo; exec sleep 60' > /dev/null &
while [ "$(readlink /proc/$!/ns/net)" = "$(readlink /proc/$$/ns/net)" ]; do :; done
nsenter --net=/proc/$!/ns/net ip link set lo up && echo up
kill $!
"""


def what_is_kept() -> set[str]:
    """End a process of which one file is open, and ask which of its namespaces are left."""
    with garden.start("sleep", "60") as process:
        mine = nx.discover().of(process, new=True)
        held = os.open(f"/proc/{process.pid}/ns/uts", os.O_RDONLY)
    try:
        left = set(nx.discover().namespaces["inode"])
    finally:
        os.close(held)
    frame = mine.namespaces
    return set(frame["type"][frame["inode"].isin(left)])


def from_above() -> bool:
    """Try it."""
    return only_user.run("sh", "-c", FROM_ABOVE).stdout == "up\n"


def translated(id: int, *, inwards: bool, kind: str = "uid") -> nx.Translation:
    """Translate an ID between here and a process in a garden map."""
    with garden.start("sleep", "60") as process:
        ends = ("here", process) if inwards else (process, "here")
        return nx.translate(id, *ends, kind=kind)


RIGHT: dict[str, Callable[[], object]] = {
    "machine.1": what_is_kept,
    "machine.2": from_above,
    "machine.3": lambda: translated(0, inwards=True),
}

ALSO_RIGHT: dict[str, list[object]] = {
    "machine.1": [["CLONE_NEWUTS", "CLONE_NEWUSER"], {"ns/uts", "ns/user"}],
}

WRONG: dict[str, list[object]] = {
    "machine.1": [{"uts"}, {"uts", "net"}, {"pid"}, {"mnt"}, "uts", 2],
    "machine.2": [False, "yes", 1],
    "machine.3": [
        lambda: translated(0, inwards=False),
        lambda: translated(70000, inwards=True),
        lambda: translated(0, inwards=True, kind="gid"),
        lambda: nx.translate(0, "here", "here"),
        65534,
    ],
}

"""Answers to the exercises on the doctor: the right ones by breaking things in namespaces."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable

import nsexplore as nx
from nsexplore.diagnosis import Check, Diagnosis

OWN_IDS = {"id_map": nx.IDMap.rootless(), "gid_map": nx.IDMap.rootless(os.getegid())}
inside = nx.NamespacingExecer(**OWN_IDS)
CHILD = "import nsexplore as nx; print(nx.Recording.take(nx.doctor()).to_json())"


def errno_of_a_limit() -> str:
    """Reach a limit, and read the error's name in what our own error says."""
    start = (
        "import nsexplore as nx\n"
        "try:\n"
        "    nx.NamespacingExecer(id_map='rootless', clone_flags=nx.CloneFlags.NEWUSER).run('id')\n"
        "except nx.StartError as error:\n"
        "    print(error)\n"
    )
    lines = 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$0" -c "$1"'
    said = inside.run("sh", "-c", lines, sys.executable, start).stdout
    found = re.search(r"clone, in the parent: (\w+),", said)
    assert found, said
    return found[1]


def only_the_limit_removed() -> bool:
    """Change the root folder, leave the limit as it is, and try."""
    lines = "mount --rbind / /mnt; chroot /mnt unshare --user true && echo yes"
    return inside.run("sh", "-c", lines).stdout == "yes\n"


def without_cgroup() -> object:
    """Lower that limit, and ask the doctor."""
    lines = 'echo 0 > /proc/sys/user/max_cgroup_namespaces; exec "$0" -c "$1"'
    done = inside.run("sh", "-c", lines, sys.executable, CHILD)
    return nx.Recording.from_json(done.stdout).value


def checked(*refused: str, way: bool = True) -> Diagnosis:
    """Return what the doctor would say where these kinds are refused."""
    kinds = (Check("namespaces", k.name, "", k.name not in refused) for k in nx.KINDS)
    return Diagnosis("Linux", "UID 0", (*kinds, Check("ID maps", "garden", "", way)))


RIGHT: dict[str, Callable[[], object]] = {
    "doctor.1": errno_of_a_limit,
    "doctor.2": only_the_limit_removed,
    "doctor.3": without_cgroup,
}

WRONG: dict[str, list[object]] = {
    "doctor.1": ["EPERM", "ENOMEM", "EINVAL", "EUSERS", "EAGAIN", "EIO", 28],
    "doctor.2": [True, "no"],
    "doctor.3": [
        checked(),
        checked("net"),
        checked("cgroup", way=False),
        Check("namespaces", "cgroup", "", False),
        "cgroup",
    ],
}

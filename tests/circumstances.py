"""Make, in a throwaway process, what keeps namespaces from being made, and ask the doctor there.

>>> found(CHROOT, limit("net"))            # in whatever order: it is made in one that works
>>> found(ORDINARY, NOT_DUMPABLE, fix=DUMPABLE).after

A circumstance is steps, each at its stage: files and folders are prepared while we
may still mount, namespaces are entered, privileges go, and a filter comes last. A
step that two circumstances need is made once. Nothing of it is seen outside: mounts
are in a mount namespace of the process's own, limits in a user namespace of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import making
import mounting
import seccomp
from asking import Found, end, found

__all__ = ["Found", "end", "found"]


class Stage(IntEnum):
    """When a step is made."""

    FILES = 1
    FOLDERS = 2
    USER = 3
    LIMITS = 4
    PIDS = 5
    ROOT = 6
    IDENTITY = 7
    INSIDE = 8
    PROCESS = 9
    FILTER = 10


@dataclass(frozen=True)
class Step:
    """One call of a function of `making` or `mounting`, at its stage."""

    stage: Stage
    name: str
    arguments: tuple[Any, ...] = ()
    as_root: bool = False

    def make(self) -> None:
        function = getattr(making, self.name, None) or getattr(mounting, self.name)
        if self.as_root:
            making.as_root(function, *self.arguments)
        else:
            function(*self.arguments)


Circumstance = tuple[Step, ...]


def step(stage: Stage, name: str, *arguments: Any) -> Circumstance:
    return (Step(stage, name, arguments),)


# -- who one is --------------------------------------------------------------------

ORDINARY = step(Stage.IDENTITY, "become", 1000, 1000, 1000)
ORDINARY_FOR_NOW = step(Stage.IDENTITY, "become", 1000, 1000, 0)
WITHOUT_SYS_ADMIN = step(Stage.IDENTITY, "drop", "CAP_SYS_ADMIN")
OTHER_GROUP = step(Stage.IDENTITY, "become", 1000, 1001, 1000)
OTHER_REAL_ID = step(Stage.IDENTITY, "become_in_part", 1001, 1000)


def without(capability: str) -> Circumstance:
    """Root without a capability."""
    return step(Stage.IDENTITY, "drop", capability)


def bounded(capability: str) -> Circumstance:
    """Programs cannot get a capability: made before root is left."""
    return step(Stage.ROOT, "bound", capability)


UNMAPPED_UID = step(Stage.USER, "enter_user", "0 1000 1", "0 0 1", "allow")
UNMAPPED_GID = step(Stage.USER, "enter_user", "0 0 1", "0 1000 1", "allow")
NESTED = step(Stage.USER, "enter_user", "0 0 4294967295", "0 0 4294967295", "allow")
UNMAPPED_BUT_65534 = step(Stage.USER, "enter_user", *("0 100000 65536",) * 2, "allow")
GARDEN = step(Stage.USER, "enter_user", *("0 65535 1\n1 1 65534",) * 2, "allow")
NO_SETGROUPS = step(Stage.USER, "enter_user", "0 0 4294967295", "0 0 4294967295", "deny")
ROOTLESS = step(Stage.INSIDE, "enter_own_user")
PRIVILEGED_NAMESPACES = step(Stage.INSIDE, "enter_all_but_user")
DEEP_USER = step(Stage.INSIDE, "nest_users")
DEEP_PID = step(Stage.PIDS, "nest_pids")
DEAD_INIT = step(Stage.PIDS, "let_init_die")
UNBORN_INIT = step(Stage.PIDS, "unshare_pids")
LIVE_INIT = UNBORN_INIT + step(Stage.ROOT, "bear_init")

# -- limits ------------------------------------------------------------------------


def limit(kind: str, most: int = 0) -> Circumstance:
    """At most so many namespaces of a kind, in a user namespace of our own."""
    return NESTED + step(Stage.LIMITS, "set_limit", kind, most)


def limit_outside(kind: str) -> Circumstance:
    """None of a kind in the user namespace around ours, which says nothing of it."""
    most = 1 if kind == "user" else 0  # or there could be none inside
    return limit(kind, most) + step(Stage.INSIDE, "enter_own_user")


def used_up(kind: str) -> Circumstance:
    """One of a kind, and we have it."""
    return limit(kind, 1) + step(Stage.PIDS, "unshare", kind)


NO_TASKS = step(Stage.PROCESS, "limit_tasks", 1)
NO_TASKS_IN_CGROUP = step(Stage.FILES, "limit_cgroup")

# -- the file system ----------------------------------------------------------------

FOLDER = step(Stage.FOLDERS, "make_folder", False)
MOUNT_POINT = step(Stage.FOLDERS, "make_folder", True)
SOMEBODY_OUTSIDE = step(Stage.PIDS, "leave_somebody")
CHROOT = FOLDER + step(Stage.ROOT, "chroot")
PIVOTED = MOUNT_POINT + step(Stage.ROOT, "pivot")
CHROOT_ON_MOUNT = MOUNT_POINT + step(Stage.ROOT, "chroot")
HIDEPID = {level: step(Stage.FOLDERS, "hide_processes", level) for level in (1, 2)}
MASKED_PROC = step(Stage.FOLDERS, "mask_proc")
SOMETHING_IN_PROC = step(Stage.FOLDERS, "mount_on_empty_folder_of_proc")
READ_ONLY_PROC = step(Stage.FOLDERS, "make_proc_read_only")
NO_DEV = step(Stage.FOLDERS, "make_dev_empty")
NO_PROC = step(Stage.FOLDERS, "unmount_proc")
FOREIGN_PROC = step(Stage.FOLDERS, "mount_foreign_proc")

SUBIDS = {"subuid": "alice:100000:65536\n", "subgid": "alice:100000:65536\n"}
USERS = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/:/bin/sh\n",
    "group": "root:x:0:\nalice:x:1000:\n",
    "shadow": "root:*:::::::\nalice:*:::::::\n",  # for usermod, which follows no link
}


def etc(files: Mapping[str, str | None]) -> Circumstance:
    """Another /etc, with a user alice, who is 1000."""
    return step(Stage.FILES, "change_etc", tuple({**USERS, **files}.items()))


WITH_SUBIDS = etc(SUBIDS)
NO_HELPERS = step(Stage.FOLDERS, "hide_helpers")
HELPERS_WITHOUT_SETUID = step(Stage.FOLDERS, "copy_helpers", 0o755, False)
HELPERS_THAT_FAIL = step(Stage.FOLDERS, "fail_as_helpers")
HELPERS_NOSUID = step(Stage.FOLDERS, "copy_helpers", 0o4755, True)

# -- the process --------------------------------------------------------------------

NO_NEW_PRIVS = step(Stage.PROCESS, "forbid_privileges")
NOT_DUMPABLE = step(Stage.PROCESS, "set_dumpable", 0)
DUMPABLE = step(Stage.PROCESS, "set_dumpable", 1)
NO_DESCRIPTORS = step(Stage.FILTER, "open_all_descriptors")
IGNORING_CHILDREN = step(Stage.PROCESS, "ignore_children")
NO_ENVIRONMENT = step(Stage.PROCESS, "clear_environment")


def filtered(program: bytes) -> Circumstance:
    return step(Stage.FILTER, "install", program)


def killing(program: bytes) -> bytes:
    """Return a filter that kills wherever this one answers with an errno."""
    mask = seccomp.value("SECCOMP_RET_ACTION_FULL")
    errno = seccomp.value("SECCOMP_RET_ERRNO")
    answer = seccomp.value("BPF_RET") | seccomp.value("BPF_K")
    lines = [struct.unpack("@HBBI", program[i : i + 8]) for i in range(0, len(program), 8)]
    kill = seccomp.value("SECCOMP_RET_KILL_PROCESS")
    return b"".join(
        struct.pack("@HBBI", code, yes, no, kill if code == answer and k & mask == errno else k)
        for code, yes, no, k in lines
    )


def as_root(name: str, *arguments: Any) -> Circumstance:
    """Return a fix that takes root, where one is `ORDINARY_FOR_NOW`."""
    return (Step(Stage.FILTER, name, arguments, as_root=True),)

"""The steps of `circumstances`, each made in a process that is thrown away afterwards.

Most cannot be undone, and some leave a process that can hardly do anything.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import seccomp

from nsexplore.capabilities import CAPABILITY_NAMES
from nsexplore.kinds import kind_of_name

libc = ctypes.CDLL(None, use_errno=True)

MS_RDONLY, MS_NOSUID, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 32, 0x1000, 0x4000, 1 << 18
MNT_DETACH = 2
PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER = 24, 36
PR_GET_DUMPABLE, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 3, 4, 38
CAPABILITY_VERSION_3 = 0x20080522


def call(name: str, *args: object) -> None:
    if getattr(libc, name)(*args) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}{args}: {os.strerror(number)}")


def unshare(*kinds: str) -> None:
    call("unshare", sum(int(kind_of_name(kind).flag) for kind in kinds))


def mount(source: str, target: str, flags: int, kind: str = "", data: str = "") -> None:
    texts = [text.encode() or None for text in (source, target, kind)]
    call("mount", *texts, ctypes.c_ulong(flags), data.encode() or None)


def private_mounts() -> None:
    """Have mounts of our own; twice does no harm."""
    unshare("mnt")
    mount("none", "/", MS_REC | MS_PRIVATE)


def adopt_orphans() -> None:
    """Become the parent of all that descends from us, once its own parent has ended."""
    call("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def stay_outside() -> None:
    """Fork: the child goes on, and we wait for its end."""
    if (pid := os.fork()) > 0:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 255)
    signal.alarm(30)


# -- who one is ------------------------------------------------------------------------


def become(uid: int, gid: int, saved: int) -> None:
    """Become a user; one whose saved ID is 0 has no capability either, yet a way back."""
    os.setgroups([])
    os.setresgid(gid, gid, saved)
    os.setresuid(uid, uid, saved)
    set_dumpable(1)  # the change has made us something that this user could not have started


def as_root(function: Callable[..., None], *arguments: object) -> None:
    """Go the way back, call a function, and return."""
    uid, gid = os.geteuid(), os.getegid()
    os.setresuid(0, 0, 0)
    os.setresgid(0, 0, 0)
    function(*arguments)
    become(uid, gid, 0)


def be_root() -> None:
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    set_dumpable(1)


def bound(capability: str) -> None:
    """Let no program have a capability from now on."""
    call("prctl", PR_CAPBSET_DROP, CAPABILITY_NAMES.index(capability), 0, 0, 0)


def become_in_part(real: int, effective: int) -> None:
    """Become a user by the effective ID, and another one by the real one."""
    os.setgroups([])
    os.setresgid(effective, effective, effective)
    os.setresuid(real, effective, effective)
    set_dumpable(1)


def drop(capability: str) -> None:
    """Lose a capability, for good: root would get it back by execve otherwise."""
    number = CAPABILITY_NAMES.index(capability)
    bound(capability)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable: low words, high words
    call("capget", header, sets)
    for one_set in range(3):
        sets[3 * (number // 32) + one_set] &= ~(1 << number % 32)
    call("capset", header, sets)


def enter_user(uid_map: str, gid_map: str, setgroups: str) -> None:
    """Enter a new user namespace, with maps that its parent writes; be root there if one can."""
    reader, writer = os.pipe()
    if (pid := os.fork()) == 0:
        os.read(reader, 1)
        process = Path("/proc", str(os.getppid()))
        for name, text in (("uid_map", uid_map), ("setgroups", setgroups), ("gid_map", gid_map)):
            (process / name).write_text(text)
        os._exit(0)
    unshare("user")
    os.write(writer, b".")
    assert os.waitpid(pid, 0)[1] == 0, "the maps were not written"
    os.close(reader)
    os.close(writer)
    for maps, become_root in ((gid_map, os.setresgid), (uid_map, os.setresuid)):
        if any(line.startswith("0 ") for line in maps.split("\n")) and "\n" in maps:
            become_root(0, 0, 0)
    set_dumpable(1)


def enter_own_user() -> None:
    """Enter a new user namespace in which one is root, and there is nobody else."""
    uid, gid = os.geteuid(), os.getegid()
    unshare("user")
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        Path("/proc/self", name).write_text(text)


def enter_all_but_user() -> None:
    """Enter garden's privileged namespaces."""
    unshare("pid")
    stay_outside()
    private_mounts()
    unshare("net", "ipc", "uts")
    mount("proc", "/proc", 0, "proc")


def nest_users() -> None:
    """Enter user namespaces, one in another, until there are no more."""
    for _ in range(40):
        try:
            enter_own_user()
        except OSError:
            return
    raise AssertionError("there is no end")


def nest_pids() -> None:
    for _ in range(40):
        try:
            unshare("pid")
        except OSError:
            return
        stay_outside()
    raise AssertionError("there is no end")


def unshare_pids() -> None:
    unshare("pid")


def bear_init() -> None:
    """Have a first process there, which lives until we have ended."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.dup2(reader, 0)
        os.closerange(1, 256)
        os.read(0, 1)
        os._exit(0)
    os.close(reader)
    os.set_inheritable(writer, False)


def let_init_die() -> None:
    unshare("pid")
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def set_limit(kind: str, most: int) -> None:
    Path(f"/proc/sys/user/max_{kind}_namespaces").write_text(str(most))


def limit_tasks(most: int) -> None:
    resource.setrlimit(resource.RLIMIT_NPROC, (most, resource.getrlimit(resource.RLIMIT_NPROC)[1]))


def allow_tasks() -> None:
    limit_tasks(resource.getrlimit(resource.RLIMIT_NPROC)[1])


# -- cgroups --------------------------------------------------------------------------


def limit_cgroup() -> None:
    """Enter a cgroup of our own in which there is room for us alone; it goes when we do."""
    parent = Path("/sys/fs/cgroup/pids")
    if not parent.is_dir():
        parent = Path("/sys/fs/cgroup")
    folder = parent / f"nsexplore-test-{os.getpid()}"
    folder.mkdir()
    if (pid := os.fork()) > 0:
        status = os.waitpid(pid, 0)[1]
        for below in folder.iterdir():
            if below.is_dir():
                below.rmdir()
        folder.rmdir()
        os._exit(os.waitstatus_to_exitcode(status) & 255)
    (folder / "cgroup.procs").write_text("0")
    (folder / "pids.max").write_text("1")


def enter_cgroup_below() -> None:
    """Enter a cgroup without a limit of its own, in the one that has one."""
    folder = _cgroup() / "below"
    folder.mkdir()
    (folder / "cgroup.procs").write_text("0")


def raise_cgroup() -> None:
    folder = _cgroup()
    while folder.name.startswith(("nsexplore-test", "below")):
        (folder / "pids.max").write_text("max")
        folder = folder.parent


def _cgroup() -> Path:
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        name = line.rpartition(":")[2]
        for parent in ("/sys/fs/cgroup/pids", "/sys/fs/cgroup"):
            if "nsexplore-test" in name and Path(parent + name).is_dir():
                return Path(parent + name)
    raise AssertionError("we are in no cgroup of our own")


# -- the process -----------------------------------------------------------------------


def forbid_privileges() -> None:
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def dumpable() -> int:
    return int(libc.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0))


def set_dumpable(value: int) -> None:
    call("prctl", PR_SET_DUMPABLE, value, 0, 0, 0)


def clear_environment() -> None:
    """Have no PATH and no standard input."""
    os.environ.pop("PATH", None)
    os.close(0)


def ignore_children() -> None:
    """Have the kernel reap every child: nobody can wait for one."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def open_all_descriptors() -> None:
    """Open files until there are no more."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    with suppress(OSError):
        while True:
            os.dup(1)


def close_some() -> None:
    os.closerange(32, 64)


def install(program: bytes) -> None:
    """Install a filter, with no_new_privs only where it takes that."""
    try:
        seccomp.install(program, no_new_privs=False)
    except PermissionError:
        seccomp.install(program)

"""The steps of `circumstances` that make another file system, in mounts of one's own."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import stat
import subprocess
from pathlib import Path

import ordinary_user
import seccomp
from making import (
    MNT_DETACH,
    MS_BIND,
    MS_NOSUID,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    call,
    mount,
    private_mounts,
    stay_outside,
    unshare,
)

JAIL = "/mnt/jail"
HELPERS = ("newuidmap", "newgidmap")


def change_etc(files: tuple[tuple[str, str | None], ...]) -> None:
    ordinary_user._change_files(ordinary_user.Place(etc=dict(files)))


def make_folder(is_mount: bool) -> None:
    """Make a root folder with nothing but /proc, in mounts of our own."""
    private_mounts()
    mount("tmpfs", "/mnt", 0, "tmpfs")
    os.chmod("/mnt", 0o755)
    os.mkdir(JAIL)
    if is_mount:
        mount("tmpfs", JAIL, 0, "tmpfs")
        os.chmod(JAIL, 0o755)
    os.mkdir(f"{JAIL}/proc")
    mount("/proc", f"{JAIL}/proc", MS_BIND | MS_REC)
    os.mkdir(f"{JAIL}/dev", 0o755)
    mount("/dev", f"{JAIL}/dev", MS_BIND | MS_REC)


def make_dev_empty() -> None:
    private_mounts()
    mount("tmpfs", "/dev", 0, "tmpfs", "mode=755")


def make_null() -> None:
    mask = os.umask(0)
    os.mknod("/dev/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.umask(mask)


def pivot() -> None:
    """Change the root as container engines do."""
    os.chdir(JAIL)
    number = seccomp.number("pivot_root")
    assert number is not None
    call("syscall", ctypes.c_long(number), b".", b".")
    call("umount2", b".", MNT_DETACH)
    os.chdir("/")


def leave_somebody() -> None:
    """Leave a process behind that sees the same mounts, from the root folder."""
    stay_outside()


def chroot() -> None:
    global _outside
    _outside = os.open("/", os.O_PATH)
    os.chroot(JAIL)
    os.chdir("/")


_outside = -1


def leave_chroot() -> None:
    os.fchdir(_outside)
    os.chroot(".")


def hide_processes(level: int) -> None:
    private_mounts()
    mount("proc", "/proc", 0, "proc", f"hidepid={level}")


def show_processes() -> None:
    mount("none", "/proc", MS_REMOUNT, "", "hidepid=0")


def mask_proc() -> None:
    """Mount something over a part of it, as container engines do."""
    private_mounts()
    mount("tmpfs", "/proc/sys/kernel", MS_RDONLY, "tmpfs")


def mount_on_empty_folder_of_proc() -> None:
    """Mount something where /proc has a folder for it, as systemd does: that hides nothing."""
    private_mounts()
    mount("tmpfs", "/proc/sys/fs/binfmt_misc", 0, "tmpfs")


def unmask_proc() -> None:
    call("umount2", b"/proc/sys/kernel", MNT_DETACH)


def make_proc_read_only() -> None:
    private_mounts()
    mount("none", "/proc", MS_REMOUNT | MS_BIND | MS_RDONLY)


def make_proc_writable() -> None:
    mount("none", "/proc", MS_REMOUNT | MS_BIND)


def unmount_proc() -> None:
    private_mounts()
    call("umount2", b"/proc", MNT_DETACH)


def mount_proc() -> None:
    mount("proc", "/proc", 0, "proc")


def mount_own_proc() -> None:
    private_mounts()
    mount_proc()


def mount_foreign_proc() -> None:
    """Mount the /proc of a PID namespace of which we are no member."""
    private_mounts()
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.dup2(writer, 0)
        os.closerange(1, 256)  # among them what would keep the answer from ending
        unshare("pid")
        if (pid := os.fork()) == 0:
            mount("proc", "/proc", 0, "proc")
            os.write(0, b".")
            while True:
                signal.pause()
        os.close(0)
        os.waitpid(pid, 0)
        os._exit(0)
    os.close(writer)
    assert os.read(reader, 1), "it has not been mounted"
    os.close(reader)


def hide_helpers() -> None:
    private_mounts()
    for name in HELPERS:
        if path := shutil.which(name):
            mount("/dev/null", path, MS_BIND)


def show_helpers() -> None:
    for name in HELPERS:
        if path := shutil.which(name, os.F_OK):
            call("umount2", path.encode(), MNT_DETACH)


def add_subids(user: str) -> None:
    """Do what the doctor says, with the program that it names."""
    for name in ("subuid", "subgid"):
        Path("/etc", name).touch()
    span = "100000-165535"
    options = [word for kind in ("uids", "gids") for word in (f"--add-sub{kind}", span)]
    subprocess.run(["usermod", *options, user], check=True, capture_output=True)


def repair_etc(name: str, text: str) -> None:
    Path("/etc", name).write_text(text)


def repair_helpers() -> None:
    for name in HELPERS:
        os.chmod(f"/mnt/{name}", 0o4755)
    mount("none", "/mnt", MS_REMOUNT, "")


def fail_as_helpers() -> None:
    """Put programs that fail first in PATH, setuid root as the real ones."""
    copy_helpers(0o4755, False, "false")


def copy_helpers(mode: int, nosuid: bool, instead: str | None = None) -> None:
    """Put copies of the helpers, or of another program, first in PATH."""
    private_mounts()
    mount("tmpfs", "/mnt", MS_NOSUID if nosuid else 0, "tmpfs")
    os.chmod("/mnt", 0o755)
    for name in HELPERS:
        path = shutil.which(instead or name)
        assert path is not None
        shutil.copyfile(path, f"/mnt/{name}")
        os.chmod(f"/mnt/{name}", mode)
    os.environ["PATH"] = f"/mnt:{os.environ['PATH']}"

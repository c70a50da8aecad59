"""A process that tries, really, what `nsexplore.operations` lists.

``trying.py CONFIG FOLDER``, where CONFIG is JSON of

- ``join``: the PID of a process all of whose namespaces it enters, or of which those of
  ``kinds``; the others are its own, made here, so that nothing of the machine is changed;
- ``drop``: capabilities that it then gives up;
- ``uid``: the user that it then becomes.

It prints its PID. For the names of operations, as JSON, it prints an errno for each: 0 where
it went well, null where it could not be tried. What could not be taken back is asked for in a
way that fails after the check of capabilities: a reboot with a wrong magic number.

FOLDER is one that anybody may write to.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from making import (
    MNT_DETACH,
    MS_BIND,
    call,
    drop,
    libc,
    mount,
    private_mounts,
    set_dumpable,
    unshare,
)

from nsexplore.kinds import KINDS, kind_of_name

NEIGHBOUR = 1
UNTRIED = 255
PTRACE_SEIZE, SIOCSIFFLAGS, IPC_RMID, IPC_CREAT, SHM_RDONLY = 0x4206, 0x8914, 0, 0o1000, 0o10000
ISOLATED = ("mnt", "net", "ipc", "uts", "cgroup")

libc.shmat.restype = ctypes.c_ssize_t


class Untried(Exception):
    """It cannot be tried here."""


class Trials:
    """What is tried, each in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.neighbour, self.memory = self._neighbour()

    def _neighbour(self) -> tuple[int, int]:
        """Have a process of another user beside, with a file and memory that are that user's."""
        reader, writer = os.pipe()
        held, self._hold = os.pipe()  # not by signals: one may not send them to it
        pid = os.fork()
        if pid == 0:
            os.close(self._hold)
            try:
                os.setresgid(NEIGHBOUR, NEIGHBOUR, NEIGHBOUR)
                os.setresuid(NEIGHBOUR, NEIGHBOUR, NEIGHBOUR)
                (self.folder / "file").touch(mode=0)
                memory = libc.shmget(0, 4096, IPC_CREAT)
            except OSError:
                os._exit(0)
            set_dumpable(1)
            os.write(writer, struct.pack("i", memory))
            os.read(held, 1)
            os._exit(0)
        os.close(writer)
        found = os.read(reader, 4)
        return (pid, struct.unpack("i", found)[0]) if found else (0, -1)

    def _beside(self) -> int:
        if not self.neighbour:
            raise Untried
        return self.neighbour

    def set_the_hostname(self) -> None:
        call("sethostname", b"", ctypes.c_long(-1))  # its length is wrong

    def set_the_nis_domain_name(self) -> None:
        call("setdomainname", b"", ctypes.c_long(-1))

    def configure_a_network_interface(self) -> None:
        import fcntl

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
            fcntl.ioctl(opened, SIOCSIFFLAGS, struct.pack("16sh14x", b"no-such", 1))

    def bind_a_privileged_port(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
            opened.bind(("0.0.0.0", 7))

    def open_a_raw_socket(self) -> None:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close()

    def _mount(self, source: str, kind: str, flags: int = 0) -> None:
        mount(source, "/tmp", flags, kind)
        call("umount2", b"/tmp", MNT_DETACH)

    def bind_mount_a_folder(self) -> None:
        self._mount("/tmp", "", MS_BIND)

    def mount_a_tmpfs(self) -> None:
        self._mount("none", "tmpfs")

    def mount_proc(self) -> None:
        self._mount("none", "proc")

    def mount_sysfs(self) -> None:
        self._mount("none", "sysfs")

    def mount_mqueue(self) -> None:
        self._mount("none", "mqueue")

    def mount_cgroup2(self) -> None:
        self._mount("none", "cgroup2")

    def mount_a_disk(self) -> None:
        lines = Path("/proc/filesystems").read_text().splitlines()
        on_disk = [line.strip() for line in lines if not line.startswith("nodev")]
        self._mount("/dev/no-such-disk", next(kind for kind in on_disk if kind.startswith("ext")))

    def pivot_root(self) -> None:
        call("pivot_root", b"/", b"/")

    def chroot(self) -> None:
        os.chroot("/")

    def set_clock_offsets(self) -> None:
        try:
            Path("/proc/self/timens_offsets").write_text("monotonic 0 0\n")
        except OSError as error:
            if error.errno == errno.EACCES:  # allowed, but there is a process in it already
                raise OSError(errno.EBUSY, "frozen") from None
            raise

    def set_the_clock(self) -> None:
        if "CAP_SYS_TIME" in capabilities():
            raise Untried  # before anything is set
        time.clock_settime(time.CLOCK_REALTIME, time.time())

    def make_a_device_node(self) -> None:
        node = self.folder / "node"
        os.mknod(node, 0o600 | 0o020000, os.makedev(1, 3))
        node.unlink()

    def load_a_module(self) -> None:
        call("init_module", None, ctypes.c_ulong(0), b"")  # there is none

    def reboot(self) -> None:
        number = {"x86_64": 169, "aarch64": 142}.get(os.uname().machine)
        if number is None:
            raise Untried
        call("syscall", ctypes.c_long(number), 0, 0, 0, None)  # no magic number

    def swap_on_a_file(self) -> None:
        call("swapon", b"/no/such/file", 0)

    def raise_a_hard_limit(self) -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 1))
        except ValueError:
            raise OSError(errno.EPERM, "not allowed to raise maximum limit") from None

    def raise_the_priority(self) -> None:
        os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) - 1)

    def change_a_file_s_owner(self) -> None:
        self._beside()
        os.chown(self.folder / "file", os.geteuid(), -1)
        os.chown(self.folder / "file", NEIGHBOUR, -1)

    def pass_over_a_file_s_permissions(self) -> None:
        self._beside()
        os.close(os.open(self.folder / "file", os.O_WRONLY))

    def take_another_user_id(self) -> None:
        os.setresuid(7, 7, 7)

    def take_other_groups(self) -> None:
        os.setgroups([7])

    def signal_another_user_s_process(self) -> None:
        os.kill(self._beside(), 0)

    def trace_another_user_s_process(self) -> None:
        call("ptrace", ctypes.c_long(PTRACE_SEIZE), self._beside(), None, None)

    def read_another_user_s_shared_memory(self) -> None:
        self._beside()
        if libc.shmat(self.memory, None, SHM_RDONLY) == -1:
            raise OSError(ctypes.get_errno(), "shmat")

    def remove_another_user_s_shared_memory(self) -> None:
        self._beside()
        call("shmctl", self.memory, IPC_RMID, None)

    def make_a_user_namespace(self) -> None:
        unshare("user")

    def make_another_namespace(self) -> None:
        unshare("uts")


def capabilities() -> tuple[str, ...]:
    from nsexplore.capabilities import CapabilitySet

    status = Path("/proc/self/status").read_text()
    return CapabilitySet(int(status.split("CapEff:")[1].split()[0], 16)).names


def number_of(trial: Callable[[], None]) -> int | None:
    """Return the errno of a trial, in a process of its own."""
    pid = os.fork()
    if pid == 0:
        code = UNTRIED
        with suppress(Untried):
            try:
                trial()
                code = 0
            except OSError as error:
                code = error.errno or UNTRIED
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return None if code in (UNTRIED, errno.ENOSYS) else code  # a kernel without modules


def enter(pid: int, kinds: list[str]) -> None:
    """Enter another process's namespaces, the user namespace last: one has all rights before."""
    files = [(kind, os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY)) for kind in kinds]
    others = [
        (kind, fd)
        for kind, fd in files
        if not os.path.samestat(os.fstat(fd), os.stat(f"/proc/self/ns/{kind}"))
    ]  # one's own user namespace is refused
    for kind, fd in sorted(others, key=lambda file: file[0] == "user"):
        call("setns", fd, int(kind_of_name(kind).flag))
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def main() -> None:
    config, folder = json.loads(sys.argv[1]), Path(sys.argv[2])
    unshare(*(kind for kind in ISOLATED if kind != "mnt"))
    private_mounts()
    if "join" in config:
        enter(config["join"], config.get("kinds", [kind.name for kind in KINDS]))
    if (pid := os.fork()) > 0:  # a PID namespace is entered by a child
        print(pid, flush=True)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 255)
    call("prctl", 1, signal.SIGKILL, 0, 0, 0)
    trials = Trials(folder)
    for capability in config.get("drop", ()):
        drop(capability)
    if uid := config.get("uid"):
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    set_dumpable(1)
    print("ready", flush=True)
    for line in sys.stdin:
        names = {
            name: "".join(c if c.isalnum() else "_" for c in name).lower()
            for name in json.loads(line)
        }
        answers = {name: number_of(getattr(trials, trial)) for name, trial in names.items()}
        print(json.dumps(answers), flush=True)


if __name__ == "__main__":
    main()

"""A quiet machine: a PID namespace with a /proc of its own, in which a function is called.

There `discover` meets the namespaces that `zoo` makes, and hardly any others.
Nothing of it is left when the function has returned: its process was the init.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import making
from conftest import open_descriptors

from nsexplore.discovering import discover

MNT_DETACH = 2


def on_quiet_machine(function: Callable[..., Any], *args: Any) -> Any:
    """Return what a module's function returns on a quiet machine."""
    done = subprocess.run(
        ["unshare", "--pid", "--mount-proc", "--fork", "--kill-child", sys.executable, __file__],
        input=pickle.dumps((function.__module__, function.__name__, args)),
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    return pickle.loads(done.stdout)


# -- making ----------------------------------------------------------------------------


def child(*steps: Callable[[], Any]) -> tuple[int, Any]:
    """Fork a process that takes some steps and then waits; return its PID and the last result."""
    reader, writer = os.pipe()
    if (pid := os.fork()) == 0:
        value = None
        try:
            for step in steps:
                value = step()
        finally:
            os.write(writer, pickle.dumps(value))
            os.close(writer)
        signal.pause()
    os.close(writer)
    with open(reader, "rb") as file:
        return pid, pickle.load(file)


def unsharing(*kinds: str) -> Callable[[], None]:
    return lambda: making.unshare(*kinds)


def inode(kind: str, of: int | str = "self") -> int:
    return os.stat(f"/proc/{of}/ns/{kind}").st_ino


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def one_of(kind: str) -> tuple[int, int]:
    """Return the PID of a process in a new namespace of a kind, and its inode."""
    pid, _ = child(unsharing(kind))
    return pid, inode(kind, pid)


def in_thread(step: Callable[[], Any], stay: bool) -> Any:
    """Return what a step returns in a thread, which then stays or ends."""
    result: list[Any] = []
    stepped = threading.Event()

    def run() -> None:
        result.append(step())
        stepped.set()
        if stay:
            threading.Event().wait()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    stepped.wait()
    if not stay:
        thread.join()
    return result[0]


def mount_one(path: str) -> int:
    """Mount a new UTS namespace, which nobody is in afterwards, on a new file."""
    Path(path).touch()
    pid, number = one_of("uts")
    making.mount(f"/proc/{pid}/ns/uts", path, making.MS_BIND)
    end(pid)
    return number


def odd_process(name: bytes) -> int:
    """Start sleep(1) from a file of this name, and with arguments as odd."""
    path = b"/mnt/" + name
    shutil.copy("/bin/sleep", path)
    process = subprocess.Popen([b"\xff<i>", b"60"], executable=path)
    process.returncode = 0  # not to be waited for: it ends with the machine
    return process.pid


# -- the zoo: each returns the kind, the inode, and who holds it ------------------------------


def held_by_thread() -> tuple[str, int, int]:
    def step() -> int:
        making.unshare("net")
        return inode("net", "thread-self")

    pid, number = child(lambda: in_thread(step, stay=True))
    return "net", number, pid


def held_by_children_of_thread() -> tuple[str, int, int]:
    def step() -> int:
        making.unshare("time")
        return os.stat("/proc/thread-self/ns/time_for_children").st_ino

    pid, number = child(lambda: in_thread(step, stay=True))
    return "time", number, pid


def held_by_fd() -> tuple[str, int, int]:
    maker, number = one_of("uts")
    pid, _ = child(lambda: os.open(f"/proc/{maker}/ns/uts", os.O_RDONLY))
    end(maker)
    return "uts", number, pid


def held_by_socket() -> tuple[str, int, int]:
    kept = []

    def step() -> int:
        making.unshare("net")
        kept.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        return inode("net", "thread-self")

    pid, number = child(lambda: in_thread(step, stay=False))
    return "net", number, pid


def held_by_mount() -> tuple[str, int, int]:
    return "uts", mount_one("/mnt/a name"), os.getpid()


def held_by_mount_elsewhere() -> tuple[str, int, int]:
    def step() -> int:
        making.private_mounts()
        making.mount("tmpfs", "/mnt", 0, "tmpfs")
        return mount_one("/mnt/elsewhere")

    pid, number = child(step)
    return "uts", number, pid


def held_by_mount_of_thread() -> tuple[str, int, int]:
    def step() -> int:
        making.private_mounts()
        making.mount("tmpfs", "/mnt", 0, "tmpfs")
        return mount_one("/mnt/of-thread")

    pid, number = child(lambda: in_thread(step, stay=True))
    return "uts", number, pid


def parent_of_a_user_namespace() -> tuple[str, int, int]:
    def step() -> int:
        making.enter_own_user()
        number = inode("user")
        making.enter_own_user()
        return number

    pid, number = child(step)
    return "user", number, pid


def held_for_children() -> tuple[str, int, int]:
    pid, number = child(unsharing("time"), lambda: inode("time_for_children"))
    return "time", number, pid


def opened_through_a_mount() -> tuple[str, int, int]:
    number = mount_one("/mnt/opened")
    pid, _ = child(lambda: os.open("/mnt/opened", os.O_RDONLY))
    return "uts", number, pid


def opened_through_a_mount_that_is_gone() -> tuple[str, int, int]:
    number = mount_one("/mnt/gone")
    pid, _ = child(lambda: os.open("/mnt/gone", os.O_RDONLY))
    making.call("umount2", b"/mnt/gone", MNT_DETACH)
    return "uts", number, pid


ZOO = (
    held_by_thread,
    held_by_children_of_thread,
    held_by_fd,
    held_by_socket,
    held_by_mount,
    held_by_mount_elsewhere,
    held_by_mount_of_thread,
    parent_of_a_user_namespace,
    held_for_children,
    opened_through_a_mount,
    opened_through_a_mount_that_is_gone,
)


def look_at_zoo() -> tuple[dict[str, tuple[str, int, int]], Any]:
    """Return what the zoo made, by name, and the snapshot."""
    making.private_mounts()
    making.mount("tmpfs", "/mnt", 0, "tmpfs")
    making.adopt_orphans()
    return {make.__name__: make() for make in ZOO}, discover(progress=False)


def look_with_lsns() -> tuple[list[dict[str, Any]], Any]:
    """Return the rows of lsns(8), and our snapshot of the same namespaces."""
    making.private_mounts()
    making.mount("tmpfs", "/run", 0, "tmpfs")
    child(making.enter_own_user, unsharing("net", "uts"), making.enter_own_user)
    child(unsharing("pid", "mnt", "ipc", "cgroup", "time"), making.bear_init)
    child(unsharing("net"), lambda: os.setresuid(1000, 1000, 1000))
    for name in ("blue", "green"):
        subprocess.run(["ip", "netns", "add", name], check=True)
    for name, pid in (("red", one_of("net")[0]), ("own", os.getpid())):
        subprocess.run(["ip", "netns", "attach", name, str(pid)], check=True)
    Path("/run/again").touch()
    making.mount("/run/netns/red", "/run/again", making.MS_BIND)
    subprocess.run(["ip", "netns", "set", "red", "7"], check=True)
    listed = subprocess.run(
        ["lsns", "--json", "--output-all"], stdout=subprocess.PIPE, check=True
    ).stdout
    return json.loads(listed)["namespaces"], discover(progress=False)


def look_from_threads() -> tuple[int, list[Any], set[int]]:
    """Return how many looked at once, what each saw, and which descriptors are left."""
    making.private_mounts()
    making.mount("tmpfs", "/mnt", 0, "tmpfs")
    for make in ZOO:
        make()
    before, seen = open_descriptors().keys(), list[Any]()
    threads = [
        threading.Thread(target=lambda: seen.append(discover(progress=False))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(threads), seen, {*open_descriptors().keys()} - {*before}


def interrupt_often() -> tuple[int, int, set[int]]:
    """Interrupt scans at ever later moments: how many were, how many not, what they leave open."""
    making.private_mounts()
    making.mount("tmpfs", "/mnt", 0, "tmpfs")
    for make in ZOO:
        make()
    discover(progress=False)
    before = open_descriptors().keys()
    interrupted = finished = 0
    for tenths in range(1, 80):
        signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
        signal.setitimer(signal.ITIMER_REAL, tenths * 1e-4)
        try:
            discover(progress=False)
            signal.setitimer(signal.ITIMER_REAL, 0)
            finished += 1
        except KeyboardInterrupt:
            interrupted += 1
    return interrupted, finished, {*open_descriptors().keys()} - {*before}


def look_through_hidden_proc(option: str) -> Any:
    """Return what an ordinary user sees whose /proc hides others."""
    making.private_mounts()
    child()  # root's
    making.mount("proc", "/proc", 0, "proc", f"hidepid={option}")
    making.become(1000, 1000, 1000)
    return discover(progress=False)


def look_as_ordinary_user() -> tuple[Any, int]:
    """Return what an ordinary user sees beside processes of root, and that user's PID."""
    making.private_mounts()
    for _ in range(3):
        child()
    making.become(1000, 1000, 1000)
    return discover(progress=False), os.getpid()


def look_with_odd_names() -> Any:
    """Return what is seen of processes with names that try to be something else."""
    making.private_mounts()
    making.mount("tmpfs", "/mnt", 0, "tmpfs")
    for name in ODD_NAMES:
        odd_process(name)
    return discover(progress=False)


ODD_NAMES = (b"a) Z 0 (b", b"x\nUid:\t7 7 7", b"<b>&amp;\xff", b"(", b")")


if __name__ == "__main__":
    module, name, arguments = pickle.load(sys.stdin.buffer)
    value = getattr(importlib.import_module(module), name)(*arguments)
    sys.stdout.buffer.write(pickle.dumps(value))
    sys.stdout.flush()

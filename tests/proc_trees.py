"""A part of /proc as a tree of files, recorded from a quiet machine in one file.

    python tests/proc_trees.py

records it anew. In it are: a process in namespaces of its own, which has a
thread in others and a descriptor of yet another, odd names, a zombie.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import machine
import making

RECORDED = Path(__file__).with_name("recorded") / "proc.json"
FILES = ("stat", "status", "cmdline", "uid_map", "gid_map")


def unpack(folder: Path) -> Path:
    """Make the tree of what was recorded: links that lead nowhere, and empty folders, too."""
    for name, what in json.loads(RECORDED.read_text()).items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if what is None:
            place.mkdir(exist_ok=True)
        elif "link" in what:
            place.symlink_to(what["link"])
        else:
            place.write_bytes(what["data"].encode("latin-1"))
    return folder


def pack(folder: Path) -> None:
    """Keep a tree."""
    found: dict[str, dict[str, str] | None] = {}
    for place in sorted(folder.rglob("*")):
        name = str(place.relative_to(folder))
        if place.is_symlink():
            found[name] = {"link": os.readlink(place)}
        elif place.is_dir():
            found[name] = None
        else:
            found[name] = {"data": place.read_bytes().decode("latin-1")}
    RECORDED.write_text(json.dumps(found, indent=0) + "\n")


def record(target: str, own: int) -> None:
    """Copy what the scan reads of each process but this one; `own` stands for ourselves."""
    tree = Path(target)
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    (tree / "self").symlink_to(str(own))
    write(tree / "sys/kernel/hostname", b"recorded\n")
    write(tree / "sys/kernel/random/boot_id", b"00000000-0000-4000-8000-000000000000\n")
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        if int(pid) != os.getpid():
            record_process(Path("/proc", pid), tree / pid)


def record_process(process: Path, copy: Path) -> None:
    for name in FILES:
        write(copy / name, (process / name).read_bytes())
    # In which group is nobody's business, either.
    write(copy / "cgroup", re.sub(rb":/.+", b":/", (process / "cgroup").read_bytes()))
    with suppress(OSError):  # a zombie
        lines = (process / "mountinfo").read_bytes().splitlines(keepends=True)
        wanted = [line for line in lines if b" - nsfs " in line or b" /proc " in line]
        write(copy / "mountinfo", b"".join(wanted))
    for task in os.listdir(process / "task"):
        (copy / "task" / task).mkdir(parents=True)
        if task != process.name:
            record_links(process / "task" / task / "ns", copy / "task" / task / "ns")
    record_links(process / "ns", copy / "ns")
    (copy / "fd").mkdir()
    for name in os.listdir(process / "fd"):
        with suppress(OSError):
            link = os.readlink(process / "fd" / name)
            if ":[" in link:  # the paths of files are nobody's business
                (copy / "fd" / name).symlink_to(link)


def record_links(source: Path, target: Path) -> None:
    target.mkdir()
    for name in os.listdir(source):
        with suppress(OSError):
            (target / name).symlink_to(os.readlink(source / name))


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


HOLDER = """
import ctypes, os, threading
libc = ctypes.CDLL(None)
open("/proc/self/comm", "w").write("holder")
fd = os.open("/proc/self/ns/uts", os.O_RDONLY)
libc.unshare({new})
threading.Thread(target=lambda: (libc.unshare({alone}), open("/proc/self/fd/1", "w").write("."),
                                 threading.Event().wait())).start()
"""


def make_and_record(target: str) -> None:
    making.private_mounts()
    making.mount("tmpfs", "/mnt", 0, "tmpfs")
    own = machine.odd_process(b"reader")
    for name in machine.ODD_NAMES:
        machine.odd_process(name)
    net, uts_and_ipc = 0x40000000, 0x0C000000
    code = HOLDER.format(new=uts_and_ipc, alone=net)
    # By a name that says nothing of where Python lies.
    holder = subprocess.Popen(
        ["python3", "-c", code], executable=sys.executable, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    holder.stdout.read(1)
    zombie = subprocess.Popen(["true"], stdout=subprocess.PIPE)
    assert zombie.stdout is not None
    zombie.stdout.read()
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    record(target, own)


if __name__ == "__main__":
    import proc_trees  # by its name, for the other process to find it

    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "proc"
        machine.on_quiet_machine(proc_trees.make_and_record, str(tree))
        pack(tree)

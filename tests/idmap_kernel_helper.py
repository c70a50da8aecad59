"""A small process that asks the running kernel about ID maps, one JSON line per question.

Run as a script, so that it has one thread and may change its own credentials:
``idmap_kernel_helper.py CONFIG``, where CONFIG is JSON of

- ``uid_map``, ``gid_map``: move into a new user namespace with these maps, with all
  capabilities in there, and as its root where it has one;
- ``uids``, ``gids``: then take these (real, effective, saved) IDs;
- ``drop``: then give up these capability numbers.

It greets with what `writer_now` says of it, and answers each question
``{"kind", "text", "setgroups"}`` by writing the text to the map of a child in a
new user namespace of its own: ``{"step", "errno", "printed", "pid"}``. The
child lives until the next question, so that others may look at it too.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import sys
from dataclasses import asdict
from typing import Any

from nsexplore.idmap import IDMap
from nsexplore.mapwriters import writer_now

CLONE_NEWUSER = 0x10000000
PR_SET_DUMPABLE = 4
CAPABILITY_VERSION_3 = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)


def unshare_user() -> int:
    """Return 0, or the errno with which unshare(2) failed."""
    return 0 if libc.unshare(CLONE_NEWUSER) == 0 else ctypes.get_errno()


def write_file(path: str, text: str) -> None:
    """Write the text in one system call, as an ID map has to be."""
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def read_file(path: str) -> str:
    """Return what /proc says."""
    with open(path) as file:
        return file.read()


class Child:
    """A child that sits in a new user namespace until it is reaped."""

    def __init__(self) -> None:
        told, tell = os.pipe()
        held, self._hold = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._hold)
            os.write(tell, unshare_user().to_bytes(4, "little"))
            os.read(held, 1)
            os._exit(0)
        os.close(tell)
        os.close(held)
        self.errno = int.from_bytes(os.read(told, 4), "little")
        os.close(told)

    def reap(self) -> None:
        """Let it go, and wait for it."""
        os.close(self._hold)
        os.waitpid(self.pid, 0)


def ask(child: Child, kind: str, text: str, setgroups: str | None) -> dict[str, Any]:
    """Write a map for the child; return how far that went."""
    step, proc, printed, number = "unshare", f"/proc/{child.pid}", "", child.errno
    if not number:
        try:
            if setgroups is not None:
                step = "setgroups"
                write_file(f"{proc}/setgroups", setgroups)
            step = "map"
            write_file(f"{proc}/{kind}_map", text)
        except OSError as error:
            number = error.errno or errno.EIO
        printed = read_file(f"{proc}/{kind}_map")
    return {"step": step, "errno": number, "printed": printed, "pid": child.pid}


def nest(uid_map: str, gid_map: str) -> None:
    """Go on in a new user namespace with these maps; a parent outside waits."""
    told, tell = os.pipe()
    go, release = os.pipe()
    pid = os.fork()
    if pid:
        os.close(tell)
        os.read(told, 1)
        write_file(f"/proc/{pid}/uid_map", uid_map)
        write_file(f"/proc/{pid}/gid_map", gid_map)
        os.write(release, b"!")
        os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    os.close(release)
    if number := unshare_user():
        raise OSError(number, "unshare")
    os.write(tell, b"!")
    if not os.read(go, 1):
        raise SystemExit("the parent outside could not write the maps")
    if IDMap.parse(uid_map).to_host(0) is not None:
        become((0, 0, 0), (0, 0, 0))


def become(uids: tuple[int, int, int], gids: tuple[int, int, int]) -> None:
    """Take these IDs and no supplementary group; stay dumpable, or /proc is closed to us."""
    os.setgroups([])
    os.setresgid(*gids)
    os.setresuid(*uids)
    libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)


def drop(capabilities: list[int]) -> None:
    """Give up these capabilities, for good."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()
    if libc.capget(header, data) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    for number in capabilities:
        word, bit = divmod(number, 32)
        for which in (0, 1):  # effective, permitted
            data[3 * word + which] &= ~(1 << bit)
    if libc.capset(header, data) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def introduce() -> dict[str, Any]:
    """Return this process as a writer of both maps."""
    return {
        kind: {**asdict(writer := writer_now(kind, False)), "parent": str(writer.parent)}
        for kind in ("uid", "gid")
    }


def main() -> None:
    """Take the position that CONFIG describes; then answer until the questions end."""
    config = json.loads(sys.argv[1])
    if "uid_map" in config:
        nest(config["uid_map"], config["gid_map"])
    if "uids" in config:
        become(config["uids"], config["gids"])
    if "drop" in config:
        drop(config["drop"])
    print(json.dumps(introduce()), flush=True)
    child = None
    for question in sys.stdin:
        if child:
            child.reap()
        child = Child()
        print(json.dumps(ask(child, **json.loads(question))), flush=True)
    if child:
        child.reap()


if __name__ == "__main__":
    main()

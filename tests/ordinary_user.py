"""Run a function of a test as an ordinary user: UID and GID 1000, no capability, no groups."""

from __future__ import annotations

import ctypes
import importlib
import os
import pickle
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

libc = ctypes.CDLL(None, use_errno=True)

ORDINARY_ID = 1000
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
CLONE_NEWNS = 0x00020000
MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 0x1000, 0x2000, 0x4000, 1 << 18

MACHINES = Path("/etc/.machine")
PROGRAMS = Path("/etc/.programs")


@dataclass(frozen=True)
class Place:
    """Who the function runs as, and what /etc it sees.

    Attributes
    ----------
    etc : mapping of str to str or None
        Files of /etc, by name; None: it is not there. All others are the machine's.
    programs : mapping of str to str
        Scripts in a folder that is first in PATH.
    mode : int
        Theirs: setuid root to look at, which the kernel does not honour for a script.
    hidden : tuple of str
        Programs that cannot be executed, by path.
    without : tuple of int
        Capabilities that no program there can get, by number.
    uid, gid : int
    """

    etc: Mapping[str, str | None] = field(default_factory=dict)
    programs: Mapping[str, str] = field(default_factory=dict)
    mode: int = 0o4755
    hidden: tuple[str, ...] = ()
    without: tuple[int, ...] = ()
    uid: int = ORDINARY_ID
    gid: int = ORDINARY_ID


def as_ordinary_user(function: Callable[..., Any], *args: Any) -> Any:
    """Return what a module's function returns in a fresh process without any privilege.

    The interpreter may lie where that user cannot start it, so the process is
    started as we are, imports the function's module, and only then lets go.
    """
    return in_place(Place(), function, *args)


def in_place(place: Place, function: Callable[..., Any], *args: Any) -> Any:
    """Return what a module's function returns in a fresh process at such a place."""
    done = subprocess.run(
        [sys.executable, __file__],
        input=pickle.dumps((place, function.__module__, function.__qualname__, args)),
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    failure, value = pickle.loads(done.stdout)
    assert failure is None, failure
    return value


def _go_and_call(
    place: Place, function: Callable[..., Any], args: tuple[Any, ...]
) -> tuple[str | None, Any]:
    try:
        if place.etc or place.programs or place.hidden:
            _change_files(place)
        for capability in place.without:
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
        os.setgroups([])
        os.setresgid(place.gid, place.gid, place.gid)
        os.setresuid(place.uid, place.uid, place.uid)
        # The change has made the process non-dumpable, unlike one that this user started.
        libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
        return None, function(*args)
    except BaseException:
        return traceback.format_exc(), None


def _change_files(place: Place) -> None:
    """Put another /etc over the machine's, in a mount namespace of our own."""
    if libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    _mount("none", "/", MS_REC | MS_PRIVATE)
    for program in place.hidden:
        _mount("/dev/null", program, MS_BIND)
    aside = Path(tempfile.mkdtemp())
    _mount("/etc", aside, MS_BIND | MS_REC)
    _mount("tmpfs", "/etc", 0, "tmpfs")
    MACHINES.mkdir()
    _mount(aside, MACHINES, MS_MOVE)
    aside.rmdir()
    for path in ("/etc", MACHINES):
        os.chmod(path, 0o755)
    for name in {*os.listdir(MACHINES)} - {*place.etc}:
        os.symlink(MACHINES / name, f"/etc/{name}")
    for name, text in place.etc.items():
        if text is not None:
            Path("/etc", name).write_text(text)
    PROGRAMS.mkdir()
    for name, text in place.programs.items():
        (PROGRAMS / name).write_text(text)
        (PROGRAMS / name).chmod(place.mode)
    os.environ["PATH"] = f"{PROGRAMS}:{os.environ['PATH']}"


def _mount(source: str | Path, target: str | Path, flags: int, kind: str | None = None) -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    if libc.mount(*texts, ctypes.c_ulong(flags), None) != 0:
        raise OSError(ctypes.get_errno(), f"mount on {target}")


if __name__ == "__main__":
    place, module, name, arguments = pickle.load(sys.stdin.buffer)
    # What is looked up only when it is needed lies where that user may not look.
    for needed in ("nsexplore._spawn", "nsexplore.diagnosing", "nsexplore.rootless"):
        importlib.import_module(needed)
    found = getattr(importlib.import_module(module), name)
    sys.stdout.buffer.write(pickle.dumps(_go_and_call(place, found, arguments)))

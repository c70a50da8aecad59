"""What a throwaway child finds out about this process: what is tried, not read.

A system call with arguments that contradict each other is refused by the kernel
in one way, whoever asks. A seccomp filter looks at it before, and answers in its
own: so it gives itself away, without anything being made. And where one kind of
namespace out of many is the culprit, each is asked for alone.
"""

from __future__ import annotations

import errno
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ._frozen import FrozenMapping
from .flags import NO_NAMESPACES, CloneFlags
from .kinds import KINDS, kind_of_name
from .procfs import parse_status, read_text

if TYPE_CHECKING:
    from ._spawn import Spawn

__all__ = [
    "EXPECTED",
    "KILLED",
    "Probes",
    "deadly",
    "each_alone",
    "probes_for",
    "probes_now",
    "remember",
]

_HELD: Final = 5
"""Where a child can try something: ``Stop.RELEASED``, which lives above this module."""

KILLED: Final = -1000
"""Stands for the answer of a filter that kills."""

EXPECTED: Final = {
    **{f"clone {kind.name}": -errno.EINVAL for kind in KINDS if kind.name != "time"},
    "clone3": -errno.EINVAL,
    "mount": -errno.EFAULT,
    "setns": -errno.EBADF,
    "unshare files": 0,
}
"""What the kernel itself answers to each impossible call, and to the one that anybody may make."""

_MOUNTINFO: Final = 1 << 22

_FRESH: Final = 5.0
"""Seconds for which it is known how many namespaces there is room for: others come and go."""


@dataclass(frozen=True, slots=True)
class Probes:
    """What was tried in throwaway children, and what only a failure gives reason to look for.

    Attributes
    ----------
    born : int
        0, or the errno of the plain clone(2) that was to make a child in no new
        namespace: nothing else is known then.
    answers : mapping of str to int
        What each impossible call returned, or -errno; `KILLED` for one that the
        child did not survive.
    dumpable : int or None
        PR_GET_DUMPABLE of this process.
    chrooted : bool or None
        None where it takes more privilege to tell.
    root_elsewhere : str
        Where another process sees what is this one's root folder, if not as its root.
    alone : mapping of CloneFlags to int
        The errno of clone(2), or of unshare(2), with these flags alone; 0 where it succeeded.
    tasks : tuple of int, or None
        How many tasks this user has, as far as one sees, and may have (RLIMIT_NPROC).
    """

    born: int
    answers: Mapping[str, int]
    dumpable: int | None
    chrooted: bool | None
    root_elsewhere: str = ""
    alone: Mapping[CloneFlags, int] = FrozenMapping()
    tasks: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for name in ("answers", "alone"):
            object.__setattr__(self, name, FrozenMapping(getattr(self, name)))

    def filtered(self, name: str) -> str:
        """Return the answer that is not the kernel's own (``"EPERM"``); empty where none is."""
        answer = self.answers.get(name, EXPECTED[name])
        if answer == EXPECTED[name]:
            return ""
        if answer == KILLED:
            return "killed"
        return errno.errorcode.get(-answer, f"errno {-answer}") if answer < 0 else "granted"


def probes_now() -> Probes:
    """Return what is known of this process, asking a throwaway child only if nobody has yet."""
    state = _state()
    known = _known
    if known is not None and known[0] == state:
        fresh = time.monotonic() - known[2] < _FRESH
        return known[1] if fresh else replace(known[1], alone={})
    probes = _probe()
    remember(probes, state)
    return probes


def probes_for(number: int, flags: CloneFlags, probes: Probes | None = None) -> Probes:
    """Return the same, and what a failure with this errno gives reason to look for.

    Parameters
    ----------
    number : int
        What a step of a start answered.
    flags : CloneFlags
        The namespaces that were asked for.
    probes : Probes, optional
        What is known, if the caller has just asked.
    """
    if probes is None:
        probes = probes_now()
    explained = any(probes.alone.get(each) == number for each in each_alone(flags))
    if number in (errno.ENOSPC, errno.EUSERS) and not explained and not _would_be_init():
        alone = {each: _attempt(each) for each in each_alone(flags) if not deadly(probes, each)}
        probes = replace(probes, alone={**probes.alone, **alone})
        remember(probes)
    if errno.EAGAIN in (number, probes.born) and probes.tasks is None:
        probes = replace(probes, tasks=_tasks())  # not to remember: that changes all the time
    return probes


def remember(probes: Probes, state: object = None) -> None:
    """Keep what was found for as long as this process stays as it is."""
    global _known
    if not probes.born:  # else a child may be born the next time
        _known = state or _state(), probes, time.monotonic()


def deadly(probes: Probes, flags: CloneFlags) -> bool:
    """Whether a filter kills who asks for these: then it is not to be tried in this process."""
    names = (f"clone {kind.name}" for kind in KINDS if kind.flag in flags)
    return any(probes.answers.get(name) == KILLED for name in names)


_known: tuple[object, Probes, float] | None = None


def _state() -> object:
    """Return what changes when the answers may have changed."""
    try:
        # Of this thread: it may have unshared what others share.
        status = parse_status(read_text("/proc/thread-self/status"))
        root = os.stat("/")
        owner = os.stat("/proc/self/status").st_uid  # root's, where this process is not dumpable
    except OSError:
        return os.getpid()
    names = ("Tgid", "Uid", "Gid", "CapEff", "NoNewPrivs", "Seccomp", "Seccomp_filters")
    links = [_link(f"/proc/thread-self/ns/{name}") for name in ("user", "mnt", "pid_for_children")]
    limits = [_text(f"/proc/sys/user/max_{kind.name}_namespaces") for kind in KINDS]
    return (owner, root.st_dev, root.st_ino, *map(status.get, names), *links, *limits)


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError as error:
        return str(error.errno)


# -- asking ---------------------------------------------------------------------


def _probe() -> Probes:
    try:
        from ._spawn import TRIALS
    except ImportError:
        return Probes(errno.ENOSYS, {}, None, None)
    if _would_be_init():
        return Probes(0, {}, None, None)
    found: dict[str, int] = {}
    asked = [*EXPECTED, "dumpable", "chrooted"]
    while asked:  # a child that a filter has killed is followed by another one
        child = _child()
        try:
            if failure := child.advance(_HELD):
                return Probes(failure[1] or errno.ECHILD, {}, None, None)
            answer: int | None = 0
            while asked and answer is not None:
                name = asked.pop(0)
                trial, _, kind = (
                    name.partition(" ") if name.startswith("clone ") else (name, "", "")
                )
                argument = int(kind_of_name(kind).flag) if kind else 0
                answer = child.attempt(TRIALS.index(trial), argument)
                found[name] = KILLED if answer is None else answer
        finally:
            child.abandon()
    dumpable, chrooted = found.pop("dumpable"), found.pop("chrooted")
    return Probes(
        born=0,
        answers=found,
        dumpable=dumpable if dumpable >= 0 else None,
        chrooted=bool(chrooted) if chrooted >= 0 else None,
        root_elsewhere="" if chrooted >= 0 else _root_elsewhere(),
    )


def _would_be_init() -> bool:
    """Whether the next child is the init of a PID namespace, which a trial would end for good."""
    path = "/proc/thread-self/ns/pid_for_children"
    return (
        threading.get_native_id() == os.getpid()
        and _link(path) == str(errno.ENOENT)
        and os.path.lexists(path)
    )


def _child(flags: CloneFlags = NO_NAMESPACES) -> Spawn:
    from ._spawn import Spawn

    return Spawn((b"/",), (), (), None, int(flags), *(None,) * 4, (), 0, False, False, ())


def _attempt(flags: CloneFlags) -> int:
    """Return the errno of making a child in these new namespaces; 0 where there was one."""
    child = _child(flags)
    try:
        failure = child.advance(_HELD)
        return 0 if failure is None else failure[1]
    finally:
        child.abandon()


def each_alone(flags: CloneFlags) -> Iterator[CloneFlags]:
    """Return each kind by itself; if one is user, the others with it."""
    user = CloneFlags.NEWUSER & flags
    for kind in KINDS:
        if kind.flag in flags:
            yield user | kind.flag


# -- looking ----------------------------------------------------------------------


def _root_elsewhere() -> str:
    """Return where a process that is not chrooted sees what is mounted on our root folder.

    A mount has one number in all of the machine, and PID 1 or one of our ancestors
    may see the same mounts from further up. Reading that takes no privilege (proc(5)).
    """
    roots = re.findall(r"^(\d+) \d+ \S+ \S+ / ", _text("/proc/self/mountinfo"), re.MULTILINE)
    if not roots:
        return ""
    ours = re.compile(rf"^{roots[-1]} \d+ \S+ \S+ (/\S+) ", re.MULTILINE)
    for pid in dict.fromkeys(("1", *_ancestors())):
        path = f"/proc/{pid}/mountinfo"
        if found := ours.search(_text(path)):
            return f"{found[1]}, in {path}"
    return ""


def _ancestors() -> Iterator[str]:
    pid = "self"
    for _ in range(64):
        pid = parse_status(_text(f"/proc/{pid}/status")).get("PPid", "0")
        if pid == "0":
            return
        yield pid


def _tasks() -> tuple[int, int] | None:
    import resource  # there where /proc is

    limit = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    if limit == resource.RLIM_INFINITY:
        return None
    own, count = str(os.getuid()), 0
    with suppress(OSError):
        for name in os.listdir("/proc"):
            status = parse_status(_text(f"/proc/{name}/status")) if name.isdigit() else {}
            if status.get("Uid", "").split("\t")[0] == own:
                count += int(status["Threads"])
    return count, limit


def _text(path: str) -> str:
    try:
        return read_text(path, limit=_MOUNTINFO)
    except OSError:  # none such, or not for us, or it has ended
        return ""

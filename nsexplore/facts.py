"""What decides whether namespaces can be made, as far as it can be read: evidence, no verdict.

Only the doctor's trials tell whether something works; these facts tell why not.
"""

from __future__ import annotations

import errno
import os
import platform
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from . import maphelpers, subids
from ._frozen import FrozenMapping
from .capabilities import CapabilitySet
from .errors import IDMapError
from .idmap import OVERFLOW_ID, IDMap, MapWriter
from .kinds import KINDS
from .procfs import LIMIT, parse_status, read_text
from .subids import SubIDs

__all__ = ["Facts", "facts_now"]

_HELPERS: Final[tuple[maphelpers.Helper, ...]] = ("newuidmap", "newgidmap")
LIMITS: Final = tuple(f"user.max_{kind.name}_namespaces" for kind in KINDS)
USERNS_CLONE: Final = "kernel.unprivileged_userns_clone"
APPARMOR_USERNS: Final = "kernel.apparmor_restrict_unprivileged_userns"
_SYSCTLS: Final = (*LIMITS, USERNS_CLONE, APPARMOR_USERNS)

_FIRST: Final = {"user": 0xEFFFFFFD, "pid": 0xEFFFFFFC}
"""PROC_USER_INIT_INO, PROC_PID_INIT_INO (proc_ns.h): the inodes of the outermost namespaces."""

_MADE_TO_BE_MOUNTED_ON: Final = ("/proc/sys/fs/binfmt_misc", "/proc/fs/nfsd")
"""Folders of /proc that are always empty: what is mounted there hides nothing."""

_MOUNTINFO: Final = 1 << 22
"""Bytes: a machine with many containers has thousands of mounts."""


@dataclass(frozen=True, slots=True)
class Facts:
    """This process and this machine, as far as they decide about namespaces.

    What could not be read is None, or missing from a mapping.

    Attributes
    ----------
    system : str
    euid, egid : int
        As this process counts them.
    uid_map, gid_map : IDMap or None
        Of this process's own user namespace.
    unmapped : tuple of str
        Which of the effective IDs, ``"uid"`` and ``"gid"``, have no mapping there.
    setgroups : str or None
        Of the same: ``"allow"`` or ``"deny"``.
    real : tuple of int
        The real UID and GID.
    effective, bounding : CapabilitySet or None
    no_new_privs : bool or None
    seccomp : int or None
        0 none, 1 strict, 2 filter.
    kinds : frozenset of str
        The kinds of namespace that this kernel has.
    outermost : bool or None
        Whether this process's user namespace is the machine's first one.
    own_children : bool or None
        Whether the children of this thread are born into its own PID namespace;
        not so after unshare(CLONE_NEWPID).
    unborn_init : bool
        Nobody has been born there yet: the next child will be its init, and to
        end that one, as a trial does, is the end of all that could be born there.
    outermost_pids : bool or None
        Whether this process's PID namespace is the machine's first one.
    pid_levels : int or None
        How many PID namespaces this process has a PID in, as far as the
        mounted /proc shows.
    sysctls : mapping of str to str
        Those that matter and exist here.
    label : str
        What the security module calls this process (/proc/self/attr/current).
    root_is_mounted : bool or None
        Whether something is mounted on ``/``, as this process sees mounts.
    proc : str
        The options of the /proc that is mounted here; empty where none is that
        knows this process.
    foreign_proc : bool
        The /proc that is mounted belongs to another PID namespace.
    dev_null : bool
        Whether /dev/null is there.
    masked : tuple of str
        What is mounted over parts of it.
    subids : SubIDs or None
        What /etc/subuid and /etc/subgid give to this user.
    helpers : mapping of str to str
        Where ``newuidmap`` and ``newgidmap`` are; "" where not.
    powerless : mapping of str to str
        Why such a program has no privilege of its own, where it has none.
    task_limit : str
        Of the cgroup's limits on tasks the one with the least room: its file,
        and ``pids.current`` of ``pids.max``.
    """

    system: str
    euid: int
    egid: int
    uid_map: IDMap | None
    gid_map: IDMap | None
    unmapped: tuple[str, ...]
    setgroups: str | None
    real: tuple[int, int]
    effective: CapabilitySet | None
    bounding: CapabilitySet | None
    no_new_privs: bool | None
    seccomp: int | None
    kinds: frozenset[str]
    outermost: bool | None
    own_children: bool | None
    unborn_init: bool
    outermost_pids: bool | None
    pid_levels: int | None
    sysctls: Mapping[str, str]
    label: str
    root_is_mounted: bool | None
    proc: str
    foreign_proc: bool
    dev_null: bool
    masked: tuple[str, ...]
    subids: SubIDs | None
    helpers: Mapping[str, str]
    powerless: Mapping[str, str]
    task_limit: str

    def __post_init__(self) -> None:
        for name in ("sysctls", "helpers", "powerless"):
            object.__setattr__(self, name, FrozenMapping(getattr(self, name)))

    def can(self, capability: str) -> bool:
        """Whether this process has a capability, as far as is known."""
        return self.effective is None or capability in self.effective

    def writer(self, kind: str, *, setgroups_denied: bool) -> MapWriter | None:
        """Return this process as the writer of a map, as `mapwriters.writer_now` does."""
        parent = self.uid_map if kind == "uid" else self.gid_map
        if parent is None:
            return None
        return MapWriter(
            euid=self.euid,
            egid=self.egid,
            parent=parent,
            can_set_ids=self.can(f"CAP_SET{kind.upper()}"),
            can_set_fcap=self.can("CAP_SETFCAP"),
            setgroups_denied=setgroups_denied or self.setgroups == "deny",
        )


def facts_now() -> Facts:
    """Read the facts; takes about a millisecond, and needs no privilege."""
    status = parse_status(_text("/proc/self/status"))
    mounts = _mounts()
    helpers: dict[str, str] = {name: maphelpers.where(name) for name in _HELPERS}
    uid_map, gid_map = _map("/proc/self/uid_map"), _map("/proc/self/gid_map")
    own_children, unborn_init = _own_children()
    return Facts(
        system=system(),
        euid=os.geteuid() if hasattr(os, "geteuid") else 0,
        egid=os.getegid() if hasattr(os, "getegid") else 0,
        uid_map=uid_map,
        gid_map=gid_map,
        unmapped=_unmapped(uid_map, gid_map),
        setgroups=_text("/proc/self/setgroups").strip() or None,
        real=(os.getuid(), os.getgid()) if hasattr(os, "getuid") else (-1, -1),
        effective=_capabilities(status, "CapEff"),
        bounding=_capabilities(status, "CapBnd"),
        no_new_privs=status["NoNewPrivs"] == "1" if "NoNewPrivs" in status else None,
        seccomp=int(status["Seccomp"]) if "Seccomp" in status else None,
        kinds=frozenset(k.name for k in KINDS if os.path.lexists(f"/proc/self/ns/{k.name}")),
        outermost=_is_first("user"),
        own_children=own_children,
        unborn_init=unborn_init,
        outermost_pids=_is_first("pid"),
        pid_levels=len(status["NSpid"].split()) if "NSpid" in status else None,
        sysctls={name: text for name in _SYSCTLS if (text := _sysctl(name))},
        label=_text("/proc/self/attr/current").strip("\0\n"),
        root_is_mounted=None if not mounts else any(where == "/" for where, _, _ in mounts),
        proc=_last([options for where, _, options in mounts if where == "/proc"]),
        foreign_proc=os.path.islink("/proc/self") and not os.path.exists("/proc/self"),
        dev_null=os.path.exists("/dev/null"),
        masked=tuple(where for where, _, _ in mounts if _is_masked(where)),
        subids=subids.own() if hasattr(os, "geteuid") else None,
        helpers=helpers,
        powerless={
            name: why
            for name, path in helpers.items()
            if path and (why := maphelpers.powerless(path))
        },
        task_limit=_task_limit(),
    )


def system() -> str:
    """Return the kernel and the architecture, such as ``Linux 6.18.5 x86_64``."""
    return f"{platform.system() or sys.platform} {platform.release()} {platform.machine()}".strip()


def _capabilities(status: Mapping[str, str], name: str) -> CapabilitySet | None:
    return CapabilitySet(int(status[name], 16)) if name in status else None


def _text(path: str, limit: int = LIMIT) -> str:
    try:
        return read_text(path, limit=limit)
    except (OSError, AttributeError):  # no such file; no such system
        return ""


def _map(path: str) -> IDMap | None:
    try:
        return IDMap.parse(read_text(path))
    except (OSError, AttributeError, IDMapError):
        return None


def _sysctl(name: str) -> str:
    return _text(f"/proc/sys/{name.replace('.', '/')}").strip()


def _is_first(kind: str) -> bool | None:
    try:
        return os.stat(f"/proc/self/ns/{kind}").st_ino == _FIRST[kind]
    except OSError:
        return None


def _unmapped(uid_map: IDMap | None, gid_map: IDMap | None) -> tuple[str, ...]:
    """Return which effective IDs have no mapping, though the map may have a line for 65534."""
    if uid_map is None or gid_map is None or not hasattr(os, "geteuid"):
        return ()
    euid, egid = os.geteuid(), os.getegid()
    found = []
    for name, number, known in (("uid", euid, uid_map), ("gid", egid, gid_map)):
        if known.to_host(number) is None or (number == OVERFLOW_ID and not _is_own(name, number)):
            found.append(name)
    return tuple(found)


def _is_own(kind: str, number: int) -> bool:
    """Whether an ID that shows as 65534 is really that one.

    Anybody may give a file of his own to himself; an owner without a mapping here
    and the one with this number are not the same.
    """
    try:
        fd = os.memfd_create("nsexplore", os.MFD_CLOEXEC)
    except (OSError, AttributeError):
        return True
    try:
        os.fchown(fd, -1, -1)  # if that is refused, it is refused by somebody else
        try:
            os.fchown(fd, *((number, -1) if kind == "uid" else (-1, number)))
        except PermissionError:
            return False
    except OSError:
        pass
    finally:
        os.close(fd)
    return True


def _own_children() -> tuple[bool | None, bool]:
    """Return whether this thread's children share its PID namespace; whether theirs is unborn."""
    for folder in ("/proc/thread-self/ns", "/proc/self/ns"):  # the former since Linux 3.17
        try:
            own = os.readlink(f"{folder}/pid")
        except OSError:
            continue
        try:
            return os.readlink(f"{folder}/pid_for_children") == own, False
        except FileNotFoundError:  # unshared, and nobody has been born there; or before 4.12
            if not os.path.lexists(f"{folder}/pid_for_children"):
                return None, False
            # A start in another thread than the first one is not cloned by that thread itself.
            return False, threading.get_native_id() == os.getpid()
        except OSError:
            return None, False
    return None, False


def _is_masked(where: str) -> bool:
    return where.startswith("/proc/") and where not in _MADE_TO_BE_MOUNTED_ON


def _mounts() -> list[tuple[str, str, str]]:
    """Return mount point, type and options of every mount that this process sees (proc(5))."""
    found = []
    for line in _text("/proc/self/mountinfo", _MOUNTINFO).splitlines():
        before, _, after = line.partition(" - ")
        fields, others = before.split(" "), after.split(" ")
        if len(fields) >= 6 and len(others) >= 3:
            found.append((fields[4], others[0], f"{fields[5]},{others[2]}"))
    return found


def _last(options: list[str]) -> str:
    return options[-1] if options else ""


def _task_limit() -> str:
    """Return which of the limits on tasks around this process has the least room."""
    found = []
    for line in _text("/proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number != "0" and "pids" not in controllers.split(","):
            continue
        top = Path("/sys/fs/cgroup") if number == "0" else Path("/sys/fs/cgroup/pids")
        folder = top / path.lstrip("/")
        while folder.is_relative_to(top) and folder != top:  # each is charged to all around it
            with suppress(OSError, ValueError):
                most = (folder / "pids.max").read_text().strip()
                used = (folder / "pids.current").read_text().strip()
                if most != "max":
                    found.append((int(most) - int(used), f"{folder}/pids.max: {used} of {most}"))
            folder = folder.parent
    return min(found)[1] if found else ""


def errno_name(number: int) -> str:
    """Return an errno's name, such as ``EPERM``."""
    return errno.errorcode.get(number, f"errno {number}")

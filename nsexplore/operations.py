"""What asks for which capability, and in which user namespace: one table drives all answers.

After capabilities(7), the man pages named in it, and the kernel's own checks: an operation
on what a namespace isolates asks ns_capable(its owner, …), one on the whole machine capable(…),
which is the initial user namespace.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from .capabilities import CAPABILITY_NAMES

__all__ = ["MACHINE", "OPERATIONS", "Need", "Operation", "capability_name", "needs_of", "sought"]

MACHINE: Final = "machine"
"""The kind of a resource that no namespace isolates: the initial user namespace is asked."""


@dataclass(frozen=True, slots=True)
class Need:
    """A capability, and over what.

    Attributes
    ----------
    capability : str
    kind : str
        A kind of namespace: the capability is asked for in the user namespace that owns
        the process's namespace of that kind; for ``"user"``, in that namespace itself.
        Or `MACHINE`: in the initial user namespace.
    """

    capability: str
    kind: str


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that root is asked for.

    Attributes
    ----------
    name : str
    call : str
        The system call, by which it can be asked for as well.
    needs : tuple of Need
        All of them; none where no capability is asked for.
    source : str
        The man page.
    also : str
        What else has to be as it must, as a sentence without a full stop; may be empty.
    """

    name: str
    call: str
    needs: tuple[Need, ...]
    source: str
    also: str = ""


def _on(kind: str, *capabilities: str) -> tuple[Need, ...]:
    return tuple(Need(f"CAP_{name}", kind) for name in capabilities)


_MOUNT: Final = _on("mnt", "SYS_ADMIN")
_VISIBLE: Final = "where another one is mounted already, no part of it may be hidden by a mount"
_MAPPED: Final = "the file's owner and group must have a mapping there"

# fmt: off
OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation("set the hostname", "sethostname", _on("uts", "SYS_ADMIN"), "sethostname(2)"),
    Operation("set the NIS domain name", "setdomainname", _on("uts", "SYS_ADMIN"),
              "setdomainname(2)"),
    Operation("configure a network interface", "ioctl", _on("net", "NET_ADMIN"), "netdevice(7)"),
    Operation("bind a privileged port", "bind", _on("net", "NET_BIND_SERVICE"), "ip(7)",
              "privileged is what is below net.ipv4.ip_unprivileged_port_start: 1024, if not set"),
    Operation("open a raw socket", "socket", _on("net", "NET_RAW"), "raw(7)"),
    Operation("bind-mount a folder", "mount", _MOUNT, "mount(2)",
              "mounts from a more privileged mount namespace stay locked together"),
    Operation("mount a tmpfs", "mount", _MOUNT + _on("user", "SYS_ADMIN"), "user_namespaces(7)"),
    Operation("mount proc", "mount", _MOUNT + _on("pid", "SYS_ADMIN"), "user_namespaces(7)",
              _VISIBLE),
    Operation("mount sysfs", "mount", _MOUNT + _on("net", "SYS_ADMIN"), "user_namespaces(7)",
              _VISIBLE),
    Operation("mount mqueue", "mount", _MOUNT + _on("ipc", "SYS_ADMIN"), "user_namespaces(7)"),
    Operation("mount cgroup2", "mount", _MOUNT + _on("cgroup", "SYS_ADMIN"), "user_namespaces(7)"),
    Operation("mount a disk", "mount", _MOUNT + _on(MACHINE, "SYS_ADMIN"), "user_namespaces(7)"),
    Operation("pivot_root", "pivot_root", _MOUNT, "pivot_root(2)"),
    Operation("chroot", "chroot", _on("user", "SYS_CHROOT"), "chroot(2)"),
    Operation("set clock offsets", "timens_offsets", _on("time", "SYS_TIME"),
              "time_namespaces(7)", "only before the first process is in the time namespace"),
    Operation("set the clock", "clock_settime", _on(MACHINE, "SYS_TIME"), "clock_settime(2)"),
    Operation("make a device node", "mknod", _on(MACHINE, "MKNOD"), "mknod(2)"),
    Operation("load a module", "init_module", _on(MACHINE, "SYS_MODULE"), "init_module(2)"),
    Operation("reboot", "reboot", _on("pid", "SYS_BOOT"), "reboot(2)",
              "in a PID namespace that is not the initial one, it ends that namespace's init"),
    Operation("swap on a file", "swapon", _on(MACHINE, "SYS_ADMIN"), "swapon(2)"),
    Operation("raise a hard limit", "setrlimit", _on(MACHINE, "SYS_RESOURCE"), "setrlimit(2)"),
    Operation("raise the priority", "setpriority", _on(MACHINE, "SYS_NICE"), "setpriority(2)",
              "RLIMIT_NICE may allow it to anybody"),
    Operation("change a file's owner", "chown", _on("user", "CHOWN"), "chown(2)",
              f"{_MAPPED}, and so must the new ones"),
    Operation("pass over a file's permissions", "open", _on("user", "DAC_OVERRIDE"),
              "user_namespaces(7)", _MAPPED),
    Operation("take another user ID", "setuid", _on("user", "SETUID"), "setuid(2)",
              "the ID must have a mapping there"),
    Operation("take other groups", "setgroups", _on("user", "SETGID"), "setgroups(2)",
              "/proc/PID/setgroups must say allow, and each ID have a mapping"),
    Operation("signal another user's process", "kill", _on("user", "KILL"), "kill(2)",
              "this is about a process that is a member of the same user namespace; for another"
              " one, that one's is asked"),
    Operation("trace another user's process", "ptrace", _on("user", "SYS_PTRACE"), "ptrace(2)",
              "this is about a process that is a member of the same user namespace; for another"
              " one, that one's is asked"),
    Operation("read another user's shared memory", "shmat", _on("ipc", "IPC_OWNER"), "shmop(2)"),
    Operation("remove another user's shared memory", "shmctl", _on("ipc", "SYS_ADMIN"),
              "shmctl(2)"),
    Operation("make a user namespace", "unshare", (), "user_namespaces(7)",
              "doctor() tries it, and tells what else may forbid it"),
    Operation("make another namespace", "unshare", _on("user", "SYS_ADMIN"), "unshare(2)",
              "made together with a user namespace, it needs no capability"),
)
# fmt: on


def capability_name(what: str) -> str | None:
    """Return the name of a capability that is meant; None: none is.

    Without its ``CAP_``, a name is first that of an operation or of a system call: of chown,
    kill, mknod, setuid and more there are both.
    """
    name = what.strip().upper()
    if not name.startswith("CAP_"):
        if _named(what):
            return None
        name = f"CAP_{name}"
    return name if name in CAPABILITY_NAMES else None


def _named(what: str) -> list[Operation]:
    meant = " ".join(what.split()).casefold()
    named = [operation for operation in OPERATIONS if operation.name.casefold() == meant]
    return named or [operation for operation in OPERATIONS if operation.call == meant]


def sought(what: str) -> list[Operation]:
    """Return the operations of a name, or of a system call.

    Raises
    ------
    ValueError
        There is none: lists those that there are, the nearest first.
    """
    if found := _named(what):
        return found
    meant = what.casefold()
    names = [operation.name for operation in OPERATIONS]
    near = get_close_matches(meant, names, n=3, cutoff=0.4)
    near += [name for name in names if set(meant.split()) & set(name.split()) - _SMALL - {*near}]
    ordered = dict.fromkeys([*near, *names])
    raise ValueError(
        f"{what!r} is no operation that is known here, nor a capability; there are "
        + ", ".join(map(repr, ordered))
    )


_SMALL: Final = {"a", "the", "on", "another", "other"}


def needs_of(capability: str) -> list[Need]:
    """Return over what a capability may be asked for: by the table, and for any."""
    kinds: Iterable[str] = (
        need.kind for o in OPERATIONS for need in o.needs if need.capability == capability
    )
    return [Need(capability, kind) for kind in dict.fromkeys(["user", *kinds, MACHINE])]

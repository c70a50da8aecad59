"""The one table of the eight namespace kinds.

Flags, frames, colours, toggles and documentation all iterate over `KINDS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ._renders import Renders
from .flags import CloneFlags

__all__ = ["KINDS", "Kinds", "NamespaceKind", "kind_of_flag", "kind_of_name"]


@dataclass(frozen=True, slots=True)
class NamespaceKind(Renders):
    """One kind of namespace.

    Attributes
    ----------
    name : str
        Its name below ``/proc/PID/ns``.
    flag : CloneFlags
        The clone(2) flag that makes a new one.
    isolates : str
        What it isolates, as in namespaces(7).
    since : str
        The kernel that first had it in full.
    man : str
        The manual page.
    colour : str
        The background that stands for it in every picture (white text on it
        has a contrast of at least 4.5:1).
    sign : str
        The character that stands for it beside the colour. Every font of the last
        decades has it (WGL4), and none draws it as an emoji.
    """

    name: str
    flag: CloneFlags
    isolates: str
    since: str
    man: str
    colour: str
    sign: str

    @property
    def flag_name(self) -> str:
        """The flag in the kernel's spelling, such as ``CLONE_NEWNS``."""
        return str(self.flag)


class Kinds(Renders, tuple[NamespaceKind, ...]):
    """Kinds of namespaces, in order: a tuple that shows itself as a table."""

    __slots__ = ()


# Kernel versions: namespaces(7), clone(2) and unshare(2), "VERSIONS"/"since";
# user namespaces appeared in 2.6.23 and were complete in 3.8, network
# namespaces appeared in 2.6.24 and were complete in about 2.6.29.
KINDS: Final = Kinds(
    (
        NamespaceKind(
            "user",
            CloneFlags.NEWUSER,
            "user and group IDs, capabilities",
            "3.8",
            "user_namespaces(7)",
            "#455a73",
            "●",
        ),
        NamespaceKind(
            "pid",
            CloneFlags.NEWPID,
            "process IDs",
            "2.6.24",
            "pid_namespaces(7)",
            "#6a3d9a",
            "►",
        ),
        NamespaceKind(
            "mnt",
            CloneFlags.NEWNS,
            "mount points",
            "2.4.19",
            "mount_namespaces(7)",
            "#1857a4",
            "■",
        ),
        NamespaceKind(
            "net",
            CloneFlags.NEWNET,
            "network devices, stacks, ports",
            "2.6.29",
            "network_namespaces(7)",
            "#1b6e3a",
            "▲",
        ),
        NamespaceKind(
            "ipc",
            CloneFlags.NEWIPC,
            "System V IPC, POSIX message queues",
            "2.6.19",
            "ipc_namespaces(7)",
            "#7a5b00",
            "◊",
        ),
        NamespaceKind(
            "uts",
            CloneFlags.NEWUTS,
            "hostname and NIS domain name",
            "2.6.19",
            "uts_namespaces(7)",
            "#8a3b12",
            "□",
        ),
        NamespaceKind(
            "cgroup",
            CloneFlags.NEWCGROUP,
            "cgroup root directory",
            "4.6",
            "cgroup_namespaces(7)",
            "#a61b2b",
            "○",
        ),
        NamespaceKind(
            "time",
            CloneFlags.NEWTIME,
            "boot and monotonic clocks",
            "5.6",
            "time_namespaces(7)",
            "#5d4037",
            "▼",
        ),
    )
)

_BY_NAME: Final = {kind.name: kind for kind in KINDS}
_BY_FLAG: Final = {kind.flag: kind for kind in KINDS}


def kind_of_name(name: str) -> NamespaceKind:
    """Return the kind with this /proc name; `ValueError` lists the names there are."""
    try:
        return _BY_NAME[name]
    except KeyError:
        known = ", ".join(_BY_NAME)
        raise ValueError(f"{name!r} is no kind of namespace; there are {known}") from None


def kind_of_flag(flag: CloneFlags) -> NamespaceKind:
    """Return the kind that one single flag makes; `ValueError` for anything else."""
    try:
        return _BY_FLAG[flag]
    except KeyError:
        raise ValueError(f"{flag!s} is not one namespace flag") from None

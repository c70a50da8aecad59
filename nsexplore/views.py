"""What one sees of a process: frozen values, filled in by `nsexplore.inspecting`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ._frozen import FrozenMapping
from ._renders import Renders
from .capabilities import Capabilities
from .idmap import OVERFLOW_ID, IDMap
from .origin import Origin

__all__ = ["Credentials", "Namespace", "NamespaceID", "ProcessView"]


@dataclass(frozen=True, slots=True, order=True)
class NamespaceID(Renders):
    """What identifies a namespace: device and inode together, never the inode alone."""

    dev: int
    ino: int


@dataclass(frozen=True, slots=True)
class Namespace(Renders):
    """One namespace, as a link below /proc/PID/ns leads to it.

    Attributes
    ----------
    kind : str
        ``"net"``, ``"user"`` … (`KINDS`).
    dev, ino : int
        Its identity.
    owner : NamespaceID or None
        The user namespace that owns it (NS_GET_USERNS), None where that may not be seen.
    parent : NamespaceID or None
        Its parent (NS_GET_PARENT): user and PID namespaces only, None for the
        topmost one and where that may not be seen.
    owner_uid : int or None
        User namespaces only: the UID that created it, as this process counts
        UIDs (NS_GET_OWNER_UID).
    unique_id : int or None
        Never used again while the machine runs (NS_GET_ID, since Linux 6.18);
        None where the kernel does not have it.
    """

    kind: str
    dev: int
    ino: int
    owner: NamespaceID | None = None
    parent: NamespaceID | None = None
    owner_uid: int | None = None
    unique_id: int | None = None

    @property
    def id(self) -> NamespaceID:
        """Device and inode: two namespaces are the same if and only if these are."""
        return NamespaceID(self.dev, self.ino)

    @property
    def link(self) -> str:
        """What readlink(2) says, such as ``net:[4026531840]``."""
        return f"{self.kind}:[{self.ino}]"

    def __str__(self) -> str:
        return self.link


@dataclass(frozen=True, slots=True)
class Credentials(Renders):
    """The IDs of a process, from the Uid, Gid and Groups lines of /proc/PID/status."""

    uid: int
    euid: int
    suid: int
    fsuid: int
    gid: int
    egid: int
    sgid: int
    fsgid: int
    groups: tuple[int, ...] = ()

    def inside(self, uid_map: IDMap, gid_map: IDMap) -> Credentials:
        """Return the same IDs as a process inside sees them: 65534 for one without a mapping."""

        def u(host: int) -> int:
            found = uid_map.to_container(host)
            return OVERFLOW_ID if found is None else found

        def g(host: int) -> int:
            found = gid_map.to_container(host)
            return OVERFLOW_ID if found is None else found

        return Credentials(
            u(self.uid),
            u(self.euid),
            u(self.suid),
            u(self.fsuid),
            g(self.gid),
            g(self.egid),
            g(self.sgid),
            g(self.fsgid),
            tuple(g(group) for group in self.groups),
        )


@dataclass(frozen=True, slots=True)
class ProcessView(Renders):
    """A process at one moment, read from /proc.

    What could not be read is None (or left out of `namespaces`), and
    `unreadable` says why.

    Attributes
    ----------
    pid : int
        As this process counts PIDs.
    moment : {"now", "birth", "step"}
        When it was read: at a call of `inspect`; just before execve, while the
        process waited (`Process.birth`); or at a stop of a `Step`.
    comm : str
        The name the process goes by; it may choose any.
    cmdline : tuple of str
        Its argument vector; empty for a zombie or a kernel thread.
    state : str
        One letter and a word, as in /proc/PID/status: ``S (sleeping)``.
    ppid : int
        The parent's PID.
    nspid : tuple of int
        Its PIDs from the reader's PID namespace to its own, the innermost last.
    namespaces : mapping of str to Namespace
        By kind, in the order of `KINDS`.
    uid_map, gid_map : IDMap or None
        As this process reads them: ``host_id`` counts in this process's user namespace.
    setgroups : str or None
        ``"allow"`` or ``"deny"``.
    credentials : Credentials or None
        As this process counts IDs ("outside").
    inside : Credentials or None
        The same, as the process itself counts them.
    capabilities : Capabilities or None
    no_new_privs : bool or None
    seccomp : int or None
        0 none, 1 strict, 2 filter.
    unreadable : mapping of str to str
        What could not be read, with the reason.
    recorded : Origin or None
        Where and when, if this was not read here and now but shown from a recording.
        It does not count when views are compared.
    """

    pid: int
    moment: Literal["now", "birth", "step"]
    comm: str
    cmdline: tuple[str, ...]
    state: str
    ppid: int
    nspid: tuple[int, ...]
    namespaces: Mapping[str, Namespace]
    uid_map: IDMap | None
    gid_map: IDMap | None
    setgroups: str | None
    credentials: Credentials | None
    inside: Credentials | None
    capabilities: Capabilities | None
    no_new_privs: bool | None
    seccomp: int | None
    unreadable: Mapping[str, str]
    recorded: Origin | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("namespaces", "unreadable"):
            object.__setattr__(self, name, FrozenMapping(getattr(self, name)))

    @property
    def links(self) -> dict[str, str]:
        """The links below /proc/PID/ns: ``{"net": "net:[4026531840]", …}``."""
        return {kind: namespace.link for kind, namespace in self.namespaces.items()}

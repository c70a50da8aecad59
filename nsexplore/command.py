"""A command as it will be asked of the kernel: garden's ``exec.Cmd``, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ._frozen import FrozenMapping
from ._renders import Renders
from .flags import NO_NAMESPACES, CloneFlags
from .idmap import IDMap
from .shell import shell_line

__all__ = ["Command", "Credential", "Join", "Propagation"]

Propagation = Literal["private", "slave", "shared"]


@dataclass(frozen=True, slots=True)
class Credential:
    """The identity the child takes, counted inside.

    ``groups`` are its supplementary groups; None: those that it has stay.
    """

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] | None = ()


@dataclass(frozen=True, slots=True)
class Join(Renders):
    """A namespace that exists, and that the child enters by setns(2).

    Attributes
    ----------
    kind : str
        ``"net"``, ``"user"`` … (`nsexplore.KINDS`).
    dev, ino : int
        Its identity.
    source : str
        What it was found by: ``/proc/4711/ns/net``, the path of a bind mount, ``fd 7``.
    fd : int
        An open descriptor of it. How it is opened is not part of what is asked: it does
        not count when commands are compared.
    """

    kind: str
    dev: int
    ino: int
    source: str
    fd: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{self.kind}:[{self.ino}] ({self.source})"


@dataclass(frozen=True, slots=True)
class Command(Renders):
    """What will be asked of the kernel. Making one spawns nothing.

    Attributes
    ----------
    path : str
        The program, looked up in PATH as Go does; the name itself where that failed.
    args : tuple of str
        The argument vector; the first is the name as given.
    stdin, stdout, stderr : int or None
        A file descriptor of this process; None is /dev/null.
    env : mapping of str to str, or None
        None: this process's environment at the time of the start.
    cwd : str or None
        None: this process's working directory.
    clone_flags : CloneFlags
        The namespaces that will be new.
    joins : tuple of Join
        The namespaces that are there and will be entered, in this order (`nsexplore.enter`).
    search : tuple of str
        Where the program is looked for inside, one after the other, as execvp(3) does; empty:
        it is `path`.
    uid_mappings, gid_mappings : IDMap or None
        None without a new user namespace.
    gid_mappings_enable_setgroups : bool
        What is written to /proc/PID/setgroups: "allow" or "deny".
    newuidmap, newgidmap : str or None
        The setuid program that is to write the map where this process may not,
        by its path; None: this process writes it itself.
    credential : Credential or None
        None: the child keeps this process's credentials.
    extra_files : tuple of int
        They arrive as fd 3, 4, … in order.
    propagation : {"private", "slave", "shared"} or None
        Of all mounts in a new mount namespace (mount_namespaces(7)); None: as they are.
    mount_proc : bool
        Mount a fresh /proc inside.
    detached : bool
        The process may outlive this one.
    lookup_error : str or None
        Why `path` cannot be started, where planning found that out already;
        starting it raises `StartError` with these words.
    notes : tuple of str
        In which way this is less than what could be had elsewhere, and why; a sentence each.
    birth : bool
        Stop just before execve for the birth view. How one looks is not part
        of what is asked: it does not count when commands are compared.
    """

    path: str
    args: tuple[str, ...]
    stdin: int | None = None
    stdout: int | None = None
    stderr: int | None = None
    env: Mapping[str, str] | None = None
    cwd: str | None = None
    clone_flags: CloneFlags = NO_NAMESPACES
    uid_mappings: IDMap | None = None
    gid_mappings: IDMap | None = None
    gid_mappings_enable_setgroups: bool = False
    newuidmap: str | None = None
    newgidmap: str | None = None
    credential: Credential | None = None
    extra_files: tuple[int, ...] = ()
    propagation: Propagation | None = None
    mount_proc: bool = False
    detached: bool = False
    lookup_error: str | None = None
    notes: tuple[str, ...] = ()
    birth: bool = field(default=True, compare=False)
    joins: tuple[Join, ...] = ()
    search: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.env is not None:
            object.__setattr__(self, "env", FrozenMapping(self.env))

    @property
    def privileged(self) -> bool:
        """In no other user namespace than ours: root inside is the machine's real root."""
        return CloneFlags.NEWUSER not in self.clone_flags and "user" not in self.enters

    @property
    def enters(self) -> tuple[str, ...]:
        """The kinds of namespace that are entered, in this order."""
        return tuple(join.kind for join in self.joins)

    def as_shell(self) -> str:
        """Return what does the same in sh or bash: a line, or a block of some, to paste.

        unshare(1) makes namespaces, nsenter(1) enters those that are there. An ID map that
        unshare(1) has no option for is written for a process that holds the user namespace
        meanwhile: a block in parentheses, of which no process is left at its end.

        Returns
        -------
        str
            For util-linux 2.38 or later. Whatever is in a word, it is quoted, in characters that
            can be seen. Comments in front say what is missing here or must be brought along,
            such as extra files.

        Notes
        -----
        What differs: stdin, stdout, stderr, the process group and ignored signals are the
        shell's. So is the environment, where none is given. ``argv[0]`` is the program's path.
        PID 1 dies with unshare, unless the command is detached; what enters, or is in no PID
        namespace of its own, need not die with anybody. Where unshare waits for the program and
        SIGKILL ends that, the exit status is 1. Who enters, as root, where setgroups is denied
        drops its supplementary groups. With ``propagation="slave"`` and `mount_proc`, the /proc
        below the new one becomes private.

        Examples
        --------
        >>> from nsexplore import NamespacingExecer
        >>> print(NamespacingExecer(privileged=True).plan("/bin/sleep", "60").as_shell())
        unshare --pid --mount --net --ipc --uts --fork --kill-child -- /bin/sleep 60
        """
        return shell_line(self)

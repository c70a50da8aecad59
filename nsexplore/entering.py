"""`enter`: run a command in namespaces that are there already, as nsenter(1) does."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from . import arguments
from .arguments import Argument, Stream
from .command import Command, Credential, Join
from .descriptors import Descriptors
from .execer import NamespacingExecer
from .flags import NO_NAMESPACES
from .idmap import IDMap
from .interrupts import held
from .kinds import KINDS, kind_of_name
from .lookup import not_in_path
from .mapreading import maps_inside
from .nsfs import identity, relatives
from .runner import CommandRunner, NativeCommandRunner
from .targets import Found, find
from .views import NamespaceID

if TYPE_CHECKING:
    from .process import Completed

__all__ = ["Inside", "enter", "inside"]


def enter(
    target: Any,
    bin_path: Argument,
    *args: Argument,
    types: str | Sequence[str] | None = None,
    input: str | bytes | None = None,
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Argument | None = None,
    command_runner: CommandRunner | None = None,
) -> Completed:
    """Run a command in namespaces that are there already, to its end, capturing its output.

    Where a user namespace is among them, the command becomes root of it (0:0, without
    supplementary groups), if that is mapped; else ``Completed.command.notes`` say why not.
    Otherwise it keeps this process's credentials. Namespaces are entered in the order of
    their ownership: what another user namespace than the target's owns comes before that,
    since entering it gives up the rights outside.

    Parameters
    ----------
    target : int, Process, Step, path or open file, or a sequence of them
        A PID as this process counts them; one of ours; a namespace file such as
        ``/proc/4711/ns/net`` or a bind mount of one (``/run/netns/blue``), or an open one.
    bin_path : str, bytes or path
        The program. With a mount namespace, it is looked for in that, in the folders
        of this process's PATH.
    *args : str, bytes or path
        Its arguments.
    types : str or sequence of str, optional
        Which kinds, such as ``"net"`` or ``("user", "mnt")``. By default all that the
        target has. Those in which this process is already are left out.
    input, timeout, env
        As in `NamespacingExecer.run`.
    cwd : str or path, optional
        The working directory. By default this process's; with a mount namespace, ``/`` there.
    command_runner : CommandRunner, optional
        What starts it. A `ReplayingCommandRunner` shows a recording where the target is one.

    Returns
    -------
    Completed
        As of `NamespacingExecer.run`. Its ``birth`` shows the process inside.

    Raises
    ------
    StartError
        With the step (``"setns"``), errno and the rule. Nothing is left behind.
    ProcessLookupError, PermissionError
        The target has ended; its namespaces may not be seen.
    subprocess.TimeoutExpired, TypeError, ValueError
        As in `NamespacingExecer.run`; a target that is no namespace, a kind that is none.

    Notes
    -----
    Nothing is mounted: a PID namespace entered without a mount namespace that has a /proc
    of its own shows the processes of the /proc that is mounted here.
    """
    with inside(target, types=types, command_runner=command_runner) as execer:
        return execer.run(bin_path, *args, input=input, timeout=timeout, env=env, cwd=cwd)


@contextmanager
def inside(
    target: Any,
    *,
    types: str | Sequence[str] | None = None,
    command_runner: CommandRunner | None = None,
) -> Iterator[Inside]:
    """Open the namespaces of a target, and close them at the end.

    Yields an `Inside`, whose ``start``, ``step`` and ``run`` are those of an execer. What it
    has started runs on after the with block.

    Examples
    --------
    >>> with inside(4711, types="net") as execer:  # doctest: +SKIP
    ...     process = execer.start("ip", "-4", "monitor")
    """
    with Descriptors() as files:
        found = find(target, _kinds(types), files)
        joins = _in_order(found)
        if command_runner is None and any(join.fd < 0 for join in joins):
            raise ValueError(
                "the target is shown from a recording, so there is nothing to enter here;"
                " give command_runner=, the ReplayingCommandRunner that shows it"
            )
        credential, notes = _credential(joins, found)
        yield Inside(
            command_runner or NativeCommandRunner(),
            clone_flags=NO_NAMESPACES,
            propagation=None,
            joins=joins,
            credential=credential,
            notes=notes,
        )


@dataclass(frozen=True)
class Inside(NamespacingExecer):
    """Starts commands in namespaces that are there already. Use `inside`, which opens them.

    Attributes
    ----------
    joins : tuple of Join
        The namespaces, in the order in which they are entered.
    credential : Credential or None
        What a command becomes there; None: it keeps this process's credentials.
    notes : tuple of str
        Why it is less than root of an entered user namespace.
    """

    joins: tuple[Join, ...] = ()
    credential: Credential | None = None
    notes: tuple[str, ...] = ()

    def _plan(
        self,
        bin_path: Argument,
        args: tuple[Argument, ...],
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
        env: Mapping[str, str] | None = None,
        cwd: Argument | None = None,
        *,
        birth: bool = True,
    ) -> Command:
        plan = super()._plan(bin_path, args, stdin, stdout, stderr, env, cwd, birth=birth)
        command = replace(plan, joins=self.joins, credential=self.credential, notes=self.notes)
        if "mnt" not in command.enters:
            return command
        # What our own PATH leads to here says nothing about there.
        name = arguments.as_text("bin_path", bin_path)
        search = _search(name)
        return replace(
            command,
            path=name,
            search=search,
            lookup_error=None if search else not_in_path(name),
            cwd=command.cwd if cwd is not None else "/",
        )


# -- what, and in which order ---------------------------------------------------------


def _kinds(types: Any) -> tuple[str, ...] | None:
    if types is None:
        return None
    names = types.split(",") if isinstance(types, str) else types
    if not isinstance(names, Iterable) or isinstance(names, bytes):
        raise TypeError(f"types must be names of kinds, such as ('net', 'uts'), not {types!r}")
    for name in (names := tuple(names)):
        if not isinstance(name, str):
            raise TypeError(f"types must be names of kinds, such as ('net', 'uts'), not {name!r}")
    if not names:
        known = ", ".join(kind.name for kind in KINDS)
        raise ValueError(f"types is empty: name some of {known}, or leave it out for all")
    return tuple(kind_of_name(name.strip()).name for name in names)


_ORDER: Final = {kind.name: (kind.name == "mnt", place) for place, kind in enumerate(KINDS)}
"""Within what one user namespace allows, mounts last: what is looked for by path is theirs."""


def _in_order(found: Found) -> tuple[Join, ...]:
    """Return them in the order in which each can be entered.

    setns(2) wants CAP_SYS_ADMIN in the user namespace that owns what is entered. Who enters a
    user namespace has that there and below, and nowhere else any more.
    """
    first = sorted(found.joins, key=lambda join: _ORDER[join.kind])
    users = [join for join in first if join.kind == "user"]
    if not users:
        return tuple(first)
    gained = NamespaceID(users[0].dev, users[0].ino)
    after = [join for join in first if join.kind != "user" and _is_owned_by(join, gained, found)]
    before = [join for join in first if join.kind != "user" and join not in after]
    return (*before, *users, *after)


def _is_owned_by(join: Join, user: NamespaceID, found: Found) -> bool:
    """Whether a user namespace, or one below it, owns a namespace."""
    if join.fd < 0:  # of a recorded process, which is in no namespace below its own
        return found.owners.get(join.kind) == user
    with Descriptors() as files:
        kind: str = join.kind
        fd: int | None = join.fd
        while fd is not None:
            with held():
                related, _ = relatives(kind, fd)
                files.own(*related.values())
            kind, fd = "user", related.get("owner")  # a user namespace's is its parent
            if fd is not None and identity(fd) == user:
                return True
    return False


# -- as whom --------------------------------------------------------------------------


def _credential(joins: tuple[Join, ...], found: Found) -> tuple[Credential | None, tuple[str, ...]]:
    users = [join for join in joins if join.kind == "user"]
    if not users:
        return None, ()
    if found.maps is not None:
        uid_map, gid_map, setgroups = found.maps
    else:
        uid_map, gid_map, setgroups = maps_inside(*joins[: joins.index(users[0]) + 1])
    missing = [
        f"{name} 0"
        for name, text in (("UID", uid_map), ("GID", gid_map))
        if IDMap.parse(text).to_host(0) is None
    ]
    if missing:
        who = f"host UID {os.geteuid()}"
        return None, (
            f"no mapping for {' and '.join(missing)} in {users[0]}: the command does not become"
            f" root there, and goes on as {who}",
        )
    return Credential(0, 0, None if setgroups.strip() == "deny" else ()), ()


# -- which program ----------------------------------------------------------------------


def _search(name: str) -> tuple[str, ...]:
    if "/" in name:
        return (name,)
    if not name:
        return ()
    # As look_path: a relative entry would find what lies in the working directory.
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return tuple(f"{folder}/{name}" for folder in folders if os.path.isabs(folder))

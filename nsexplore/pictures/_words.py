"""What the text and the HTML of a picture both say: numbers and states in words."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Sequence
from errno import errorcode
from typing import Final

from ..command import Command, Credential
from ..flags import CloneFlags
from ..idmap import OVERFLOW_ID
from ..kinds import KINDS, NamespaceKind
from ..naming import is_stable, pid_name
from ..views import Credentials, ProcessView
from ._escape import shell, visible

__all__ = [
    "PRIVILEGED",
    "capability_rows",
    "command_facts",
    "credential_rows",
    "duration",
    "error",
    "executer_facts",
    "exit_status",
    "kinds_by_set",
    "listed",
    "micros",
    "moment",
    "plural",
    "unmapped",
    "view_facts",
]

PRIVILEGED: Final = (
    "Privileged: no new user namespace is made, so root inside is this machine's real root."
)

_MOMENTS: Final = {
    "now": "as it is now",
    "birth": "at its birth: taken just before execve, while it waited",
    "step": "at a stop of its start",
}

_BEFORE_EXECVE: Final = "still this process's: execve comes next"

_SECCOMP: Final = {0: "none", 1: "strict", 2: "filter"}


def plural(count: int, noun: str) -> str:
    """Return a count with its noun, such as ``1 line`` or ``2 lines``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def listed(items: Sequence[object], limit: int = 16) -> str:
    """Return items separated by commas, of which at most `limit` are shown."""
    shown = ", ".join(visible(item, 80) for item in items[:limit])
    hidden = len(items) - limit
    return shown if hidden <= 0 else f"{shown}, … +{hidden}"


def micros(us: float) -> str:
    """Return microseconds for a table, such as ``412.0 µs``."""
    return f"{us:.1f} µs"


def duration(us: float) -> str:
    """Return microseconds for a sentence, in the unit that suits; vaguely in stable mode."""
    if is_stable():
        return "some time"
    if us < 100:
        return f"{us:.0f} µs"
    return f"{us / 1000:.2f} ms" if us < 1e6 else f"{us / 1e6:.2f} s"


def error(number: int) -> str:
    """Return an errno by name and in words."""
    return f"{errorcode.get(number, f'errno {number}')}: {os.strerror(number)}"


def exit_status(returncode: int | None) -> str:
    """Return in words how a process ended: a signal by name for a negative number."""
    if returncode is None:
        return "running"
    if returncode >= 0:
        return f"exit status {returncode}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f"signal {-returncode}"
    else:
        name = f"{name} (signal {-returncode})"
    return f"killed by {name}"


def kinds_by_set(flags: CloneFlags) -> tuple[list[NamespaceKind], list[NamespaceKind]]:
    """Return the kinds that flags make anew, and the others."""
    new = [kind for kind in KINDS if kind.flag in flags]
    return new, [kind for kind in KINDS if kind not in new]


def moment(view: ProcessView) -> str:
    """Return when a view was taken."""
    return _MOMENTS.get(view.moment, visible(view.moment))


# -- a command ------------------------------------------------------------------


def command_facts(command: Command) -> list[tuple[str, str]]:
    """Return what a command asks for beside its namespaces and maps."""
    rows = [
        ("program", visible(command.path)),
        ("arguments", shell(command.args) or "none"),
        *((name, _fd(getattr(command, name))) for name in ("stdin", "stdout", "stderr")),
        ("directory", "this process's" if command.cwd is None else visible(command.cwd)),
        ("environment", _environment(command)),
        *executer_facts(command),
    ]
    return rows


def executer_facts(command: Command) -> list[tuple[str, str]]:
    """Return what every command of the same executer asks for."""
    return [
        ("extra files", _extra_files(command.extra_files)),
        *_writers(command),
        ("credential", _credential(command.credential)),
        ("mounts", _mounts(command)),
        ("lifetime", _lifetime(command)),
    ]


def _fd(number: int | None) -> str:
    return "/dev/null" if number is None else f"fd {number} of this process"


def _extra_files(numbers: tuple[int, ...]) -> str:
    if not numbers:
        return "none: no fd above 2 is open inside"
    return listed([f"fd {inside} ← {here}" for inside, here in enumerate(numbers, 3)])


def _environment(command: Command) -> str:
    if command.env is None:
        return "this process's"
    # Names only: values are where the tokens and passwords are.
    names = f": {listed(list(command.env), 12)}" if command.env else ""
    return plural(len(command.env), "variable") + names


def _credential(credential: Credential | None) -> str:
    if credential is None:
        return "this process's, unchanged"
    if credential.groups is None:
        groups = "the groups stay"
    else:
        groups = f"groups {listed(credential.groups)}" if credential.groups else "no groups besides"
    return f"{credential.uid}:{credential.gid} inside, {groups}"


def _writers(command: Command) -> list[tuple[str, str]]:
    rows = (("uid map", command.newuidmap), ("gid map", command.newgidmap))
    return [(name, f"written by {visible(path)}") for name, path in rows if path is not None]


def _mounts(command: Command) -> str:
    proc = "; a fresh /proc inside" if command.mount_proc else ""
    if "mnt" in command.enters:
        return "of the mount namespace that is entered" + proc
    if not any(kind.name == "mnt" for kind in kinds_by_set(command.clone_flags)[0]):
        return "this process's mount namespace" + proc
    if command.propagation is None:
        return "propagation untouched: a mount made inside may appear outside" + proc
    return f"propagation {visible(command.propagation)}{proc}"


def _lifetime(command: Command) -> str:
    if command.detached:
        return "detached: it may outlive this process"
    return "it ends with this process at the latest"


# -- a process ------------------------------------------------------------------


def view_facts(view: ProcessView) -> list[tuple[str, str]]:
    """Return what a view says beside namespaces, maps, credentials and capabilities."""
    # Until execve it shares our memory, and with it our arguments: they say nothing of it.
    own = view.moment == "now"
    rows = [
        ("arguments", shell(view.cmdline) or "none" if own else _BEFORE_EXECVE),
        ("parent", pid_name(view.ppid)),
        ("PIDs", " → ".join(_pids(view)) + _innermost(view)),
    ]
    if view.no_new_privs is not None:
        rows.append(("no_new_privs", "yes" if view.no_new_privs else "no"))
    if view.seccomp is not None:
        rows.append(("seccomp", _SECCOMP.get(view.seccomp, str(view.seccomp))))
    return rows


def _pids(view: ProcessView) -> list[str]:
    # The outermost is chance; how a namespace counts inside begins with 1.
    first, *inner = view.nspid[:33] or (0,)
    return [pid_name(first), *map(str, inner)] if view.nspid else []


def _innermost(view: ProcessView) -> str:
    if not view.nspid:
        return "not known"
    return ", from here to inside" if len(view.nspid) > 1 else ", inside as here"


def credential_rows(
    outside: Credentials | None, inside: Credentials | None
) -> list[tuple[str, str | None, str | None]]:
    """Return the IDs of a process: name, outside, inside; alike ones as one row."""
    rows: list[tuple[str, str | None, str | None]] = []
    for word in ("uid", "gid"):
        names = (word, f"e{word}", f"s{word}", f"fs{word}")
        pairs = [(_get(outside, n), _get(inside, n)) for n in names]
        if len(set(pairs)) == 1:
            rows.append((word, *pairs[0]))
        else:
            rows += [(n, *pair) for n, pair in zip(names, pairs, strict=True)]
    rows.append(("groups", _groups(outside), _groups(inside)))
    return rows


def unmapped(view: ProcessView) -> list[str]:
    """Return the explanation of 65534, where an ID shows as that for want of a mapping."""
    out = view.credentials
    if out is None or view.uid_map is None or view.gid_map is None:
        return []
    users = (out.uid, out.euid, out.suid, out.fsuid)
    groups = (out.gid, out.egid, out.sgid, out.fsgid, *out.groups)
    if all(view.uid_map.to_container(n) is not None for n in users) and all(
        view.gid_map.to_container(n) is not None for n in groups
    ):
        return []
    return [f"{OVERFLOW_ID} (nobody) stands for an ID that the map does not name"]


def _get(credentials: Credentials | None, name: str) -> str | None:
    return None if credentials is None else str(getattr(credentials, name))


def _groups(credentials: Credentials | None) -> str | None:
    return None if credentials is None else listed(credentials.groups) or "none"


def capability_rows(capabilities: object) -> Iterable[tuple[str, str]]:
    """Return the five sets, each summarised."""
    for name in ("effective", "permitted", "inheritable", "bounding", "ambient"):
        yield name, str(getattr(capabilities, name))

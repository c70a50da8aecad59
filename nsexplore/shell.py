"""A `Command` as a line for the shell: unshare(1), nsenter(1) and what else it takes.

unshare(1) says everything but most ID maps: those are written by somebody outside, while the
process waits. There a process that does nothing holds the new user namespace meanwhile, and
nsenter(1), which becomes root of the namespace that it enters, goes on from there.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from .flags import CloneFlags
from .idmap import IDMap
from .kinds import KINDS

if TYPE_CHECKING:
    from .command import Command, Join

__all__ = ["shell_line"]

_OPTIONS: Final = {kind.name: f"--{kind.name}" for kind in KINDS} | {"mnt": "--mount"}


def shell_line(command: Command) -> str:
    """Return what does in sh or bash as the command does; a block where one line cannot."""
    comments = [f"# {_printable(comment)}" for comment in _comments(command)]
    return "\n".join([*comments, *_lines(command)])


def _lines(command: Command) -> list[str]:
    entering = _nsenter(command) if command.joins else []
    program = _program(command)
    if CloneFlags.NEWUSER not in command.clone_flags:
        return [_joined([*entering, *_unshare(command)], program)]
    uids, gids = command.uid_mappings, command.gid_mappings
    if uids is None or gids is None:
        return [_joined([*entering, *_unshare(command, "--user")], program)]
    if _is_oneself(command):
        return [_joined([*entering, *_unshare(command, "--map-root-user")], program)]
    return _block(command, uids, gids, program)


def _joined(words: list[str], program: list[str]) -> str:
    if words:
        return " ".join([*words, "--", *map(quoted, program)])
    name, *args = program
    # What would be an assignment, a keyword or a builtin is a program here.
    if "/" not in name and name != "env":
        return " ".join(["env", "--", *map(quoted, program)])
    return " ".join(
        [f"'{name}'" if quoted(name) == name and "=" in name else quoted(name), *map(quoted, args)]
    )


# -- what is new ----------------------------------------------------------------------


def _unshare(command: Command, user: str = "", *, forks: bool = False) -> list[str]:
    """Return unshare(1) with its options; nothing where it has nothing to do."""
    flags = command.clone_flags & ~CloneFlags.NEWUSER
    words = [user] if user else []
    words += [_OPTIONS[kind.name] for kind in KINDS if kind.flag in flags]
    if forks or CloneFlags.NEWPID in flags:
        words += ["--fork"] if command.detached else ["--fork", "--kill-child"]
    if CloneFlags.NEWNS in flags and command.propagation != "private":
        words.append(f"--propagation={quoted(command.propagation or 'unchanged')}")
    if command.mount_proc:
        words.append("--mount-proc")
    return ["unshare", *words] if words else []


def _is_oneself(command: Command) -> bool:
    """Whether the maps are those of unshare --map-root-user, which denies setgroups."""
    maps = (command.uid_mappings, command.gid_mappings)
    return (
        not command.gid_mappings_enable_setgroups
        and not command.newuidmap
        and not command.newgidmap
        and all(idmap is not None and [m.size for m in idmap] == [1] for idmap in maps)
        and _roots(command) == _own()
    )


def _roots(command: Command) -> list[int | None]:
    """Return who is root inside, as a user and as a group."""
    maps = (command.uid_mappings, command.gid_mappings)
    return [None if idmap is None else idmap.to_host(0) for idmap in maps]


def _own() -> list[int | None]:
    return [getattr(os, name, lambda: None)() for name in ("geteuid", "getegid")]


def _block(command: Command, uids: IDMap, gids: IDMap, program: list[str]) -> list[str]:
    preserve = ["--preserve-credentials"] if _keeps_credentials(command) else []
    # The holder is a child of what comes after exec, which is not to be the program.
    forks = CloneFlags.NEWPID not in command.clone_flags
    return [
        "(",
        "  set -e",
        "  # A process that holds a new user namespace. It ends with this one, whatever happens.",
        "  setpriv --pdeathsig KILL unshare --user sleep infinity & holder=$!",
        '  until [ "$(readlink /proc/$holder/ns/user)" != "$(readlink /proc/self/ns/user)" ]',
        "  do sleep 0.01; done",
        "  # Its ID maps: each can be written once, from outside, in one piece.",
        *_map("uid", uids, command.newuidmap),
        *([] if command.gid_mappings_enable_setgroups else _DENY),
        *_map("gid", gids, command.newgidmap),
        "  # nsenter becomes root in there, unshare makes the rest and starts the program.",
        f"  exec {' '.join(['nsenter', '--user=/proc/$holder/ns/user', *preserve])} \\",
        f"    {' '.join(_unshare(command, forks=forks))} \\",
        f"    -- {' '.join(map(quoted, program))}",
        ")",
    ]


_DENY: Final = ["  echo deny >/proc/$holder/setgroups"]


def _map(kind: str, idmap: IDMap, helper: str | None) -> list[str]:
    lines = [f"{m.container_id} {m.host_id} {m.size}" for m in idmap]
    if helper is not None:
        return [f"  {quoted(helper)} $holder {'  '.join(lines)}"]
    return [f"  cat >/proc/$holder/{kind}_map <<MAP", *lines, "MAP"]


# -- what is entered ------------------------------------------------------------------


def _nsenter(command: Command) -> list[str]:
    words = ["nsenter"]
    for join in command.joins:
        if join.source != "ours":
            words.append(f"{_OPTIONS[join.kind]}={quoted(_path(join))}")
    if "user" in command.enters and _keeps_credentials(command):
        words.append("--preserve-credentials")
    return words


def _path(join: Join) -> str:
    if join.source.startswith("fd "):
        return f"/dev/fd/{join.source[3:]}"
    return f"/proc/PID/ns/{join.kind}" if join.fd < 0 else join.source


def _keeps_credentials(command: Command) -> bool:
    """Whether nsenter(1) must not touch them: it would drop the groups, and give up at that."""
    if command.credential is None:
        return True
    denied = command.credential.groups is None or (
        "user" not in command.enters and not command.gid_mappings_enable_setgroups
    )
    return denied and _own()[0] != 0


# -- the program ----------------------------------------------------------------------


def _program(command: Command) -> list[str]:
    name, *args = command.args or (command.path,)
    path = command.path if not command.search else name
    if "/" not in path and not command.search and command.lookup_error is None:
        path = f"./{path}"  # execve(2) looks nowhere else
    return [*_become(command), *_env(command, path), path, *args]


def _become(command: Command) -> list[str]:
    """Return setpriv(1), unless one is who one is to be already."""
    who = command.credential
    if who is None or (not command.privileged and (who.uid, who.gid) == (0, 0) and not who.groups):
        return []
    groups = "--keep-groups"
    if who.groups is not None:
        groups = f"--groups={','.join(map(str, who.groups))}" if who.groups else "--clear-groups"
    return ["setpriv", f"--reuid={who.uid}", f"--regid={who.gid}", groups]


def _env(command: Command, path: str) -> list[str]:
    """Return env(1), for the environment and the folder."""
    words = []
    if command.env is not None:
        words.append("-i")
    # nsenter(1) goes to the root of a mount namespace, too.
    if command.cwd is not None and not ("mnt" in command.enters and command.cwd == "/"):
        words.append(f"--chdir={command.cwd}")
    if not words:
        return []
    names = command.env or {}
    if any(word.startswith("-") for word in (*names, path)):
        words.append("--")
    words += [f"{name}={value}" for name, value in names.items()]
    # env(1) takes a program with "=" for a variable: one more that changes nothing and execs.
    return ["env", *words, *(["nice", "-n", "0"] if "=" in path else [])]


# -- what it cannot say ---------------------------------------------------------------


def _comments(command: Command) -> Iterator[str]:
    if command.lookup_error is not None:
        yield command.lookup_error
    if command.extra_files:
        files = ", ".join(map(str, range(3, 3 + len(command.extra_files))))
        yield f"fd {files} of the program: open them in this shell, such as 3<FILE"
    if command.search and command.env is not None:
        yield "the program is looked for in the PATH that it gets"
    for join in command.joins:
        if join.source.startswith("fd "):
            yield f"{join.source}: open the {join.kind} namespace in this shell as that"
    if any(join.fd < 0 for join in command.joins):
        yield "PID: a process that is in these namespaces"
    if command.uid_mappings is not None and not _is_oneself(command):
        if command.joins:
            yield f"without {', '.join(command.enters)}, which would be entered before"
        if command.credential and _keeps_credentials(command) and _roots(command) != _own():
            yield "root inside is somebody else, whom nsenter does not become without setgroups"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


# -- words ----------------------------------------------------------------------------


def quoted(word: str) -> str:
    """Return a word as the shell reads it, whatever is in it, in characters that can be seen."""
    if all(c.isprintable() or c == "\n" for c in word):
        return shlex.quote(word)
    start = word.rstrip("\n")  # $(…) loses those
    octal = "".join(chr(b) if chr(b).isalnum() and b < 128 else f"\\{b:03o}" for b in _bytes(start))
    rest = word[len(start) :]
    return f"\"$(printf '{octal}')\"" + (shlex.quote(rest) if rest else "")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")

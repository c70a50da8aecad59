"""Why a step of a start fails, and what to do: words for `StartError.hint`."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from .command import Command

if TYPE_CHECKING:
    from .diagnosis import Cause

__all__ = ["A_WORD_EACH", "hint_for"]

A_WORD_EACH = (
    'give the words one by one: run("ls", "-l"); for a line of the shell run("sh", "-c", "…")'
)
"""The remedy for a beginner's first mistake."""


def hint_for(step: str, number: int | None, command: Command, said: str = "") -> str:
    """Return the likely cause and a remedy for a failed step; "" where there is no more to say.

    `said` is what else is known: a helper's own words; of setns, the kind of namespace.
    """
    if number is None:
        return ""
    finder = _BY_STEP.get(step)
    found = finder(number, command, said) if finder else None
    if found:
        return found
    try:  # not for an import alone: most starts do not fail
        from .causes import Failure, causes_of
        from .facts import facts_now
        from .probes import probes_for
    except (ImportError, OSError):  # our own files cannot be opened any more
        return _BY_ERRNO.get(number, "")

    # The doctor's rules, without asking a throwaway child what one was asked before.
    probes = probes_for(number, command.clone_flags)
    causes = causes_of(Failure(command, step, number, said), facts_now(), probes)
    if number in _BY_ERRNO and all(cause.key == "unexplained" for cause in causes):
        return _BY_ERRNO[number]
    return "\n  also: ".join(map(_sentence, causes))


def _sentence(cause: Cause) -> str:
    words = cause.words if cause.certainty == "proven" else f"probably {cause.words}"
    lines = [words]
    if cause.fix:
        lines.append(f"what helps: {cause.fix}")
        if cause.by != "you":
            lines.append(f"by whom: {cause.by}")
    return "\n    ".join(lines)


def _chdir(number: int, command: Command, _: str) -> str | None:
    where = repr(command.cwd) + _in_which_mounts(command)
    if number == errno.ENOENT:
        return f"cwd={where} does not exist"
    if number == errno.ENOTDIR:
        return f"cwd={where} is not a directory"
    if number == errno.EACCES:
        return f"root inside ({_who(command)}) may not enter cwd={where}"
    return None


def _execve(number: int, command: Command, _: str) -> str | None:
    path = command.path
    if "mnt" in command.enters and number in (errno.EACCES, errno.ENOENT):
        return _execve_there(number, command)
    if number == errno.EACCES:
        if os.path.isdir(path):
            return f"{path} is a directory"
        if os.path.exists(path) and not os.access(path, os.X_OK):
            return f"{path} is not executable: chmod +x"
        return (
            f"root inside ({_who(command)}) may not execute {path}: a directory on the way may"
            " be closed to it (mode 0700), or the file, or the mount is noexec"
        )
    if number == errno.ENOENT:
        if os.path.exists(path):
            return f"{path} is there, so its interpreter (the #! line) or loader is missing"
        if " " in path:
            return f"{path} does not exist; {A_WORD_EACH}"
        return f"{path} does not exist" + ("" if os.path.isabs(path) else " (relative to cwd)")
    if number == errno.ENOEXEC:
        return f"{path} is neither a program of this machine nor a script with a #! line"
    return None


def _files(number: int, command: Command, _: str) -> str | None:
    if number in (errno.EMFILE, errno.EINVAL, errno.EBADF):
        return (
            f"{3 + len(command.extra_files)} files are to be placed: one was closed meanwhile, or"
            " the limit on open files is lower (ulimit -n)"
        )
    return None


# -- entering -------------------------------------------------------------------------


def _in_which_mounts(command: Command) -> str:
    return " in the entered mount namespace" if "mnt" in command.enters else ""


def _execve_there(number: int, command: Command) -> str:
    # What is there under these names here says nothing about there.
    path, where = command.path, _in_which_mounts(command)
    if len(command.search) > 1:
        folders = ", ".join(os.path.dirname(found) for found in command.search)
        closed = " (at least one is closed to it)" if number == errno.EACCES else ""
        return f"{path} is in none of these folders{where}: {folders}{closed}; give the whole path"
    if number == errno.EACCES:
        return f"{path} may not be executed{where}, or a folder on the way is closed to it"
    return f"{path} does not exist{where}, or its interpreter (the #! line) or loader is missing"


def _setns(number: int, command: Command, kind: str) -> str | None:
    if number == errno.EPERM:
        return _SETNS_USER if kind == "user" else _setns_other(command, kind)
    return _SETNS.get((kind, number))


_SETNS_USER = (
    "entering a user namespace needs CAP_SYS_ADMIN in it (setns(2)): who made it has that, from"
    " the user namespace above, and so has root of any above"
    "\n    what helps: be the user who made it, or root"
)


def _setns_other(command: Command, kind: str) -> str:
    needs = "CAP_SYS_ADMIN" + (" and CAP_SYS_CHROOT" if kind == "mnt" else "")
    rule = (
        f"entering a {kind} namespace needs CAP_SYS_ADMIN in the user namespace that owns it,"
        f" and {needs} in the one that it is entered from (setns(2))"
    )
    if "user" in command.enters:
        return f"{rule}\n    what helps: be root of the user namespace that owns it"
    return f"{rule}\n    what helps: enter the user namespace that owns it, too (types), or be root"


_SETNS = {
    ("user", errno.EINVAL): "it is our own user namespace, which cannot be entered again",
    ("pid", errno.EINVAL): (
        "only our own PID namespace and those below it can be entered: not one above, nor beside"
        " (setns(2))"
    ),
    ("time", errno.EUSERS): "only a process that shares its memory with no other can enter it",
}


def _fork(number: int, command: Command, _: str) -> str | None:
    if number == errno.ENOMEM:
        return (
            "the PID namespace is dead: its PID 1 has ended, and nobody can be born there any"
            " more, which the kernel calls ENOMEM (pid_namespaces(7))"
            "\n    what helps: a target whose PID 1 lives, or types without pid"
        )
    return None


_BY_STEP = {
    "setns": _setns,
    "fork": _fork,
    "files": _files,
    "chdir": _chdir,
    "execve": _execve,
}

_BY_ERRNO = {
    errno.ENOMEM: "memory is short",
    errno.ETIMEDOUT: (
        "the child did not go on: whoever is root of an entered namespace may stop it (SIGSTOP),"
        " and a file server may not answer; it was killed"
    ),
    errno.E2BIG: "the arguments and the environment together are too long (execve(2))",
    errno.ENAMETOOLONG: "a name on the path is too long",
    errno.ELOOP: "too many symbolic links on the path",
    errno.ETXTBSY: "the program is open for writing",
}


def _who(command: Command) -> str:
    if command.uid_mappings is None or command.credential is None:
        return "this machine's real root"
    return f"host UID {command.uid_mappings.to_host(command.credential.uid)}"

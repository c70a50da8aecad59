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
    """Return the likely cause and a remedy for a failed step; "" where there is no more to say."""
    if number is None:
        return ""
    finder = _BY_STEP.get(step)
    found = finder(number, command) if finder else None
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


def _chdir(number: int, command: Command) -> str | None:
    where = repr(command.cwd)
    if number == errno.ENOENT:
        return f"cwd={where} does not exist"
    if number == errno.ENOTDIR:
        return f"cwd={where} is not a directory"
    if number == errno.EACCES:
        return f"root inside ({_who(command)}) may not enter cwd={where}"
    return None


def _execve(number: int, command: Command) -> str | None:
    path = command.path
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


def _files(number: int, command: Command) -> str | None:
    if number in (errno.EMFILE, errno.EINVAL, errno.EBADF):
        return (
            f"{3 + len(command.extra_files)} files are to be placed: one was closed meanwhile, or"
            " the limit on open files is lower (ulimit -n)"
        )
    return None


_BY_STEP = {
    "files": _files,
    "chdir": _chdir,
    "execve": _execve,
}

_BY_ERRNO = {
    errno.ENOMEM: "memory is short",
    errno.E2BIG: "the arguments and the environment together are too long (execve(2))",
    errno.ENAMETOOLONG: "a name on the path is too long",
    errno.ELOOP: "too many symbolic links on the path",
    errno.ETXTBSY: "the program is open for writing",
}


def _who(command: Command) -> str:
    if command.uid_mappings is None or command.credential is None:
        return "this machine's real root"
    return f"host UID {command.uid_mappings.to_host(command.credential.uid)}"

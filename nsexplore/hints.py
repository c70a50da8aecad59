"""Why a step of a start fails, and what to do: words for `StartError.hint`."""

from __future__ import annotations

import errno
import os

from .command import Command

__all__ = ["A_WORD_EACH", "hint_for"]

A_WORD_EACH = (
    'give the words one by one: run("ls", "-l"); for a line of the shell run("sh", "-c", "…")'
)
"""The remedy for a beginner's first mistake."""


def hint_for(step: str, number: int | None, command: Command) -> str:
    """Return the likely cause and a remedy for a failed step; "" where there is no more to say."""
    if number is None:
        return ""
    finder = _BY_STEP.get(step)
    found = finder(number, command) if finder else None
    return found or _BY_ERRNO.get(number, "")


def _clone(number: int, command: Command) -> str | None:
    if number == errno.EPERM and command.privileged:
        return (
            "making these namespaces without a user namespace takes CAP_SYS_ADMIN, which this"
            " process lacks; ask for a user namespace too (privileged=False, and NEWUSER among"
            " clone_flags where they are given), or become root"
        )
    if number == errno.EPERM:
        return (
            "a new user namespace is refused to this process: it is chrooted, its own UID or GID"
            " has no mapping here, or a security module or seccomp filter forbids it"
        )
    if number == errno.ENOSPC:
        return (
            "a limit is reached: /proc/sys/user/max_*_namespaces here or in an ancestor, or user"
            " or PID namespaces nested over 32 deep"
        )
    if number == errno.EINVAL:
        return "this kernel may be built without one of the kinds: compare /proc/self/ns"
    if number == errno.ENOMEM:
        return (
            "memory is short, or the init of this process's PID namespace has died"
            " (no process can start in it any more)"
        )
    if number == errno.EAGAIN:
        return "the limit on processes is reached (ulimit -u, or the cgroup's pids.max)"
    return None


def _map(number: int, command: Command) -> str | None:
    if number == errno.EPERM:
        own = f"{os.geteuid()}" if hasattr(os, "geteuid") else "own"
        return (
            "the kernel lets a process without CAP_SETUID and CAP_SETGID in the parent user"
            f" namespace map one ID only, its own ({own}), and lets nobody map an ID that has no"
            ' mapping in the parent; use id_map="rootless" or become root'
        )
    if number == errno.EACCES:
        return "this process is not dumpable, or a security module denies the write"
    return None


def _proc(number: int, command: Command) -> str | None:
    if number == errno.ESRCH:
        return (
            "the child has no number in the /proc that is mounted here: it belongs to another PID"
            " namespace, and a map written there would be an unrelated process's; mount a /proc"
            " of this PID namespace"
        )
    if number in (errno.ENOENT, errno.ENOTDIR):
        return "no /proc is mounted here, and ID maps are written through it: mount one"
    return None


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


def _mount(number: int, command: Command) -> str | None:
    if number == errno.EPERM:
        return (
            "a fresh /proc needs a new PID namespace, and a /proc outside that is not masked"
            " (containers mask parts of theirs)"
        )
    if number == errno.EACCES:
        return "a security module denies mounts (Docker's AppArmor profile does)"
    return None


def _propagation(number: int, command: Command) -> str | None:
    if number == errno.EINVAL:
        return "the root folder is no mount point, as in a chroot: use propagation=None"
    if number == errno.EPERM:
        return "changing mounts takes CAP_SYS_ADMIN over the new mount namespace"
    return _mount(number, command) if number == errno.EACCES else None


def _files(number: int, command: Command) -> str | None:
    if number in (errno.EMFILE, errno.EINVAL, errno.EBADF):
        return (
            f"{3 + len(command.extra_files)} files are to be placed: one was closed meanwhile, or"
            " the limit on open files is lower (ulimit -n)"
        )
    return None


def _newtime(number: int, command: Command) -> str | None:
    if number == errno.EPERM:
        return "a new time namespace takes CAP_SYS_ADMIN, inside where there is a user namespace"
    return None


def _set_ids(number: int, command: Command) -> str | None:
    if number == errno.EINVAL:
        return "ID 0 has no mapping inside"
    if number == errno.EPERM:
        return "the change of IDs is denied inside (setgroups set to deny, or a security module)"
    return None


_BY_STEP = {
    "clone": _clone,
    "uid_map": _map,
    "setgroups": _map,
    "gid_map": _map,
    "proc": _proc,
    "setgroups(0)": _set_ids,
    "setgid": _set_ids,
    "setuid": _set_ids,
    "propagation": _propagation,
    "mount_proc": _mount,
    "newtime": _newtime,
    "files": _files,
    "chdir": _chdir,
    "execve": _execve,
}

_BY_ERRNO = {
    errno.EMFILE: "this process has as many files open as it may (ulimit -n)",
    errno.ENFILE: "the machine has as many files open as it may (fs.file-max)",
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

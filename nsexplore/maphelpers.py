"""newuidmap and newgidmap: programs that write an ID map where this process may not.

They are setuid root (or have file capabilities), and write what /etc/subuid
and /etc/subgid give to their caller (newuidmap(1), newgidmap(1)).
"""

from __future__ import annotations

import errno
import os
import select
import shutil
import signal
import stat
import subprocess
from dataclasses import dataclass
from typing import Final, Literal

from .idmap import OVERFLOW_ID, IDMap
from .interrupts import held

__all__ = ["Failure", "Helper", "find", "hint_for", "powerless", "run", "where"]

Helper = Literal["newuidmap", "newgidmap"]

TIMEOUT: Final = 10.0
"""Seconds: they take a few milliseconds, unless users are looked up over a network."""

SAID: Final = 500
"""Characters of its stderr that an error quotes."""

_PATH: Final = "/usr/sbin:/sbin"
_ENVIRONMENT: Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a helper has written no map: an errno, and its own words."""

    errno: int
    said: str


def find(name: Helper) -> tuple[str | None, str]:
    """Return the absolute path of a helper and "", or None and why there is none to use."""
    path = where(name)
    if not path:
        return None, f"{name} is not installed (Debian, Ubuntu: uidmap; Fedora: shadow-utils)"
    if why := powerless(path):
        return None, f"{path} {why}"
    return path, ""


def where(name: Helper) -> str:
    """Return the absolute path of a helper, also off the PATH; "" if it is nowhere."""
    entries = [e for e in os.environ.get("PATH", "").split(":") if os.path.isabs(e)]
    return shutil.which(name, path=":".join([*entries, _PATH])) or ""


def powerless(path: str) -> str:
    """Return why a helper would run without privilege, as what is said of it; "" if it has some."""
    try:
        if os.statvfs(path).f_flag & os.ST_NOSUID:
            return "lies on a mount with nosuid"
        found = os.stat(path)
        setuid = bool(found.st_mode & stat.S_ISUID)
        if setuid and found.st_uid == 0:
            return ""
        if "security.capability" in os.listxattr(path):
            return ""
    except OSError as error:  # a file system without attributes
        if error.errno != errno.ENOTSUP:
            return f"cannot be looked at ({error.strerror})"
    if setuid and found.st_uid == OVERFLOW_ID:
        return "belongs to somebody without an ID in this user namespace, root outside"
    return "is neither setuid root nor has file capabilities"


def run(path: str, number: int, idmap: IDMap) -> Failure | None:
    """Have a helper write a map.

    Parameters
    ----------
    path : str
        The helper.
    number : int
        The process, as the mounted /proc counts: that is where the helper looks.
    idmap : IDMap

    Returns
    -------
    Failure or None
        None: it is written.
    """
    lines = [str(n) for m in idmap for n in (m.container_id, m.host_id, m.size)]
    process = None
    said = pidfd = -1
    try:
        with held():  # between its start and its name no interrupt may lose it
            # No pipe: a copy of it in a process that another thread forks would keep us waiting.
            said = os.memfd_create("stderr")
            process = subprocess.Popen(
                [path, str(number), *lines],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                env=_ENVIRONMENT,
                close_fds=True,
                process_group=0,  # a terminal's Ctrl-C is for us, and we end it
            )
            pidfd = os.pidfd_open(process.pid)
        end = select.poll()
        end.register(pidfd, select.POLLIN)
        if not end.poll(TIMEOUT * 1000):
            return Failure(errno.ETIMEDOUT, f"it did not end within {TIMEOUT:g} s")
        returncode = process.wait()
        stderr = os.pread(said, 4 * SAID, 0)
    except OSError as error:
        return Failure(error.errno or errno.EIO, f"it could not be started: {error.strerror}")
    finally:
        with held():
            if process is not None:
                _end(process)
            for fd in (said, pidfd):
                if fd >= 0:
                    os.close(fd)
    return None if returncode == 0 else Failure(errno.EPERM, _words(stderr, returncode))


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)  # not reaped: the number is its group's
        process.wait()


def _words(stderr: bytes, returncode: int) -> str:
    text = stderr.decode("utf-8", "backslashreplace").strip()
    if text:
        return text if len(text) <= SAID else text[:SAID] + "…"
    if returncode < 0:
        return f"it was killed by {signal.strsignal(-returncode) or f'signal {-returncode}'}"
    return f"it ended with exit status {returncode} and said nothing"


# -- why it failed --------------------------------------------------------------

_HINTS: Final = (
    (
        "not allowed",
        "each line's IDs outside must lie in the ranges that {file} gives to this user, or be"
        " his own ID with size 1",
    ),
    (
        "owned by a different user",
        "{name} takes only a caller whose real user and group are those of the password database"
        " (newgrp, sg or setgid change the group)",
    ),
    ("Cannot determine your user name", "this user is not in the password database"),
    (
        "Permission denied",
        "the /proc files of a process that is not dumpable are root's alone, as they are while"
        " another start of this process, whose root inside is another host ID, waits for its"
        " execve: finish that first",
    ),
    (
        "Operation not permitted",
        "{name} has the privilege neither by its setuid bit nor by file capabilities here, or a"
        " range has no mapping in this user namespace, or a security module forbids it",
    ),
)

_WITHOUT: Final = (
    "a map of one's own IDs alone needs no helper (id_map=IDMap.rootless(),"
    " gid_map=IDMap.rootless(os.getegid()))"
)


def hint_for(name: Helper, failure: Failure) -> str:
    """Return the likely cause and what to do; "" where there is no more to say."""
    file = "/etc/subuid" if name == "newuidmap" else "/etc/subgid"
    if failure.errno == errno.ETIMEDOUT:
        return "users may be looked up over a network that does not answer (nsswitch.conf)"
    for words, hint in _HINTS:
        if words in failure.said:
            return f"{hint.format(name=name, file=file)}; {_WITHOUT}"
    return ""

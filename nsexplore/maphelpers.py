"""newuidmap and newgidmap: programs that write an ID map where this process may not.

They are setuid root (or have file capabilities), and write what /etc/subuid
and /etc/subgid give to their caller (newuidmap(1), newgidmap(1)).
"""

from __future__ import annotations

import errno
import os
import select
import signal
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from .descriptors import Descriptors
from .idmap import OVERFLOW_ID, IDMap
from .interrupts import held
from .procfs import read_text

if TYPE_CHECKING:
    from ._spawn import Spawn

__all__ = ["Failure", "Helper", "find", "hint_for", "powerless", "remedy", "run", "where"]

Helper = Literal["newuidmap", "newgidmap"]

TIMEOUT: Final = 10.0
"""Seconds: they take a few milliseconds, unless users are looked up over a network."""

SAID: Final = 500
"""Characters of its stderr that an error quotes."""

_BESIDE_PATH: Final = ("/usr/sbin", "/sbin")
_ENVIRONMENT: Final = (b"PATH=/usr/sbin:/usr/bin:/sbin:/bin", b"LC_ALL=C")
_EXECED: Final = 6
"""``Stop.EXECED``, which lives above this module."""


_NOSUID: Final = "lies on a mount with nosuid"
_SOMEBODY_OUTSIDE: Final = "belongs to somebody without an ID in this user namespace, root outside"


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
    paths = [f"{entry}/{name}" for entry in (*entries, *_BESIDE_PATH)]
    return next((path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)), "")


def powerless(path: str) -> str:
    """Return why a helper would run without privilege, as what is said of it; "" if it has some."""
    try:
        if os.statvfs(path).f_flag & os.ST_NOSUID:
            return _NOSUID
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
        return _SOMEBODY_OUTSIDE
    return "is neither setuid root nor has file capabilities"


def remedy(path: str, why: str) -> str:
    """Return what gives a helper its privilege, by what `powerless` said."""
    if why == _NOSUID:
        return f"{path} on a file system that is mounted without nosuid (mount -o remount,suid)"
    if why == _SOMEBODY_OUTSIDE:
        return "start outside of this user namespace, where root has an ID"
    return f"chown root {path}; chmod u+s {path}"


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
    from ._spawn import Spawn

    lines = [str(n) for m in idmap for n in (m.container_id, m.host_id, m.size)]
    argv = tuple(map(os.fsencode, (path, str(number), *lines)))
    try:
        with Descriptors() as files:
            # No pipe, which a forked copy of us might keep open.
            said = files.open(lambda: os.memfd_create("stderr"))
            # Our own spawner: subprocess waits for a pipe that any thread's fork takes along.
            streams = (-1, -1, said)
            helper = Spawn(
                (argv[0],), argv, _ENVIRONMENT, None, 0, *(None,) * 4, streams, 0, False, False, ()
            )
            try:
                if failed := helper.advance(_EXECED):
                    reason = os.strerror(failed[1]) if failed[1] else "it was killed"
                    return Failure(failed[1] or errno.EIO, f"it could not be started: {reason}")
                end = select.poll()
                end.register(helper.pidfd, select.POLLIN)
                if not end.poll(TIMEOUT * 1000):
                    return Failure(errno.ETIMEDOUT, f"it did not end within {TIMEOUT:g} s")
                status = _reap(helper)
            finally:
                helper.abandon()
            if status == 0 or (status is None and _is_written(path, number)):
                return None
            return Failure(errno.EPERM, _words(os.pread(said, 4 * SAID, 0), status))
    except OSError as error:
        return Failure(error.errno or errno.EIO, f"it could not be started: {error.strerror}")


def _reap(helper: Spawn) -> int | None:
    """Return an exit status, -N for signal N; None where somebody else has taken it away."""
    try:
        with held():
            ended = os.waitid(os.P_PIDFD, helper.pidfd, os.WEXITED)
            helper.disown()
    except ChildProcessError:
        return None
    if ended is None:
        return None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def _is_written(path: str, number: int) -> bool:
    name = "uid_map" if os.path.basename(path) == "newuidmap" else "gid_map"
    return bool(read_text(f"/proc/{number}/{name}").strip())


def _words(stderr: bytes, returncode: int | None) -> str:
    text = stderr.decode("utf-8", "backslashreplace").strip()
    if text:
        return text if len(text) <= SAID else text[:SAID] + "…"
    if returncode is None:
        return "it has ended, and its exit status is lost: somebody else has waited for it"
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

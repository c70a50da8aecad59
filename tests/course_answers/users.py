"""Answers to the exercises on users and ID maps: the right ones asked of the kernel."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable

import nsexplore as nx

NEWUSER = nx.CloneFlags.NEWUSER
OUTER = nx.IDMap([(0, 100000, 1000)])
INNER = nx.IDMap([(0, 500, 10)])
SAY_PID = "echo $$; exec sleep 60"


def with_map(id_map: nx.IDMap) -> nx.NamespacingExecer:
    return nx.NamespacingExecer(id_map=id_map, clone_flags=NEWUSER)


def uid_outside(execer: nx.NamespacingExecer, *command: str) -> int:
    """Return the UID of the process that prints its PID, once it has."""
    with execer.start(*command, stdout=subprocess.PIPE) as process:
        view = nx.inspect(int(process.stdout.readline()))
    assert view.credentials is not None
    return view.credentials.uid


def as_user(uid: int) -> tuple[str, ...]:
    """Return a command that becomes a UID and then prints its PID."""
    return ("/usr/bin/setpriv", "--reuid", str(uid), "/bin/sh", "-c", SAY_PID)


def fifty() -> int:
    """Become 50 in that container."""
    return uid_outside(with_map(nx.IDMap([(0, 200000, 50), (50, 1000, 1)])), *as_user(50))


def three() -> int:
    """Become 3 in the inner one, which a shell makes in the outer one."""
    inner = with_map(INNER).plan(*as_user(3))
    return uid_outside(with_map(OUTER), "/bin/sh", "-c", inner.as_shell())


def refusal() -> str:
    """Call setuid(5000), and look up the words that come of it."""
    said = with_map(OUTER).run("setpriv", "--reuid", "5000", "true").stderr
    (name,) = (name for number, name in errno.errorcode.items() if os.strerror(number) in said)
    return name


def taken() -> nx.IDMap:
    """Write the map, and return what the kernel made of it."""
    execer = with_map(nx.IDMap([(0, 70000, 1), (1000, 1000, 1000)]))
    with execer.start("sleep", "60") as process:
        found = nx.inspect(process).uid_map
    assert found is not None
    return found


RIGHT: dict[str, Callable[[], object]] = {
    "users.1": fifty,
    "users.2": three,
    "users.3": refusal,
    "users.4": taken,
}

WRONG: dict[str, list[object]] = {
    "users.1": [200050, 50, 65534, 1050, 200000, "1000"],
    "users.2": [503, 100003, 3, 100000, None],
    "users.3": ["EPERM", "EACCES", "Invalid argument", "ENOENT", 22],
    "users.4": [
        nx.IDMap.garden(70000),
        nx.IDMap.rootless(70000),
        nx.IDMap.rootless(0),
        nx.IDMap([(70000, 0, 1), (1000, 1000, 1000)]),
        nx.IDMap([(0, 70000, 1), (1000, 1000, 999)]),
        nx.IDMap([(0, 70000, 1), (1000, 71000, 1000)]),
        nx.IDMap([(0, 70000, 1), (1000, 1000, 1), (1999, 1999, 1)]),
        nx.IDMap([(0, 70000, 1000), (999, 999, 1001)]),
        nx.IDMap([(0, 70000, 1000), (1000, 1000, 1000)]),
        "0 70000 1\n1000 1000 1000",
    ],
}

"""What `why_denied` says is what the kernel does: every operation is tried, really, inside."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from conftest import eventually
from snapshots import snapshot_of

from nsexplore.denial import Verdict, verdicts
from nsexplore.execer import NamespacingExecer
from nsexplore.flags import CloneFlags
from nsexplore.idmap import IDMap
from nsexplore.operations import OPERATIONS

pytestmark = pytest.mark.needs("root")

DRIVER = Path(__file__).parent / "drivers" / "trying.py"
DENIED = {errno.EPERM, errno.EACCES}
ALL_IN_ONE = CloneFlags.garden(privileged=False)


@dataclass
class Tried:
    """What was said of a process, and what came of it."""

    said: dict[str, Verdict]
    errnos: dict[str, int | None]

    @property
    def wrong(self) -> dict[str, tuple[bool | None, int | None]]:
        """What the kernel did otherwise than was said."""
        return {
            name: (self.said[name].allowed, number)
            for name, number in self.errnos.items()
            if number is not None and self.said[name].allowed is not (number not in DENIED)
        }

    def allowed(self) -> set[str]:
        """Return the operations that are said to be allowed, and were tried."""
        return {name for name, number in self.errnos.items() if number is not None} & {
            name for name, verdict in self.said.items() if verdict.allowed
        }


@pytest.fixture
def attempt() -> Callable[..., Tried]:
    """Judge a process, then have it try everything."""

    def tried(*others: Any, **config: Any) -> Tried:
        search = os.pathsep.join([str(DRIVER.parents[1]), str(DRIVER.parents[2])])
        with (
            TemporaryDirectory() as folder,
            subprocess.Popen(
                [sys.executable, DRIVER, json.dumps(config), folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": search},
            ) as running,
        ):
            os.chmod(folder, 0o777)
            assert running.stdin
            assert running.stdout
            print(json.dumps([operation.name for operation in OPERATIONS]), file=running.stdin)
            running.stdin.flush()
            pid = int(running.stdout.readline())
            assert running.stdout.readline() == "ready\n"
            found = verdicts(snapshot_of(pid, *others), pid)
            running.stdin.close()
            answers = json.loads(running.stdout.readline())
        return Tried({verdict.operation or "": verdict for verdict in found}, answers)

    return tried


@contextmanager
def sleeping(execer: NamespacingExecer, *command: str) -> Iterator[int]:
    """Have a process that sleeps; what precedes sleep is a program that executes it in turn."""
    with execer.start(*command, "/bin/sleep", "60") as process:
        comm = Path(f"/proc/{process.pid}/comm")
        assert eventually(lambda: comm.read_text() == "sleep\n")
        yield process.pid


def test_root_of_a_garden_container(attempt):
    """Root of all its namespaces may what they isolate, and nothing of the machine's."""
    with sleeping(NamespacingExecer(max_uid=65535)) as pid:
        tried = attempt(join=pid)
    assert tried.wrong == {}
    may = {"set the hostname", "open a raw socket", "mount a tmpfs", "mount proc", "reboot"}
    assert may <= tried.allowed()
    assert not {"set the clock", "make a device node", "mount a disk"} & tried.allowed()


def test_the_machines_root_in_namespaces_of_its_own(attempt):
    """Privileged, it is this machine's root: it may everything that it has the capability for."""
    with sleeping(NamespacingExecer(privileged=True)) as pid:
        tried = attempt(join=pid)
    assert tried.wrong == {}
    assert {"make a device node", "mount a disk", "swap on a file"} <= tried.allowed()


def test_root_of_a_user_namespace_alone(attempt):
    """With a user namespace and nothing else, root is denied whatever a namespace isolates."""
    alone = NamespacingExecer(clone_flags=CloneFlags.NEWUSER, id_map=IDMap([(0, 1000, 10)]))
    with sleeping(alone) as pid:
        tried = attempt(join=pid, kinds=["user"])
    assert tried.wrong == {}
    assert "set the hostname" not in tried.allowed()
    assert {"chroot", "make another namespace", "signal another user's process"} <= tried.allowed()


def test_a_network_that_is_the_machines(attempt):
    """Root inside may not touch a network that the machine's user namespace owns."""
    shared = NamespacingExecer(clone_flags=ALL_IN_ONE & ~CloneFlags.NEWNET, max_uid=65535)
    with sleeping(shared) as pid:
        tried = attempt(join=pid)
    assert tried.wrong == {}
    assert "set the hostname" in tried.allowed()
    assert not {"open a raw socket", "configure a network interface", "mount sysfs"} & (
        tried.allowed()
    )


def test_a_user_namespace_within_another(attempt, tool):
    """Root of the inner one is denied what the outer one owns."""
    inner = "unshare --user --map-root-user --net sleep 60 & echo $!; wait"
    with NamespacingExecer(max_uid=65535, mount_proc=True).start(
        "/bin/sh", "-c", inner, stdout=subprocess.PIPE
    ) as outer:
        assert outer.stdout
        assert outer.stdout.readline()
        below = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text()
        within = int(below)
        comm = Path(f"/proc/{within}/comm")
        assert eventually(lambda: comm.read_text() == "sleep\n")
        tried = attempt(outer.pid, join=within)
    # unshare(1) has written "deny", which is no matter of capabilities, and is told beside.
    assert tried.wrong == {"take other groups": (True, errno.EPERM)}
    assert "must say allow" in tried.said["take other groups"].why
    assert "open a raw socket" in tried.allowed()
    assert not {"set the hostname", "mount a tmpfs", "reboot"} & tried.allowed()


@pytest.mark.parametrize(
    "capability",
    [
        "SYS_ADMIN",
        "NET_ADMIN",
        "SYS_CHROOT",
        "CHOWN",
        "KILL",
        "DAC_OVERRIDE",
        "IPC_OWNER",
        "SETUID",
    ],
)
def test_root_without_one_capability(attempt, capability):
    """What asks for the capability that is gone is denied, and nothing else is for that."""
    with sleeping(NamespacingExecer(max_uid=65535)) as pid:
        tried = attempt(join=pid, drop=[f"CAP_{capability}"])
    assert tried.wrong == {}
    needing = {o.name for o in OPERATIONS if f"CAP_{capability}" in {n.capability for n in o.needs}}
    assert needing
    assert not needing & tried.allowed()


def test_an_ordinary_user(attempt):
    """Without any capability, only a user namespace can be made."""
    tried = attempt(uid=1000)
    assert tried.wrong == {}
    assert tried.allowed() == {"make a user namespace"}


def test_the_owner_of_a_child_namespace_has_all_capabilities_there(attempt, tool):
    """Who made a user namespace may what its root may, from the parent and without capabilities."""
    maker = [tool("setpriv"), "--reuid=1000", "--regid=1000", "--clear-groups", tool("unshare")]
    here = NamespacingExecer(privileged=True, clone_flags=CloneFlags(0))
    with sleeping(here, *maker, "--user", "--map-root-user", "--uts", "--net") as pid:
        owner = attempt(pid, join=pid, kinds=["uts", "net"], uid=1000)
        other = attempt(pid, join=pid, kinds=["uts", "net"], uid=1001)
    assert (owner.wrong, other.wrong) == ({}, {})
    may = {"set the hostname", "open a raw socket", "configure a network interface"}
    assert may <= owner.allowed()
    assert not may & other.allowed()
    assert "owns" in owner.said["set the hostname"].why

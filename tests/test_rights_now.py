"""`translate`, `who_owns` and `why_denied` as they are called: on what is found just now."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import eventually
from drivers.whoever import OWN_MAP, ROOTLESS

from nsexplore.discovering import discover
from nsexplore.execer import NamespacingExecer
from nsexplore.translating import translate

rights = pytest.importorskip("nsexplore.tables.rights")

pytestmark = pytest.mark.needs("user namespaces")


def test_a_running_process_is_enough():
    """Without a snapshot, the machine is looked at: the process itself says what is meant."""
    with NamespacingExecer(**OWN_MAP).start("/bin/sleep", "60") as process:
        told = translate(0, process, "here")
        assert told.id == process.birth.uid_map.to_host(0)
        inode = os.stat(f"/proc/{process.pid}/ns/user").st_ino
        frame = rights.who_owns("/", process)
        assert frame.inode.to_list()[-1] == inode
        verdict = rights.why_denied(process, "make a device node").iloc[0]
        assert not verdict.allowed
        assert verdict.member_of == inode


def test_parents_without_a_process_are_on_the_way(tool):
    """A user namespace in which nobody is: its map is read all the same."""
    command = (tool("unshare"), "--user", "--map-root-user", "/bin/sleep", "60")
    with NamespacingExecer(**ROOTLESS).start(*command) as process:
        between, link = process.birth.namespaces["user"].ino, f"/proc/{process.pid}/ns/user"
        assert eventually(lambda: os.stat(link).st_ino != between)
        snapshot = discover(progress=False)
        told = translate(0, process.pid, "here", snapshot=snapshot)
        assert told.id == process.birth.uid_map.to_host(0)
        assert [(step.namespace.ino, step.told) for step in told.steps][1] == (between, True)


INSIDE = """
import json, os, socket
from making import enter_own_user
outside = os.stat("/proc/self/ns/user").st_ino
enter_own_user()
from nsexplore.discovering import discover
from nsexplore.denial import verdicts
from nsexplore.translation import translation_of
snapshot = discover(progress=False)
try:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)
    number = 0
except OSError as error:
    number = error.errno
try:
    beyond = translation_of(snapshot, 0, "here", outside).words
except LookupError as error:
    beyond = type(error).__name__
print(json.dumps({
    "raw socket": [verdicts(snapshot, os.getpid(), "open a raw socket")[0].allowed, number],
    "chroot": verdicts(snapshot, os.getpid(), "chroot")[0].allowed,
    "module": verdicts(snapshot, os.getpid(), "load a module")[0].allowed,
    "own": translation_of(snapshot, 0, "here", "here").id,
    "none": translation_of(snapshot, 7, "here", "here").id,
    "beyond": beyond,
}))
"""


def test_from_inside_nothing_wrong_is_said():
    """In a user namespace alone: denied what is the machine's, and no number for what is above."""
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", INSIDE],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(here.parent)])},
        stdout=subprocess.PIPE,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found.pop("beyond") in ("LookupError", "CannotTellError")
    assert found == {
        "raw socket": [False, errno.EPERM],
        "chroot": True,
        "module": False,
        "own": 0,
        "none": None,
    }

"""A real cluster of ipyparallel's on loopback, whose engines live in namespaces of their own.

A test module takes the fixture as its own: ``cluster = hosts_cluster.cluster``. For root there
are the `HOSTS`; for everybody else, engines like each other that live where the tests do.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ipyparallel as ipp
import pytest
from conftest import eventually
from drivers.whoever import BARE, IS_ROOT
from jupyter_apart import apart, still_running

import nsexplore as nx
from nsexplore import CloneFlags

TESTS = Path(__file__).parent
OWN = CloneFlags.NEWUTS | CloneFlags.NEWNET
SEVERAL = OWN | CloneFlags.NEWPID | CloneFlags.NEWNS | CloneFlags.NEWIPC
AS_ROOT: dict[str, Any] = {"privileged": True, "clone_flags": SEVERAL, "mount_proc": True}
UNMAPPED: dict[str, Any] = {"privileged": True, "clone_flags": OWN}
# Root in there is root out here, and may so read Python where it lies below a closed home.
MAPPED: dict[str, Any] = {
    "id_map": nx.IDMap([(0, 0, 65536)]),
    "clone_flags": SEVERAL | CloneFlags.NEWUSER,
    "mount_proc": True,
}

# A network that nothing but a mount keeps alive, in the mount namespace of the engine alone.
KEEPS = 'mount -t tmpfs kept "$KEPT" && touch "$KEPT/net" && unshare --net="$KEPT/net" true && '


@dataclass(frozen=True)
class Host:
    """How an engine is started, and as whom."""

    name: str
    how: dict[str, Any]
    uid: int = 0
    before: str = ""
    through: tuple[str, ...] = ()
    instead: str = ""


# A user reaches Python and this checkout wherever they are; in its own mount namespace.
OPENS = (
    f"{sys.executable} -c 'import sys; sys.path.insert(0, sys.argv[1]); import environments as e;"
    f' e.open_ways(e.Path(sys.argv[2]), {{e.CHECKOUT: e.CHECKOUT}})\' {TESTS} "$KEPT" && '
)
AS_USER = ("setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "--inh-caps=-all")
LOCKED = (sys.executable, str(TESTS / "locked_down.py"))

HOSTS = (
    Host("keeper", AS_ROOT, before=KEEPS),
    Host("twin", AS_ROOT),
    Host("mapped", MAPPED),
    Host("user", UNMAPPED | {"clone_flags": OWN | CloneFlags.NEWNS}, 1000, OPENS, AS_USER),
    Host("locked", UNMAPPED, through=LOCKED),
    Host("older", UNMAPPED, instead="version"),
    Host("bare", UNMAPPED, instead="package"),
    Host("twin", AS_ROOT),
)
"""Eight machines that differ; two of them have one name."""

PLAIN = (Host("", BARE, uid=os.getuid()),) * 3


@dataclass
class Cluster:
    """What runs, and a client of it."""

    folder: Path
    env: dict[str, str]
    controller: subprocess.Popen[bytes]
    client: Any = None
    engines: dict[int, nx.Process] = field(default_factory=dict)
    """By their number in the cluster, which is that in `HOSTS`."""
    ways: list[nx.Forwarding] = field(default_factory=list)
    """From each network of an engine's own to the controller."""

    @property
    def file(self) -> Path:
        return self.folder / "security" / "ipcontroller-client.json"

    def start(self, *hosts: Host) -> list[int]:
        """Start engines and wait until they are there; return their numbers."""
        first = max(self.client.ids, default=-1) + 1
        numbers = [*range(first, first + len(hosts))]
        logs = [self._start(*each) for each in zip(numbers, hosts, strict=True)]
        there = eventually(lambda: set(numbers) <= set(self.client.ids), 20)
        assert there, "\n".join(log.read_text() for log in logs)
        return numbers

    def _start(self, number: int, host: Host) -> Path:
        place = Path(tempfile.mkdtemp(prefix="engine-", dir=self.folder))
        (place / "kept").mkdir()
        # The key lets whoever has it run anything: each engine has a copy that is its own.
        key = Path(shutil.copy(self.folder / "security" / "ipcontroller-engine.json", place))
        key.chmod(0o600)
        env = self.env | {"HOME": str(place), "IPYTHONDIR": str(place), "KEPT": str(place / "kept")}
        if host.instead:
            env["PYTHONPATH"] = str(_instead(host.instead, place))
        engine = [sys.executable, "-m", "ipyparallel.engine", "--file", str(key)]
        engine += ["--profile-dir", str(place), "--log-level=WARN", f"--IPEngine.id={number}"]
        if host.uid != os.getuid():
            for path in (place, *place.rglob("*")):
                os.chown(path, host.uid, host.uid)
        name = f"hostname {host.name} && ip link set lo up && " if host.name else ""
        script = name + host.before + 'exec "$@"'
        log = os.open(place / "engine.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            self.engines[number] = nx.NamespacingExecer(**host.how).start(
                *("sh", "-c", script, "sh", *host.through, *engine),
                env=env, cwd=str(place), stdout=log, stderr=log,
            )  # fmt: skip
        finally:
            os.close(log)
        if host.name:
            ports = [port for port in json.loads(key.read_text()).values() if type(port) is int]
            self.ways.append(nx.forward(self.engines[number], *ports))
        return place / "engine.log"

    def end(self) -> None:
        """End everything, whatever state it is in."""
        for process in self.engines.values():
            process.kill()
            process.wait()
        for way in self.ways:
            way.close()
        if self.client is not None:
            self.client.close(linger=0)
        self.controller.terminate()
        try:
            self.controller.wait(10)
        finally:
            # Its schedulers are processes of its own, in the session that it leads.
            _kill(self.controller.pid)
            self.controller.wait()


def _kill(session: int) -> None:
    for pid in [session, *_members(session)]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _members(session: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int((folder / "stat").read_text().rpartition(")")[2].split()[3]) == session:
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def _instead(what: str, place: Path) -> Path:
    """Return a folder for PYTHONPATH with another version of the package, or a part of it."""
    folder = place / "python"
    if what == "version":
        (folder / "nsexplore-0.0.9.dist-info").mkdir(parents=True)
        metadata = "Metadata-Version: 2.1\nName: nsexplore\nVersion: 0.0.9\n"
        (folder / "nsexplore-0.0.9.dist-info" / "METADATA").write_text(metadata)
    else:
        (folder / "nsexplore").mkdir(parents=True)
        blocked = "import sys; sys.modules['nsexplore.hosts'] = None"  # not even an editable one
        (folder / "nsexplore" / "__init__.py").write_text(blocked)
    return folder


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A controller and its engines; afterwards nothing of it runs, nor lies about, any more."""
    folder = Path(tempfile.mkdtemp(prefix="nsexplore-cluster-"))
    folder.chmod(0o711)  # the engines' users pass through to what is theirs
    env = apart(folder)
    options = ["--ip=127.0.0.1", "--location=127.0.0.1", "--nodb", "--log-level=WARN"]
    options += ["--HeartMonitor.period=500"]  # engines are there from the first beat on
    with (folder / "controller.log").open("wb") as log:
        controller = subprocess.Popen(
            [sys.executable, "-m", "ipyparallel.controller", "--profile-dir", folder, *options],
            env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    cluster = Cluster(folder, env, controller)
    try:
        assert eventually(cluster.file.exists, 20), (folder / "controller.log").read_text()
        cluster.client = ipp.Client(str(cluster.file))
        cluster.start(*(HOSTS if IS_ROOT else PLAIN))
        yield cluster
    finally:
        cluster.end()
        shutil.rmtree(folder)
    assert eventually(lambda: not still_running(env)), still_running(env)

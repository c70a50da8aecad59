"""A small factory of snapshots: machines that never were, hostile ones among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from nsexplore.capabilities import CapabilitySet
from nsexplore.containers import Container
from nsexplore.idmap import IDMap
from nsexplore.kinds import KINDS
from nsexplore.snapshot import Place, SeenNamespace, SeenProcess, Sighting, Snapshot
from nsexplore.views import Credentials, Namespace, NamespaceID

EVIL = "<script>alert(1)</script>\x1b[31m\u202e\udcff\x00\"'&`#end;\n%%{init: {}}%%"
BOOT = "5b2c8f1e-0000-4000-8000-000000000001"
NS_DEV = 4


def identity(ino: int) -> NamespaceID:
    """Return the identity of a namespace with this inode."""
    return NamespaceID(NS_DEV, ino)


def ids(number: int) -> Credentials:
    """Return credentials that are one number throughout."""
    return Credentials(*[number] * 8)


HERE = {kind.name: identity(1000 + at) for at, kind in enumerate(KINDS)}
"""The namespaces of the machine itself, where whoever looks is, too."""


def namespace(kind: str, ino: int, *found: tuple[Place, int | None, str], **more: Any) -> Any:
    """Return a namespace that the machine's user namespace owns; `more` says otherwise."""
    seen = {name: more.pop(name) for name in ("netnsid", "uid_map", "gid_map") if name in more}
    default: dict[str, Any] = {"owner": HERE["user"], "unique_id": ino * 10}
    if kind in ("user", "pid"):
        default["parent"] = HERE[kind]
    if kind == "user":
        default["owner_uid"] = 0
    sightings = tuple(Sighting(*place) for place in found) or (Sighting("process", 1, "net"),)
    return SeenNamespace(Namespace(kind, NS_DEV, ino, **default | more), sightings, **seen)


def process(pid: int, ppid: int = 1, **more: Any) -> SeenProcess:
    """Return a process of root's, in the machine's own namespaces; `inside` names others."""
    inside: Mapping[str, int] = more.pop("inside", {})
    namespaces = HERE | {kind: identity(ino) for kind, ino in inside.items()}
    default: dict[str, Any] = {
        "start": pid * 100,
        "comm": f"p{pid}",
        "command": f"/bin/p{pid} --serve",
        "nspid": (pid, 1) if "pid" in inside else (pid,),
        "threads": 1,
        "credentials": ids(0),
        "effective": CapabilitySet(2**41 - 1),
        "container": None,
    }
    return SeenProcess(pid, ppid, namespaces=namespaces, **default | more)


def snapshot(
    namespaces: Iterable[SeenNamespace] = (), processes: Iterable[SeenProcess] = (), **more: Any
) -> Snapshot:
    """Return a snapshot with these beside the machine's own namespaces and its init."""
    own = [
        namespace(
            kind, ino.ino, ("process", 1, ""), owner=None if kind == "user" else HERE["user"],
            **({"parent": None} if kind in ("user", "pid") else {}),
            **({"uid_map": WHOLE, "gid_map": WHOLE} if kind == "user" else {}),
        )
        for kind, ino in HERE.items()
    ]  # fmt: skip
    position = {kind.name: at for at, kind in enumerate(KINDS)}
    default: dict[str, Any] = {
        "host": "tester",
        "boot_id": BOOT,
        "taken_ns": 10**12,
        "here": HERE,
    }
    init = process(1, 0, comm="init", command="/sbin/init")
    return Snapshot(
        seen_namespaces=tuple(sorted([*own, *namespaces], key=lambda n: position.get(n.kind, 8))),
        seen_processes=tuple(sorted([init, *processes], key=lambda p: (p.start, p.pid))),
        **default | more,
    )


WHOLE = IDMap([(0, 0, 2**32 - 1)])
ROOTLESS = IDMap([(0, 1000, 1), (1, 100000, 65536)])


def zoo() -> Snapshot:
    """Return a machine with one of everything."""
    return snapshot(
        [
            namespace("user", 2000, ("process", 50, ""), owner_uid=1000, uid_map=ROOTLESS,
                      gid_map=ROOTLESS),
            namespace("user", 2001, ("parent", None, "user:[2002]"), parent=identity(2000),
                      owner=identity(2000), uid_map=IDMap([(0, 1000, 1)]), gid_map=IDMap()),
            namespace("user", 2002, ("fd", 60, "fd 7"), parent=identity(2001),
                      owner=identity(2001)),
            namespace("pid", 2010, ("process", 50, ""), owner=identity(2000)),
            namespace("pid", 2011, ("children", 60, "pid_for_children"), parent=identity(2010),
                      owner=identity(2000)),
            namespace("mnt", 2020, ("process", 50, ""), owner=identity(2000)),
            namespace("net", 2030, ("process", 50, ""), owner=identity(2000), netnsid=3),
            namespace("net", 2031, ("mount", 1, "/run/netns/blue")),
            namespace("net", 2032, ("socket", 60, "fd 9"), ("fd", 60, "fd 8")),
            namespace("uts", 2040, ("thread", 60, "thread 61")),
            namespace("ipc", 2050, ("kernel", None, ""), owner=None),
        ],
        [
            process(40, command="/usr/sbin/daemon", container=Container("systemd", "d.service")),
            process(50, 40, inside={"user": 2000, "pid": 2010, "mnt": 2020, "net": 2030},
                    credentials=ids(1000), container=Container("docker", "ab" * 32)),
            process(51, 50, inside={"user": 2000, "pid": 2010, "mnt": 2020, "net": 2030},
                    nspid=(51, 2), credentials=ids(100004), command=""),
            process(60, 1, threads=2, credentials=ids(33)),
        ],
        hidden={"namespaces of a process": 12},
        notes=("Sockets could not be looked at without CAP_SYS_PTRACE.",),
    )  # fmt: skip


def hostile() -> Snapshot:
    """Return a machine on which everything that somebody may choose is chosen badly."""
    long = EVIL + "x" * 5000
    return snapshot(
        [
            namespace("net", 3000, ("mount", 1, f"/tmp/{long}")),
            namespace("net", 3001, ("thread", 70, long)),
            namespace("uts", 3002, ("process", 70, "")),
        ],
        [
            process(70, comm=EVIL, command=long, inside={"uts": 3002},
                    container=Container("docker", long)),
            process(71, comm=EVIL, command=""),
        ],
        host=long,
        hidden={EVIL: 1},
        notes=(long,),
    )  # fmt: skip


def many(count: int) -> Snapshot:
    """Return a machine with so many processes, each fifth in namespaces of its own."""
    namespaces, processes = [], []
    for pid in range(100, 100 + count):
        inside = {}
        if pid % 5 == 0:
            inside = {"user": 50_000 + pid, "net": 150_000 + pid}
            namespaces += [
                namespace("user", inside["user"], ("process", pid, ""), uid_map=ROOTLESS,
                          gid_map=ROOTLESS),
                namespace("net", inside["net"], ("process", pid, ""),
                          owner=identity(inside["user"])),
            ]  # fmt: skip
        processes.append(process(pid, inside=inside, credentials=ids(1000)))
    return snapshot(namespaces, processes)


def renumbered(seen: Snapshot, seed: int) -> Snapshot:
    """Return a snapshot with other inodes in another order, all else as it was."""
    number = {n.id.ino: (n.id.ino * seed) % 100_003 for n in seen.seen_namespaces}

    def new(old: NamespaceID | None) -> NamespaceID | None:
        return None if old is None else NamespaceID(NS_DEV, number[old.ino])

    namespaces = [
        replace(
            n,
            namespace=replace(
                n.namespace,
                ino=number[n.id.ino],
                owner=new(n.namespace.owner),
                parent=new(n.namespace.parent),
            ),
        )
        for n in seen.seen_namespaces
    ]
    processes = tuple(
        replace(p, namespaces={k: new(i) for k, i in p.namespaces.items()})
        for p in seen.seen_processes
    )
    here = {kind: new(identity) for kind, identity in seen.here.items()}
    namespaces.sort(key=lambda n: n.id)
    return replace(seen, seen_namespaces=tuple(namespaces), seen_processes=processes, here=here)

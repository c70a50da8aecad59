"""`discover` against lsns(8), the kernel, and what the tests themselves have made."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import machine
import pandas as pd
import pytest

from nsexplore.discovering import discover
from nsexplore.kinds import KINDS
from nsexplore.nsfs import open_verified
from nsexplore.snapshot import PLACES, Snapshot
from nsexplore.views import NamespaceID

needs_root = pytest.mark.needs("root")


# -- against lsns ------------------------------------------------------------------------


def as_lsns_tells(row: Any) -> dict[str, Any]:
    """Return a row of `Snapshot.namespaces` as one of lsns's."""
    told = {name: None if pd.isna(value) else value for name, value in row.items()}
    netnsid = "unassigned" if told["netnsid"] is None else str(told["netnsid"])
    return {
        "ns": told["inode"],
        "type": told["type"],
        "path": told["path"],
        "nprocs": told["nprocs"],
        "pid": told["pid"],
        "ppid": told["ppid"],
        "command": told["command"],
        "uid": told["uid"],
        "user": told["user"] or str(told["uid"]),
        "netnsid": netnsid if told["type"] == "net" else None,
        "nsfs": told["nsfs"] and told["nsfs"].replace(", ", "\n"),
        "pns": told["parent"] or 0,
        "ons": told["owner"] or 0,
    }


@needs_root
def test_every_row_of_lsns_is_in_the_table_with_equal_values(tool: Callable[[str], str]) -> None:
    """Field by field; the one difference is that lsns counts itself in its own namespaces.

    lsns 2.38 does not list namespaces without a process, we do.
    """
    tool("lsns"), tool("ip")
    rows, snapshot = machine.on_quiet_machine(machine.look_with_lsns)
    table = snapshot.namespaces.set_index("inode", drop=False)
    own = {identity.ino for identity in snapshot.here.values()}
    assert {row["type"] for row in rows} == {kind.name for kind in KINDS}
    for row in rows:
        row["nprocs"] -= row["ns"] in own
        assert as_lsns_tells(table.loc[row["ns"]]) == row
    more = table[~table["inode"].isin([row["ns"] for row in rows])]
    assert set(more["nprocs"]) == {0}
    found = {
        (kind, "" if pd.isna(nsfs) else nsfs)
        for kind, nsfs in zip(more.type, more.nsfs, strict=True)
    }
    assert found == {("net", "/run/netns/blue"), ("net", "/run/netns/green"), ("user", "")}


# -- what lsns does not see --------------------------------------------------------------


@pytest.fixture(scope="module")
def zoo() -> tuple[dict[str, tuple[str, int, int]], Snapshot]:
    made, snapshot = machine.on_quiet_machine(machine.look_at_zoo)
    return made, snapshot


HELD = {
    "held_by_thread": {"thread"},
    "held_by_children_of_thread": {"thread"},
    "held_by_fd": {"fd"},
    "held_by_socket": {"socket"},
    "held_by_mount": {"mount"},
    "held_by_mount_elsewhere": {"mount"},
    "held_by_mount_of_thread": {"mount"},
    "parent_of_a_user_namespace": {"parent", "owner"},
    "held_for_children": {"children"},
    "opened_through_a_mount": {"fd", "mount"},
    "opened_through_a_mount_that_is_gone": {"fd"},
}


@needs_root
@pytest.mark.parametrize("name", [make.__name__ for make in machine.ZOO])
def test_what_no_process_is_in_is_found_where_it_is_held(name: str, zoo: Any) -> None:
    """By exactly what holds it, with the process that does; its owner is known as well."""
    made, snapshot = zoo
    kind, number, pid = made[name]
    (seen,) = [found for found in snapshot.seen_namespaces if found.id.ino == number]
    assert seen.kind == kind
    assert {sighting.place for sighting in seen.sightings} == HELD[name]
    assert seen.namespace.owner is not None
    assert not snapshot.members(seen.id)
    if name != "parent_of_a_user_namespace":
        assert pid in {sighting.pid for sighting in seen.sightings}


@needs_root
def test_places_come_in_order_and_with_details(zoo: Any) -> None:
    """A mount by its path, unescaped, in each mount namespace; the others by number."""
    made, snapshot = zoo
    seen = {found.id.ino: found for found in snapshot.seen_namespaces}
    order = list(PLACES)
    for found in seen.values():
        places = [order.index(sighting.place) for sighting in found.sightings]
        assert places == sorted(places)
    assert seen[made["held_by_mount"][1]].mounts == ("/mnt/a name",)
    assert seen[made["held_by_fd"][1]].sightings[0].detail.startswith("fd ")
    assert seen[made["held_by_thread"][1]].sightings[0].detail.startswith("thread ")


@needs_root
def test_maps_are_read_also_where_no_process_is(zoo: Any) -> None:
    """A user namespace that nobody is in is entered for that, for a moment."""
    made, snapshot = zoo
    users = {found.id.ino: found for found in snapshot.seen_namespaces if found.kind == "user"}
    empty = users[made["parent_of_a_user_namespace"][1]]
    assert not snapshot.members(empty.id)
    assert (str(empty.uid_map).split(), str(empty.gid_map).split()) == (["0", "0", "1"],) * 2
    (inner,) = [found for found in users.values() if found.namespace.parent == empty.id]
    assert (str(inner.uid_map).split(), str(inner.gid_map).split()) == (["0", "0", "1"],) * 2
    assert inner.namespace.owner_uid == 0


@needs_root
def test_only_the_machines_first_pid_namespace_is_counted_as_out_of_sight(zoo: Any) -> None:
    """It is the parent of the quiet machine's; nothing else is hidden from root."""
    assert zoo[1].hidden == {"owner or parent": 1}


# -- ourselves ---------------------------------------------------------------------------


def test_we_are_seen_as_the_kernel_shows_us(leaves_nothing: None) -> None:
    """Identity, parent, start, threads, credentials; and here is where we are."""
    snapshot = discover(progress=False)
    ours = snapshot.process(os.getpid())
    assert ours is not None
    assert ours.ppid == os.getppid()
    assert ours.nspid[0] == os.getpid()
    assert ours.threads == len(os.listdir("/proc/self/task"))
    assert ours.credentials is not None
    assert (ours.credentials.uid, ours.credentials.egid) == (os.getuid(), os.getegid())
    assert ours.credentials.groups == tuple(sorted(os.getgroups()))
    for kind in KINDS:
        status = os.stat(f"/proc/self/ns/{kind.name}")
        identity = NamespaceID(status.st_dev, status.st_ino)
        assert snapshot.here[kind.name] == ours.namespaces[kind.name] == identity
        seen = snapshot.namespace(identity)
        assert seen is not None
        assert seen.sightings[0].place == "process"
        assert seen.sightings[0].pid == min(p.pid for p in snapshot.members(identity))
    assert snapshot.host == os.uname().nodename
    starts = [(process.start, process.pid) for process in snapshot.seen_processes]
    assert starts == sorted(starts)


def test_a_socket_tells_nothing_new_of_its_process_s_namespace(leaves_nothing: None) -> None:
    """Else a busy machine's first network namespace would be found in 10,000 places."""
    with socket.socket():
        snapshot = discover(progress=False)
    ours = snapshot.namespace(snapshot.here["net"])
    assert ours is not None
    found = [(sighting.place, sighting.pid) for sighting in ours.sightings]
    assert ("socket", os.getpid()) not in found


def test_names_are_shown_as_they_are_and_bounded(leaves_nothing: None) -> None:
    """An argument vector may have megabytes; 4,096 characters are kept."""
    reader, writer = os.pipe()
    code = "import sys; sys.stdin.read()"
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", code, "x" * 9000],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, reader, 0), (os.POSIX_SPAWN_CLOSE, writer)],
    )
    os.close(reader)
    try:
        seen = discover(progress=False).process(pid)
    finally:
        os.close(writer)
        os.waitpid(pid, 0)
    assert seen is not None
    assert len(seen.command) <= 4096
    assert seen.command.startswith(f"{sys.executable} -c {code} xxx"[:20])


@needs_root
def test_odd_names_do_not_confuse() -> None:
    """Parentheses, newlines, markup and bytes that are no text stay in the name."""
    snapshot = machine.on_quiet_machine(machine.look_with_odd_names)
    names = {process.comm for process in snapshot.seen_processes}
    assert names >= {"a) Z 0 (b", "x\nUid:\t7 7 7", "<b>&amp;\\xff", "(", ")"}
    for process in snapshot.seen_processes:
        assert process.credentials is not None
        assert process.credentials.uid == 0
    assert {p.command for p in snapshot.seen_processes if p.comm in "()"} == {"\\xff<i> 60"}


# -- without privilege -------------------------------------------------------------------


@needs_root
def test_an_ordinary_user_sees_a_part_and_how_much_is_hidden() -> None:
    """Processes of others are there, their namespaces are counted."""
    snapshot, pid = machine.on_quiet_machine(machine.look_as_ordinary_user)
    readable = [process for process in snapshot.seen_processes if process.namespaces]
    hidden = len(snapshot.seen_processes) - len(readable)
    assert hidden >= 3
    assert snapshot.hidden["namespaces of a process"] == hidden
    assert snapshot.hidden["file descriptors of a process"] == hidden
    assert snapshot.process(pid).namespaces == snapshot.here
    for found in snapshot.seen_namespaces:
        assert {p.credentials.uid for p in snapshot.members(found.id)} <= {1000}
        assert found.namespace.owner is not None or found.kind == "user"


def test_without_the_native_part_sockets_are_counted(
    monkeypatch: pytest.MonkeyPatch, leaves_nothing: None
) -> None:
    """What it would have asked is said to be hidden; all else is there."""
    monkeypatch.setitem(sys.modules, "nsexplore._spawn", None)
    with socket.socket():
        snapshot = discover(progress=False)
    assert snapshot.hidden["socket"] >= 1
    assert snapshot.process(os.getpid()) is not None


def test_a_path_that_is_something_else_by_now_is_not_opened(
    tmp_path: Path, leaves_nothing: None
) -> None:
    """To open a FIFO would be to wait, here for ever."""
    path = tmp_path / "namespace"
    os.mkfifo(path)
    status = os.stat("/proc/self/ns/uts")
    with pytest.raises(OSError, match="another file by now"):
        open_verified(str(path), NamespaceID(status.st_dev, status.st_ino))


@needs_root
@pytest.mark.parametrize("option", ["invisible", "noaccess"])
def test_hidepid_is_said(option: str) -> None:
    """Whoever may not see others is told why there are so few."""
    snapshot = machine.on_quiet_machine(machine.look_through_hidden_proc, option)
    (note,) = snapshot.notes
    assert f"hidepid={option}" in note
    assert {process.credentials.uid for process in snapshot.seen_processes} <= {1000}
    assert (snapshot.hidden.get("processes", 0) > 0) == (option == "noaccess")


# -- manners -----------------------------------------------------------------------------


@needs_root
def test_several_threads_look_at_once() -> None:
    """All see the same, and leave nothing."""
    count, snapshots, left = machine.on_quiet_machine(machine.look_from_threads)
    assert len(snapshots) == count
    assert not left
    alike = {tuple(s.seen_processes) for s in map(without_ourselves, snapshots)}
    assert len(alike) == 1
    assert len({frozenset(found.id for found in s.seen_namespaces) for s in snapshots}) == 1


def without_ourselves(snapshot: Snapshot) -> Snapshot:
    """Leave out init, which looks, and those by which it reads ID maps for a moment."""
    ours = snapshot.process(1)
    others = tuple(p for p in snapshot.seen_processes if p.command != ours.command)
    return Snapshot(
        snapshot.host, snapshot.boot_id, 0, snapshot.here, snapshot.seen_namespaces, others
    )


@needs_root
def test_an_interrupt_leaves_no_descriptor() -> None:
    """Wherever it comes: in the middle of a process, of an ioctl, of a socket."""
    interrupted, finished, left = machine.on_quiet_machine(machine.interrupt_often)
    assert interrupted > 20
    assert finished > 0 or interrupted == 79
    assert not left


def test_progress_is_told_in_processes(leaves_nothing: None) -> None:
    """Numbers that only grow, up to all; from the thread that looks."""
    told: list[tuple[int, int, int]] = []
    discover(progress=lambda done, total: told.append((done, total, threading.get_ident())))
    done, totals, threads = zip(*told, strict=True)
    assert list(done) == sorted(done)
    assert {*threads} == {threading.get_ident()}
    assert (done[-1],) == tuple({*totals})


def test_what_progress_raises_ends_the_scan(leaves_nothing: None) -> None:
    """A caller may stop it so."""

    def stop(done: int, total: int) -> None:
        raise StopAsyncIteration

    with pytest.raises(StopAsyncIteration):
        discover(progress=stop)


@pytest.mark.parametrize("progress", [True, 1, "yes"])
def test_progress_is_a_function_or_false(progress: Any, leaves_nothing: None) -> None:
    """Anything else is refused before anything is read."""
    with pytest.raises(TypeError, match="progress must be a function, False or None"):
        discover(progress=progress)

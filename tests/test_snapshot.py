"""A snapshot's tables, and parts of it."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from making_snapshots import (
    EVIL,
    HERE,
    ROOTLESS,
    WHOLE,
    hostile,
    identity,
    ids,
    many,
    namespace,
    process,
    snapshot,
    zoo,
)

from nsexplore.idmap import OVERFLOW_ID, IDMap
from nsexplore.kinds import KINDS
from nsexplore.origin import Origin

pd = pytest.importorskip("pandas")

NAMESPACES = {
    "type": "string", "inode": "int64", "dev": "int64", "id": "UInt64", "nprocs": "int64",
    "pid": "Int64", "ppid": "Int64", "command": "string", "uid": "Int64", "user": "string",
    "path": "string", "netnsid": "Int64", "nsfs": "string", "parent": "Int64",
    "owner": "Int64", "depth": "Int64", "owner_uid": "Int64", "found": "string",
    "container": "string",
}  # fmt: skip
PROCESSES = {
    "pid": "int64", "ppid": "int64", "pid_inside": "int64", "comm": "string",
    "command": "string", "threads": "int64", "uid": "Int64", "euid": "Int64", "gid": "Int64",
    "egid": "Int64", "user": "string", "uid_inside": "Int64", "euid_inside": "Int64",
    "gid_inside": "Int64", "egid_inside": "Int64", "container": "string", "user_ns": "Int64",
    "pid_ns": "Int64", "mnt_ns": "Int64", "net_ns": "Int64", "ipc_ns": "Int64",
    "uts_ns": "Int64", "cgroup_ns": "Int64", "time_ns": "Int64",
}  # fmt: skip
ID_MAPS = {
    "inode": "int64", "depth": "Int64", "parent": "Int64", "map": "string",
    "container_id": "int64", "host_id": "int64", "size": "int64",
}  # fmt: skip
NOTHING = replace(zoo(), seen_namespaces=(), seen_processes=())
TABLES = {"namespaces": NAMESPACES, "processes": PROCESSES, "id_maps": ID_MAPS}


def row(frame: pd.DataFrame, **where: object) -> pd.Series:
    """Return the one row with these values."""
    for name, value in where.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1
    return frame.iloc[0]


# -- tables -----------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("which", [zoo, hostile, lambda: many(10), lambda: NOTHING])
def test_columns_and_dtypes_never_change(which, name):
    """Whatever was seen, and nothing too; the index is a plain range."""
    frame = getattr(which(), name)
    assert {column: str(dtype) for column, dtype in frame.dtypes.items()} == TABLES[name]
    assert list(frame.index) == list(range(len(frame)))
    assert type(frame.index) is pd.RangeIndex


def test_a_namespace_with_processes_is_a_row_with_its_lowest_pid():
    """The lowest PID is not always the oldest process: PIDs begin anew."""
    inside = {"net": 2000}
    young = process(7, start=900, inside=inside, command="", comm="young", credentials=ids(0))
    old = process(8, start=800, inside=inside)
    frame = snapshot([namespace("net", 2000, netnsid=0)], [young, old]).namespaces
    found = row(frame, inode=2000)
    assert (found.type, found.nprocs, found.pid, found.ppid) == ("net", 2, 7, 1)
    assert (found.command, found.path, found.uid) == ("young", "/proc/7/ns/net", 0)
    assert (found.netnsid, found.owner, found.id) == (0, HERE["user"].ino, 20000)
    assert found.user == "root"
    assert pd.isna(found.parent)
    assert pd.isna(found.depth)


def test_a_namespace_without_a_process_says_where_it_was_found():
    """Places in their order, each once; mount points; <NA> for what only a process has."""
    frame = zoo().namespaces
    assert row(frame, inode=2031).nsfs == "/run/netns/blue"
    assert row(frame, inode=2032).found == "socket, fd"
    lonely = row(frame, inode=2001)
    assert (lonely.nprocs, lonely.parent, lonely.depth, lonely.owner_uid) == (0, 2000, 2, 0)
    for column in ("pid", "ppid", "command", "uid", "user", "path", "nsfs", "container"):
        assert pd.isna(lonely[column])


def test_numbers_of_64_bits_keep_every_digit():
    """A unique ID does not pass through a float, also beside one that is not known."""
    big = 2**64 - 3
    frame = snapshot(
        [namespace("net", 2000, unique_id=big), namespace("net", 2001, unique_id=None)]
    ).namespaces
    assert int(row(frame, inode=2000).id) == big
    assert pd.isna(row(frame, inode=2001).id)


def test_a_process_counts_its_ids_through_the_maps_of_its_user_namespace():
    """Outside as we count, inside as it counts: 65534 without a mapping."""
    frame = zoo().processes
    inside = row(frame, pid=50)
    assert (inside.uid, inside.euid, inside.uid_inside, inside.egid_inside) == (1000, 1000, 0, 0)
    assert (inside.pid_inside, inside.user_ns, inside.ipc_ns) == (1, 2000, HERE["ipc"].ino)
    assert row(frame, pid=51).uid_inside == 5
    maps = {"uid_map": ROOTLESS, "gid_map": IDMap()}
    unmapped = snapshot(
        [namespace("user", 2000, **maps)], [process(5, inside={"user": 2000}, credentials=ids(33))]
    )
    found = row(unmapped.processes, pid=5)
    assert (found.uid_inside, found.gid_inside) == (OVERFLOW_ID, OVERFLOW_ID)


def test_a_process_in_our_own_user_namespace_counts_as_we_do():
    """Our own map leads to our parent: it must not be applied once more."""
    own = namespace("user", HERE["user"].ino, uid_map=ROOTLESS, gid_map=ROOTLESS, parent=None)
    seen = replace(zoo(), seen_namespaces=(own,), seen_processes=(process(5),))
    assert row(seen.processes, pid=5).uid_inside == 0
    assert row(replace(seen, here={}).processes, pid=5).uid_inside == OVERFLOW_ID


@pytest.mark.parametrize(
    "changed",
    [
        {"credentials": None},
        {"namespaces": {}},
        {"namespaces": {"user": identity(77)}},
        {"namespaces": {"user": identity(2002)}},
    ],
)
def test_where_the_map_is_not_known_nothing_is_claimed(changed):
    """<NA>: credentials or namespace not readable, namespace not seen, map not readable."""
    seen = zoo()
    one = replace(seen.process(60), **changed)
    found = row(replace(seen, seen_processes=(one,)).processes, pid=60)
    for name in ("uid_inside", "euid_inside", "gid_inside", "egid_inside"):
        assert pd.isna(found[name])


def test_a_table_of_a_recording_says_so_and_names_no_user_of_this_machine():
    """UID 0 may be called otherwise there."""
    recorded = replace(zoo(), recorded=Origin("2026-11-23T18:10:00Z", "Linux 6.18.5 x86_64"))
    for frame in (recorded.namespaces, recorded.processes):
        assert frame.columns.name == "recorded on 2026-11-23"
        assert frame["user"].isna().all()
    assert row(zoo().processes, pid=1).user == "root"


def test_each_user_namespace_has_its_maps_as_rows():
    """A row a line, users' before groups'; none where there is no map."""
    frame = zoo().id_maps
    whole, line = len(WHOLE), ["map", "container_id", "host_id", "size"]
    assert list(frame["inode"]) == [1000] * 2 * whole + [2000] * 4 + [2001]
    rows = frame[frame["inode"] == 2000][line].values.tolist()
    lines = [[0, 1000, 1], [1, 100000, 65536]]
    assert rows == [[name, *numbers] for name in ("uid", "gid") for numbers in lines]
    last = frame.iloc[-1]
    assert (last["depth"], last["parent"], last["map"], last["host_id"]) == (2, 2000, "uid", 1000)


def test_words_of_others_are_kept_and_fit_every_file():
    """Exactly as they are, but for bytes that are no UTF-8: those look as in C."""
    frame = hostile().processes
    assert row(frame, pid=70).comm == EVIL.replace("\udcff", "\\xff")
    for column in frame.select_dtypes("string"):
        for cell in frame[column].dropna():
            cell.encode()


def test_whoever_changes_a_table_changes_a_copy():
    """The snapshot stays what it is."""
    seen = zoo()
    for name in TABLES:
        before = getattr(seen, name)
        frame = getattr(seen, name)
        frame.iloc[:, 1] = 0
        frame["mine"] = 1
        assert not frame.equals(before)
        pd.testing.assert_frame_equal(getattr(seen, name), before)


def test_what_was_looked_up_is_not_pickled():
    """A copy is equal, and as small as before."""
    seen = zoo()
    size = len(pickle.dumps(seen))
    assert len(seen.namespaces) == 19
    assert len(pickle.dumps(seen)) == size
    for other in (pickle.loads(pickle.dumps(seen)), copy.deepcopy(seen)):
        assert other == seen
        assert len(other.processes) == 5


def test_pandas_comes_with_the_first_table():
    """Neither the import nor the pictures load it."""
    script = (
        "import sys\nfrom making_snapshots import zoo\nseen = zoo()\n"
        "str(seen), str(seen.tree()), seen.of(50), seen.tree().mermaid\n"
        "assert 'pandas' not in sys.modules\nseen.namespaces\nassert 'pandas' in sys.modules\n"
    )
    subprocess.run(
        [sys.executable, "-c", script], check=True, env={"PYTHONPATH": str(Path(__file__).parent)}
    )


def test_processes_share_their_rows_work():
    """The map of a user namespace is asked once for credentials that are alike."""
    seen = many(1000)
    frame = seen.processes
    assert len(frame) == 1001
    assert set(frame[frame["user_ns"] != HERE["user"].ino]["uid_inside"]) == {0}


# -- parts ------------------------------------------------------------------------


@dataclass
class Anything:
    pid: int


@pytest.mark.parametrize("target", [40, Anything(40)])
def test_a_part_has_processes_and_descendants_with_their_namespaces(target):
    """And the parents and owners of those; given by PID or by anything that has one."""
    seen = zoo()
    part = seen.of(target)
    assert [p.pid for p in part.seen_processes] == [40, 50, 51]
    inodes = {n.id.ino for n in part.seen_namespaces}
    assert inodes == {*(i.ino for i in HERE.values()), 2000, 2010, 2020, 2030}
    assert (part.host, part.taken_ns, part.here) == (seen.host, seen.taken_ns, seen.here)


def test_a_part_has_the_namespaces_that_are_seen_through_its_processes():
    """Held by a thread, a descriptor, a socket: with the whole chain above."""
    part = zoo().of(60)
    inodes = {n.id.ino for n in part.seen_namespaces} - {i.ino for i in HERE.values()}
    assert inodes == {2000, 2001, 2002, 2010, 2011, 2032, 2040}


def test_a_part_can_leave_out_our_own_namespaces():
    """And then the parents and owners of ours."""
    assert [n.id.ino for n in zoo().of(40, new=True).seen_namespaces] == [2000, 2010, 2020, 2030]
    below = replace(zoo(), here={"user": identity(2001), "pid": identity(2010)})
    kept = {n.id.ino for n in below.of(60, new=True).seen_namespaces}
    assert kept & {1000, 1001, 2000, 2001, 2010} == set()
    assert {2002, 2011} <= kept


def test_several_processes_are_one_part():
    """In the order of the snapshot, each once."""
    assert [p.pid for p in zoo().of(60, 51, 50).seen_processes] == [50, 51, 60]


def test_the_part_of_init_is_the_whole_but_for_what_no_process_holds():
    """Everybody descends from it."""
    seen = zoo()
    assert seen.of(1).seen_processes == seen.seen_processes
    assert {n.id.ino for n in seen.seen_namespaces if n not in seen.of(1).seen_namespaces} == {2050}


def test_parents_in_a_circle_end():
    """A recording may say anything."""
    seen = snapshot(processes=[process(5, 6), process(6, 5), process(7, 7)])
    assert [p.pid for p in seen.of(5).seen_processes] == [5, 6]
    assert [p.pid for p in seen.of(7).seen_processes] == [7]


def test_a_process_that_was_not_seen_is_refused_in_words():
    """ProcessLookupError with its errno."""
    with pytest.raises(ProcessLookupError, match="process 4711 is not in this snapshot") as caught:
        zoo().of(50, 4711)
    assert caught.value.errno == 3


@pytest.mark.parametrize("target", ["50", None, True, 5.0, Anything(True)])
def test_what_is_no_process_is_refused_by_name(target):
    """TypeError says what is wanted."""
    with pytest.raises(TypeError, match=f"'{type(target).__name__}' is no process: give a PID"):
        zoo().of(target)


def test_a_part_of_nobody_is_refused():
    """An empty part would look like an answer."""
    with pytest.raises(TypeError, match="at least one process"):
        zoo().of()


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(0, 12)), max_size=12))
def test_a_part_holds_all_descendants_and_nobody_else(pairs):
    """Against a slow and plain way to tell, with circles among the parents."""
    parents = dict(pairs)
    seen = replace(zoo(), seen_processes=tuple(process(c, p) for c, p in parents.items()))

    def descends(pid: int, target: int) -> bool:
        for _ in range(len(parents) + 1):
            if pid == target:
                return True
            if pid not in parents:
                return False
            pid = parents[pid]
        return False

    for target in parents:
        found = {p.pid for p in seen.of(target).seen_processes}
        assert found == {pid for pid in parents if descends(pid, target)}


def test_the_kinds_have_signs_that_every_font_has():
    """Each its own, of WGL4's geometric shapes, and none that phones draw as an emoji."""
    plain = "■□▬▲►▼◄◊○●◘◙◦"
    signs = [kind.sign for kind in KINDS]
    assert len(set(signs)) == len(KINDS)
    assert all(len(sign) == 1 and sign in plain for sign in signs)

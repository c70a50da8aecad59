"""What changed between two snapshots: from the earlier to the later, whoever is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from making_snapshots import (
    HERE,
    ROOTLESS,
    hostile,
    identity,
    ids,
    many,
    namespace,
    process,
    snapshot,
    zoo,
)

from nsexplore.capabilities import CapabilitySet
from nsexplore.containers import Container
from nsexplore.idmap import IDMap
from nsexplore.kinds import KINDS
from nsexplore.origin import Origin

pd = pytest.importorskip("pandas")

COLUMNS = {
    "change": "string", "what": "string", "type": "string", "inode": "Int64", "pid": "Int64",
    "command": "string", "field": "string", "before": "string", "after": "string",
}  # fmt: skip
LATER = 2 * 10**12


def differences(before: dict, after: dict) -> list[tuple]:
    """Return field, before, after of the one process or namespace that is given twice."""
    earlier, later = snapshot(**before), snapshot(**after, taken_ns=LATER)
    frame = earlier.diff(later)
    assert set(frame["change"]) <= {"changed"}
    rows = frame[["field", "before", "after"]].astype(object)
    return [tuple(row) for row in rows.where(rows.notna(), None).itertuples(index=False)]


def of_process(**more) -> list[tuple]:
    return differences({"processes": [process(50)]}, {"processes": [process(50, **more)]})


def of_namespace(before: dict, *found, **more) -> list[tuple]:
    old = namespace("user", 2000, ("process", 50, ""), **before)
    new = namespace("user", 2000, *(found or [("process", 50, "")]), **before | more)
    return differences({"namespaces": [old]}, {"namespaces": [new]})


@pytest.mark.parametrize("other", [zoo, hostile, lambda: many(20), snapshot])
def test_columns_and_dtypes_never_change(other):
    """A difference or none."""
    frame = zoo().diff(replace(other(), taken_ns=LATER))
    assert {column: str(dtype) for column, dtype in frame.dtypes.items()} == COLUMNS
    assert type(frame.index) is pd.RangeIndex


def test_nothing_has_changed_in_the_same_snapshot():
    """Nor in an equal one of later."""
    assert len(zoo().diff(zoo())) == 0
    assert len(zoo().diff(replace(zoo(), taken_ns=LATER))) == 0


def test_a_second_run_is_told_from_the_first():
    """What only the first had has vanished, what only the second has, has appeared."""
    first = snapshot(
        [namespace("net", 2000), namespace("uts", 2001)],
        [process(50, inside={"net": 2000, "uts": 2001}, command="/bin/first")],
    )
    second = snapshot(
        [namespace("net", 2002)],
        [process(51, inside={"net": 2002}, command="", comm="second")],
        taken_ns=LATER,
    )
    frame = first.diff(second)[["change", "what", "type", "inode", "pid", "command"]]
    none = pd.NA
    expected = pd.DataFrame(
        [
            ("vanished", "namespace", "net", 2000, 50, "/bin/first"),
            ("vanished", "namespace", "uts", 2001, 50, "/bin/first"),
            ("vanished", "process", none, none, 50, "/bin/first"),
            ("appeared", "namespace", "net", 2002, 51, "second"),
            ("appeared", "process", none, none, 51, "second"),
        ],
        columns=frame.columns,
    ).astype(frame.dtypes)
    pd.testing.assert_frame_equal(frame, expected, check_names=False)


@pytest.mark.parametrize(("one", "other"), [(zoo, hostile), (hostile, zoo), (zoo, snapshot)])
@pytest.mark.parametrize("moment", [LATER, 10**12])
def test_it_does_not_matter_who_is_asked(one, other, moment):
    """The clock says which is the earlier; of one moment, the smaller comes first."""
    a, b = one(), replace(other(), taken_ns=moment)
    pd.testing.assert_frame_equal(a.diff(b), b.diff(a))
    assert len(a.diff(b)) > 0


def test_rows_come_vanished_changed_appeared_and_by_kind():
    """Namespaces before processes, in the order of the kinds."""
    frame = zoo().diff(replace(hostile(), taken_ns=LATER))
    order = {"vanished": 0, "changed": 1, "appeared": 2}
    kinds = {kind.name: at for at, kind in enumerate(KINDS)}
    ranks = [
        (order[row.change], kinds.get(row.type, 99) if row.what == "namespace" else 100)
        for row in frame.itertuples()
    ]
    assert ranks == sorted(ranks)
    assert {"vanished", "appeared"} <= set(frame["change"])


# -- who is the same ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ({"unique_id": 7}, {"unique_id": 7}, True),
        ({"unique_id": 7}, {"unique_id": 8}, False),
        ({"unique_id": 7}, {"unique_id": None}, True),
        ({"unique_id": None}, {"unique_id": None}, True),
    ],
)
def test_an_inode_that_is_used_again_is_another_namespace(old, new, same):
    """Told by the ID that is never used again, where the kernel has it."""
    earlier = snapshot([namespace("net", 2000, **old)])
    later = snapshot([namespace("net", 2000, **new)], taken_ns=LATER)
    found = [*earlier.diff(later)["change"]]
    assert found == ([] if same else ["vanished", "appeared"])


def test_an_inode_of_another_kind_is_another_namespace():
    """Also where the kernel has no unique IDs."""
    earlier = snapshot([namespace("net", 2000, unique_id=None)])
    later = snapshot([namespace("uts", 2000, unique_id=None)], taken_ns=LATER)
    frame = earlier.diff(later)
    assert [*zip(frame["change"], frame["type"], strict=True)] == [
        ("vanished", "net"),
        ("appeared", "uts"),
    ]


def test_a_pid_that_is_used_again_is_another_process():
    """Told by its start."""
    earlier = snapshot(processes=[process(50)])
    later = snapshot(processes=[process(50, start=999_999)], taken_ns=LATER)
    assert [*earlier.diff(later)["change"]] == ["vanished", "appeared"]


# -- what a change is ---------------------------------------------------------------


def test_an_execve_is_a_change():
    """The command before and after."""
    assert of_process(command="/bin/other") == [("command", "/bin/p50 --serve", "/bin/other")]


def test_a_process_that_moved_is_a_change():
    """By kind, both links."""
    net, uts = HERE["net"].ino, HERE["uts"].ino
    found = differences(
        {"processes": [process(50)]},
        {"processes": [replace(process(50), namespaces={**HERE, "uts": identity(9),
                                                        "net": identity(8)})]},
    )  # fmt: skip
    assert found == [
        ("net_ns", f"net:[{net}]", "net:[8]"),
        ("uts_ns", f"uts:[{uts}]", "uts:[9]"),
    ]


def test_new_credentials_are_a_change():
    """The four of a kind as one where they changed alike, else each that changed."""
    assert of_process(credentials=ids(33)) == [("uid", "0", "33"), ("gid", "0", "33")]
    assert of_process(credentials=replace(ids(0), euid=5, groups=(4, 5))) == [
        ("euid", "0", "5"),
        ("groups", None, "4, 5"),
    ]
    assert of_process(effective=CapabilitySet(0)) == [("effective", "all 41", "none")]


def test_another_container_is_a_change():
    """From nothing, too."""
    assert of_process(container=Container("docker", "abc")) == [("container", None, "docker:abc")]


@pytest.mark.parametrize(
    "more", [{"comm": "kworker/1:2"}, {"ppid": 9}, {"threads": 7}, {"credentials": None},
             {"effective": None}],
)  # fmt: skip
def test_what_says_nothing_is_no_change(more):
    """A name alone, a parent that ended, threads; what could not be read this time."""
    ppid = more.pop("ppid", 1)
    assert (
        differences({"processes": [process(50)]}, {"processes": [process(50, ppid, **more)]}) == []
    )


def test_a_map_that_was_written_is_a_change():
    """Not written, empty, written: three states."""
    none = {"uid_map": None, "gid_map": None}
    assert of_namespace(none, uid_map=IDMap()) == [("uid_map", None, "empty")]
    assert of_namespace(none | {"uid_map": IDMap()}, uid_map=ROOTLESS) == [
        ("uid_map", "empty", "0 1000 1, 1 100000 65536")
    ]
    assert of_namespace(none, gid_map=ROOTLESS)[0][0] == "gid_map"


def test_another_owner_place_or_mount_is_a_change():
    """Where it was found by place: which of many processes holds it is none."""
    assert of_namespace({"owner": None}, owner=identity(5)) == [("owner", None, "user:[5]")]
    assert of_namespace({}, ("process", 50, ""), ("fd", 50, "fd 3")) == [
        ("found", "process", "process, fd")
    ]
    assert of_namespace({}, ("process", 51, "")) == []
    assert of_namespace({}, ("mount", 1, "/b"), ("mount", 2, "/a")) == [
        ("nsfs", None, "/a, /b"),
        ("found", "process", "mount"),
    ]


def test_more_processes_are_no_change_of_their_namespace():
    """They have rows of their own."""
    assert [*zoo().diff(replace(zoo(), seen_processes=(), taken_ns=LATER))["change"]] == (
        ["vanished"] * 5
    )


# -- what cannot be compared ----------------------------------------------------------


def test_another_boot_or_machine_is_refused_with_both_named():
    """Inodes and PIDs mean nothing there."""
    other = replace(zoo(), boot_id="another-boot")
    with pytest.raises(
        ValueError, match=r"'tester' \(boot '5b2c.*'tester' \(boot 'another-boot'\)"
    ):
        zoo().diff(other)
    with pytest.raises(ValueError, match=r"'elsewhere' .*another machine"):
        zoo().diff(replace(other, host="elsewhere"))


def test_a_snapshot_from_inside_another_pid_namespace_is_refused():
    """The same boot, and yet every PID counts otherwise."""
    inside = replace(zoo(), here={**HERE, "pid": identity(2010)})
    with pytest.raises(ValueError, match=r"pid:\[1001\] and pid:\[2010\] cannot be compared"):
        zoo().diff(inside)


@pytest.mark.parametrize("other", [None, 1, "snapshot", zoo().seen_processes])
def test_only_snapshots_are_compared(other):
    """TypeError names what was given."""
    with pytest.raises(TypeError, match=f"'{type(other).__name__}' is not accepted here"):
        zoo().diff(other)


def test_a_difference_of_recordings_is_marked():
    """As every frame of what was not seen here and now."""
    recorded = replace(zoo(), recorded=Origin("2026-11-23T18:10:00Z", "Linux"), taken_ns=LATER)
    assert zoo().diff(recorded).columns.name == "recorded on 2026-11-23"


@given(st.sets(st.integers(100, 140)), st.sets(st.integers(100, 140)))
def test_vanished_and_appeared_are_the_two_halves_of_the_difference(before, after):
    """Whatever there was: nothing twice, nothing left out."""
    earlier = snapshot(processes=map(process, before))
    later = snapshot(processes=map(process, after), taken_ns=LATER)
    frame = earlier.diff(later)
    for change, pids in (("vanished", before - after), ("appeared", after - before)):
        assert [*frame[frame["change"] == change]["pid"]] == sorted(pids)
    assert len(frame) == len(before ^ after)

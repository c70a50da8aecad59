"""Values become DataFrames whose columns and dtypes never change."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import Any

import pytest

from nsexplore.capabilities import CAPABILITY_NAMES, Capabilities, CapabilitySet
from nsexplore.command import Command
from nsexplore.flags import CloneFlags
from nsexplore.idmap import IDMap
from nsexplore.kinds import KINDS
from nsexplore.process import Completed, Process
from nsexplore.stepping import Step
from nsexplore.timeline import Timeline, TimelineStep
from nsexplore.views import Namespace, NamespaceID, ProcessView

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
tables = pytest.importorskip("nsexplore.tables")

ID_MAP_DTYPES = {"map": "string", "container_id": "int64", "host_id": "int64", "size": "int64"}
NAMESPACE_DTYPES = {
    "inode": "int64",
    "link": "string",
    "reference_inode": "Int64",
    "new": "bool",
    "dev": "int64",
    "owner": "string",
    "owner_inode": "Int64",
    "parent_inode": "Int64",
    "owner_uid": "Int64",
    "unique_id": "UInt64",
}
FLAGS_DTYPES = {
    "type": "string",
    "flag": "string",
    "value": "int64",
    "hex": "string",
    "set": "bool",
    "isolates": "string",
    "since": "string",
    "man": "string",
}
TIMELINE_DTYPES = {
    "step": "string",
    "syscall": "string",
    "by": "string",
    "start_us": "float64",
    "duration_us": "float64",
    "errno": "int64",
    "error": "string",
}
CAPABILITY_DTYPES = {
    "capability": "string",
    "number": "int64",
    "inheritable": "bool",
    "permitted": "bool",
    "effective": "bool",
    "bounding": "bool",
    "ambient": "bool",
}

HOST_USER = NamespaceID(4, 4026531837)
NEW_USER = NamespaceID(4, 4026532180)


def namespaces(first: int, owner: NamespaceID | None) -> dict[str, Namespace]:
    return {
        kind.name: Namespace(kind.name, 4, first + n, owner=owner) for n, kind in enumerate(KINDS)
    }


def view(**changes: Any) -> ProcessView:
    known: dict[str, Any] = {
        "pid": 4711,
        "moment": "birth",
        "comm": "sh",
        "cmdline": ("sh",),
        "state": "S (sleeping)",
        "ppid": 1,
        "nspid": (4711, 1),
        "namespaces": namespaces(4026532180, NEW_USER),
        "uid_map": IDMap.garden(33),
        "gid_map": IDMap.rootless(7),
        "setgroups": "allow",
        "credentials": None,
        "inside": None,
        "capabilities": None,
        "no_new_privs": None,
        "seccomp": None,
        "unreadable": {},
    }
    return ProcessView(**{**known, **changes})


HERE = view(pid=1, moment="now", namespaces=namespaces(4026531836, HOST_USER))
COMMAND = Command(
    "/bin/sh",
    ("sh",),
    clone_flags=CloneFlags.garden(privileged=False),
    uid_mappings=IDMap.garden(65535),
    gid_mappings=IDMap.rootless(1000),
)
STEPS = Timeline(
    (
        TimelineStep("clone", "clone", "parent", 0.0, 412.5),
        TimelineStep("uid_map", "openat,write,close", "parent", 413.0, 9.0, errno=1),
    )
)


def process(**changes: Any) -> Process:
    made = Process(COMMAND, 4711, **{"birth": view(), **changes})
    made.timeline = STEPS
    return made


class Stopped(Step):
    """A step without a process."""

    timeline = STEPS

    def __init__(self) -> None:
        self.command = COMMAND

    def view(self) -> ProcessView:
        return view(moment="step")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Let `inspect` answer from a dictionary, and keep what it was asked."""
    import nsexplore.inspecting

    calls: list[object] = []

    def inspect(target: Any) -> ProcessView:
        calls.append(target)
        return HERE if target == os.getpid() else view(pid=getattr(target, "pid", target))

    monkeypatch.setattr(nsexplore.inspecting, "inspect", inspect)
    return calls


def dtypes(frame: Any) -> dict[str, str]:
    """Return the dtype of each column."""
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


# -- flags ----------------------------------------------------------------------


def test_flags_of_a_command_are_eight_rows_with_what_is_set() -> None:
    """All eight kinds are there, in the order of KINDS, with the kernel's numbers."""
    frame = tables.clone_flags_frame(COMMAND)
    assert dtypes(frame) == FLAGS_DTYPES
    assert list(frame.index) == list(range(8))
    assert list(frame["type"]) == [kind.name for kind in KINDS]
    assert list(frame.loc[frame["set"], "type"]) == ["user", "pid", "mnt", "net", "ipc", "uts"]
    assert frame.loc[frame["set"], "value"].sum() == 0x7C020000
    mnt = frame.set_index("type").loc["mnt"]
    assert (mnt["flag"], mnt["value"], mnt["hex"]) == ("CLONE_NEWNS", 0x20000, "0x00020000")


@pytest.mark.parametrize("flags", [CloneFlags(0), CloneFlags.NEWTIME, ~CloneFlags(0)])
def test_bare_flags_are_flags_and_never_a_pid(flags: CloneFlags, asked: list[object]) -> None:
    """CloneFlags is an int too: it is not looked up as a process."""
    frame = tables.clone_flags_frame(flags)
    assert list(frame["set"]) == [kind.flag in flags for kind in KINDS]
    assert asked == []


def test_flags_of_a_process_are_those_of_its_command(asked: list[object]) -> None:
    """What was asked for is known: nothing is inspected."""
    assert tables.clone_flags_frame(process())["set"].sum() == 6
    assert asked == []


def test_flags_of_a_pid_are_the_namespaces_that_are_not_ours(asked: list[object]) -> None:
    """A clone's flags are not remembered: "set" compares with this process."""
    shared = {**namespaces(4026532180, NEW_USER), "net": HERE.namespaces["net"]}
    frame = tables.clone_flags_frame(view(namespaces=shared))
    assert list(frame.loc[~frame["set"], "type"]) == ["net"]
    assert tables.clone_flags_frame(4711)["set"].all()
    assert not tables.clone_flags_frame(os.getpid())["set"].any()


# -- ID maps --------------------------------------------------------------------


def test_the_id_map_of_a_command_has_exactly_four_columns() -> None:
    """The users' lines come first, then the groups'."""
    frame = tables.id_map_frame(COMMAND)
    assert dtypes(frame) == ID_MAP_DTYPES
    assert frame.to_numpy().tolist() == [
        ["uid", 0, 65535, 1],
        ["uid", 1, 1, 65534],
        ["gid", 0, 1000, 1],
    ]
    assert list(frame.index) == [0, 1, 2]


def test_a_bare_map_is_called_id_and_keeps_large_ids_exact() -> None:
    """4294967295 fits: int64, never float64."""
    frame = tables.id_map_frame(IDMap([(0, 4294967295, 4294967295)]))
    assert dtypes(frame) == ID_MAP_DTYPES
    assert frame.to_numpy().tolist() == [["id", 0, 4294967295, 4294967295]]


@pytest.mark.parametrize(
    "empty",
    [IDMap(), Command("/bin/true", ("true",)), view(uid_map=None, gid_map=None)],
    ids=["no line", "privileged", "unreadable"],
)
def test_no_map_is_an_empty_frame_with_the_same_columns(empty: object) -> None:
    """Columns and dtypes do not depend on there being a row."""
    frame = tables.id_map_frame(empty)
    assert len(frame) == 0
    assert dtypes(frame) == ID_MAP_DTYPES


def test_the_maps_of_a_process_are_those_of_its_birth(asked: list[object]) -> None:
    """They are there when the process has ended."""
    frame = tables.id_map_frame(process())
    assert frame["host_id"].tolist() == [33, 1, 7]
    assert asked == []


def test_a_process_without_a_birth_view_is_inspected(asked: list[object]) -> None:
    """It is handed over whole, so that its pidfd keeps the number from being another's."""
    unseen = process(birth=None)
    assert len(tables.id_map_frame(unseen)) == 3
    assert asked == [unseen]


def test_a_completed_process_is_shown_from_its_birth() -> None:
    """Without one there is nothing left to look at, and that is said."""
    done = Completed(COMMAND, 0, "", "", view(), STEPS)
    assert len(tables.id_map_frame(done)) == 3
    with pytest.raises(ValueError, match="no view was taken at its birth"):
        tables.id_map_frame(replace(done, birth=None))


def test_a_step_is_looked_at_where_it_stands(asked: list[object]) -> None:
    """Its flags are those of its command, the rest is what `Step.view` sees."""
    assert tables.id_map_frame(Stopped())["host_id"].tolist() == [33, 1, 7]
    assert tables.clone_flags_frame(Stopped())["set"].sum() == 6
    assert tables.namespaces_frame(Stopped(), reference=HERE)["new"].all()
    assert asked == []


def test_a_timeline_is_put_together_only_where_it_is_asked_for() -> None:
    """The other frames of a process do without."""
    started = Process(COMMAND, 4711, birth=view())
    tables.id_map_frame(started)
    tables.clone_flags_frame(started)
    assert "timeline" not in vars(started)
    assert tables.timeline_frame(started).empty
    assert "timeline" in vars(started)


# -- namespaces -----------------------------------------------------------------


def test_namespaces_are_indexed_by_type_and_compared_with_this_process(
    asked: list[object],
) -> None:
    """Rows in the order of KINDS; "new" compares identities with our own."""
    frame = tables.namespaces_frame(view())
    assert frame.index.name == "type"
    assert str(frame.index.dtype) == "string"
    assert list(frame.index) == [kind.name for kind in KINDS]
    assert dtypes(frame) == NAMESPACE_DTYPES
    assert list(frame.columns) == list(NAMESPACE_DTYPES)
    assert frame["new"].all()
    assert frame.loc["net", "link"] == "net:[4026532183]"
    assert frame.loc["net", "reference_inode"] == 4026531839
    assert frame.loc["net", "owner"] == "user:[4026532180]"
    assert asked == [os.getpid()]


def test_the_same_inode_on_another_device_is_another_namespace() -> None:
    """Identity is (dev, ino), never the inode alone."""
    ours = view()
    elsewhere = {**ours.namespaces, "net": replace(ours.namespaces["net"], dev=5)}
    frame = tables.namespaces_frame(ours, reference=view(namespaces=elsewhere))
    assert list(frame.index[frame["new"]]) == ["net"]
    assert frame.loc["net", "inode"] == frame.loc["net", "reference_inode"]


def test_what_is_not_known_is_missing_and_large_numbers_stay_exact() -> None:
    """<NA>, not NaN: a 64-bit ID beside a missing one loses no digit."""
    big = 2**63 + 1
    partly = {
        "user": Namespace("user", 4, 1, owner_uid=4294967294, unique_id=big),
        "net": Namespace("net", 4, 2),
    }
    frame = tables.namespaces_frame(view(namespaces=partly), reference=view(namespaces={}))
    assert dtypes(frame) == NAMESPACE_DTYPES
    assert list(frame.index) == ["user", "net"]
    assert frame["reference_inode"].isna().all()
    assert not frame["new"].any()
    assert frame.loc["user", "unique_id"] == big
    assert frame.loc["user", "owner_uid"] == 4294967294
    assert frame.loc["net", ["owner", "owner_inode", "owner_uid", "unique_id"]].isna().all()


def test_no_readable_namespace_is_an_empty_frame_with_the_same_columns() -> None:
    """Also with its index: named, and of strings."""
    frame = tables.namespaces_frame(view(namespaces={}), reference=view())
    assert len(frame) == 0
    assert dtypes(frame) == NAMESPACE_DTYPES
    assert (frame.index.name, str(frame.index.dtype)) == ("type", "string")


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces are read from Linux's /proc")
def test_this_process_has_no_namespace_of_its_own() -> None:
    """Read for real: the inodes are those that stat(2) finds."""
    frame = tables.namespaces_frame(os.getpid())
    assert not frame["new"].any()
    for kind, row in frame.iterrows():
        assert row["inode"] == os.stat(f"/proc/self/ns/{kind}").st_ino


# -- timelines and capabilities -------------------------------------------------


@pytest.mark.parametrize(
    "x",
    [STEPS, process(), Completed(COMMAND, 0, "", "", None, STEPS), Stopped()],
    ids=["timeline", "process", "completed", "step"],
)
def test_a_timeline_has_one_row_a_step(x: object) -> None:
    """A failed step has its errno by name, the others <NA>."""
    frame = tables.timeline_frame(x)
    assert dtypes(frame) == TIMELINE_DTYPES
    assert frame["step"].tolist() == ["clone", "uid_map"]
    assert frame["errno"].tolist() == [0, 1]
    assert frame["error"].isna().tolist() == [True, False]
    assert frame.loc[1, "error"] == "EPERM"


def test_an_empty_timeline_has_the_same_columns() -> None:
    """As every empty frame."""
    frame = tables.timeline_frame(Timeline(()))
    assert len(frame) == 0
    assert dtypes(frame) == TIMELINE_DTYPES


def test_capabilities_are_one_row_each_also_those_without_a_name_here() -> None:
    """A bit newer than our table of names has a row of its own."""
    none = CapabilitySet(0)
    sets = Capabilities(none, CapabilitySet(1 << 21), CapabilitySet(1 << 45), none, none)
    frame = tables.capabilities_frame(view(capabilities=sets)).set_index("capability")
    assert len(frame) == 46 > len(CAPABILITY_NAMES)
    assert frame.loc["CAP_SYS_ADMIN", "permitted"]
    assert frame.loc["CAP_45", ["number", "effective"]].tolist() == [45, True]
    assert frame.drop(columns="number").to_numpy().sum() == 2
    assert dtypes(tables.capabilities_frame(sets)) == CAPABILITY_DTYPES
    assert dtypes(tables.capabilities_frame(view())) == CAPABILITY_DTYPES  # not readable


# -- what is not accepted -------------------------------------------------------

FUNCTIONS = [
    tables.clone_flags_frame,
    tables.id_map_frame,
    tables.namespaces_frame,
    tables.timeline_frame,
    tables.capabilities_frame,
]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("wrong", [True, np.bool_(True), "4711", 4711.0, None, [1], object()])
def test_another_type_is_refused_and_the_accepted_ones_are_named(
    function: Any, wrong: object
) -> None:
    """True is no PID, and neither is a string of digits."""
    with pytest.raises(TypeError, match=f"'{type(wrong).__name__}' is not accepted here: give a"):
        function(wrong)


@pytest.mark.parametrize(
    "function", [tables.id_map_frame, tables.namespaces_frame, tables.capabilities_frame]
)
def test_flags_are_not_taken_for_a_pid(function: Any) -> None:
    """An IntFlag is an int, but no process."""
    with pytest.raises(TypeError, match="CloneFlags"):
        function(CloneFlags.NEWTIME)


def test_a_pid_out_of_a_data_frame_is_a_pid(asked: list[object]) -> None:
    """numpy.int64 is no int, but is meant as one."""
    tables.id_map_frame(np.int64(4711))
    assert asked == [4711]
    assert type(asked[0]) is int

"""Recordings come back exactly as they were, and broken ones say what is wrong with them."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import any_lines

from nsexplore.book import Book, Entry, Failure, Halt, asked
from nsexplore.capabilities import Capabilities, CapabilitySet
from nsexplore.command import Command, Credential
from nsexplore.execer import NamespacingExecer
from nsexplore.flags import CloneFlags
from nsexplore.idmap import IDMap
from nsexplore.inspecting import inspect
from nsexplore.jsonable import jsonable
from nsexplore.kinds import KINDS
from nsexplore.pictures import html, text
from nsexplore.process import Completed
from nsexplore.recording import MOST, Recording, RecordingError
from nsexplore.tables import (
    capabilities_frame,
    clone_flags_frame,
    id_map_frame,
    namespaces_frame,
    timeline_frame,
)
from nsexplore.timeline import Timeline, TimelineStep
from nsexplore.views import Credentials, Namespace, NamespaceID, ProcessView

EVIL = "<script>alert(1)</script>\x1b[31m\u202e\udcff\x00\"'&\n"

# -- any value there can be -------------------------------------------------------

os_strings = st.binary(max_size=12).map(os.fsdecode) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=12
)
small = st.integers(0, 2**31 - 1)
u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)
inodes = st.integers(0, 2**63 - 1)
id_maps = st.lists(any_lines, max_size=4).map(IDMap)
flags = st.lists(st.sampled_from([kind.flag for kind in KINDS])).map(
    lambda chosen: CloneFlags(sum(set(chosen)))
)
words = st.lists(os_strings, max_size=3).map(tuple)
fds = st.none() | small
microseconds = st.floats(0, 1e12)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


ids = st.builds(Credentials, *[u32] * 8, st.lists(u32, max_size=3).map(tuple))
namespace_ids = st.builds(NamespaceID, inodes, inodes)
namespaces = st.builds(
    Namespace,
    st.sampled_from([kind.name for kind in KINDS]),
    *(inodes, inodes, maybe(namespace_ids), maybe(namespace_ids), maybe(u32), maybe(u64)),
)
sets = st.builds(CapabilitySet, u64)
views = st.builds(
    ProcessView,
    pid=small,
    moment=st.sampled_from(["now", "birth", "step"]),
    comm=os_strings,
    cmdline=words,
    state=os_strings,
    ppid=small,
    nspid=st.lists(small, max_size=3).map(tuple),
    namespaces=st.dictionaries(os_strings, namespaces, max_size=3),
    uid_map=maybe(id_maps),
    gid_map=maybe(id_maps),
    setgroups=maybe(os_strings),
    credentials=maybe(ids),
    inside=maybe(ids),
    capabilities=maybe(st.builds(Capabilities, sets, sets, sets, sets, sets)),
    no_new_privs=maybe(st.booleans()),
    seccomp=maybe(small),
    unreadable=st.dictionaries(os_strings, os_strings, max_size=3),
)
steps = st.builds(
    TimelineStep,
    *(os_strings, os_strings, st.sampled_from(["parent", "child"])),
    *(microseconds, microseconds, small),
)
timelines = st.builds(Timeline, st.lists(steps, max_size=3).map(tuple))
commands = st.builds(
    Command,
    path=os_strings,
    args=words,
    stdin=fds,
    stdout=fds,
    stderr=fds,
    cwd=maybe(os_strings),
    clone_flags=flags,
    uid_mappings=maybe(id_maps),
    gid_mappings=maybe(id_maps),
    gid_mappings_enable_setgroups=st.booleans(),
    credential=maybe(st.builds(Credential, u32, u32, st.lists(u32, max_size=3).map(tuple))),
    extra_files=st.lists(small, max_size=3).map(tuple),
    propagation=st.sampled_from(["private", "slave", "shared", None]),
    mount_proc=st.booleans(),
    detached=st.booleans(),
    lookup_error=maybe(os_strings),
    birth=st.booleans(),
)
completed = st.builds(
    Completed,
    *(commands, st.integers(-64, 255), os_strings, os_strings, maybe(views), timelines),
)
halts = st.builds(Halt, os_strings, views, timelines)
entries = st.builds(
    Entry,
    *(commands, maybe(views), timelines, maybe(views), maybe(st.integers(-64, 255))),
    *(os_strings, os_strings, st.lists(halts, max_size=2).map(tuple)),
    maybe(st.builds(Failure, os_strings, os_strings, maybe(small), os_strings, os_strings)),
)
books = st.builds(Book, st.lists(entries, max_size=2).map(tuple))


@settings(max_examples=300, deadline=None)
@given(completed | views | books, os_strings)
def test_whatever_is_recorded_comes_back_exactly(value: Any, note: str) -> None:
    """Every attribute, compared or not: a command's `birth`, maps, flags, undecodable bytes."""
    recording = Recording.take(value, note)
    loaded = Recording.from_json(recording.to_json())
    assert loaded.value == value
    assert loaded == recording
    assert repr(loaded) == repr(recording)  # what is not compared, too
    assert loaded.to_json() == recording.to_json()
    if isinstance(value, Completed):
        assert loaded.value.command.birth == value.command.birth


def view(**changes: Any) -> ProcessView:
    """Return a view of no process."""
    nobody = Credentials(65535, 65535, 65535, 65535, 65535, 65535, 65535, 65535)
    full = CapabilitySet(2**41 - 1)
    found = ProcessView(
        pid=4711,
        moment="birth",
        comm="sh",
        cmdline=("sh",),
        state="S (sleeping)",
        ppid=4000,
        nspid=(4711, 1),
        namespaces={k.name: Namespace(k.name, 4, 4026532180 + n) for n, k in enumerate(KINDS)},
        uid_map=IDMap.garden(65535),
        gid_map=IDMap.garden(65535),
        setgroups="allow",
        credentials=nobody,
        inside=nobody,
        capabilities=Capabilities(full, full, full, full, full),
        no_new_privs=False,
        seccomp=0,
        unreadable={},
    )
    return replace(found, **changes)


STEPS = Timeline((TimelineStep("clone", "clone", "parent", 0.0, 412.5),))
COMMAND = Command("/bin/id", ("id",), clone_flags=CloneFlags.garden(privileged=False))
DONE = Completed(COMMAND, 0, "uid=0(root)\n", "", view(), STEPS)
RECORDED_ON, SYSTEM = "2026-11-23T18:10:00Z", "Linux 6.18.5 x86_64"
REFERENCE = {k.name: Namespace(k.name, 4, 4026531830 + n) for n, k in enumerate(KINDS)}
RECORDING = Recording(DONE, RECORDED_ON, SYSTEM, "my laptop", REFERENCE)


def test_a_real_process_survives_a_file(root: None, tmp_path: Path) -> None:
    """Of both kinds, with all that the kernel says of it."""
    done = NamespacingExecer(max_uid=65535).run("id")
    here = inspect(os.getpid())
    for value in (done, here):
        Recording.take(value).save(tmp_path / "seen.json")
        assert Recording.load(tmp_path / "seen.json").value == value


def test_a_recording_knows_where_and_when() -> None:
    """In UTC, with the numbers of the kernel's release; without the machine's name."""
    taken = Recording.take(view(), "mine")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", taken.recorded_on)
    system, release, machine = os.uname().sysname, os.uname().release, os.uname().machine
    assert re.fullmatch(rf"{system} [\d.]+ {machine}", taken.system)
    assert release.startswith(taken.system.split()[1])
    assert os.uname().nodename not in taken.to_json()
    assert taken.reference == inspect(os.getpid()).namespaces
    assert taken.note == "mine"


def test_a_recording_of_a_recording_keeps_its_place_and_time() -> None:
    """It was seen there and then, not here and now."""
    again = Recording.take(RECORDING.value)
    assert again == RECORDING
    assert Recording.take(RECORDING.value, "his").note == "his"


def test_an_environment_is_not_recorded() -> None:
    """It holds secrets, and a recording is mailed; the rest of the command stays."""
    secret = replace(DONE, command=replace(COMMAND, env={"TOKEN": "s3cret"}))
    recording = Recording.take(secret)
    assert "s3cret" not in recording.to_json()
    assert "TOKEN" not in recording.to_json()
    assert recording.value == DONE
    assert secret.command.env == {"TOKEN": "s3cret"}


def test_a_value_of_another_kind_is_refused() -> None:
    """With the kinds there are."""
    with pytest.raises(TypeError, match="Completed, ProcessView"):
        Recording.take(COMMAND)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    [
        view(pid=-1),
        view(pid=2**31),
        view(comm="\ud83d\ude00"),  # two surrogates that would come back as one character
        replace(DONE, timeline=Timeline((replace(STEPS[0], start_us=float("nan")),))),
        replace(DONE, timeline=Timeline((replace(STEPS[0], start_us=float("inf")),))),
        replace(DONE, command=replace(COMMAND, clone_flags=CloneFlags(1))),
        replace(DONE, stdout=object()),
        replace(DONE, stdout="x" * MOST),
        view(cmdline=["a", "list"]),
        view(unreadable={1: "no name"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_would_not_come_back_is_not_written(value: Any, tmp_path: Path) -> None:
    """And nothing else is, either."""
    with pytest.raises(RecordingError, match="cannot be recorded"):
        Recording.take(value).save(tmp_path / "x.json")
    assert list(tmp_path.iterdir()) == []


def test_json_of_the_command_line_is_as_it_was() -> None:
    """Where a value was recorded is not part of what it says."""
    assert jsonable(RECORDING.value) == jsonable(DONE)
    assert jsonable(RECORDING)["value"] == jsonable(DONE)


def test_the_file_is_small_and_good_to_compare() -> None:
    """What is as by default is left out; a step or a namespace is one line; plain ASCII."""
    lines = RECORDING.to_json().splitlines()
    assert len(lines) < 60
    assert max(map(len, lines)) <= 200
    assert sum('"name": "clone"' in line for line in lines) == 1
    assert all(line.isascii() for line in lines)
    other = replace(DONE, birth=view(pid=4712))
    changed = Recording(other, RECORDED_ON, SYSTEM, "my laptop", REFERENCE).to_json().splitlines()
    assert [a for a, b in zip(lines, changed, strict=True) if a != b] == ['      "pid": 4711,']


# -- broken ones ------------------------------------------------------------------


def changed(change: Callable[[Any], object]) -> str:
    """Return the recording's text after a change of its data."""
    data = json.loads(RECORDING.to_json())
    change(data)
    return json.dumps(data)


def put(path: str, value: object) -> Callable[[Any], None]:
    """Return a change: put a value where a path such as ``value.birth.pid`` leads."""

    def change(data: Any) -> None:
        *way, last = [int(p) if p.isdigit() else p for p in re.findall(r"\w+", path)]
        for part in way:
            data = data[part]
        data[last] = value

    return change


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("value.birth.pid", "7", "is '7', not an integer"),
        ("value.birth.pid", True, "is True, not an integer"),
        ("value.birth.pid", 1.5, "is 1.5, not an integer"),
        ("value.birth.pid", None, "is None, not an integer"),
        ("value.birth.pid", -1, "is -1, which is not from 0 to 2147483647"),
        ("value.birth.uid_map[0].size", 2**32, "which is not from 0 to 4294967295"),
        ("value.birth.uid_map[1].host_id", -1, "which is not from 0 to 4294967295"),
        ("value.birth.uid_map", {}, "is {}, not a list"),
        ("value.birth.namespaces", [], "is [], not an object"),
        ("value.birth.namespaces.net.ino", 2**63, "which is not from 0"),
        ("value.birth.namespaces.net.unique_id", 2**64, "which is not from 0"),
        ("value.birth.credentials.uid", 2**32, "which is not from 0"),
        ("value.birth.capabilities.effective", 2**64, "which is not from 0"),
        ("value.birth.moment", "later", "is 'later', not one of now, birth, step"),
        ("value.birth.moment", {}, "is {}, not one of"),
        ("value.birth.no_new_privs", 0, "is 0, not true or false"),
        ("value.birth.comm", 3, "is 3, not a string"),
        ("value.birth.nspid[1]", "x", "is 'x', not an integer"),
        ("value.birth.surprise", 1, "is not known here"),
        ("value.timeline[0].start_us", "0", "is '0', not a number"),
        ("value.timeline[0].by", "aunt", "not one of parent, child"),
        ("value.returncode", 2**31, "which is not from -2147483648 to 2147483647"),
        ("value.command.clone_flags[0]", "CLONE_NEWS", "which is no namespace flag"),
        ("value.command.clone_flags[0]", 7, "is 7, which is no namespace flag"),
        ("value.command.args", "id", "is 'id', not a list"),
        ("value.stdout", ["x"], "is ['x'], not a string"),
        ("value", None, "is None, not an object"),
        ("reference.net", "net", "is 'net', not an object"),
        ("note", 1, "is 1, not a string"),
        ("recorded_on", "yesterday", "is 'yesterday', not a time such as"),
        ("recorded_on", 5, "is 5, not a string"),
        ("surprise", 1, "is not known here"),
        ("kind", "planet", "is 'planet', not one of completed, process, diagnosis, snapshot, book"),
        ("kind", ["process"], "is ['process'], not one of"),
        ("version", "1", "is '1', which there never was"),
        ("version", 0, "is 0, which there never was"),
        ("version", True, "is True, which there never was"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    path: str, value: object, complaint: str, tmp_path: Path
) -> None:
    """The file, the path in it, what is there and what belongs there, and what to do."""
    file = tmp_path / "broken.json"
    file.write_text(changed(put(path, value)))
    with pytest.raises(RecordingError) as caught:
        Recording.load(file)
    said = str(caught.value)
    assert said.startswith(f"{str(file)!r} {path} is ")
    assert complaint in said
    assert "get it anew" in said
    assert caught.value.__suppress_context__  # no traceback of json's


@pytest.mark.parametrize(
    "path", ["value.birth.pid", "value.command.path", "value.timeline[0].name", "value", "system"]
)
def test_what_is_missing_is_named(path: str) -> None:
    """And where."""

    def remove(data: Any) -> None:
        *way, last = [int(p) if p.isdigit() else p for p in re.findall(r"\w+", path)]
        for part in way:
            data = data[part]
        del data[last]

    with pytest.raises(RecordingError, match=re.escape(f"{path} is missing")):
        Recording.from_json(changed(remove))


def test_a_newer_schema_asks_for_an_upgrade(tmp_path: Path) -> None:
    """Whatever else it holds: it is not called broken."""
    file = tmp_path / "new.json"
    file.write_text(changed(lambda data: data.update(version=2, kind="universe", value=[])))
    with pytest.raises(RecordingError) as caught:
        Recording.load(file)
    assert "made by a newer nsexplore (schema 2; this one reads up to 1): upgrade" in str(
        caught.value
    )
    assert "anew" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not the JSON of a recording"),
        ("[]", "is no recording"),
        ("null", "is no recording"),
        ("{}", "is no recording"),
        ('{"schema": "other"}', "is no recording"),
        ("[" * 200_000, "is nested too deeply"),
        ('{"a":' * 200_000, "is nested too deeply"),
        ('{"schema": "nsexplore-recording", "schema": 1}', "'schema' stands twice"),
        ('{"version": NaN}', "NaN is no number"),
        ('{"version": -Infinity}', "-Infinity is no number"),
        ('{"version": ' + "9" * 10_000 + "}", "an integer of 10000 digits"),
        ("\ud800", "not the JSON"),
        (RECORDING.to_json().replace("412.5", "1e999"), "duration_us is inf"),
        (RECORDING.to_json().replace("412.5", "NaN"), "NaN is no number"),
    ],
    ids=range(14),
)
def test_a_text_that_is_none_is_refused(text: str, complaint: str) -> None:
    """In one short message, at once."""
    with pytest.raises(RecordingError) as caught:
        Recording.from_json(text)
    assert complaint in str(caught.value)
    assert len(str(caught.value)) < 400


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_truncated_or_flipped_recording_does_worse_than_a_clear_error(data: Any) -> None:
    """It is refused by the one error, or it is a sound recording of something else."""
    whole = RECORDING.to_json()
    cut = data.draw(st.integers(0, len(whole)))
    mixed = (
        whole[:cut] + data.draw(st.text(max_size=3)) + whole[cut + data.draw(st.integers(0, 9)) :]
    )
    for broken in (whole[:cut].rstrip() if cut < len(whole) - 2 else "", mixed):
        try:
            found = Recording.from_json(broken)
        except RecordingError:
            continue
        else:
            assert broken is mixed
            assert text(found)
            assert html(found)


def test_a_path_that_leads_to_no_file_is_refused(tmp_path: Path) -> None:
    """A folder, nothing, a FIFO that would never answer, a device without an end, no text."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "binary").write_bytes(b"\xff\xfe{")
    cases = {
        "folder": "is a folder",
        "missing": "is not there",
        "fifo": "is no regular file",
        "binary": "is no text",
        "/dev/zero": "is no regular file",
        "a\0b": "is no path",
    }
    for name, complaint in cases.items():
        path = tmp_path / name
        with pytest.raises(RecordingError) as caught:
            Recording.load(path)
        assert str(caught.value).startswith(repr(str(path)))
        assert complaint in str(caught.value)


def test_a_huge_file_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """16 MiB at most, however large it is."""
    file = tmp_path / "huge.json"
    with file.open("wb") as made:
        made.truncate(1 << 40)
    with pytest.raises(RecordingError, match="larger than 16 MiB"):
        Recording.load(file)


# -- saving -----------------------------------------------------------------------


def test_saving_replaces_the_file_wholly(tmp_path: Path) -> None:
    """A link stays a link; nothing is left beside it; the umask counts."""
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_text("old")
    link.symlink_to(real)
    before = os.umask(0o027)
    try:
        RECORDING.save(str(link))
    finally:
        os.umask(before)
    assert link.is_symlink()
    assert Recording.load(real) == RECORDING
    assert real.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.json", "real.json"]


def test_a_failed_save_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old file, and nothing beside it; the error names the file that was asked for."""
    file = tmp_path / "kept.json"
    file.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "replace", full)
        with pytest.raises(OSError, match=r"No space left.*kept\.json"):
            RECORDING.save(file)
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["kept.json"]
    with pytest.raises(FileNotFoundError, match=r"nowhere/x\.json"):
        RECORDING.save(tmp_path / "nowhere/x.json")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        RECORDING.save(tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "kept.json"]


# -- how it is shown --------------------------------------------------------------

MARK = "recorded on 2026-11-23 · Linux 6.18.5 x86_64 · my laptop"


def test_every_recorded_value_shows_its_mark() -> None:
    """The recording, its value, and what that consists of; in words, in text and HTML."""
    done = RECORDING.value
    assert isinstance(done, Completed)
    for value in (RECORDING, done, done.birth, done.timeline):
        assert text(value).splitlines()[0] == f"◉ {MARK}"
        page = re.sub("<[^>]+>", "", html(value))
        assert page.count(MARK) == 1
        assert "nsx-rec" in html(value)
    assert text(RECORDING).endswith(text(DONE))
    for live in (DONE, DONE.birth, DONE.timeline):
        assert "recorded on" not in text(live) + html(live)


def test_the_value_that_was_given_is_not_marked() -> None:
    """Recording it does not make it one."""
    Recording.take(DONE)
    assert DONE.recorded is None
    assert DONE.birth is not None
    assert DONE.birth.recorded is None


def test_the_marked_value_is_equal_and_can_be_copied() -> None:
    """Where it was seen does not count, but goes along."""
    done = RECORDING.value
    assert done == DONE
    assert hash(done) == hash(DONE)
    assert repr(done) == repr(DONE)
    assert copy.deepcopy(done).recorded == done.recorded is not None


def test_hostile_words_stay_words() -> None:
    """Of the note, the system and every string of the value."""
    hostile = view(comm=EVIL, cmdline=(EVIL,), state=EVIL, setgroups=EVIL, unreadable={EVIL: EVIL})
    recording = Recording(hostile, RECORDED_ON, EVIL, EVIL)
    again = Recording.from_json(recording.to_json())
    assert again == recording
    for shown in (text(again), html(again), str(again.value.recorded)):
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert "\x00" not in shown
        shown.encode("utf-8")
    assert "<script" not in html(again)
    assert (
        len(text(again).splitlines())
        == len(text(Recording(view(), RECORDED_ON, "")).splitlines()) + 2
    )


def test_errors_quote_nothing_raw() -> None:
    """A name in a broken file is as hostile as a value."""
    broken = changed(lambda data: data["value"]["birth"]["namespaces"].update({EVIL: EVIL}))
    with pytest.raises(RecordingError) as caught:
        Recording.from_json(broken)
    assert str(caught.value).isprintable()
    with pytest.raises(RecordingError) as caught:
        Recording.from_json(changed(lambda data: data.update({"\x1b": 1})))
    assert str(caught.value).isprintable()


# -- as tables --------------------------------------------------------------------


@pytest.mark.parametrize(
    "frame_of",
    [clone_flags_frame, id_map_frame, namespaces_frame, timeline_frame, capabilities_frame],
)
def test_every_frame_takes_a_recording_and_says_so(frame_of: Callable[[object], Any]) -> None:
    """The same rows as of its value, marked in text and HTML, some of its columns too."""
    frame = frame_of(RECORDING)
    assert frame.equals(frame_of(RECORDING.value))
    some = frame[frame.columns[:2]].head(2)
    for shown in (frame, some, frame[frame.columns[:1]], frame.drop(columns=frame.columns[0])):
        assert "recorded on 2026-11-23" in shown.to_string()
        assert "recorded on 2026-11-23" in shown.to_html()
    live = frame_of(STEPS if frame_of is timeline_frame else DONE)
    assert live.columns.name is None
    assert list(live.columns) == list(frame.columns)
    assert (live.dtypes == frame.dtypes).all()


def test_a_recording_is_compared_with_who_recorded_it() -> None:
    """Not with this process, whose numbers mean something else; unless one asks for that."""
    frame = namespaces_frame(RECORDING)
    assert list(frame["reference_inode"]) == [4026531830 + n for n in range(len(KINDS))]
    assert frame["new"].all()
    same = Recording(view(namespaces=REFERENCE), RECORDED_ON, SYSTEM, "", REFERENCE)
    assert not namespaces_frame(same)["new"].any()
    assert not clone_flags_frame(same)["set"].any()
    unknown = namespaces_frame(Recording(view(), RECORDED_ON, SYSTEM))
    assert unknown["reference_inode"].isna().all()
    assert not unknown["new"].any()
    other = namespaces_frame(RECORDING, view())
    assert list(other["reference_inode"]) == list(other["inode"])
    assert namespaces_frame(view(), RECORDING).columns.name == "recorded on 2026-11-23"


# -- books ------------------------------------------------------------------------


def test_a_book_finds_a_command_whatever_it_is_started_with() -> None:
    """Files, environment and where PATH leads are this machine's; the rest is the command."""
    book = Book.of([Entry(asked(COMMAND), timeline=STEPS)])
    here = replace(
        COMMAND, path="/usr/bin/id", stdout=7, extra_files=(3,), env={"A": "b"}, detached=True
    )
    assert book.find(here) is not None
    others: list[dict[str, Any]] = [
        {"args": ("id", "-u")},
        {"clone_flags": CloneFlags.NEWNET},
        {"uid_mappings": IDMap.garden(33)},
        {"gid_mappings": IDMap.garden(33)},
        {"gid_mappings_enable_setgroups": True},
        {"credential": Credential()},
        {"propagation": "slave"},
        {"mount_proc": True},
        {"cwd": "/"},
    ]
    assert [book.find(replace(COMMAND, **other)) for other in others] == [None] * len(others)
    assert book.find(COMMAND, stepped=True) is None


def test_the_last_start_counts_and_keeps_the_stops() -> None:
    """One entry a command, in an order of their own."""
    halt = Halt("cloned", view(moment="step"), STEPS)
    command, other = asked(COMMAND), asked(replace(COMMAND, args=("a",)))
    found = [
        Entry(command, timeline=STEPS, returncode=1),
        Entry(command, timeline=STEPS, returncode=7, halts=(halt,)),
        Entry(other, timeline=STEPS),
        Entry(command, timeline=STEPS, returncode=2),
    ]
    book = Book.of(found)
    assert book == Book.of([found[2], found[3], found[1]])
    assert [entry.command for entry in book.entries] == [other, command]
    assert (book.entries[1].returncode, book.entries[1].halts) == (2, (halt,))


def test_a_book_shows_what_it_has() -> None:
    """One line a command, as text and HTML."""
    failed = Entry(asked(replace(COMMAND, args=(EVIL,))), failure=Failure("no", "execve", 2))
    ran = Entry(asked(COMMAND), timeline=STEPS, returncode=0)
    shown = text(Recording(Book.of([ran, failed]), RECORDED_ON, SYSTEM))
    assert "2 recorded commands" in shown
    assert "started: exit status 0" in shown
    assert "failed: execve" in shown
    assert "<script" not in html(Book.of([ran, failed]))

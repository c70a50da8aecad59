"""A machine as it was seen elsewhere: snapshots in recordings and in books."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from drivers.whoever import OWN_MAP
from making_snapshots import hostile, many, zoo

import nsexplore as nx
from nsexplore.book import Book, Entry, asked
from nsexplore.pictures import html, text
from nsexplore.recording import Recording, RecordingError
from nsexplore.replaying import ReplayingCommandRunner
from nsexplore.snapshot import Snapshot


@pytest.mark.anywhere
@pytest.mark.parametrize("make", [zoo, hostile, lambda: many(300)])
def test_a_snapshot_comes_back_exactly(make) -> None:
    """With everything in it, also what no process's words could be."""
    snapshot = make()
    loaded = Recording.from_json(Recording.take(snapshot).to_json()).value
    assert loaded == snapshot
    assert loaded.namespaces.drop(columns="user").equals(snapshot.namespaces.drop(columns="user"))


def test_this_machine_comes_back_exactly(tmp_path: Path) -> None:
    snapshot = nx.discover(progress=False)
    Recording.take(snapshot, "mine").save(tmp_path / "machine.json")
    assert Recording.load(tmp_path / "machine.json").value == snapshot


@pytest.mark.anywhere
def test_it_is_marked_wherever_it_is_shown() -> None:
    snapshot = Recording(zoo(), "2026-11-23T18:10:00Z", "Linux 6.18.5 x86_64").value
    assert isinstance(snapshot, Snapshot)
    for shown in (snapshot, snapshot.of(50), snapshot.tree(), snapshot.tree("pid")):
        assert "recorded on 2026-11-23" in text(shown)
        assert "recorded on 2026-11-23" in html(shown)
    for frame in (snapshot.namespaces, snapshot.processes, snapshot.id_maps):
        assert frame.columns.name == "recorded on 2026-11-23"


@pytest.mark.anywhere
def test_what_is_wrong_with_one_is_said_with_its_place() -> None:
    data = json.loads(Recording.take(zoo()).to_json())
    data["value"]["seen_processes"][0]["pid"] = "one"
    with pytest.raises(RecordingError, match=r"value.seen_processes\[0\].pid is 'one'"):
        Recording.from_json(json.dumps(data))


# -- books ------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of a book of a start, two looks at the machine, and an entering."""
    found = tmp_path / "book.json"
    here = ReplayingCommandRunner(found, record=True)
    before = here.discover("before")
    with nx.NamespacingExecer(here, **OWN_MAP).start("/bin/sleep", "60") as process:
        with_one = here.discover("with one")
        inside = nx.enter(process, "id", "-u", command_runner=here)
    assert inside.stdout == "0\n"
    assert len(with_one.seen_namespaces) == len(before.seen_namespaces) + len(
        process.command.clone_flags
    )
    here.save()
    return found


said: list[str] = []


def refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> ReplayingCommandRunner:
    """Return a runner on a machine that refuses every start."""
    from nsexplore.errors import StartError
    from nsexplore.runner import NativeCommandRunner

    def refuse(self: object, command: nx.Command) -> nx.Process:
        raise StartError("fork/exec: operation not permitted", errno=1, step="clone")

    monkeypatch.setattr(NativeCommandRunner, "start", refuse)
    return ReplayingCommandRunner(path, notice=said.append)


@pytest.mark.needs("user namespaces")
def test_where_a_start_is_replayed_so_is_the_look_at_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This machine has not what was started; its own namespaces would be a riddle."""
    here = refused(path, monkeypatch)
    with nx.NamespacingExecer(here, **OWN_MAP).start("/bin/sleep", "60") as process:
        assert process.recorded
        seen = here.discover("with one")
        assert seen.recorded
        assert process.birth is not None
        assert process.birth.namespaces["uts"].id in {ns.id for ns in seen.seen_namespaces}
        changed = here.discover("before").diff(seen)
        assert set(changed.change) == {"appeared"}
        with pytest.raises(RecordingError, match="no look labelled 'x'; there are 'before', 'with"):
            here.discover("x")


@pytest.mark.needs("user namespaces")
def test_entering_a_recorded_process_is_replayed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the runner that shows it; without it, one is told so."""
    here = refused(path, monkeypatch)
    with nx.NamespacingExecer(here, **OWN_MAP).start("/bin/sleep", "60") as process:
        inside = nx.enter(process, "id", "-u", command_runner=here)
        assert "the process that it enters is recorded, too" in said[-1]
        assert (inside.stdout, bool(inside.recorded)) == ("0\n", True)
        with pytest.raises(ValueError, match=r"shown from a recording.*command_runner="):
            nx.enter(process, "id", "-u")
        with pytest.raises(nx.StartError) as caught:
            nx.enter(process, "true", command_runner=here)
        assert "this very command is not among those" in "".join(caught.value.__notes__)


def test_where_nothing_was_replayed_one_looks_for_oneself(tmp_path: Path) -> None:
    """Without any book: it is live, and in it is what this process has made, and nothing else."""
    here = ReplayingCommandRunner(tmp_path / "none.json")
    seen = here.discover("anything")
    assert not seen.recorded
    assert os.getpid() in {process.pid for process in seen.seen_processes}
    assert set(seen.here.values()) <= {found.id for found in seen.seen_namespaces}
    assert (seen.host, seen.process(os.getpid()).command) == ("", "")
    with subprocess.Popen(["sleep", "60"]) as child:
        try:
            assert here.discover("anything").process(child.pid)
        finally:
            child.kill()


@pytest.mark.needs("user namespaces")
def test_who_maps_nobody_but_himself_is_not_refused(tmp_path: Path) -> None:
    """A book that root made of such starts is no reason for anybody else to be shown its looks."""
    own = {"id_map": nx.IDMap.rootless(os.geteuid()), "gid_map": nx.IDMap.rootless(os.getegid())}
    execer = nx.NamespacingExecer(clone_flags=nx.CloneFlags.NEWUSER, **own)
    asked_by_root = asked(execer.plan("/bin/true"))
    assert asked_by_root.uid_mappings == nx.IDMap.rootless(0)
    path = tmp_path / "book.json"
    Recording.take(Book((Entry(asked_by_root),))).save(path)
    assert not ReplayingCommandRunner(path).discover("none of the book").recorded


def test_a_forged_snapshot_shows_itself() -> None:
    """What is in a recording may be anything."""
    forged = replace(hostile(), recorded=Recording.take(zoo()).value.recorded)
    assert "<script>" not in html(forged)
    assert all(c.isprintable() or c in "\n\t" for c in text(forged))

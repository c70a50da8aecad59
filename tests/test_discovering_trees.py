"""`discover` on trees of files: a machine that was recorded, and what may be wrong with one."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import machine
import making
import pytest
from conftest import TerminalText
from proc_trees import make_and_record, unpack

from nsexplore import discovering, progress, scanning
from nsexplore.discovering import discover
from nsexplore.progress import Progress
from nsexplore.snapshot import SeenProcess, Snapshot


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a copy, to be broken."""
    return unpack(tmp_path / "proc")


def look(tree: Path) -> Snapshot:
    return discover(progress=False, proc=str(tree))


def named(snapshot: Snapshot, comm: str) -> SeenProcess:
    (found,) = [process for process in snapshot.seen_processes if process.comm == comm]
    return found


@pytest.mark.anywhere
def test_a_recorded_machine_is_read_like_a_living_one(tree: Path, leaves_nothing: None) -> None:
    """All but what only a living kernel tells: parents, owners, IDs."""
    snapshot = look(tree)
    assert snapshot.host == "recorded"
    assert snapshot.boot_id.startswith("00000000-")
    assert dict(snapshot.hidden) == {}
    holder = named(snapshot, "holder")
    assert holder.threads == 2
    assert snapshot.here == named(snapshot, "reader").namespaces
    new = {kind for kind, found in holder.namespaces.items() if found != snapshot.here[kind]}
    assert new == {"ipc", "uts"}
    (alone,) = [
        n for n in snapshot.seen_namespaces if n.kind == "net" and n.id != snapshot.here["net"]
    ]
    assert [(s.place, s.pid) for s in alone.sightings] == [("thread", holder.pid)]
    others = [found for found in snapshot.seen_namespaces if found is not alone]
    assert all(sighting.place != "thread" for found in others for sighting in found.sightings)
    uts = snapshot.namespace(snapshot.here["uts"])
    assert uts is not None
    assert [(s.place, s.detail) for s in uts.sightings] == [("process", ""), ("fd", "fd 3")]
    user = snapshot.namespace(snapshot.here["user"])
    assert user is not None
    assert str(user.uid_map).split() == ["0", "0", "4294967295"]


@pytest.mark.anywhere
def test_odd_names_and_a_zombie(tree: Path) -> None:
    """Names are those that the processes have; a zombie has lost most of its namespaces."""
    snapshot = look(tree)
    names = {process.comm for process in snapshot.seen_processes}
    odd = {name.decode("utf-8", "backslashreplace") for name in machine.ODD_NAMES}
    assert names == odd | {"reader", "holder", "true"}
    zombie = named(snapshot, "true")
    assert (zombie.command, [*zombie.namespaces]) == ("", ["user", "pid"])


@pytest.mark.needs("root")
def test_the_recorder_records_what_is_kept(tree: Path, tmp_path: Path) -> None:
    """Recorded anew, it is the same machine again, but for numbers."""
    machine.on_quiet_machine(make_and_record, str(tmp_path / "anew"))

    def shape(snapshot: Snapshot) -> Any:
        return [
            (process.comm, process.command, process.threads, [*process.namespaces])
            for process in sorted(snapshot.seen_processes, key=lambda process: process.comm)
        ]

    assert shape(look(tmp_path / "anew")) == shape(look(tree))


@pytest.mark.anywhere
@pytest.mark.parametrize("name", ["stat", "status", "cmdline"])
def test_a_process_that_vanishes_is_left_out(name: str, tree: Path) -> None:
    """Whatever was read of it before."""
    whole = look(tree)
    gone = named(whole, "(").pid
    (tree / str(gone) / name).unlink()
    snapshot = look(tree)
    assert snapshot.process(gone) is None
    assert dict(snapshot.hidden) == {}
    assert len(snapshot.seen_processes) == len(whole.seen_processes) - 1


@pytest.mark.anywhere
def test_links_are_refused_by_a_process_that_is_just_ending(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel says EACCES of them then, and ESRCH of all files: nothing is hidden."""
    gone = named(look(tree), "(").pid
    read = scanning.read_bytes

    def vanishing(name: str, folder: int, *limit: int) -> bytes:
        if name == "stat" and os.readlink(f"/proc/self/fd/{folder}").endswith(f"/{gone}"):
            raise ProcessLookupError
        return read(name, folder, *limit)

    refuse_links(monkeypatch, lambda where: where.endswith(f"/{gone}"))
    monkeypatch.setattr(scanning, "read_bytes", vanishing)
    snapshot = look(tree)
    assert snapshot.process(gone) is None
    assert dict(snapshot.hidden) == {}


def refuse_links(monkeypatch: pytest.MonkeyPatch, of: Callable[[str], bool]) -> None:
    readlink = os.readlink

    def refusing(path: str, *, dir_fd: int | None = None) -> str:
        if dir_fd is not None and of(readlink(f"/proc/self/fd/{dir_fd}")):
            raise PermissionError
        return readlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "readlink", refusing)


@pytest.mark.anywhere
def test_maps_are_of_the_process_that_was_meant(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number may be another process's by then, in another user namespace."""
    first = named(look(tree), "reader").pid
    (tree / str(first) / "uid_map").write_text("0 4711 1\n")
    read = discovering.read_text

    def exchanging(name: str, *rest: int) -> str:
        link = tree / str(first) / "ns/user"
        if name == f"{first}/uid_map":
            link.unlink()
            link.symlink_to("user:[1]")
        return read(name, *rest)

    monkeypatch.setattr(discovering, "read_text", exchanging)
    (user,) = [found for found in look(tree).seen_namespaces if found.kind == "user"]
    assert str(user.uid_map).split() == ["0", "0", "4294967295"]


@pytest.mark.anywhere
def test_links_that_may_not_be_read_are_counted(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process is there, without its namespaces."""
    shy = named(look(tree), "(").pid
    refuse_links(monkeypatch, lambda where: where.endswith((f"/{shy}", f"/{shy}/fd")))
    snapshot = look(tree)
    found = snapshot.process(shy)
    assert found is not None
    assert dict(found.namespaces) == {}
    assert snapshot.hidden == {
        "namespaces of a process": 1,
        "file descriptors of a process": 1,
    }


@pytest.mark.anywhere
def test_nonsense_in_files_is_no_traceback(tree: Path) -> None:
    """A process of which nothing makes sense is left out; a link to nonsense is no namespace."""
    pid = named(look(tree), "(").pid
    (tree / str(pid) / "status").write_bytes(b"\xff\x00 nonsense")
    other = named(look(tree), ")").pid
    link = tree / str(other) / "ns/net"
    link.unlink()
    link.symlink_to("net:[not a number]")
    (tree / str(other) / "uid_map").write_text("nonsense\n")
    snapshot = look(tree)
    assert snapshot.process(pid) is None
    assert "net" not in named(snapshot, ")").namespaces
    assert "ipc" in named(snapshot, ")").namespaces


@pytest.mark.anywhere
def test_processes_may_have_large_numbers(tree: Path) -> None:
    """Beyond the 22 bits of today's kernels."""
    old = named(look(tree), "(").pid
    os.rename(tree / str(old), tree / "99999999999")
    assert named(look(tree), "(").pid == 99999999999


@pytest.mark.anywhere
@pytest.mark.parametrize(("option", "word"), [("1", "noaccess"), ("ptraceable", "ptraceable")])
def test_hidepid_is_read_as_any_kernel_writes_it(option: str, word: str, tree: Path) -> None:
    """Numbers before Linux 5.8, words since; only of the /proc on top."""
    assert look(tree).notes == ()
    mountinfo = next(tree.glob("*/mountinfo")).read_text().splitlines()[-1]
    with (tree / "self/mountinfo").open("a") as file:
        file.write(f"{mountinfo},hidepid={option}\n")
    (note,) = look(tree).notes
    assert f"hidepid={word}:" in note
    with (tree / "self/mountinfo").open("a") as file:
        file.write(f"{mountinfo}\n")
    assert look(tree).notes == ()


# -- no /proc, or a wrong one ---------------------------------------------------------------


@pytest.mark.anywhere
def test_without_a_proc_the_reason_is_said(tmp_path: Path, leaves_nothing: None) -> None:
    """One that is not there, and one that does not know us."""
    with pytest.raises(FileNotFoundError, match="no /proc to look through"):
        look(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="no /proc that knows this process"):
        look(tmp_path)


@pytest.mark.anywhere
def test_the_proc_of_an_outer_pid_namespace_is_refused(tree: Path, leaves_nothing: None) -> None:
    """Its numbers are not ours: "NSpid" has more than one there."""
    status = tree / "self/status"
    text = status.read_bytes()
    status.write_bytes(text.replace(b"\nNSpid:\t", b"\nNSpid:\t4711\t"))
    with pytest.raises(OSError, match="PID namespace further out"):
        look(tree)


def look_in_vain() -> str:
    """Look through the /proc of the machine outside, which has been left mounted."""
    making.private_mounts()
    making.call("umount2", b"/proc", making.MNT_DETACH)
    try:
        discover(progress=False)
    except OSError as error:
        return str(error)
    return ""


@pytest.mark.needs("root")
def test_a_foreign_proc_is_refused_by_living_processes() -> None:
    """As after unshare(1) without --mount-proc."""
    assert "PID namespace further out" in machine.on_quiet_machine(look_in_vain)


# -- the bar --------------------------------------------------------------------------------------


@pytest.mark.anywhere
@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_shows_by_itself_where_it_takes_long(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, leaves_nothing: None
) -> None:
    """On a terminal only; tqdm is left as it was, and no thread of it stays."""
    file = TerminalText() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    monkeypatch.setattr(progress, "_PATIENCE", 0.05)
    with Progress(None, rounds=1) as watch:
        for _ in watch.round(range(4), 4):
            time.sleep(0.03)
    assert ("/4" in file.getvalue()) == terminal


@pytest.mark.anywhere
def test_progress_is_told_20_times_a_second_at_most() -> None:
    """However fast the work is; the end is always told."""
    told: list[tuple[int, int]] = []
    begun = time.monotonic()
    with Progress(lambda done, total: told.append((done, total)), rounds=2) as watch:
        for _ in range(2):
            for _ in watch.round(range(100), 100):
                time.sleep(0.001)
    assert 2 <= len(told) <= (time.monotonic() - begun) / 0.05 + 2
    assert told[-1] == (100, 100)


@pytest.mark.anywhere
def test_tqdm_is_loaded_only_when_something_takes_long(tree: Path) -> None:
    """A quick scan, which is nearly all of them, does without."""
    code = (
        "import sys; from nsexplore.discovering import discover;"
        f"discover(proc={str(tree)!r}); assert 'tqdm' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

"""`who_owns`: who owns a path, seen from inside and from outside."""

from __future__ import annotations

import grp
import os
import pwd
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from drivers.whoever import ROOTLESS
from snapshots import FULL, INITIAL, made_up, snapshot_of, user

from nsexplore.execer import NamespacingExecer
from nsexplore.flags import CloneFlags
from nsexplore.idmap import OVERFLOW_ID, IDMap
from nsexplore.origin import Origin
from nsexplore.owning import owners, stat_inside
from nsexplore.tables import who_owns

DTYPES = {
    "seen_from": "string",
    "inode": "Int64",
    "uid": "Int64",
    "gid": "Int64",
    "user": "string",
    "group": "string",
    "mode": "string",
    "mapped": "boolean",
    "words": "string",
}
MAP = IDMap([(0, 100000, 1000)])


@contextmanager
def inside(script: str, **options: object) -> Iterator[int]:
    """Have a process whose mounts are its own, which has run a script and waits."""
    execer = NamespacingExecer(**({"privileged": True} | options))
    command = ("/bin/sh", "-ec", f"{script}\necho ready; exec sleep 60")
    with execer.start(*command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield process.pid


def test_a_file_of_ones_own_is_what_stat_says(tmp_path):
    """The row of here has stat's numbers, the names of our files, and the mode as ls shows it."""
    file = tmp_path / "file"
    file.touch(mode=0o640)
    frame = who_owns(file, snapshot=snapshot_of())
    assert frame.dtypes.astype(str).to_dict() == DTYPES
    status, row = file.stat(), frame.iloc[0]
    assert (row.seen_from, row.inode) == ("here", os.stat("/proc/self/ns/user").st_ino)
    assert (row.uid, row.gid) == (status.st_uid, status.st_gid)
    names = {entry.pw_uid: entry.pw_name for entry in pwd.getpwall()}
    groups = {entry.gr_gid: entry.gr_name for entry in grp.getgrall()}
    assert (row.user if pd.notna(row.user) else None) == names.get(status.st_uid)
    assert (row.group if pd.notna(row.group) else None) == groups.get(status.st_gid)
    assert row["mode"] == stat.filemode(status.st_mode)


@pytest.mark.needs("root")
def test_every_user_namespace_sees_an_owner_of_its_own(tmp_path):
    """Without a target, each user namespace has a row: what stat shows there, or 65534."""
    file = tmp_path / "file"
    file.touch()
    os.chown(file, 100005, 7)
    options = {"clone_flags": CloneFlags.NEWUSER, "id_map": MAP, "privileged": False}
    with inside("", **options) as pid:
        frame = who_owns(file, snapshot=snapshot_of(pid))
    assert frame.seen_from.to_list() == ["here", "elsewhere"]
    assert frame.uid.to_list() == [100005, 5]
    assert frame.gid.to_list() == [7, OVERFLOW_ID]
    assert frame.mapped.to_list() == [True, False]
    assert frame.user.isna().to_list()[1], "an ID elsewhere has no name of ours"
    assert frame.words[1].startswith("no mapping: GID 7 shows as 65534 (nobody)")
    assert "may not chown" in frame.words[1]


@pytest.mark.needs("root")
def test_what_is_said_of_inside_is_what_stat_says_inside(tmp_path):
    """The rows of a target are what stat(1) prints in there, of its own files."""
    options = {"privileged": False, "id_map": MAP}
    with inside("mount -t tmpfs none /mnt; touch /mnt/a; chown 5:6 /mnt/a", **options) as pid:
        snapshot = snapshot_of(pid)
        for path in ("/mnt/a", "/mnt", "/usr", "/"):
            frame = who_owns(path, pid, snapshot=snapshot)
            here, there = frame.iloc[0], frame.iloc[-1]
            found = subprocess.run(
                ["nsenter", f"--target={pid}", "--user", "--mount", "stat", "-Lc", "%u %g", path],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            ).stdout
            assert f"{there.uid} {there.gid}\n" == found
            assert (there.seen_from, here.seen_from) == ("target", "here")
        assert not Path("/mnt/a").exists()
        frame = who_owns("/mnt/a", pid, snapshot=snapshot)
        assert frame.uid.to_list() == [100005, 5]
        assert frame.mapped.all()


@pytest.mark.needs("root")
@pytest.mark.parametrize("link", ["/secret", "../../../../secret", "/mnt/loop/../../secret"])
def test_links_lead_to_the_targets_root(link, tmp_path):
    """Whatever a symbolic link inside says, it does not lead out of the target's root."""
    (tmp_path / "secret").touch()
    folder = tmp_path / "root"
    for name in ("d", "mnt"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "secret").touch()
    os.chown(folder / "secret", 4711, 4712)
    (folder / "mnt" / "loop").symlink_to("/")
    (folder / "d" / "link").symlink_to(link)
    with chrooted(folder) as pid:
        status = stat_inside("/d/link", pid)
        assert (status.st_uid, status.st_gid) == (4711, 4712)
        with pytest.raises(FileNotFoundError, match="inside that process's root"):
            stat_inside("/usr/bin", pid)


@contextmanager
def chrooted(folder: Path) -> Iterator[int]:
    """Have a process whose root is a folder."""
    held, hold = os.pipe()
    said, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(hold)
        os.chroot(folder)
        os.write(say, b".")
        os.read(held, 1)
        os._exit(0)
    os.close(held)
    os.close(say)
    try:
        assert os.read(said, 1) == b"."
        yield pid
    finally:
        os.close(hold)
        os.close(said)
        os.waitpid(pid, 0)


@pytest.mark.needs("root")
def test_looking_changes_nothing_and_leaves_nothing(tmp_path, leaves_nothing):
    """A FIFO is not opened, a file's access time stays, no descriptor is left."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_text("x")
    os.utime(tmp_path / "file", (1, 1))
    with inside("") as pid:
        for name in ("fifo", "file"):
            assert stat_inside(str(tmp_path / name), pid).st_ino == (tmp_path / name).stat().st_ino
        with pytest.raises(FileNotFoundError):
            stat_inside("/no/such/file", pid)
        # Through a magic link one would leave the root: /proc/PID/root is one.
        with pytest.raises(OSError, match="symbolic links"):
            stat_inside(f"/proc/{pid}/{'root'}/etc", pid)
    assert (tmp_path / "file").stat().st_atime == 1


def test_nobodys_file_cannot_be_told(tmp_path, monkeypatch):
    """What shows as 65534 here already is nobody's or unmapped: elsewhere there is no answer."""
    status = list(tmp_path.stat())
    status[4] = OVERFLOW_ID
    monkeypatch.setattr("nsexplore.owning.stat_inside", lambda *_: os.stat_result(status))
    snapshot = made_up(
        [user(INITIAL, uid_map=FULL, gid_map=FULL), user(4026532001, INITIAL, uid_map=MAP)]
    )
    here, there = owners(snapshot, tmp_path)
    assert (here.uid, here.mapped) == (OVERFLOW_ID, None)
    assert "cannot be told" in here.words
    assert (there.uid, there.gid, there.mapped) == (None, None, None)
    assert "cannot be told" in there.words


def test_a_namespace_beside_this_one_cannot_be_told(tmp_path):
    """Where the map says nothing certain, the row says so."""
    snapshot = made_up(
        [user(4026532001, uid_map=FULL, gid_map=FULL), user(4026532002, uid_map=MAP)],
        here={"user": 4026532001},
    )
    _here, there = owners(snapshot, tmp_path)
    assert (there.uid, there.mapped) == (None, None)
    assert "cannot be told from here" in there.words


@pytest.mark.needs("user namespaces")
def test_what_cannot_be_looked_up_is_said(tmp_path):
    """A relative path, a recording, a process that has ended or never was: an error of its own."""
    with NamespacingExecer(**ROOTLESS).start("/bin/sleep", "60") as process:
        snapshot = snapshot_of(process)
        with pytest.raises(ValueError, match="begin at /"):
            owners(snapshot, "etc/passwd", process)
    with pytest.raises(ProcessLookupError):
        owners(snapshot, "/etc/passwd", process)
    with pytest.raises(ProcessLookupError, match="not in this snapshot"):
        owners(snapshot, "/etc/passwd", 1 << 22)
    with pytest.raises(TypeError, match="path must be"):
        owners(snapshot, 7)
    with pytest.raises(FileNotFoundError):
        owners(snapshot, tmp_path / "none")
    with pytest.raises(ValueError, match="recorded"):
        owners(replace(snapshot, recorded=Origin.__new__(Origin)), "/")


def test_a_number_that_is_another_processs_now_is_refused():
    """A process in another user namespace than it was seen in is not the one that is meant."""
    snapshot = snapshot_of()
    me = snapshot.process(os.getpid())
    elsewhere = user(4026532999, INITIAL)
    moved = replace(
        snapshot,
        seen_namespaces=(*snapshot.seen_namespaces, elsewhere),
        seen_processes=(replace(me, namespaces={**me.namespaces, "user": elsewhere.id}),),
    )
    with pytest.raises(ProcessLookupError, match="another user namespace"):
        owners(moved, "/", os.getpid())

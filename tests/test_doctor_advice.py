"""What is advised would really help, and what passes is not remembered."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from test_doctor_recorded import ALL_IDS, ORDINARY, SILENT, STARTS

import nsexplore as nx
from nsexplore import maphelpers, probes, subids
from nsexplore.causes import Failure, causes_of
from nsexplore.diagnosis import Cause, Check, Diagnosis
from nsexplore.errors import StartError
from nsexplore.facts import Facts
from nsexplore.flags import CloneFlags
from nsexplore.idmap import OVERFLOW_ID, IDMap
from nsexplore.pictures import html, text
from nsexplore.probes import Probes
from nsexplore.subids import SubIDFile, SubIDRange, SubIDs


def advice(
    subuid: SubIDFile, subgid: SubIDFile, *, login_gid: int | None = 1000, **changed: object
) -> Cause:
    """Return what the doctor says of alice, whom these files give nothing."""
    mine = SubIDs("alice" if login_gid else "1000", login_gid, (), (), (subuid, subgid), "none")
    facts: Facts = replace(ORDINARY, subids=mine, **changed)  # type: ignore[arg-type]
    found = causes_of(Failure(STARTS["one ID"], "newuidmap", 0), facts, SILENT)
    return next(cause for cause in found if cause.key == "no-subids")


def given(*starts: int) -> tuple[SubIDFile, SubIDFile]:
    """Return both files, in which bob has a range from each of these IDs on."""
    ranges = tuple(SubIDRange("bob", start, 65536) for start in starts)
    return SubIDFile("/etc/subuid", ranges), SubIDFile("/etc/subgid")


# -- sub-IDs -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("starts", "span"), [((), "100000-165535"), ((100000,), "165536-231071"), ((5,), "100000-")]
)
def test_nobody_is_advised_to_take_what_another_has(starts: tuple[int, ...], span: str) -> None:
    """Debian gives the first user 100000 to 165535: whose files would then be the second's, too."""
    fix = advice(*given(*starts)).fix
    assert fix.count(span) == 2


def test_ids_that_do_not_exist_here_are_not_advised() -> None:
    """In a user namespace of few IDs a line in /etc/subuid gives nothing."""
    few = IDMap([(0, 1000, 1), (1, 100000, 65536)])
    fix = advice(*given(), uid_map=few, gid_map=ALL_IDS).fix
    assert "usermod" not in fix
    assert "outside of this user namespace" in fix


def test_a_file_that_may_not_be_read_is_to_be_opened() -> None:
    """Another line in it would not be seen, either."""
    closed = SubIDFile("/etc/subuid", unreadable=os.strerror(errno.EACCES))
    assert advice(closed, given()[1]).fix == "chmod a+r /etc/subuid"


def test_who_has_no_name_is_given_a_line_by_number() -> None:
    """Usermod knows nobody without a name."""
    fix = advice(*given(), login_gid=None).fix
    assert fix == "the line 1000:100000:65536 in /etc/subuid and in /etc/subgid"


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Let nothing be opened in here."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_want_of_a_descriptor_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be read for it is read the next time."""
    file = tmp_path / "subids"
    file.write_text(f"{os.geteuid()}:100000:65536\n")
    monkeypatch.setattr(subids, "SUBUID", str(file))
    monkeypatch.setattr(subids, "SUBGID", str(file))
    with no_descriptor_left():
        short, alone = subids.own(), subids.read(str(file))
    assert "Too many open files" in short.missing
    assert alone.unreadable
    assert subids.own().missing == ""
    assert subids.read(str(file)).unreadable is None


# -- newuidmap -------------------------------------------------------------------


def test_a_program_without_setuid_bit_is_to_get_it(tmp_path: Path) -> None:
    """Root's, for a setuid bit of somebody else's gives no privilege."""
    path = tmp_path / "newuidmap"
    path.touch(mode=0o755)
    fix = maphelpers.remedy(str(path), maphelpers.powerless(str(path)))
    assert "nosuid" in fix or fix == f"chown root {path}; chmod u+s {path}"


def test_nothing_helps_a_program_of_roots_outside(tmp_path: Path, root: None) -> None:
    """Its bit is there, and means somebody who has no ID here."""
    path = tmp_path / "newuidmap"
    path.touch()
    os.chown(path, OVERFLOW_ID, -1)
    path.chmod(0o4755)
    fix = maphelpers.remedy(str(path), maphelpers.powerless(str(path)))
    assert "nosuid" in fix or "outside of this user namespace" in fix
    assert "chmod" not in fix


# -- maps -------------------------------------------------------------------------


def nested(code: str, outer: nx.NamespacingExecer) -> str:
    """Return what a script prints in such a user namespace."""
    done = outer.run(sys.executable, "-c", f"import nsexplore as nx\n{code}")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_map_of_ones_own_works_where_setgroups_is_denied(root: None, tmp_path: Path) -> None:
    """Inside a rootless container it is denied for ever; the map can be written all the same."""
    code = (
        "import nsexplore as nx\n"
        "inner = nx.NamespacingExecer(id_map=nx.IDMap([(0, 0, 1)]))\n"
        "print(inner.run('cat', '/proc/self/uid_map', '/proc/self/setgroups').stdout)"
    )
    one = nx.IDMap([(0, 0, 1)])
    outer = nx.NamespacingExecer(id_map=one, clone_flags=CloneFlags.NEWUSER)
    denied = replace(outer.plan(sys.executable, "-c", code), gid_mappings_enable_setgroups=False)
    with (tmp_path / "said").open("w+") as said:
        command = replace(denied, stdout=said.fileno(), stderr=said.fileno())
        nx.NativeCommandRunner().start(command).wait(30)
        said.seek(0)
        assert said.read().split() == ["0", "0", "1", "deny"]


def test_root_is_not_told_to_become_root(root: None) -> None:
    """What an ID is missing for is the user namespace, not a capability."""
    code = (
        "try:\n    nx.NamespacingExecer(id_map=nx.IDMap([(0, 5, 1)])).run('true')\n"
        "except nx.StartError as error:\n    print(error.hint)"
    )
    outer = nx.NamespacingExecer(id_map=nx.IDMap([(0, 0, 1)]), clone_flags=CloneFlags.NEWUSER)
    hint = nested(code, outer)
    assert "a map of IDs that this user namespace has" in hint
    assert "become root" not in hint


# -- the spawner ------------------------------------------------------------------

WITHOUT_DESCRIPTORS = """
import os, resource
import nsexplore as nx
from nsexplore import diagnosing, spawning
resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
found = []
try:
    while True:
        found.append(os.dup(0))
except OSError:
    pass
print(*(cause.key for cause in nx.doctor().faults))
try:
    spawning.begin(diagnosing._bare(nx.CloneFlags(0)))
except nx.StartError as error:
    print(error.hint)
"""


def test_a_spawner_that_cannot_be_opened_is_not_taken_for_one_that_is_missing() -> None:
    """Without a descriptor it cannot be loaded: no compiler helps."""
    script = [sys.executable, "-c", WITHOUT_DESCRIPTORS]
    said = subprocess.check_output(script, text=True, stdin=subprocess.DEVNULL)
    keys, *hint = said.splitlines()
    assert keys == "spawner-not-loaded descriptors"
    assert hint[-1].endswith("what helps: close some files, or raise the limit (ulimit -n)")


# -- what was asked before ----------------------------------------------------------


def test_how_much_room_there_is_is_known_for_a_moment_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Others make and end namespaces: else yesterday's culprit would be blamed for today's."""
    full = {CloneFlags.NEWNET: errno.ENOSPC}
    known = Probes(0, {"mount": -1}, dumpable=1, chrooted=False, alone=full)
    monkeypatch.setattr(probes, "_known", None)
    probes.remember(known)
    assert probes.probes_now() == known
    monkeypatch.setattr(probes, "_FRESH", 0.0)
    assert probes.probes_now() == replace(known, alone={})


# -- recordings ---------------------------------------------------------------------


def test_a_check_of_a_kind_that_nobody_knows_is_shown() -> None:
    """A recording may come from a newer kernel, or from somebody who made it up."""
    found = Diagnosis("Linux", "UID 0", (Check("namespaces", "<i>", "", True),))
    assert "<i>" in text(found)
    assert "&lt;i&gt;" in html(found)


@pytest.mark.usefixtures("leaves_nothing")
def test_recording_a_step_that_never_began_leaves_nothing(tmp_path: Path) -> None:
    """A program that is not there: what was to copy its outputs is closed."""
    runner = nx.ReplayingCommandRunner(tmp_path / "book.json", record=True)
    with pytest.raises(StartError):
        nx.NamespacingExecer(runner).step("no-such-program", stdout=subprocess.PIPE)
    del runner

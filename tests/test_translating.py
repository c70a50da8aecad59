"""`translate`: an ID of one user namespace is what the kernel shows for it in another."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from drivers.whoever import ROOTLESS
from hypothesis import given
from hypothesis import strategies as st
from snapshots import FULL, INITIAL, identity, made_up, process, snapshot_of, user
from strategies import sound_maps

from nsexplore.execer import NamespacingExecer
from nsexplore.idmap import OVERFLOW_ID, IDMap, IDMapping
from nsexplore.inspecting import inspect
from nsexplore.locating import CannotTellError, namespace_in
from nsexplore.origin import Origin
from nsexplore.pictures import translation as picture
from nsexplore.snapshot import SeenNamespace, Snapshot
from nsexplore.translating import translate
from nsexplore.translation import Translation, translation_of
from nsexplore.views import Namespace

A, B, C, D = 4026532001, 4026532002, 4026532003, 4026532004

OUTER = IDMap([(0, 100000, 65536)])
INNER = IDMap([(0, 101000, 1), (1000, 100000, 1000)])
OTHER = IDMap([(0, 100500, 100)])


def family(**changes: Any) -> Snapshot:
    """A holds B; C stands beside A. All maps as the initial user namespace reads them."""
    return made_up(
        [
            user(INITIAL, uid_map=FULL, gid_map=FULL),
            user(A, INITIAL, uid_map=OUTER, gid_map=OUTER),
            user(B, A, uid_map=INNER, gid_map=INNER),
            user(C, INITIAL, uid_map=OTHER, gid_map=IDMap()),
        ],
        [process(7, {"user": B}), process(8, {"user": C}), process(9, {})],
    )


def steps(translation: Translation) -> list[tuple[int, int | None]]:
    return [(step.namespace.ino, step.id) for step in translation.steps]


# -- what is told ----------------------------------------------------------------------


def test_an_id_is_followed_up_and_down_again():
    """Each user namespace up to the common ancestor and down again says what the ID is there."""
    told = translate(1500, B, C, snapshot=family())
    assert steps(told) == [(B, 1500), (A, 500), (INITIAL, 100500), (C, 0)]
    assert (told.id, told.shown, told.mapped) == (0, 0, True)
    assert told.words == f"UID 1500 in user:[{B}] is UID 0 in user:[{C}]"


def test_the_way_turns_at_the_nearest_common_ancestor():
    """From a namespace to its parent, or to itself, nothing farther up is on the way."""
    snapshot = family()
    assert steps(translate(0, B, A, snapshot=snapshot)) == [(B, 0), (A, 1000)]
    assert steps(translate(1000, A, B, snapshot=snapshot)) == [(A, 1000), (B, 0)]
    assert steps(translate(0, B, B, snapshot=snapshot)) == [(B, 0)]


def test_no_mapping_is_an_answer():
    """An ID without a mapping has no number at the end, and shows as 65534."""
    told = translate(0, "here", B, snapshot=family())
    assert (told.id, told.mapped) == (None, False)
    assert told.words.startswith(f"no mapping: shows as {told.shown}")
    assert steps(told) == [(INITIAL, 0), (A, None), (B, None)]
    assert f"none in user:[{A}]" in told.words


def test_an_id_that_its_own_namespace_lacks_is_nowhere():
    """An ID without a line in the map of where it comes from has no mapping anywhere."""
    told = translate(5, B, "here", snapshot=family())
    assert steps(told) == [(B, None), (A, None), (INITIAL, None)]
    assert f"user:[{B}] has no UID 5" in told.words


def test_users_and_groups_have_maps_of_their_own():
    """The map of the kind that is asked for counts."""
    assert translate(0, C, "here", kind="uid", snapshot=family()).id == 100500
    assert translate(0, C, "here", kind="gid", snapshot=family()).id is None


def test_what_an_unmapped_id_shows_as_is_the_machines_own():
    """/proc/sys/kernel/overflowuid says it, but for what was recorded elsewhere."""
    here = int(Path("/proc/sys/kernel/overflowuid").read_text())
    assert translate(5, B, "here", snapshot=family()).shown == here
    assert translation_of(family(), 5, B, "here", overflow=4711).shown == 4711
    origin = Origin.__new__(Origin)
    recorded = replace(family(), recorded=origin)
    assert translate(5, B, "here", snapshot=recorded).shown == OVERFLOW_ID


@pytest.mark.parametrize(
    "target",
    [
        7,
        B,
        identity(B),
        Namespace("user", 4, B),
        user(B, A),
        process(7, {"user": B}),
        type("AnyProcess", (), {"pid": 7})(),
    ],
    ids=lambda target: type(target).__name__,
)
def test_a_namespace_can_be_given_in_many_ways(target):
    """A PID, an inode, an identity, and what has one of them mean the same."""
    assert translate(0, target, "here", snapshot=family()).id == 101000


def test_numbers_of_other_libraries_are_integers():
    """What a table hands out is taken: NumPy's integers."""
    np = pytest.importorskip("numpy")
    told = translate(np.int64(0), np.int64(B), np.uint64(A), snapshot=family())
    assert told.id == 1000


# -- what cannot be told ---------------------------------------------------------------


def test_what_is_not_below_here_cannot_be_told():
    """Maps of what is above or beside the reader are right in their first IDs only: no answer."""
    beside = user(D, uid_map=IDMap([(0, 5, 100)]), gid_map=IDMap([(0, 5, 100)]))
    snapshot = made_up(
        [user(A, uid_map=OUTER, gid_map=OUTER), user(B, A, uid_map=INNER, gid_map=INNER), beside],
        here={"user": A},
    )
    for ends in ((D, "here"), ("here", D), (B, D), (D, D)):
        with pytest.raises(CannotTellError, match="cannot be told from here"):
            translate(0, *ends, snapshot=snapshot)


def test_ones_own_map_counts_in_the_parent():
    """An ID of one's own namespace stays itself here, wherever it leads outside."""
    inner = IDMap([(0, 10, 5)])
    snapshot = made_up(
        [user(A, uid_map=OUTER, gid_map=OUTER), user(B, A, uid_map=inner, gid_map=inner)],
        here={"user": A},
    )
    assert steps(translate(12, "here", B, snapshot=snapshot)) == [(A, 12), (B, 2)]
    assert steps(translate(2, B, "here", snapshot=snapshot)) == [(B, 2), (A, 12)]
    assert translate(70000, "here", "here", snapshot=snapshot).id is None  # no ID of its own


def test_a_map_that_could_not_be_read_is_no_empty_map():
    """At an end it is an error; between, what comes after is known all the same."""
    snapshot = made_up(
        [
            user(INITIAL, uid_map=FULL, gid_map=FULL),
            user(A, INITIAL, uid_map=None),
            user(B, A, uid_map=INNER),
        ]
    )
    with pytest.raises(CannotTellError, match="none in it was readable"):
        translate(0, A, "here", snapshot=snapshot)
    told = translate(0, B, "here", snapshot=snapshot)
    assert [(step.id, step.told) for step in told.steps] == [
        (0, True),
        (None, False),
        (101000, True),
    ]


@pytest.mark.parametrize(
    ("target", "error", "words"),
    [
        (9, CannotTellError, "process 9 is in could not be read"),
        (4711, ProcessLookupError, "process 4711"),
        (4026539999, LookupError, "4026539999"),
        (identity(4026539999), LookupError, "not in this snapshot"),
        (0, ValueError, "no PID"),
        (-1, ValueError, "no PID"),
        (1 << 23, ValueError, "no PID"),
        (True, TypeError, "'bool' is no process: give a PID"),
        (None, TypeError, "'NoneType' is no process: give a PID"),
        ("there", ValueError, "here"),
        (Namespace("net", 4, D, owner=identity(A)), ValueError, f"user:\\[{A}\\] owns it"),
    ],
)
def test_what_is_no_user_namespace_is_named(target, error, words):
    """The error says what is wrong with what was given."""
    net = SeenNamespace(Namespace("net", 4, D, owner=identity(A)))
    known = family()
    snapshot = replace(known, seen_namespaces=(*known.seen_namespaces, net))
    with pytest.raises(error, match=words):
        translate(0, target, "here", snapshot=snapshot)


def test_one_inode_on_two_devices_is_not_guessed():
    """Device and inode together are an identity, never the inode alone."""
    known = family()
    twin = SeenNamespace(Namespace("user", 5, B), uid_map=FULL, gid_map=FULL)
    snapshot = replace(known, seen_namespaces=(*known.seen_namespaces, twin))
    with pytest.raises(LookupError, match="give a NamespaceID"):
        namespace_in(snapshot, B)


@pytest.mark.parametrize(
    ("id", "error"),
    [(-1, ValueError), (2**32 - 1, ValueError), (True, TypeError), ("0", TypeError)],
)
def test_what_is_no_id_is_refused(id, error):
    """IDs go from 0 to 4294967294: (uid_t) -1 is none."""
    with pytest.raises(error, match="4294967294"):
        translate(id, "here", "here", snapshot=family())
    with pytest.raises(ValueError, match="neither 'uid' nor 'gid'"):
        translate(0, "here", "here", kind="pid", snapshot=family())


# -- against the arithmetic of maps ----------------------------------------------------


@st.composite
def maps_within(draw: st.DrawFn, parent: IDMap) -> IDMap:
    """Return a map that the kernel would take: each line lies in one line of its parent's."""
    lines, inside = [], draw(st.integers(0, 3))
    for outer in draw(st.permutations(parent.mappings)):
        if outer.size < 3 or not draw(st.booleans()):
            continue
        start = outer.container_id + draw(st.integers(0, outer.size - 2))
        size = draw(st.integers(1, outer.container_end - start))
        lines.append(IDMapping(inside, start, size))
        inside += size + draw(st.integers(0, 2))
    return IDMap(lines)


@st.composite
def branches(draw: st.DrawFn) -> tuple[list[IDMap], list[list[int]]]:
    """Return maps, each relative to its parent's, and two lines of descent among them."""
    relative, lines = [draw(sound_maps(3))], []
    for _branch in range(2):
        line, parent = [0], 0
        for _level in range(draw(st.integers(0, 3))):
            relative.append(draw(maps_within(relative[parent])))
            parent = len(relative) - 1
            line.append(parent)
        lines.append(line)
    return relative, lines


@given(branches(), st.data())
def test_translating_is_the_arithmetic_of_maps(tree, data):
    """Step by step through maps relative to their parents gives the same as maps read from here."""
    relative, lines = tree
    parents = {child: parent for line in lines for parent, child in itertools.pairwise(line)}
    absolute = {0: relative[0]}  # one's own map counts in one's parent
    for child in sorted(parents):
        outer = absolute[parents[child]] if parents[child] else None
        absolute[child] = relative[child].compose(outer) if outer else relative[child]
    snapshot = made_up(
        [
            user(A + n, A + parents[n] if n else None, uid_map=absolute[n], gid_map=IDMap())
            for n in absolute
        ],
        here={"user": A},
    )
    start, end = (data.draw(st.sampled_from(line)) for line in data.draw(st.permutations(lines)))
    edges = [edge for m in relative[start] for edge in (m.container_id, m.container_end)]
    id = data.draw(st.sampled_from(edges or [0]) | st.integers(0, 70000))

    expected = id if relative[start].to_host(id) is not None else None
    descent = next(line for line in lines if start in line)
    other = next(line for line in lines if end in line)
    common = max(set(descent[: descent.index(start) + 1]) & set(other[: other.index(end) + 1]))
    for n in reversed(descent[descent.index(common) + 1 : descent.index(start) + 1]):
        expected = None if expected is None else relative[n].to_host(expected)
    for n in other[other.index(common) + 1 : other.index(end) + 1]:
        expected = None if expected is None else relative[n].to_container(expected)

    assert translate(id, A + start, A + end, snapshot=snapshot).id == expected


# -- against the kernel ----------------------------------------------------------------


@contextmanager
def nested(*maps: tuple[str, str]) -> Iterator[list[int]]:
    """Have a process in each of several nested user namespaces."""
    driver = Path(__file__).parent / "drivers" / "nested.py"
    search = os.pathsep.join([str(driver.parents[1]), str(driver.parents[2])])
    with subprocess.Popen(
        [sys.executable, driver, json.dumps(maps)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": search},
    ) as running:
        assert running.stdout
        yield json.loads(running.stdout.readline())


def inside(pid: int, file: Path, *command: str) -> str:
    """Run a command as root of a process's user namespace, on a file that it gets open."""
    with file.open() as opened:
        done = subprocess.run(
            ["nsenter", "--user", f"--target={pid}", *command, f"/proc/self/fd/{opened.fileno()}"],
            pass_fds=[opened.fileno()],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return done.stdout


def shown_in(pid: int, file: Path) -> tuple[int, int]:
    """Return what stat(1) says of a file's owner and group in a process's user namespace."""
    if pid == os.getpid():
        return file.stat().st_uid, file.stat().st_gid
    uid, gid = map(int, inside(pid, file, "stat", "--dereference", "--format=%u %g").split())
    return uid, gid


LEVELS = (
    ("0 100000 65536\n", "0 200000 65536\n"),
    ("0 1000 1\n1000 2000 5000\n", "0 1000 1\n5 3000 4000\n"),
    ("0 1000 1000\n", "0 5 100\n"),
)
BESIDE = (("0 101000 2000\n", "0 201000 10\n"),)


@pytest.mark.needs("root")
def test_a_file_is_owned_by_whom_the_kernel_says(tool, tmp_path):
    """A file's IDs, translated between any two of five user namespaces, are what stat shows."""
    tool("nsenter")
    owners = [(0, 0), (101000, 201000), (102000, 203000), (102999, 203100), (165536, 203099)]
    with nested(*LEVELS) as line, nested(*BESIDE) as beside:
        snapshot = snapshot_of(*line, *beside)
        places = [os.getpid(), *line, *beside]
        mapped = 0
        for number, (uid, gid) in enumerate(owners):
            file = tmp_path / str(number)
            file.touch()
            os.chown(file, uid, gid)
            seen = {pid: shown_in(pid, file) for pid in places}
            for start, end in itertools.permutations(places, 2):
                for kind, which in (("uid", 0), ("gid", 1)):
                    if seen[start][which] == OVERFLOW_ID:
                        continue  # of whom it is cannot be seen there
                    told = translate(seen[start][which], start, end, kind=kind, snapshot=snapshot)
                    assert told.shown == seen[end][which], (owners[number], told.words)
                    mapped += told.mapped and end != places[0]
        assert mapped >= 20  # not by showing as 65534 everywhere


@pytest.mark.needs("root")
def test_what_is_chowned_inside_is_seen_outside(tool, tmp_path):
    """What a file is given to in a nested user namespace is, outside, what the ID translates to."""
    tool("nsenter")
    with nested(*LEVELS) as line:
        snapshot = snapshot_of(*line)
        for pid, uid, gid in ((line[0], 1000, 1000), (line[1], 1000, 5), (line[2], 999, 99)):
            file = tmp_path / f"{pid}"
            file.touch()
            root = [translate(0, pid, "here", kind=k, snapshot=snapshot).id for k in ("uid", "gid")]
            os.chown(file, *root)
            inside(pid, file, "chown", f"{uid}:{gid}")
            status = file.stat()
            assert translate(uid, pid, "here", snapshot=snapshot).id == status.st_uid
            assert translate(gid, pid, "here", kind="gid", snapshot=snapshot).id == status.st_gid


def test_a_process_stands_for_its_user_namespace():
    """A view of a process, and the process by its PID, lead to where it is."""
    snapshot, euid = snapshot_of(), os.geteuid()
    told = translate(euid, inspect(os.getpid()), os.getpid(), snapshot=snapshot)
    assert told.id == euid


@pytest.mark.needs("user namespaces")
def test_a_process_that_has_ended_is_known_by_its_birth():
    """A Process leads to the namespace it was in, as long as somebody else is there."""
    with NamespacingExecer(**ROOTLESS).start("/bin/sleep", "60") as running:
        snapshot = snapshot_of(running)
        known = replace(snapshot, seen_processes=())
        assert namespace_in(known, running).id == namespace_in(snapshot, running.pid).id


def test_it_shows_the_way():
    """As text and as HTML: the answer, and the ID in each user namespace on the way."""
    told = translation_of(family(), 0, "here", B)
    text, html = picture.as_text(told), picture.as_html(told)
    for shown in (told.words, f"user:[{A}]", "no mapping", "65534"):
        assert shown in text
        assert shown in html
    assert len(text.splitlines()) == 2 + len(told.steps)

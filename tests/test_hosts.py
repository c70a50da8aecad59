"""Many machines without a cluster: what travels, what is put together, how it is shown."""

from __future__ import annotations

import subprocess
import sys
from collections import UserDict
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from making_snapshots import EVIL, hostile, many, namespace, snapshot, zoo

import nsexplore as nx
from nsexplore.codec import RecordingError
from nsexplore.hosts import Answer, Answers, Asking, Fleet, Snapshots
from nsexplore.hosts.wire import Problem, Reply, Who, as_text, read_reply, read_request, request
from nsexplore.idmap import IDMap
from nsexplore.snapshot import Snapshot

WHO = Who("host", "boot", "0.1.0", "3.11.7", "Linux", 7, 0, None)


def answers(*snapshots: Snapshot) -> Snapshots:
    return Snapshots(
        Answer(n, f"host-{n}", WHO, seen, None, 0.1) for n, seen in enumerate(snapshots)
    )


def present(*names: str | None) -> list[Answer]:
    """Return what engines of these names say of themselves; None: nothing."""
    return [
        Answer(n, f"engine {n}", None if name is None else replace(WHO, host=name, pid=n), None,
               None if name is not None else Problem("TimeoutError", "no answer"), 0.1)
        for n, name in enumerate(names)
    ]  # fmt: skip


# -- what travels ----------------------------------------------------------------


def test_a_request_and_a_reply_are_read_back() -> None:
    """As they were."""
    text = request("inspect", {"pid": 7, "words": EVIL})
    assert read_request(text) == ("inspect", {"pid": 7, "words": EVIL})
    reply = Reply(WHO, "text", Problem("OSError", EVIL))
    assert read_reply(as_text(reply)) == reply


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "published no reply"),
        (b"{}", "no text"),
        ("{", "JSON"),
        ("[" * 100_000, "deep"),
        ("[]", "not what"),
        ('{"schema": "nsexplore-fleet", "version": 2}', "install the same"),
        ('{"schema": "nsexplore-fleet", "version": 1}', "missing"),
        (as_text(Reply(WHO))[:-1] + ', "more": 1}', "not known"),
    ],
)
def test_what_is_no_reply_is_refused(text: object, words: str) -> None:
    """With the reason."""
    with pytest.raises(RecordingError, match=words):
        read_reply(text)


# -- who they are ------------------------------------------------------------------


def test_no_two_hosts_are_called_the_same() -> None:
    """Whatever they call themselves: alike, nothing, as another's label, or as an engine."""
    names = ("a", "a", "a/0", "", "engine 5", None, " ", "x" * 500, "x" * 400, "\udcff", "\udcff")
    labels = Fleet(None, present(*names), every=True).labels
    assert len(set(labels.values())) == len(names)
    assert labels[2] == "a/0"
    assert all(label.strip() and len(label) < 80 for label in labels.values())


def test_what_is_no_client_is_refused() -> None:
    """By its type."""
    with pytest.raises(TypeError, match="ipyparallel Client"):
        nx.fleet(5)


def test_hosts_are_shown_as_they_are_written() -> None:
    """Never as what they would do to a terminal or a page, in any picture."""
    evil = replace(WHO, host=EVIL, nsexplore=EVIL, system=EVIL)
    bad = Answer(1, EVIL, evil, None, Problem(EVIL, EVIL), 0.1)
    fleet = Fleet(None, [bad, Answer(0, "x", WHO, None, None, 0.1)], every=True)
    for value in (bad, Answers([bad]), fleet):
        shown: Any = value._repr_mimebundle_()  # type: ignore[attr-defined]
        assert "\x1b" not in shown["text/plain"]
        assert "<script" not in shown["text/html"]
        "".join(shown.values()).encode("utf-8")


# -- put together --------------------------------------------------------------------


@pytest.mark.parametrize("table", ["namespaces", "processes", "id_maps"])
def test_tables_of_hosts_are_those_of_each(table: str) -> None:
    """Put together by pandas, they are the same, down to the types."""
    seen = [zoo(), hostile(), many(20), snapshot()] * 40
    machines = answers(*seen)
    single = {host: getattr(one, table) for host, one in machines.items()}
    expected = pd.concat(single, names=["host", "row"])
    frame = getattr(machines, table)
    assert frame.index.names == ["host", "row"]
    assert [*frame.index] == [*expected.index]
    assert frame.dtypes.to_dict() == expected.dtypes.to_dict()
    pd.testing.assert_frame_equal(
        frame.reset_index(drop=True), expected.reset_index(drop=True), check_names=False
    )


def test_maps_that_overlap_are_found_across_hosts() -> None:
    """Stretch by stretch, as counting each ID by itself finds them."""
    starts = {0: [(1000, 10), (1050, 5)], 1: [(1005, 10)], 2: [(1005, 3), (1052, 1)], 3: [(9, 1)]}
    machines = answers(
        *(
            snapshot(
                [
                    namespace("user", 5000 + n, uid_map=IDMap([(0, first, size)]), gid_map=IDMap())
                    for n, (first, size) in enumerate(lines)
                ]
            )
            for lines in starts.values()
        )
    )
    found: dict[int, tuple[int, int]] = {}
    for row in machines.overlaps().itertuples():
        assert row.map == "uid"
        for one in range(row.host_id, row.host_id + row.size):
            found[one] = (row.namespaces, row.hosts)
    counted: dict[int, set[tuple[int, int]]] = {}
    for host, lines in starts.items():
        for number, (first, size) in enumerate(lines):
            for one in range(first, first + size):
                counted.setdefault(one, set()).add((host, number))
    expected = {
        one: (len(who), len({host for host, _ in who}))
        for one, who in counted.items()
        if len(who) > 1
    }
    assert found == expected


def test_containers_are_counted_by_host() -> None:
    """As the cgroups of their processes name them."""
    frame = answers(zoo(), snapshot(), zoo()).containers()
    assert {host for host, _ in frame.index} == {"host-0", "host-2"}
    assert frame["processes"].sum() == 4


def test_what_only_mounts_keep_is_listed() -> None:
    """And nothing that a process is in as well."""
    kept = answers(zoo(), snapshot()).kept_by_mounts()
    assert [*kept["inode"]] == [2031]


# -- what is loaded -----------------------------------------------------------------


@pytest.mark.anywhere
class Interrupted:
    """A client whose third engine meets a Ctrl-C while it is being asked."""

    def __init__(self) -> None:
        self.called_off: list[str] = []

    def __getitem__(self, engine: int) -> Any:
        def execute(*_: object, **__: object) -> Any:
            if engine == 2:
                raise KeyboardInterrupt
            return Waiting([f"job of {engine}"])

        return SimpleNamespace(execute=execute)

    def abort(self, jobs: list[str], *, block: bool) -> None:
        assert not block
        self.called_off += jobs


class Waiting(UserDict[str, list[object]]):
    """The result of a job that has not begun."""

    def __init__(self, msg_ids: list[str]) -> None:
        super().__init__(outputs=[])
        self.msg_ids = msg_ids

    def add_done_callback(self, call: object) -> None:
        assert callable(call)


def test_an_interrupt_while_hosts_are_asked_calls_off_what_was_sent() -> None:
    """Nobody has anything yet by which to do it."""
    client = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        Asking(client, {n: f"host-{n}" for n in range(4)}, "doctor", {}, Answers, 5.0, False)
    assert client.called_off == ["job of 0", "job of 1"]


def test_hosts_are_loaded_when_they_are_asked_for() -> None:
    """And neither they nor the package need ipyparallel."""
    code = (
        "import sys; sys.modules['ipyparallel'] = None\n"
        "import nsexplore; assert 'nsexplore.hosts' not in sys.modules\n"
        "nsexplore.fleet; assert 'nsexplore.hosts' in sys.modules\n"
        "import nsexplore.hosts.engine; assert 'pandas' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

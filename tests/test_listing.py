"""A snapshot as lines: what ``nsexplore ls`` prints."""

from __future__ import annotations

from dataclasses import replace

from making_snapshots import EVIL, HERE, ids, namespace, process
from making_snapshots import snapshot as machine

from nsexplore.kinds import KINDS
from nsexplore.origin import Origin
from nsexplore.pictures.listing import listing, missing


def test_there_is_a_line_for_each_namespace() -> None:
    """With the process of the lowest PID, its user and its command."""
    snapshot = machine(
        [namespace("net", 7)], [process(9, inside={"net": 7}), process(8, inside={"net": 7})]
    )
    header, *lines = listing(snapshot)
    assert header.split()[:4] == ["TYPE", "NAMESPACE", "PROCS", "PID"]
    assert len(lines) == len(snapshot.seen_namespaces)
    (line,) = (line for line in lines if "net:[7]" in line)
    assert line.split()[2:5] == ["2", "8", "root"]
    assert line.endswith("/bin/p8 --serve")
    assert f"user:[{HERE['user'].ino}]" in line


def test_what_keeps_a_namespace_without_processes_is_said() -> None:
    """In place of a command, in parentheses."""
    snapshot = machine([namespace("net", 7, ("mount", 1, "/run/netns/blue"))])
    (line,) = (line for line in listing(snapshot) if "net:[7]" in line)
    assert line.split()[2:5] == ["0", "-", "-"]
    assert line.endswith(")")
    assert "/run/netns/blue" in line


def test_only_some_kinds_may_be_listed() -> None:
    lines = listing(machine([namespace("net", 7)]), ["net", "time"])
    assert {line.split()[0] for line in lines[1:]} == {"net", "time"}
    assert len(listing(machine([]), [kind.name for kind in KINDS])) == 1 + len(KINDS)


def test_lines_fit_a_terminal() -> None:
    """Cut ones say so."""
    snapshot = machine([namespace("net", 7)], [process(8, command="x" * 500, inside={"net": 7})])
    assert max(map(len, listing(snapshot))) > 200
    cut = listing(snapshot, width=80)
    assert max(map(len, cut)) == 80
    assert any(line.endswith("…") for line in cut)


def test_hostile_words_are_escaped() -> None:
    """Commands, and mount points."""
    found = namespace("net", 7, ("mount", 1, f"/run/{EVIL}"))
    snapshot = machine([found], [process(8, command=EVIL, comm=EVIL)])
    text = "\n".join(listing(snapshot))
    assert all(c.isprintable() or c == "\n" for c in text)
    assert len(text.split("\n")) == 1 + len(snapshot.seen_namespaces)


def test_users_of_another_machine_stay_numbers() -> None:
    """Their names here would be somebody else's."""
    snapshot = machine([namespace("net", 7)], [process(8, inside={"net": 7}, credentials=ids(1))])
    (line,) = (line for line in listing(snapshot) if "net:[7]" in line)
    assert line.split()[4] == "daemon"
    elsewhere = replace(snapshot, recorded=Origin("2026-11-23T18:10:00Z", "Linux"))
    (line,) = (line for line in listing(elsewhere) if "net:[7]" in line)
    assert line.split()[4] == "1"


def test_what_could_not_be_read_is_said() -> None:
    snapshot = replace(machine([]), hidden={"sockets": 3}, notes=("it hides \x1b",))
    assert list(missing(snapshot)) == ["not readable: sockets: 3", r"it hides \x1b"]

"""A snapshot and its parts show themselves: what is there, what holds it, what was hidden."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from making_snapshots import (
    EVIL,
    hostile,
    identity,
    ids,
    many,
    namespace,
    process,
    renumbered,
    snapshot,
    zoo,
)
from test_pictures import Reader

from nsexplore.containers import Container
from nsexplore.kinds import KINDS
from nsexplore.naming import stable
from nsexplore.origin import Origin
from nsexplore.pictures import html, mimebundle, text
from nsexplore.pictures._kinds import legend_html, legend_text
from nsexplore.snapshot import Sighting

VALUES = {
    "snapshot": zoo(),
    "hostile": hostile(),
    "many": many(200),
    "nothing": replace(zoo(), seen_namespaces=(), seen_processes=(), hidden={}, notes=()),
    "part": zoo().of(50, new=True),
    "recorded": replace(zoo(), recorded=Origin("2026-11-23T18:10:00Z", "Linux")),
    **{f"{n.kind} {n.id.ino}": n for n in zoo().seen_namespaces},
    **{f"hostile {n.kind} {n.id.ino}": n for n in hostile().seen_namespaces},
    **{f"process {p.pid}": p for s in (zoo(), hostile()) for p in s.seen_processes},
    "unreadable": replace(process(5), namespaces={}, credentials=None, effective=None),
    "sighting": Sighting("fd", 50, "fd 7"),
    "evil sighting": Sighting("mount", 1, EVIL),
    "bare sighting": Sighting("kernel"),
    "container": Container("docker", "ab" * 32),
    "evil container": Container(EVIL, EVIL * 50),
    **{f"tree {by}": zoo().tree(by) for by in ("owner", "user", "pid")},
    "hostile tree": hostile().tree(),
}
every_value = pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)


@every_value
def test_every_value_shows_itself_as_text_and_html(value):
    """The bundle has both; the text is plain and bounded, the HTML nests and is harmless."""
    bundle = value._repr_mimebundle_()
    assert bundle == mimebundle(value) == {"text/plain": text(value), "text/html": html(value)}
    shown = bundle["text/plain"]
    assert shown.strip() == shown
    assert all(c.isprintable() or c == "\n" for c in shown)
    assert all(line == line.rstrip() and len(line) < 700 for line in shown.splitlines())
    page = Reader(bundle["text/html"])
    assert {name for name, _ in page.elements}.isdisjoint({"script", "img", "link", "iframe"})
    for name, attributes in page.elements:
        assert not any(key.startswith("on") or key in {"src", "href"} for key in attributes)
        if name == "th":
            assert attributes["scope"] in {"row", "col"}
    assert len(bundle["text/html"]) < 200_000


def test_the_headline_counts_what_there_is():
    """Namespaces by kind with their signs, processes, and containers (no systemd units)."""
    lines = text(zoo()).splitlines()
    assert lines[0] == "tester · 19 namespaces · 5 processes · 1 container"
    assert lines[1].split() == (
        "● user 4 ► pid 3 ■ mnt 2 ▲ net 4 ◊ ipc 2 □ uts 2 ○ cgroup 1 ▼ time 1".split()
    )
    assert lines[0] in Reader(html(zoo())).text


def test_what_no_process_is_in_comes_first_with_what_holds_it():
    """The namespaces that one wonders at; none of those with a process."""
    for shown in (text(zoo()), Reader(html(zoo())).text):
        shown = " ".join(shown.split())
        held, _, rest = shown.partition("in use beside this process's own (4)")
        assert "held by no process (7)" in held
        for words in (
            "user:[2001] only its children",
            "net:[2031] bind mount /run/netns/blue",
            "uts:[2040] thread 61 of process 60 (/bin/p60 --serve)",
            "ipc:[2050] what holds it was not seen",
        ):
            assert words in held
        for words in ("net:[2030]", "2 50 /bin/p50 --serve 1000 user:[2000] docker:abababababab"):
            assert words in rest
        assert "net:[1003]" not in shown


def test_what_was_hidden_is_said():
    """Counts and reasons; nothing where nothing was."""
    for shown in (text(zoo()), Reader(html(zoo())).text):
        assert "namespaces of a process: 12" in shown
        assert "without CAP_SYS_PTRACE" in shown
    assert "not seen" not in text(snapshot())


def test_long_tables_end_with_a_count():
    """Thirty rows, and how many more there are where."""
    shown = text(many(400))
    assert "in use beside this process's own (160)" in shown
    assert "… +130 more, all in .namespaces" in shown
    assert "… +130 more, all in .namespaces" in Reader(html(many(400))).text
    assert len(shown.splitlines()) < 50
    notes = replace(zoo(), notes=tuple(f"note {n}" for n in range(50)))
    assert "… +39 more, in .hidden and .notes" in text(notes)


def test_a_namespace_shows_where_it_was_found_and_its_maps():
    """Each place; and user namespaces their maps."""
    seen = zoo().namespace(identity(2000))
    for shown in (text(seen), Reader(html(seen)).text):
        assert "process: process 50" in shown
        assert "root inside is host 1000" in shown
    two = namespace("net", 5, ("fd", 9, "fd 3"), ("mount", 1, "/run/x"), netnsid=4)
    for shown in (text(two), Reader(html(two)).text):
        assert "fd: fd 3 of process 9" in shown
        assert "mount: bind mount /run/x, seen by process 1" in shown
        assert re.search(r"ID of it here\s+4", shown)


def test_a_process_shows_what_it_is_and_where():
    """Names, IDs, container, and its eight namespaces."""
    one = process(50, inside={"pid": 7}, credentials=ids(33), container=Container("lxc", "web"))
    for shown in (text(one), Reader(html(one)).text):
        for words in (
            "process 50 (p50) · 1 inside",
            "/bin/p50 --serve",
            "lxc:web",
            "33",
            "pid:[7]",
        ):
            assert words in shown
    thread = process(2, command="")
    assert "none: a kernel thread or a zombie" in text(thread)


def test_the_legend_is_the_same_everywhere():
    """Every kind with its sign and its colour, or those that are shown."""
    assert legend_text() == "  ".join(f"{kind.sign} {kind.name}" for kind in KINDS)
    assert legend_text({"net", "user"}) == "● user  ▲ net"
    page = legend_html()
    for kind in KINDS:
        assert kind.sign in page
        assert f"--nsx-c:{kind.colour}" in page
        assert kind.isolates in Reader(page).text


def test_a_kind_of_the_future_is_shown_without_a_badge():
    """A recording of a newer kernel."""
    future = snapshot([namespace("quota", 5, ("process", 50, ""))])
    for value in (future, future.tree(), future.seen_namespaces[0]):
        assert text(value)
        assert Reader(html(value)).text
    assert "quota" in text(future.tree())


def test_in_stable_mode_two_machines_show_the_same():
    """Neither inodes nor PIDs remain."""
    shown = []
    for seen in (zoo(), renumbered(zoo(), 7919)):
        stable()
        try:
            shown += [text(seen), html(seen)]
        finally:
            stable(False)
    assert shown[:2] == shown[2:]
    assert not re.search(r":\[\d|process \d", shown[0])

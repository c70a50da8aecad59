"""The hierarchy of namespaces: who owns whom, whoever's parent, in an order that stays."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from making_snapshots import (
    HERE,
    ROOTLESS,
    hostile,
    identity,
    many,
    namespace,
    process,
    renumbered,
    snapshot,
    zoo,
)
from test_pictures import Reader

from nsexplore.kinds import KINDS
from nsexplore.naming import stable
from nsexplore.origin import Origin
from nsexplore.pictures import html, text
from nsexplore.tree import Branch, Tree

every_way = pytest.mark.parametrize("by", ["owner", "user", "pid"])


def all_of(tree: Tree) -> list[Branch]:
    """Return every branch of a tree."""
    found, left = [], list(tree.roots)
    while left:
        found.append(left.pop())
        left += found[-1].branches
    return found


def inodes(tree: Tree) -> list[int]:
    return sorted(branch.seen.id.ino for branch in all_of(tree) if branch.seen)


def find(tree: Tree, ino: int) -> Branch:
    return next(b for b in all_of(tree) if b.seen and b.seen.id.ino == ino)


def below(tree: Tree, ino: int) -> list[int]:
    return [branch.seen.id.ino for branch in find(tree, ino).branches]


# -- shape ------------------------------------------------------------------------


def test_by_owner_each_namespace_is_below_the_one_that_owns_it():
    """What a user namespace owns by kind, then the user namespaces nested in it."""
    tree = zoo().tree()
    own = [identity.ino for kind, identity in HERE.items() if kind != "user"]
    found = below(tree, HERE["user"].ino)
    assert sorted(found) == sorted([*own, 2031, 2032, 2040, 2000])
    assert found[-1] == 2000
    assert below(tree, 2000) == [2010, 2011, 2020, 2030, 2001]
    assert below(tree, 2001) == [2002]


def test_what_has_no_owner_in_sight_is_said_to_have_none():
    """Neither left out nor hung below somebody who may not be its owner."""
    tree = zoo().tree()
    last = tree.roots[-1]
    assert (last.seen, last.owner) == (None, None)
    assert [b.seen.id.ino for b in last.branches] == [2050]
    assert "owner not visible (1)" in text(tree)


def test_an_owner_that_is_left_out_is_named_all_the_same():
    """It is visible, but not of this part: ours, or one that was never seen."""
    part = snapshot([namespace("net", 5), namespace("uts", 6)],
                    [process(50, inside={"net": 5, "uts": 6})]).of(50, new=True)  # fmt: skip
    assert text(part.tree()).splitlines()[2:] == [
        "owned by user:[1000] (here) (2)",
        "├─ ▲ net:[5]  1 process: 50 /bin/p50 --serve",
        "└─ □ uts:[6]  1 process: 50 /bin/p50 --serve",
    ]
    gone = text(snapshot([namespace("net", 5, owner=identity(99))]).tree())
    assert "owned by user:[99], which is not among them (1)" in gone
    assert "not visible" not in gone


def test_an_owner_that_is_no_user_namespace_owns_nothing():
    """A recording may say anything."""
    tree = snapshot([namespace("net", 5, owner=HERE["uts"])]).tree()
    assert [b.seen.id.ino for b in tree.roots[-1].branches] == [5]


def test_by_user_there_are_user_namespaces_alone():
    """Each below its parent."""
    tree = zoo().tree("user")
    assert inodes(tree) == [1000, 2000, 2001, 2002]
    assert below(tree, 1000) == [2000]


def test_by_pid_there_are_pid_namespaces_with_their_init():
    """Init is PID 1 inside; not every one has one."""
    tree = zoo().tree("pid")
    assert inodes(tree) == [1001, 2010, 2011]
    assert find(tree, 1001).process.pid == 1
    assert find(tree, 2010).process.pid == 50
    assert find(tree, 2011).process is None


def test_our_own_init_is_known_even_where_its_namespaces_are_not():
    """PID 1, as we count, is ours."""
    init = replace(process(1, 0, comm="init"), namespaces={})
    seen = replace(zoo(), seen_processes=(init, process(50)))
    assert find(seen.tree("pid"), 1001).process == init


def test_ours_are_marked():
    """And nobody else's."""
    marked = {b.seen.id for b in all_of(zoo().tree()) if b.here}
    assert marked == set(HERE.values())


def test_an_unknown_way_is_refused_with_those_there_are():
    """ValueError names it."""
    with pytest.raises(ValueError, match="by='parent' is none of 'owner', 'user' and 'pid'"):
        zoo().tree("parent")


@every_way
def test_nothing_makes_an_empty_tree(by):
    """It shows itself all the same."""
    tree = replace(zoo(), seen_namespaces=(), seen_processes=()).tree(by)
    assert (len(tree), bool(tree), tree.roots) == (0, False, ())
    assert "0 namespaces" in text(tree)
    assert "0 namespaces" in Reader(html(tree)).text
    assert tree.mermaid.startswith("flowchart LR")


def test_parents_in_a_circle_are_shown_once():
    """The circle is cut at its first; what hangs on it is shown too."""
    circle = [
        namespace("user", 10, parent=identity(12)),
        namespace("user", 11, parent=identity(10)),
        namespace("user", 12, parent=identity(11)),
        namespace("user", 13, parent=identity(13)),
        namespace("net", 20, owner=identity(11)),
    ]
    tree = snapshot(circle).tree()
    assert inodes(tree) == sorted([10, 11, 12, 13, 20, *(i.ino for i in HERE.values())])
    assert [b.seen.id.ino for b in tree.roots] == [1000, 10, 13]


def test_a_chain_deeper_than_the_kernel_nests_is_cut_not_fatal():
    """Every link of a thousand is shown, once."""
    chain = [namespace("user", 10_000 + n, parent=identity(9_999 + n)) for n in range(1, 1000)]
    seen = snapshot([namespace("user", 10_000), *chain])
    tree = seen.tree("user")
    assert inodes(tree) == [1000, *range(10_000, 11_000)]
    assert len(text(tree).splitlines()) == 1 + 1001
    assert tree == seen.tree("user")
    assert hash(tree.roots)


@given(
    st.lists(st.tuples(*[st.integers(0, 9)] * 3, st.sampled_from(KINDS)), max_size=10), st.data()
)
def test_every_namespace_is_in_the_tree_exactly_once(rows, data):
    """Whatever the parents and owners are, circles included; by any way, those it shows."""
    by = data.draw(st.sampled_from(["owner", "user", "pid"]))
    seen = {
        ino: namespace(
            kind.name, ino, owner=identity(owner),
            **({"parent": identity(parent)} if kind.name in ("user", "pid") else {}),
        )
        for ino, owner, parent, kind in rows
    }  # fmt: skip
    tree = replace(zoo(), seen_namespaces=tuple(seen.values())).tree(by)
    shown = [ino for ino, n in seen.items() if by == "owner" or n.kind == by]
    assert inodes(tree) == sorted(shown)
    assert len(tree) == len(all_of(tree))
    for branch in all_of(tree):
        for child in branch.branches:
            if branch.seen is not None:
                assert branch.seen.id in (child.seen.namespace.owner, child.seen.namespace.parent)


# -- order ------------------------------------------------------------------------


@every_way
@pytest.mark.parametrize("seed", [3, 7919, 54_321])
def test_the_order_does_not_depend_on_inodes(by, seed):
    """Two runs of the same show the same, but for the numbers."""
    one, other = (
        re.sub(r":\[\d+\]", "", text(seen.tree(by))) for seen in (zoo(), renumbered(zoo(), seed))
    )
    assert one == other


def test_the_older_comes_first_whatever_its_number():
    """By the start of the oldest process in it; what has no process, last."""
    seen = snapshot(
        [namespace("net", 5, ("fd", 8, "fd 3")), namespace("net", 6), namespace("net", 7)],
        [process(9, start=300, inside={"net": 7}), process(8, start=400, inside={"net": 6})],
    )
    found = below(seen.tree(), HERE["user"].ino)
    assert [ino for ino in found if ino in (5, 6, 7)] == [7, 6, 5]


@every_way
def test_in_stable_mode_two_machines_show_the_same(by):
    """Neither inodes nor PIDs, thread IDs or links remain in text, HTML and Mermaid."""
    shown = []
    for seen in (zoo(), renumbered(zoo(), 7919)):
        for show in (text, html, lambda tree: str(tree.mermaid)):
            stable()
            try:
                shown.append(show(seen.tree(by)))
            finally:
                stable(False)
    assert shown[:3] == shown[3:]
    assert not re.search(r":\[\d|\b(process|thread) \d", shown[0])


# -- pictures ---------------------------------------------------------------------


def test_text_draws_lines_signs_and_what_keeps_each_alive():
    """The whole of a small machine."""
    lines = text(zoo().tree()).splitlines()
    assert lines[1] == "● user  ► pid  ■ mnt  ▲ net  ◊ ipc  □ uts  ○ cgroup  ▼ time"
    assert lines[2] == "● user:[1000] (here)  3 processes, the oldest: 1 /sbin/init"
    for line in (
        "├─ ▲ net:[2031]  bind mount /run/netns/blue",
        "├─ ▲ net:[2032]  socket fd 9 of process 60 (/bin/p60 --serve), and 1 more",
        "├─ □ uts:[2040]  thread 61 of process 60 (/bin/p60 --serve)",
        "└─ ● user:[2000]  2 processes, the oldest: 50 /bin/p50 --serve",
        "   ├─ ► pid:[2011]  the children to come of process 60 (/bin/p60 --serve)",
        "   └─ ● user:[2001]  only its children",
        "      └─ ● user:[2002]  fd 7 of process 60 (/bin/p60 --serve)",
        "owner not visible (1)",
        "└─ ◊ ipc:[2050]  what holds it was not seen",
    ):
        assert line in lines


def test_by_user_the_creator_and_the_maps_are_told():
    """In short; not our own map, which counts in our parent."""
    lines = text(zoo().tree("user")).splitlines()
    assert lines[1] == (
        "● user:[1000] (here)  made by UID 0 · 3 processes, the oldest: 1 /sbin/init"
    )
    assert "made by UID 1000 · root inside is host 1000; 1…65536 are host 100000…165535" in lines[2]
    assert "groups: no ID is mapped" in lines[3]
    assert "map not readable" in lines[4]


def test_by_pid_the_init_is_told():
    """Or that there is none."""
    lines = text(zoo().tree("pid")).splitlines()[1:]
    assert lines == [
        "► pid:[1001] (here)  init 1 /sbin/init · 3 processes",
        "└─ ► pid:[2010]  init 50 /bin/p50 --serve · 2 processes",
        "   └─ ► pid:[2011]  no init · the children to come of process 60 (/bin/p60 --serve)",
    ]


def test_by_pid_an_init_that_is_left_out_is_not_said_to_be_missing():
    """A part of a snapshot has not all of a namespace's processes."""
    lines = text(zoo().of(50).tree("pid")).splitlines()[1:]
    assert lines[0].startswith("► pid:[1001] (here)  init not seen · ")
    assert not any("no init" in line for line in lines[:2])


def test_html_is_a_labelled_list_of_lists_with_badges():
    """A screen reader tells the nesting; the sign is for the eye, the colour never alone."""
    page = Reader(html(zoo().tree()))
    lists = [attributes for name, attributes in page.elements if name == "ul"]
    assert all(attributes["role"] == "list" for attributes in lists)
    assert "namespaces, below the user namespace that owns them" in {
        attributes.get("aria-label") for attributes in lists
    }
    badges = [a for name, a in page.elements if name == "span" and a.get("class") == "nsx-k"]
    assert len(badges) == 19 + len(KINDS)  # and the legend's
    hidden = [a for name, a in page.elements if name == "span" and a.get("aria-hidden") == "true"]
    assert len(hidden) == len(badges)
    assert "(here)" in page.text


def test_a_large_tree_folds_and_a_small_one_does_not():
    """Open at the root and where we are, closed elsewhere; nothing is left out."""
    small, large = Reader(html(many(60).tree())), Reader(html(many(400).tree()))
    assert not any(name == "details" for name, _ in small.elements)
    details = [attributes for name, attributes in large.elements if name == "details"]
    assert len(details) == 1 + 400 // 5
    assert ["open" in attributes for attributes in details] == [True] + [False] * 80
    assert "user:[50495]" in large.text


def test_what_is_too_much_is_counted():
    """Text and HTML end at 2000 lines, Mermaid where it would refuse to draw."""
    tree = many(10_000).tree()
    whole = len(tree)
    lines = text(tree).splitlines()
    assert lines[-1] == f"… +{whole - 2000} more"
    assert len(lines) == 2000 + 3
    assert f"… +{whole - 2000} more" in Reader(html(tree)).text
    drawn = re.findall(r'^  n\d+\["', tree.mermaid, re.M)
    assert f"… +{whole - len(drawn)} more" in tree.mermaid
    assert 50 <= len(drawn) <= 500
    assert len(tree.mermaid) < 50_000


def test_a_recorded_tree_is_marked():
    """As every picture of what was not seen here and now."""
    tree = replace(zoo(), recorded=Origin("2026-11-23T18:10:00Z", "Linux")).tree()
    assert "2026-11-23" in text(tree).splitlines()[0]
    assert "2026-11-23" in Reader(html(tree)).text


@every_way
def test_words_of_others_do_no_harm(by):
    """No element of theirs, no control character, and bounded lines."""
    tree = hostile().tree(by)
    names = {name for name, _ in Reader(html(tree)).elements}
    assert "script" not in names
    assert all(c.isprintable() or c == "\n" for c in text(tree))
    assert max(map(len, text(tree).splitlines())) < 400


# -- Mermaid ----------------------------------------------------------------------


def test_mermaid_is_a_str_that_shows_itself_as_a_diagram():
    """JupyterLab draws text/vnd.mermaid by itself; as text it is its own source."""
    drawn = zoo().tree().mermaid
    assert isinstance(drawn, str)
    assert drawn._repr_mimebundle_() == {"text/vnd.mermaid": drawn, "text/plain": drawn}
    assert all(type(value) is str for value in drawn._repr_mimebundle_().values())
    assert drawn.splitlines()[0] == "flowchart LR"
    nodes = re.findall(r'^  (n\d+)\["(.*)"\]:::(\w+)$', drawn, re.M)
    edges = re.findall(r"^  (n\d+) --> (n\d+)$", drawn, re.M)
    assert len(nodes) == len(zoo().tree())
    assert len(edges) == len(nodes) - 2  # but for the two roots
    colours = dict(re.findall(r"classDef (\w+) fill:(#\w+)", drawn))
    assert all(colours[kind.name] == kind.colour for kind in KINDS)


def test_mermaid_shows_no_character_of_others_that_means_something_to_it():
    """Quotes, #, <, newlines, backticks, `end`, directives: all are entities."""
    drawn = hostile().tree().mermaid
    for line in drawn.splitlines():
        node = re.fullmatch(r'  n\d+\["(.*)"\]:::\w+', line)
        if node is None:
            assert re.fullmatch(r"flowchart LR|  n\d+ --> n\d+|  classDef [\w ,:#-]+", line), line
            continue
        words = re.sub(r"#\d+;", "", node[1].replace("<br/>", " "))
        assert not re.search(r'["#<>`;%{}$&\\]|\bend\b', words)
    assert re.search("#60;script#62;", drawn)


@given(st.text(max_size=40))
def test_mermaid_labels_read_as_what_was_written(words):
    """Decoding the entities gives back what a text shows."""
    from nsexplore.pictures._escape import visible
    from nsexplore.pictures._mermaid import label

    written = label(words, 200)
    assert re.sub(r"#(\d+);", lambda m: chr(int(m[1])), written) == visible(words, 200)
    assert not re.search(r'["<>`%{}$&\\\n]|end|style|class', written, re.IGNORECASE)


def test_maps_of_a_user_namespace_are_told_where_they_differ():
    """One sentence for users, one for groups."""
    seen = snapshot([namespace("user", 5, uid_map=ROOTLESS, gid_map=ROOTLESS)])
    assert "groups:" not in text(seen.tree("user"))

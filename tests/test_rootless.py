"""Rootless starts: what /etc/subuid and /etc/subgid give, newuidmap and newgidmap, and less.

Everything is done by a process of its own as an ordinary user, ``alice``, who
sees an /etc of the test's; and it must leave no child and no descriptor there.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import alice
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ordinary_user import Place, in_place

import nsexplore as nx
from nsexplore import subids
from nsexplore.subids import SubIDRange

pytestmark = pytest.mark.usefixtures("root")

PASSWD = "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/:/bin/sh\nbob:x:1001:1001::/:/bin/sh\n"
LINE = "alice:100000:65536\n"
ONE = [[0, 1000, 1]]
FULL = [[0, 1000, 1], [1, 100000, 65536]]


def place(subuid: str | None = LINE, subgid: str | None = LINE, **changes: Any) -> Place:
    """Return alice's place, with these two files."""
    etc = {"passwd": PASSWD, "subuid": subuid, "subgid": subgid}
    return replace(Place(etc), **changes)


def there(where: Place, function: Callable[..., Any], *args: Any) -> Any:
    """Return what a function of `alice` returns at such a place, where it leaves nothing."""
    return in_place(where, alice.leaving_nothing, function.__name__, *args)


# -- what is mapped ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subuid", "subgid", "why"),
    [
        ("", "", "neither /etc/subuid nor /etc/subgid has a range for alice"),
        ("bob:100000:65536\n", LINE, "/etc/subuid has no range for alice"),
        (LINE, "", "/etc/subgid has no range for alice"),
        (None, LINE, "/etc/subuid cannot be read (No such file or directory)"),
        (
            "alice:100000\n",
            LINE,
            "/etc/subuid has no range for alice (line 1 does not count: it is not"
            " OWNER:START:COUNT)",
        ),
    ],
)
def test_without_ranges_in_both_files_it_is_one_id(
    subuid: str | None, subgid: str | None, why: str
) -> None:
    """Oneself as root, setgroups denied, and the plan says why there is no more."""
    assert there(place(subuid, subgid), alice.see_maps) == (
        ONE,
        ONE,
        "deny",
        (f"one ID only, since {why}",),
    )


def test_with_ranges_in_both_files_it_is_the_full_range() -> None:
    """Oneself as root, the ranges from 1 on, setgroups allowed, nothing to note."""
    gids = "alice:300000:1000\n"
    expected = (FULL, [[0, 1000, 1], [1, 300000, 1000]], "allow", ())
    assert there(place(LINE, gids), alice.see_maps) == expected


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("1000:100000:65536\n", [[1, 100000, 65536]]),
        ("alice:100000:10\nbob:1:9\nalice:50:5", [[1, 100000, 10], [11, 50, 5]]),
        ("1000:500000:7\nalice:100000:10\n", [[1, 500000, 7], [8, 100000, 10]]),
        # Nothing twice, and oneself once: the kernel refuses an overlap.
        ("alice:100:10\nalice:105:10\n", [[1, 100, 10], [11, 110, 5]]),
        ("alice:990:20\n", [[1, 990, 10], [11, 1001, 9]]),
        # What counts for nothing is passed over, line by line.
        ("# a comment\n\n:::\nalice:x:1\nalice:100000:0\n" + LINE, [[1, 100000, 65536]]),
        ("alice:4294967290:5\nalice:4294967290:6\n", [[1, 4294967290, 5]]),
    ],
)
def test_ranges_by_name_and_by_number_follow_one_another(text: str, rest: list[Any]) -> None:
    """In the order of the lines, as newuidmap and the kernel accept them."""
    uid, gid, setgroups, notes = there(place(text, text), alice.see_maps)
    assert uid == gid == [[0, 1000, 1], *rest]
    assert (setgroups, notes) == ("allow", ())


def test_many_ranges_are_cut_to_what_a_map_holds() -> None:
    """The kernel takes less than a page; what is left out is said."""
    text = "".join(f"alice:{100000 + 10 * n}:5\n" for n in range(150))
    uid, gid, _, notes = there(place(text, text), alice.see_maps)
    assert uid == gid
    assert len(uid) == 101
    assert "the first 100 ranges only" in notes[0]


def test_every_id_of_the_range_can_be_used_inside(tool: Callable[[str], str]) -> None:
    """setgroups, chown and setuid work up to the last ID, and not beyond."""
    tool("/usr/bin/python3")
    expected = f"[1, 65536] 65536 5 (33, 65536)\n{errno.EINVAL}\n"
    assert there(place(), alice.use_ids) == expected


def test_the_layout_is_that_of_other_rootless_tools(tool: Callable[[str], str]) -> None:
    """As podman documents it, and as unshare(1) makes it when told so."""
    if "--map-users" not in subprocess.check_output([tool("unshare"), "--help"], text=True):
        pytest.skip("this unshare(1) cannot map ranges (before util-linux 2.38)")
    theirs = there(place(), alice.see_maps_of_unshare).split()
    uid, gid, setgroups, _ = there(place(), alice.see_maps)
    assert theirs == [str(n) for line in uid + gid for n in line] + [setgroups]


def test_the_ranges_are_those_that_shadow_reads(tool: Callable[[str], str]) -> None:
    """getsubids(1) lists the same, malformed lines and all."""
    tool("getsubids")
    text = f"{LINE}1000:500000:7\nalice\nalice:1\n:5:5\nalice: 5:5 \nbob:9:9\n"
    theirs, ours = there(place(text), alice.list_ranges)
    assert ours == theirs == [["100000", "65536"], ["500000", "7"]]


# -- as root -------------------------------------------------------------------------


def test_root_writes_its_ranges_itself() -> None:
    """With CAP_SETUID and CAP_SETGID newuidmap is not needed, nor its absence noted."""
    helpers = ("/usr/bin/newuidmap", "/usr/bin/newgidmap")
    where = place("root:100000:65536\n", "0:200000:9\n", uid=0, gid=0, hidden=helpers)
    expected = ([[0, 0, 1], [1, 100000, 65536]], [[0, 0, 1], [1, 200000, 9]], "allow", ())
    assert there(where, alice.see_maps) == expected


def test_root_without_ranges_gets_one_id() -> None:
    """As everybody: the other IDs are there with an IDMap, or garden's."""
    uid, gid, setgroups, notes = there(place(uid=0, gid=0), alice.see_maps)
    assert (uid, gid, setgroups) == ([[0, 0, 1]], [[0, 0, 1]], "deny")
    assert notes == ("one ID only, since neither /etc/subuid nor /etc/subgid has a range for root",)


@pytest.mark.parametrize(
    ("line", "output"),
    [
        (
            "root:100000:65536\n",
            "['0', '0', '1'] one ID only, since no ID that /etc/subuid gives to root exists in"
            " this user namespace\n",
        ),
        ("root:900:65536\n", "['0', '0', '1', '1', '900', '100', '101', '1000', '5']\n"),
    ],
)
def test_ranges_that_do_not_exist_here_are_left_out(line: str, output: str) -> None:
    """In a container /etc/subuid may name IDs that its user namespace does not have."""
    assert there(place(line, line, uid=0, gid=0), alice.start_nested) == output


# -- falling back, and saying so -----------------------------------------------------


SCRIPT = "#!/bin/sh\nexit 1\n"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"hidden": ("/usr/bin/newuidmap",)}, "newuidmap is not installed"),
        ({"hidden": ("/usr/bin/newgidmap",)}, "newgidmap is not installed"),
        ({"programs": {"newuidmap": SCRIPT}, "mode": 0o755}, "is neither setuid root nor has"),
        ({"uid": 1002, "gid": 1002}, "newuidmap asks for a name, and UID 1002 has none"),
        ({"without": (7,)}, "newuidmap cannot get CAP_SETUID, which the bounding set lacks"),
        ({"without": (6,)}, "newgidmap cannot get CAP_SETGID, which the bounding set lacks"),
        ({"gid": 1001}, "newuidmap asks for the login group, 1000, and the group is 1001"),
    ],
)
def test_where_the_helpers_cannot_help_it_is_one_id(changes: dict[str, Any], why: str) -> None:
    """The ranges are there, and of no use: the start works with less, and the plan says why."""
    line = LINE + "1002:1:5\n"
    uid, gid, setgroups, [note] = there(place(line, line, **changes), alice.see_maps)
    assert (uid, gid) == ([[0, changes.get("uid", 1000), 1]], [[0, changes.get("gid", 1000), 1]])
    assert setgroups == "deny"
    assert note.startswith("one ID only, since ")
    assert why in note


def test_without_new_privileges_it_is_one_id() -> None:
    """no_new_privs takes the setuid bit's effect away."""
    uid, gid, setgroups, [note] = there(place(), alice.see_maps_without_new_privileges)
    assert (uid, gid, setgroups) == (ONE, ONE, "deny")
    assert note.startswith("one ID only, since no_new_privs is set")


def test_other_groups_are_taken_where_the_machine_grants_them() -> None:
    """GRANT_AUX_GROUP_SUBIDS in login.defs: newuidmap asks no more for the login group."""
    where = place(gid=1001)
    where = replace(where, etc={**where.etc, "login.defs": "GRANT_AUX_GROUP_SUBIDS yes\n"})
    uid, gid, _, notes = there(where, alice.see_maps)
    assert (uid, gid, notes) == (FULL, [[0, 1001, 1], [1, 100000, 65536]], ())


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/no/such/folder", None),
        (".:relative:/usr/bin", "/usr/bin/newuidmap"),
        ("/etc/.programs", "/etc/.programs/newuidmap"),
    ],
)
def test_helpers_are_looked_for_where_they_are(path: str, found: str | None) -> None:
    """In the absolute folders of PATH; a relative one is passed over."""
    programs = {"newuidmap": SCRIPT, "newgidmap": SCRIPT}
    assert there(place(programs=programs), alice.look_for_newuidmap, path) == found


def test_a_fallback_is_said_wherever_the_start_is_shown() -> None:
    """Unprivileged never silently means less: text, HTML, JSON and the command line."""
    for name, shown in there(place(hidden=("/usr/bin/newuidmap",)), alice.show_everywhere).items():
        assert "one ID only, since newuidmap is not installed" in shown, name


def test_a_plan_says_who_writes_the_maps() -> None:
    """By their paths, and there is nothing to note."""
    shown = there(place(), alice.show_everywhere)
    assert "written by /usr/bin/newuidmap" in shown["plan text"]
    assert "written by /usr/bin/newgidmap" in shown["plan html"]
    assert not any("one ID only" in text for text in shown.values())


# -- max_uid -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("max_uid", "uid", "gid"),
    [
        (1000, FULL, FULL),
        (
            100000,
            [[0, 100000, 1], [1, 100001, 65535], [65536, 1000, 1]],
            [[0, 100000, 1], [1, 100001, 65535], [65536, 1000, 1]],
        ),
        (
            100005,
            [[0, 100005, 1], [1, 100000, 5], [6, 100006, 65530], [65536, 1000, 1]],
            [[0, 100005, 1], [1, 100000, 5], [6, 100006, 65530], [65536, 1000, 1]],
        ),
    ],
)
def test_max_uid_is_root_inside_where_it_can_be_had(max_uid: int, uid: Any, gid: Any) -> None:
    """As in garden's map; the other IDs of the ranges, and oneself, follow."""
    assert there(place(), alice.see_maps_of_max_uid, max_uid) == (uid, gid, "allow", ())


@pytest.mark.parametrize(
    ("max_uid", "subgid", "said"),
    [
        (5, LINE, "5 lies in no range for alice in /etc/subuid or /etc/subgid"),
        (100005, "alice:100006:9\n", "lies in no range for alice in /etc/subgid, and is not"),
        (5, LINE, "root inside can be 1000 (oneself), 100000 to 165535 (in both files)"),
        (100005, "alice:100006:9\n", "100006 to 100014 (in both files)"),
        (100005, "", "only one ID can be mapped, since /etc/subgid has no range for alice"),
        (100005, "", "root inside can be 1000 only, oneself"),
    ],
)
def test_another_max_uid_is_refused_with_what_can_be_had(
    max_uid: int, subgid: str, said: str
) -> None:
    """The value, why not, and the alternatives; at the plan, before anything is spawned."""
    error = there(place(LINE, subgid), alice.ask_for_max_uid, max_uid)
    assert error["text"].startswith(f"max_uid={max_uid} cannot be root inside")
    assert said in error["text"].replace("it lies", f"{max_uid} lies")
    assert error["errno"] == errno.EPERM


def test_with_one_id_max_uid_may_name_oneself() -> None:
    """It changes nothing then; not so where UID and GID differ, of which it can be only one."""
    assert there(place("", ""), alice.see_maps_of_max_uid, 1000)[:3] == (ONE, ONE, "deny")
    error = there(place("", "", gid=1001), alice.ask_for_max_uid, 1000)
    assert "root inside is oneself, UID 1000 and GID 1001: leave max_uid out" in error["text"]


@pytest.mark.parametrize("max_uid", [-1, 2**32 - 1, 2**32, "many", True])
def test_a_max_uid_that_is_no_id_is_refused(max_uid: Any) -> None:
    """By its name, as it is made."""
    with pytest.raises(nx.IDMapError, match="max_uid="):
        nx.NamespacingExecer(id_map="rootless", max_uid=max_uid)


def test_the_command_line_takes_max_uid_beside_rootless() -> None:
    """--rootless --max-uid N; the refusal speaks of options."""
    run = ("run", "--json", "--rootless", "--max-uid")
    code, out, err = there(
        place(), alice.call_command_line, *run, "100007", "--", "cat", "/proc/self/uid_map"
    )
    assert code == 0, err
    assert json.loads(out)["stdout"].split()[:3] == ["0", "100007", "1"]
    code, out, err = there(place(), alice.call_command_line, *run, "7", "--", "true")
    assert code == 125
    assert "--max-uid 7 cannot be root inside with --rootless" in err


# -- maps of one's own choice --------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "setgroups"),
    [
        ([(0, 100000, 1)], "allow"),
        ([(0, 100000, 65536)], "allow"),
        ([(0, 100010, 5), (7, 1000, 1), (50, 100000, 10)], "allow"),
        # Two ranges of the file that touch each other count as one.
        ([(0, 165530, 20)], "allow"),
        ([(0, 1000, 1)], "deny"),
    ],
)
def test_a_map_within_the_ranges_is_written(lines: list[Any], setgroups: str) -> None:
    """Each line in the user's ranges, or his own ID: the helpers' own rule."""
    text = LINE + "alice:165536:100\n"
    seen = there(place(text, text), alice.see_custom_maps, tuple(lines))
    assert seen == ([[*line] for line in lines], [[*line] for line in lines], setgroups, ())


def test_a_helper_is_asked_only_for_what_is_not_ones_own_to_write() -> None:
    """One line with one's own ID is written by ourselves, after "deny"; for users and groups."""
    own, sub = [(0, 1000, 1)], [(0, 100000, 5)]
    uidmap, gidmap = "/usr/bin/newuidmap", "/usr/bin/newgidmap"
    assert there(place(), alice.plan_writers, own, own) == (None, None, False)
    assert there(place(), alice.plan_writers, sub, own) == (uidmap, None, False)
    assert there(place(), alice.plan_writers, own, sub) == (None, gidmap, True)
    assert there(place(uid=0, gid=0), alice.plan_writers, sub, sub) == (None, None, True)


def test_one_map_may_be_ours_and_the_other_the_helpers() -> None:
    """In either order; setgroups goes with the groups' map."""
    first, second = there(place(), alice.mix_writers)
    assert first == ([[0, 100000, 5]], ONE, "deny", ())
    assert second == (ONE, [[0, 100000, 5]], "allow", ())


@pytest.mark.parametrize(
    ("lines", "gid", "step", "said"),
    [
        ([(0, 5, 1)], [(0, 1000, 1)], "uid_map", "line 1 (0 5 1) is not allowed"),
        ([(0, 100000, 65537)], [(0, 1000, 1)], "uid_map", "through newuidmap"),
        ([(0, 1000, 2)], [(0, 1000, 1)], "uid_map", "1000 and 100000 to 165535"),
        ([(0, 1000, 1)], [(0, 99999, 2)], "gid_map", "through newgidmap"),
    ],
)
def test_a_map_beyond_the_ranges_is_refused_with_what_is_allowed(
    lines: list[Any], gid: list[Any], step: str, said: str
) -> None:
    """The kernel's EPERM at the map, with its rule, the line and the alternative."""
    error = there(place(), alice.ask_for_custom_maps, lines, gid)
    assert (error["step"], error["errno"]) == (step, errno.EPERM)
    assert said in error["detail"]
    assert f"CAP_SET{step[:3].upper()}" in error["text"]


def test_the_garden_map_is_refused_with_the_rule_and_the_alternative() -> None:
    """Its IDs are other users': EPERM at uid_map, and what to use instead."""
    error = there(place(), alice.ask_for_garden)
    assert (error["step"], error["errno"]) == ("uid_map", errno.EPERM)
    assert 'id_map="rootless"' in error["hint"]
    assert "line 2 (1 1 65534) is not allowed" in error["detail"]
    assert "100000 to 165535 through newuidmap" in error["detail"]


def test_a_map_that_takes_a_missing_helper_can_be_planned() -> None:
    """A plan may be looked at anywhere: it says that the kernel will refuse it, and why."""
    where = place(hidden=("/usr/bin/newgidmap",))
    [note] = there(where, alice.plan_notes, [(0, 100000, 5)])
    assert "takes newuidmap and newgidmap: newgidmap is not installed" in note
    error = there(where, alice.ask_for_custom_maps, [(0, 100000, 5)], [(0, 100000, 5)])
    assert (error["step"], error["errno"]) == ("uid_map", errno.EPERM)


# -- step by step --------------------------------------------------------------------


def test_step_has_the_same_stops() -> None:
    """uid_map: newuidmap has run; gid_map: newgidmap has."""
    full = "0 1000 1 1 100000 65536"
    assert there(place(), alice.stop_everywhere) == [
        ("cloned", "", "", "allow"),
        ("uid_map", full, "", "allow"),
        ("setgroups", full, "", "allow"),
        ("gid_map", full, full, "allow"),
        ("released", full, full, "allow"),
        ("exec'd", full, full, "allow"),
    ]


def test_the_timeline_tells_who_wrote_the_maps() -> None:
    """Two steps of their own, in their place, with how long they took."""
    steps = there(place(), alice.time_a_start)
    names = [name for name, *_ in steps]
    assert names[names.index("proc") : names.index("release") + 1] == [
        "proc", "newuidmap", "setgroups", "newgidmap", "release",
    ]  # fmt: skip
    for name, by, syscall, duration, number in steps:
        if name.startswith("new"):
            assert (by, syscall, number) == ("parent", "clone,execve,waitid", 0)
            assert 100 < duration < 5e6


# -- failures ------------------------------------------------------------------------


GARBAGE = "#!/bin/sh\nprintf 'no \\377 way'; head -c 100000 /dev/zero | tr '\\0' x >&2; exit 3\n"


@pytest.mark.parametrize("helper", ["newuidmap", "newgidmap"])
@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("#!/bin/sh\necho 'range not allowed' >&2; exit 1\n", "which says: range not allowed"),
        ("#!/bin/sh\nprintf 'no \\377 way' >&2; exit 1\n", r"no \xff way"),
        ("#!/bin/sh\nexit 7\n", "it ended with exit status 7 and said nothing"),
        ("#!/bin/sh\nkill -TERM $$\n", "it was killed by Terminated"),
        ("#!/no/such/interpreter\n", "it could not be started: No such file or directory"),
        (GARBAGE, "xxxxx…"),
    ],
)
def test_a_failing_helper_is_quoted(helper: str, script: str, said: str) -> None:
    """Step, errno and its own words, bounded and readable; the child is gone."""
    error = there(place(programs={helper: script}), alice.be_failed)
    expected = errno.ENOENT if "interpreter" in script else errno.EPERM
    assert (error["step"], error["errno"]) == (helper, expected)
    assert said in error["detail"]
    assert len(error["detail"]) < 700
    if "not allowed" in said:
        assert "/etc/sub" + helper[3:6] in error["hint"]


def test_newuidmaps_own_refusal_is_told_with_its_rule() -> None:
    """The real one, asked for what is not ours (a command need not come from a plan)."""
    step, text, last = there(place(), alice.ask_for_others_ids)
    assert step == "newuidmap"
    assert "uid range [0-5) -> [5-10) not allowed" in text
    assert "each line's IDs outside must lie in the ranges that /etc/subuid gives" in text
    assert last == [("newuidmap", errno.EPERM)]


HANGS = "#!/bin/sh\nsleep 60\n"


def test_a_helper_that_does_not_end_is_ended() -> None:
    """With all its own children; the error says after which time."""
    error = there(place(programs={"newgidmap": HANGS}), alice.wait_in_vain)
    assert (error["step"], error["errno"]) == ("newgidmap", errno.ETIMEDOUT)
    assert "it did not end within 0.3 s" in error["detail"]


def test_an_interrupt_in_the_middle_leaves_nothing() -> None:
    """Ctrl-C while newuidmap runs: it, its children and the waiting child are gone."""
    hangs = f"sleep 54321.{os.getpid()}"  # others may run this test beside us
    programs = {"newuidmap": f"#!/bin/sh\nexec {hangs}\n"}
    assert there(place(programs=programs), alice.be_interrupted, hangs)


@pytest.mark.parametrize("programs", [{}, {"newuidmap": SCRIPT}, {"newgidmap": SCRIPT}])
def test_a_child_that_was_killed_is_not_blamed_on_the_helpers(programs: dict[str, str]) -> None:
    """Whether or not they fail too, at a process that is gone: that is not the reason."""
    step, text = there(place(programs=programs), alice.lose_the_child)
    assert step == "wait"
    assert "killed by signal 9" in text


# -- threads -------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 4])
def test_threads_may_start_at_once(count: int) -> None:
    """From another thread than the main one, and several at the same time."""
    assert there(place(), alice.start_in_threads, count) == [(FULL, FULL, "allow", ())] * count


def test_beside_a_waiting_root_of_another_id_no_map_can_be_written() -> None:
    """Its setuid makes our memory, which it shares, non-dumpable: our /proc files are root's.

    That is the guard that keeps it from being traced into us, and it stands until its execve.
    """
    [(step, number)], uid_map = there(place(), alice.start_beside_another_root)
    assert step in ("newuidmap", "setgroups")
    assert number in (errno.EACCES, errno.EPERM)
    assert uid_map == FULL


def test_among_roots_of_another_id_that_do_not_wait_every_start_succeeds() -> None:
    """Between their setuid and execve our maps cannot be written; a start waits that moment."""
    assert there(place(), alice.start_among_other_roots, 150) == []


# -- the files as values -------------------------------------------------------------


def test_a_file_says_what_is_wrong_with_each_line(tmp_path: Path) -> None:
    """File, line number, text and reason, as data; the others count."""
    lines = {
        "alice": "it is not OWNER:START:COUNT",
        "alice:1:2:3": "it is not OWNER:START:COUNT",
        ":1:2": "the owner is missing",
        "alice::2": "the start is no decimal number",
        "alice:1:0x10": "the count is no decimal number",
        "alice:010:2": "the start begins with 0, which newuidmap takes for an octal number",
        "alice:1:٣": "the count is no decimal number",
        "alice:1:10000000000000000000000": "the count is no 32-bit number",
        "alice:1:0": "it has no ID: the count is 0",
        "alice:4294967295:1": "it runs to 4294967295, past 4294967294, the last valid ID",
        "a" * 1024 + ":1:2": "the line has more than 1023 bytes",
        "\udcff\udcfe": "it is not OWNER:START:COUNT",
    }
    path = tmp_path / "subuid"
    path.write_bytes(b"ok:0:1\n\n# no line\n" + "\n".join(lines).encode(errors="surrogateescape"))
    found = subids.read(str(path))
    assert found.ranges == (SubIDRange("ok", 0, 1),)
    assert [(p.file, p.line, p.why) for p in found.problems] == [
        (str(path), number, why) for number, why in enumerate(lines.values(), 4)
    ]
    assert [p.text for p in found.problems] == [line[:200] for line in lines]


def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    """The same value until then; a missing or unreadable file is data, too."""
    path = tmp_path / "subuid"
    assert subids.read(str(path)).unreadable == "No such file or directory"
    path.write_text("alice:1:2\n")
    first = subids.read(str(path))
    assert subids.read(str(path)) is first
    path.write_text("alice:1:20\n")
    assert subids.read(str(path)).ranges == (SubIDRange("alice", 1, 20),)
    path.unlink()
    path.mkdir()
    assert subids.read(str(path)).unreadable == "Is a directory"


RANGES = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=6)


@given(st.tuples(st.integers(0, 60), st.integers(1, 40)), RANGES)
def test_taking_ranges_out_of_a_range_is_taking_ids_out_of_a_set(
    whole: tuple[int, int], taken: list[tuple[int, int]]
) -> None:
    """What is left is exactly the rest, in order, in pieces that do not overlap."""
    left = subids.without(SubIDRange("", *whole), [SubIDRange("", *one) for one in taken])
    numbers = [number for part in left for number in range(part.start, part.end)]
    gone = {number for start, count in taken for number in range(start, start + count)}
    assert numbers == [n for n in range(whole[0], sum(whole)) if n not in gone]


@given(RANGES)
def test_no_id_of_a_user_comes_twice(lines: list[tuple[int, int]]) -> None:
    """However the lines of the file overlap, each ID that they give is there once."""
    text = "".join(f"alice:{start}:{count}\nbob:{start}:{count}\n" for start, count in lines)
    found = subids.parse(text, "subuid").of(["alice", "1000"])
    numbers = [number for part in found for number in range(part.start, part.end)]
    assert len(numbers) == len(set(numbers))
    assert set(numbers) == {n for start, count in lines for n in range(start, start + count)}

"""Values show themselves as text, HTML and SVG: complete, bounded and harmless."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any, ClassVar
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsexplore.capabilities import Capabilities, CapabilitySet
from nsexplore.command import Command, Credential
from nsexplore.execer import NamespacingExecer
from nsexplore.flags import CloneFlags
from nsexplore.idmap import IDMap, IDMapping
from nsexplore.kinds import KINDS
from nsexplore.pictures import html, id_map_svg, mimebundle, text
from nsexplore.pictures._escape import shell, visible
from nsexplore.process import Completed, Process
from nsexplore.stepping import Step
from nsexplore.timeline import Timeline, TimelineStep
from nsexplore.views import Credentials, Namespace, NamespaceID, ProcessView

REAL_ROOT = "root inside is this machine's real root"
EVIL = "<script>alert(1)</script>\x1b[31m\u202e\udcff\x00\"'&"


def ids(number: int) -> Credentials:
    """Return credentials that are one number throughout."""
    return Credentials(number, number, number, number, number, number, number, number)


GARDEN = IDMap.garden(65535)
COMMAND = Command(
    "/bin/sh",
    ("/bin/sh", "-c", "id; sleep 60"),
    clone_flags=CloneFlags.garden(privileged=False),
    uid_mappings=GARDEN,
    gid_mappings=GARDEN,
    gid_mappings_enable_setgroups=True,
    credential=Credential(),
    extra_files=(11, 12),
    propagation="private",
)
PRIVILEGED = Command("/bin/true", ("true",), clone_flags=CloneFlags.garden(privileged=True))
OWNER = NamespaceID(4, 4026532180)
NAMESPACES = {
    kind.name: Namespace(kind.name, 4, 4026532180 + n, owner=OWNER) for n, kind in enumerate(KINDS)
}
FULL = CapabilitySet(2**41 - 1)
CAPABILITIES = Capabilities(CapabilitySet(0), FULL, FULL, CapabilitySet(1 << 21), CapabilitySet(0))
VIEW = ProcessView(
    pid=4711,
    moment="birth",
    comm="sh",
    cmdline=("/bin/sh", "-c", "id"),
    state="S (sleeping)",
    ppid=4000,
    nspid=(4711, 1),
    namespaces=NAMESPACES,
    uid_map=GARDEN,
    gid_map=GARDEN,
    setgroups="allow",
    credentials=ids(65535),
    inside=ids(0),
    capabilities=CAPABILITIES,
    no_new_privs=False,
    seccomp=2,
    unreadable={},
)
STEPS = Timeline(
    (
        TimelineStep("clone", "clone", "parent", 0.0, 412.0),
        TimelineStep("uid_map", "openat,write,close", "parent", 413.0, 24.0),
        TimelineStep("execve", "execve", "child", 440.0, 147.0),
    )
)
FAILED = Timeline((STEPS[0], replace(STEPS[1], errno=1)))
DONE = Completed(COMMAND, 0, "uid=0(root)\n", "", VIEW, STEPS)
PROCESS = Process(COMMAND, 4711, birth=VIEW)
PROCESS.timeline = STEPS
PROCESS.returncode = None  # as one that runs


class Stopped(Step):
    """A step without a process."""

    states: ClassVar = ("cloned", "uid_map", "setgroups", "gid_map", "released", "exec'd")
    timeline = STEPS

    def __init__(self, state: str, seen: ProcessView | None = VIEW) -> None:
        self.command = COMMAND
        self.state = state
        self.seen = seen

    def view(self) -> ProcessView:
        if self.seen is None:
            raise ProcessLookupError(3, "the process of this step has ended")
        return self.seen


VALUES: dict[str, Any] = {
    "flags": COMMAND.clone_flags,
    "kind": KINDS[0],
    "line": GARDEN[1],
    "credentials": ids(65535),
    "identity": OWNER,
    "capability set": FULL,
    "no capability": CapabilitySet(0),
    "command": COMMAND,
    "executer": NamespacingExecer(max_uid=33),
    "privileged": PRIVILEGED,
    "map": GARDEN,
    "view": VIEW,
    "namespace": NAMESPACES["net"],
    "capabilities": CAPABILITIES,
    "timeline": STEPS,
    "failed": FAILED,
    "process": PROCESS,
    "completed": DONE,
    "step": Stopped("uid_map"),
}
every_value = pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)


class Reader(HTMLParser):
    """Checks that elements nest, and keeps text, elements and attributes."""

    VOID: ClassVar = {"br", "hr", "img", "input"}

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


# -- every value ----------------------------------------------------------------


@every_value
def test_every_value_shows_itself_as_text_and_html(value: Any) -> None:
    """The bundle has both, each what `text` and `html` return."""
    bundle = value._repr_mimebundle_()
    assert bundle == mimebundle(value) == {"text/plain": text(value), "text/html": html(value)}
    assert bundle["text/plain"].strip() == bundle["text/plain"]


@every_value
def test_html_nests_and_needs_neither_script_nor_network(value: Any) -> None:
    """It works in a static page, and its style sheet scopes itself."""
    page = Reader(html(value))
    names = {name for name, _ in page.elements}
    assert names.isdisjoint({"script", "link", "img", "iframe", "object", "h1", "h2", "h3", "h4"})
    for _, attributes in page.elements:
        assert not any(name.startswith("on") or name in {"src", "href"} for name in attributes)
    css = re.search("<style>(.*)</style>", html(value), re.DOTALL)
    assert css is not None
    assert "@import" not in css[1]
    assert "url(" not in css[1]
    for selectors in re.findall(r"([^{}]+)\{", css[1]):
        if not selectors.strip().startswith("@"):
            assert all(s.strip().startswith(".nsx") for s in selectors.split(","))


@every_value
def test_tables_have_a_caption_and_scoped_headings(value: Any) -> None:
    """Screen readers know what a cell belongs to; an SVG has a name."""
    page = Reader(html(value))
    tables = [a for name, a in page.elements if name == "table"]
    captions = [a for name, a in page.elements if name == "caption"]
    assert len(tables) == len(captions)
    for name, attributes in page.elements:
        if name == "th":
            assert attributes["scope"] in {"row", "col"}
        if name == "svg":
            assert attributes["role"] == "img"
            assert attributes["aria-label"]


@every_value
def test_text_is_plain(value: Any) -> None:
    """No colours, no trailing blanks."""
    assert all(c.isprintable() or c == "\n" for c in text(value))
    assert all(line == line.rstrip() for line in text(value).splitlines())


def test_a_subclass_is_drawn_as_what_it_derives_from() -> None:
    """Known by its classes."""

    class Mine(IDMap):
        pass

    assert text(Mine.garden(33)) == text(IDMap.garden(33))


def test_a_strangers_class_of_the_same_name_has_no_picture() -> None:
    """Somebody's own Process is not ours."""
    for name in ("Process", "Step", "Command"):
        with pytest.raises(TypeError, match=f"'{name}' has no picture"):
            text(type(name, (), {})())


@pytest.mark.parametrize("stranger", [1, "text", None, object()])
def test_what_has_no_picture_is_refused_by_name(stranger: object) -> None:
    """TypeError lists what there is."""
    for function in (text, html, mimebundle):
        with pytest.raises(TypeError, match=f"'{type(stranger).__name__}' has no picture.*IDMap"):
            function(stranger)
    with pytest.raises(TypeError, match="give an IDMap"):
        id_map_svg(stranger)  # type: ignore[arg-type]


# -- commands -------------------------------------------------------------------


def test_a_command_shows_its_flags_in_words_and_as_a_number() -> None:
    """New kinds have a sign, the others a dashed outline: colour never says it alone."""
    assert text(COMMAND).splitlines()[0] == (
        "clone(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC"
        " | CLONE_NEWUTS) = 0x7c020000"
    )
    page = Reader(html(COMMAND)).text
    assert page.count("✓ CLONE_NEW") == 6
    assert "✓ CLONE_NEWTIME" not in page
    assert html(COMMAND).count('class="nsx-k nsx-off"') == 2
    assert "0x7c020000" in page


def test_a_command_shows_how_it_will_be_started() -> None:
    """Arguments as in a shell, streams, files, credential and mounts."""
    for shown in (text(COMMAND), Reader(html(COMMAND)).text):
        for words in (
            "/bin/sh -c 'id; sleep 60'",
            "/dev/null",
            "fd 3 ← 11, fd 4 ← 12",
            "0:0 inside",
            "propagation private",
            "it ends with this process",
        ):
            assert words in shown


def test_equal_maps_are_shown_once_and_different_ones_twice() -> None:
    """And setgroups is told with them."""
    same = "ID map (the same for users and groups; setgroups allowed)"
    two = replace(COMMAND, gid_mappings=IDMap.rootless(7), gid_mappings_enable_setgroups=False)
    for show in (text, html):
        assert show(COMMAND).count("ID map (") == show(COMMAND).count(same) == 1
        assert "ID map of users" in show(two)
        assert "ID map of groups; setgroups denied" in show(two)


def test_privileged_says_in_those_words_whose_root_it_is() -> None:
    """Wherever a privileged command is shown, as text and as HTML; nowhere else."""
    privileged = [
        PRIVILEGED,
        Process(PRIVILEGED, 1, birth=VIEW),
        Completed(PRIVILEGED, 0, "", "", VIEW, STEPS),
    ]
    for value in privileged:
        assert REAL_ROOT in text(value)
        assert REAL_ROOT in Reader(html(value)).text
    for value in (COMMAND, PROCESS, DONE):
        assert REAL_ROOT not in text(value)
        assert REAL_ROOT not in Reader(html(value)).text


def test_a_failed_lookup_comes_first() -> None:
    """A plan that cannot be started says so before all else."""
    broken = replace(COMMAND, lookup_error='exec: "x": executable file not found in $PATH')
    assert text(broken).startswith('CANNOT START: exec: "x": executable file not found in $PATH')
    words = Reader(html(broken)).text
    assert words.index("Cannot start:") < words.index("clone(")


def test_the_environment_is_shown_by_name_only() -> None:
    """Values are where the passwords are."""
    secret = replace(COMMAND, env={"TOKEN": "hunter2", "HOME": "/root"})
    for shown in (text(secret), html(secret)):
        assert "2 variables: TOKEN, HOME" in shown
        assert "hunter2" not in shown


# -- what plans commands --------------------------------------------------------


def test_an_executer_shows_what_every_command_of_it_gets() -> None:
    """Flags, maps, mounts, lifetime and files; nothing of one single command."""
    executer = NamespacingExecer(max_uid=65535, mount_proc=True, detached=True, extra_files=[1])
    for shown in (text(executer), Reader(html(executer)).text):
        for words in (
            "what every command of it gets",
            "0x7c020000",
            "root inside is host 65535",
            "propagation private; a fresh /proc inside",
            "it may outlive this process",
            "fd 3 ← 1",
        ):
            assert words in shown
        for words in ("program", "arguments", "true", "stdin", REAL_ROOT):
            assert words not in shown
    privileged = NamespacingExecer(privileged=True)
    assert REAL_ROOT in text(privileged)
    assert REAL_ROOT in Reader(html(privileged)).text


def test_an_executer_is_shown_where_there_is_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was not asked for one."""
    executer = NamespacingExecer(max_uid=33)
    before = text(executer), html(executer)
    monkeypatch.setenv("PATH", "")
    assert (text(executer), html(executer)) == before


@pytest.mark.parametrize("flags", [CloneFlags.NEWNS, CloneFlags.NEWUSER | CloneFlags.NEWNS])
def test_an_executer_that_cannot_plan_says_why(flags: CloneFlags) -> None:
    """A file that has been closed since; whose root it would be is said all the same."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as file:
        os.close(reading)
        executer = NamespacingExecer(extra_files=[file], clone_flags=flags)
    with pytest.raises(ValueError, match="extra_files") as refused:
        executer.plan("true")
    for shown in (text(executer), Reader(html(executer)).text):
        assert str(refused.value) in shown
        assert f"{flags:#010x}" in shown
        assert (REAL_ROOT in shown) == (CloneFlags.NEWUSER not in flags)


# -- small values -----------------------------------------------------------------


def test_flags_look_as_in_a_command_and_keep_other_bits() -> None:
    """The line of clone, and what is no namespace flag as a number."""
    assert text(COMMAND.clone_flags) == text(COMMAND).splitlines()[0]
    assert text(CloneFlags(0)) == "clone(0) = 0x00000000"
    odd = CloneFlags(CloneFlags.NEWNET | 0x100)
    assert text(odd) == "clone(CLONE_NEWNET | 0x100) = 0x40000100"
    assert "0x100 " in Reader(html(odd)).text


def test_a_kind_shows_its_flag_and_what_it_isolates() -> None:
    """As text; the page has its badge besides."""
    kind = next(kind for kind in KINDS if kind.name == "net")
    assert text(kind).splitlines() == [
        "net",
        "  flag      CLONE_NEWNET = 0x40000000",
        "  isolates  network devices, stacks, ports",
        "  since     Linux 2.6.29",
        "  man       network_namespaces(7)",
    ]
    assert f"--nsx-c:{kind.colour}" in html(kind)


def test_a_line_of_a_map_is_shown_as_the_map_that_it_is() -> None:
    """With its ribbon; `str` stays what one writes to /proc."""
    line = IDMapping(0, 100000, 65536)
    assert text(line) == text(IDMap([line]))
    assert html(line).count("<svg") == 1
    assert str(line) == "0 100000 65536"


def test_ids_are_shown_together_where_they_are_alike() -> None:
    """One row for four equal IDs, else a row each."""
    mixed = replace(ids(7), euid=0, groups=(4, 24))
    assert [line.split(maxsplit=1) for line in text(mixed).splitlines()[1:]] == [
        ["uid", "7"],
        ["euid", "0"],
        ["suid", "7"],
        ["fsuid", "7"],
        ["gid", "7"],
        ["groups", "4, 24"],
    ]
    assert html(mixed).count("<tr>") == 6


def test_a_capability_set_is_counted_and_named() -> None:
    """However many bits somebody sets."""
    assert text(CapabilitySet(0)) == "no capabilities"
    assert text(CapabilitySet(1 << 21)) == "1 capability\n  CAP_SYS_ADMIN"
    assert text(FULL).startswith("41 capabilities\n  CAP_CHOWN, CAP_DAC_OVERRIDE")
    many = CapabilitySet(2**4000 - 1)
    for shown in (text(many), html(many)):
        assert "… +3936" in shown
        assert len(shown) < 20_000


def test_an_identity_shows_both_numbers() -> None:
    """Never the inode alone."""
    assert text(OWNER) == "namespace on device 4, inode 4026532180"
    assert "4026532180" in Reader(html(OWNER)).text


# -- ID maps --------------------------------------------------------------------

MAPS = {
    "garden 2": IDMap.garden(2),
    "garden 33": IDMap.garden(33),
    "garden 65535": GARDEN,
    "garden max": IDMap.garden(4294967294),
    "rootless": IDMap.rootless(1000),
    "shifted": IDMap([(0, 100000, 65536)]),
    "subuid": IDMap([(0, 1000, 1), (1, 100000, 65536)]),
    "twenty": IDMap([(n * 977, 10**6 + n * 31337, 1 + n * 13) for n in range(20)]),
    "longest": IDMap([(n * 100, n * 100 + 7, 50) for n in range(340)]),
    "too long": IDMap([(n * 100, n * 100 + 7, 50) for n in range(1000)]),
    "full": IDMap([(0, 0, 4294967295)]),
    "far": IDMap([(4294967294, 0, 1), (0, 4294967294, 1)]),
    "elsewhere": IDMap([(0, 4294967295, 1), (1, 1, 10)]),
    "size 0": IDMap([(0, 1, 0)]),
    "past the end": IDMap([(4294967290, 4294967290, 100)]),
    "empty": IDMap(),
}
every_map = pytest.mark.parametrize("idmap", MAPS.values(), ids=MAPS)


def boxes(svg: str) -> list[tuple[str, float, float, float, float]]:
    """Return each text of a picture with the box it takes, in a wide typeface."""
    found = []
    for node in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"):
        words = "".join(node.itertext())
        x, y = float(node.get("x", "")), float(node.get("y", ""))
        width = 6.7 * len(words)
        left = x - width / 2 if node.get("text-anchor") == "middle" else x
        found.append((words, left, left + width, y - 8, y + 2))
    return found


@every_map
def test_labels_of_a_ribbon_are_never_cut_and_never_overlap(idmap: IDMap) -> None:
    """However many lines a map has."""
    svg = id_map_svg(idmap)
    _, _, width, height = map(float, ElementTree.fromstring(svg).get("viewBox", "").split())
    found = boxes(svg)
    assert 4 <= len(found) <= 40
    for n, (words, left, right, top, bottom) in enumerate(found):
        assert left >= 0, words
        assert right <= width, words
        assert top >= 0, words
        assert bottom <= height, words
        for other, a, b, c, d in found[n + 1 :]:
            assert not (left < b and a < right and top < d and c < bottom), (words, other)


@every_map
def test_a_ribbon_is_bounded_and_stays_inside_its_frame(idmap: IDMap) -> None:
    """At most 340 lines and the one of root are drawn, none thinner than one can see."""
    root = ElementTree.fromstring(id_map_svg(idmap))
    width = float(root.get("viewBox", "").split()[2])
    ribbons = [e for e in root.iter() if str(e.get("class")).startswith("nsx-") and e is not root]
    assert len(ribbons) <= 341
    for ribbon in ribbons:
        points = re.findall(r"[MCL ]([\d.]+) ", ribbon.get("d", ""))
        assert points
        assert all(0 <= float(x) <= width for x in points)
        assert ribbon.get("stroke-width") is None or float(ribbon.get("stroke-width", "")) >= 0.9


def test_a_map_says_where_root_lands_and_who_stays() -> None:
    """On the ribbons as in the text."""
    for shown in (text(GARDEN), id_map_svg(GARDEN), html(GARDEN)):
        assert "root inside is host 65535" in shown
        assert "1…65534 stay themselves" in shown
    assert "0…65535 are host 100000…165535" in id_map_svg(MAPS["shifted"])
    assert "root inside is root outside" in id_map_svg(MAPS["full"])
    assert "root inside has no number here" in id_map_svg(MAPS["elsewhere"])
    assert "no ID is mapped: every one shows as 65534" in id_map_svg(MAPS["empty"])
    assert "19 ranges of 14 to 248 IDs" in id_map_svg(MAPS["twenty"])


def test_the_text_of_a_map_is_a_labelled_table_and_its_str_the_kernels() -> None:
    """`str` stays what /proc prints."""
    assert text(IDMap.garden(33)).splitlines() == [
        "ID map, 2 lines",
        "  container_id  host_id  size",
        "             0       33     1",
        "             1        1    32",
        "  root inside is host 33",
        "  1…32 stay themselves",
        "  any other ID has no mapping and shows as 65534",
    ]
    assert (
        str(IDMap.garden(33))
        == "         0         33          1\n         1          1         32\n"
    )


@every_map
def test_a_map_of_any_length_is_shown_in_bounded_size(idmap: IDMap) -> None:
    """What is left out is counted, and where to find it is said."""
    assert len(text(idmap).splitlines()) < 32
    assert len(html(idmap)) < 150_000
    if len(idmap) > 20:
        assert f"{len(idmap) - 20} more lines, all in id_map_frame()" in text(idmap)
        assert f"{len(idmap) - 20} more lines, all in id_map_frame()" in html(idmap)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(0, 2**32 - 1)] * 3), max_size=8).map(IDMap),
)
def test_any_map_at_all_can_be_drawn(idmap: IDMap) -> None:
    """Those that the kernel would refuse, too: they are shown before they are judged."""
    assert len(boxes(id_map_svg(idmap))) >= 4
    assert text(idmap)
    assert Reader(html(idmap)).elements


# -- processes ------------------------------------------------------------------


def test_a_view_shows_everything_that_was_read() -> None:
    """Header, namespaces with owners, credentials on both sides, maps, capabilities."""
    for shown in (text(VIEW), Reader(html(VIEW)).text):
        for words in (
            "process 4711 (sh) · S (sleeping) · 1 inside",
            "just before execve",
            "net:[4026532183]",
            "user:[4026532180]",
            "65535",
            "root inside is host 65535",
            "all 41",
            "CAP_SYS_ADMIN",
            "no_new_privs",
            "filter",
        ):
            assert words in shown


def test_a_view_without_rights_says_what_it_could_not_read_and_why() -> None:
    """Nothing missing is passed over in silence."""
    blind = replace(
        VIEW,
        moment="now",
        namespaces={},
        uid_map=None,
        gid_map=None,
        credentials=None,
        inside=None,
        capabilities=None,
        no_new_privs=None,
        seccomp=None,
        unreadable={"ns/net": "EACCES: Permission denied"},
    )
    for shown in (text(blind), Reader(html(blind)).text):
        assert "not readable" in shown
        assert "ns/net" in shown
        assert "EACCES: Permission denied" in shown
        assert "none could be read" in shown


def test_what_could_not_be_read_for_the_same_reason_is_one_row() -> None:
    """All eight links together have a name of their own."""
    denied, gone = "EACCES: Permission denied", "ENOENT: No such file or directory"
    links = {f"ns/{kind.name}": denied for kind in KINDS}
    blind = replace(VIEW, unreadable={**links, "setgroups": gone, "uid_map": denied})
    rows = [f"ns/* (all eight), uid_map  {denied}", f"setgroups                  {gone}"]
    assert text(blind).splitlines()[-3:] == ["not readable", *(f"  {row}" for row in rows)]
    assert html(blind).count(denied) == html(blind).count(gone) == 1
    del links["ns/net"]
    assert "ns/user, ns/pid, ns/mnt, ns/ipc" in text(replace(VIEW, unreadable=links))


def test_65534_is_explained_where_an_id_shows_as_that() -> None:
    """Before the map is written everybody is nobody."""
    unmapped = replace(VIEW, uid_map=IDMap(), gid_map=IDMap(), inside=ids(65534), moment="step")
    why = "65534 (nobody) stands for an ID that the map does not name"
    assert why in text(unmapped)
    assert why in html(unmapped)
    assert why not in text(VIEW)


def test_a_timeline_shows_who_did_what_and_for_how_long() -> None:
    """In the order in which it happened, with the system calls."""
    assert text(STEPS).splitlines() == [
        "timeline · 0.59 ms to execve",
        "  step     by         start  duration  result  system calls",
        "  clone    parent    0.0 µs  412.0 µs  ok      clone",
        "  uid_map  parent  413.0 µs   24.0 µs  ok      openat, write, close",
        "  execve   child   440.0 µs  147.0 µs  ok      execve",
        "  the parent's steps, then the child's; both work at the same time",
    ]
    assert "both work at the same time" in html(STEPS)
    for alone in (FAILED, Timeline(())):
        assert "at the same time" not in text(alone) + html(alone)
    assert html(STEPS).count('class="nsx-bar') == 3


def test_a_failed_step_has_the_errno_by_name() -> None:
    """With a sign, not by colour alone."""
    assert "uid_map failed after" in text(FAILED)
    assert "EPERM: " in text(FAILED)
    assert "✗ EPERM: " in html(FAILED)
    assert text(Timeline(())) == "timeline · no step was recorded"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exit status 0"),
        (3, "exit status 3"),
        (-9, "killed by SIGKILL (signal 9)"),
        (-15, "killed by SIGTERM (signal 15)"),
        (-99, "killed by signal 99"),
    ],
)
def test_an_exit_status_is_put_into_words(code: int, words: str) -> None:
    """Signals by name."""
    ended = Process(COMMAND, 4711, birth=VIEW)
    ended.returncode = code
    assert text(replace(DONE, returncode=code)).splitlines()[0] == words
    assert words in Reader(html(replace(DONE, returncode=code))).text
    assert f"process 4711 · ended: {words}" in text(ended)


def test_output_keeps_its_lines_and_is_cut_with_a_note() -> None:
    """About 4 KiB of each stream; the rest is counted."""
    noisy = replace(DONE, stdout="one\n\ttwo\r\n", stderr="x" * 5000)
    assert "\n  one\n  \ttwo\\r\n" in text(noisy)
    assert '<pre class="nsx-pre">one\n\ttwo\\r\n</pre>' in html(noisy)
    for shown in (text(noisy), html(noisy)):
        assert "… 904 more characters in .stderr" in shown
        assert "x" * 4097 not in shown
    assert "stderr  (empty)" in text(DONE)


def test_a_running_process_says_so_and_what_is_new_for_it() -> None:
    """New and shared in words."""
    assert text(PROCESS).startswith("process 4711 · running\n  /bin/sh -c 'id; sleep 60'\n")
    assert "new     user pid mnt net ipc uts" in text(PROCESS)
    assert "shared  cgroup time" in text(PROCESS)
    words = Reader(html(PROCESS)).text
    assert words.count(" new ") == 6
    assert words.count(" shared ") == 2


def test_a_recorded_process_is_not_said_to_have_run() -> None:
    """A runner that only records makes processes that never were."""
    for shown in (text(Process(COMMAND, 1)), Reader(html(Process(COMMAND, 1))).text):
        assert "recorded only: nothing was started" in shown
        assert "exit status" not in shown


def test_a_step_shows_where_it_stands_and_survives_its_process() -> None:
    """A process that has ended is said to have, instead of failing to show."""
    assert "cloned > [uid_map] > setgroups" in text(Stopped("uid_map"))
    assert 'aria-current="step">uid_map<' in html(Stopped("uid_map"))
    for shown in (text(Stopped("ended", None)), html(Stopped("ended", None))):
        assert "no view: the process of this step has ended" in shown


# -- strings of others ----------------------------------------------------------


def hostile(s: str) -> list[Any]:
    """Return values that carry one string wherever another process chooses it."""
    view = replace(VIEW, comm=s, cmdline=(s, s), state=s, setgroups=s, unreadable={s: s, "b": s})
    command = replace(
        COMMAND,
        path=s,
        args=(s, s),
        cwd=s,
        env={s: s},
        lookup_error=s or None,
        gid_mappings=IDMap.rootless(1),
    )
    timeline = Timeline((TimelineStep(s, s, "parent", 0, 1), TimelineStep(s, s, "child", 1, 1, 5)))
    process = Process(command, 1, birth=view)
    process.timeline = timeline
    return [
        view,
        command,
        timeline,
        process,
        Completed(command, 1, s, s, view, timeline),
        Namespace(s, 1, 2, parent=OWNER),
        replace(VIEW, namespaces={**NAMESPACES, s: Namespace(s, 1, 2)}),
        Stopped(s, view),
    ]


def assert_harmless(value: Any, limit: int) -> None:
    plain, page = text(value), html(value)
    for shown in (plain, page):
        shown.encode()  # no lone surrogate is left
        assert all(c.isprintable() or c in "\n\t" for c in shown)
        assert len(shown) < limit
    assert not {"script", "img", "b1"} & {name for name, _ in Reader(page).elements}


@pytest.mark.parametrize(
    "evil",
    [EVIL, EVIL * 50_000, "\U000e0001\u2028\x85" * 9000, "'" * 99999, "\n" * 9000],
    ids=["short", "long", "wide", "quotes", "lines"],
)
def test_hostile_strings_are_shown_as_what_they_are(evil: str) -> None:
    """No markup, no terminal escape, no bidirectional override, and never without end."""
    for value in hostile(evil):
        assert_harmless(value, 300_000)
    assert "&lt;script&gt;" in html(replace(VIEW, comm=EVIL))
    assert r"\x1b[31m\u202e\udcff\x00" in text(replace(VIEW, comm=EVIL))


def test_no_string_makes_up_a_line_of_its_own() -> None:
    """Only an output has lines: a comm with a newline in it cannot fake a fact."""
    for plain, evil in zip(hostile("x"), hostile("\n"), strict=True):
        if not isinstance(plain, Completed):
            assert text(evil).count("\n") == text(plain).count("\n")


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=60))
def test_any_string_at_all_is_harmless(evil: str) -> None:
    """Surrogates and controls included."""
    for value in hostile(evil):
        assert_harmless(value, 120_000)


@settings(deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=())), st.integers(0, 40))
def test_visible_is_printable_bounded_and_leaves_plain_text_alone(s: str, limit: int) -> None:
    """Ten characters at most for one, and a count of what is left out."""
    shown = visible(s, limit)
    assert shown.isprintable()
    assert len(shown) <= 10 * limit + 24
    if s.isprintable() and len(s) <= limit:
        assert shown == s
    if len(s) > limit:
        assert shown.endswith(f"… +{len(s) - limit}")


@settings(deadline=None)
@given(st.lists(st.text(alphabet=st.characters(exclude_categories=()), max_size=30), max_size=30))
def test_an_argument_vector_is_printable_and_bounded(words: list[str]) -> None:
    """However many words and however long."""
    assert shell(words * 20, 200).isprintable()
    assert len(shell(words * 20, 200)) < 3000


def test_an_argument_vector_reads_as_in_a_shell() -> None:
    """Quoted where a shell needs it, counted where it is cut."""
    assert shell(["sh", "-c", "echo 'a b'\n"]) == "sh -c 'echo '\"'\"'a b'\"'\"'\\n'"
    assert shell(["x"] * 500, 10) == "x x x x x … +495 arguments"

"""The explorer's widgets over its model, without a browser: a widget's trait is a click."""

from __future__ import annotations

import asyncio
import gc
import html
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import ipywidgets as w
import pytest
from conftest import children, eventually, open_descriptors
from drivers.whoever import OWN_MAP
from explorer_asking import controls_for, is_gone, shell
from ipywidgets.widgets.widget import _instances as open_widgets
from traitlets import TraitError

import nsexplore as nx
from nsexplore.errors import StartError
from nsexplore.kinds import KINDS
from nsexplore.pictures import text
from nsexplore.widgets import Explorer, explore
from nsexplore.widgets._native import Choosable, Line, Pointer, Range
from nsexplore.widgets.history import own_namespaces

pytestmark = pytest.mark.usefixtures("leaves_nothing", "no_widget_is_left")

SLIDER = "MaxUID, from 2 to 4294967294 on a log scale"

Widget = TypeVar("Widget", bound=w.Widget)


@pytest.fixture
def no_widget_is_left() -> Iterator[None]:
    """Fail a test that leaves a widget open: the browser would keep it, too."""
    before = set(open_widgets)
    yield
    assert set(open_widgets) <= before


@pytest.fixture
def x() -> Iterator[Explorer]:
    """An explorer with garden's map, shown."""
    explorer = explore(id_map="garden", max_uid=65535, command="true")
    assert explorer.widget is explorer.widget
    yield explorer
    explorer.close()


def parts(widget: w.Widget) -> Iterator[w.Widget]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from parts(child)


def is_shown(explorer: Explorer, widget: w.Widget) -> bool:
    """Return whether neither it nor anything around it is hidden."""

    def visible(around: w.Widget) -> Iterator[w.Widget]:
        if around.layout.display != "none":
            yield around
            for child in getattr(around, "children", ()):
                yield from visible(child)

    return widget in set(visible(explorer.widget))


def find(explorer: Explorer, kind: type[Widget], description: str = "") -> Widget:
    """Return the one widget of a kind with this label."""
    (found,) = (
        one
        for one in parts(explorer.widget)
        if isinstance(one, kind) and getattr(one, "description", "") == description
    )
    return found


def words(explorer: Explorer) -> str:
    """Return all text that is shown."""
    shown = [
        one.value
        for one in parts(explorer.widget)
        if isinstance(one, w.HTML) and is_shown(explorer, one) and "<style" not in one.value
    ]
    return html.unescape(re.sub(r"<[^>]*>", " ", "\n".join(shown)))


def sentence(explorer: Explorer) -> str:
    """Return the same in one line."""
    return " ".join(words(explorer).split())


def click(explorer: Explorer, name: str) -> None:
    button = find(explorer, w.Button, name)
    assert is_shown(explorer, button)
    assert not button.disabled
    button.click()


# -- controls -------------------------------------------------------------------------


def test_a_control_is_the_model_s_trait_and_back(x: Explorer) -> None:
    """Whoever changes which, both have it, and the plan is drawn anew."""
    find(x, w.Checkbox, "Privileged").value = True
    assert x.privileged
    assert not find(x, w.Checkbox, "● user").value
    assert "so root inside is this machine's real root" in words(x)
    assert "MaxUID, ID map: without a user namespace" in " ".join(words(x).split())
    x.privileged = False
    assert "so root inside is this machine's real root" not in words(x)
    assert not find(x, w.Checkbox, "Privileged").value
    find(x, w.Text, "Command").value = "/bin/echo 'two words'"
    assert x.plan.args == ("/bin/echo", "two words")
    find(x, w.Dropdown, "ID map").value = "rootless"
    assert x.id_map == "rootless"
    find(x, w.Checkbox, "Mount a fresh /proc").value = True
    assert x.mount_proc


def test_each_kind_has_a_toggle_in_its_colour(x: Explorer) -> None:
    """All eight of `KINDS`, and no other list of them."""
    for kind in KINDS:
        toggle = find(x, w.Checkbox, f"{kind.sign} {kind.name}")
        assert toggle.value is (kind.flag in x.namespaces)
        toggle.value = not toggle.value
        assert toggle.value is (kind.flag in x.namespaces)
        style = next(one.value for one in parts(x.widget) if "<style" in getattr(one, "value", ""))
        assert f".nsx-x-{kind.name}{{--nsx-c:{kind.colour}}}" in style
        assert f"nsx-x-{kind.name}" in toggle._dom_classes


@pytest.mark.parametrize("number", [2, 3, 65535, 65537, 4294967293, 4294967294])
def test_the_slider_follows_the_box_and_never_rounds_it(x: Explorer, number: int) -> None:
    """It stands at the nearest of its places, and says the exact number."""
    box, slider = find(x, w.IntText, "MaxUID"), find(x, Range, SLIDER)
    box.value = number
    assert x.max_uid == number
    assert 2 * 2 ** (slider.value / 16) == pytest.approx(number, rel=0.03)
    assert slider.words == str(number)


def test_the_slider_reaches_both_ends(x: Explorer) -> None:
    """Dragged to an end it is exactly that, and the table has it."""
    slider = find(x, Range, SLIDER)
    for place, end in ((slider.last, 4294967294), (0, 2)):
        slider.value = place
        assert slider.words == str(end)
        assert x.max_uid == find(x, w.IntText, "MaxUID").value == end
        assert f"root inside is host {end}" in words(x)


def test_an_illegal_value_explains_itself_and_run_is_off(x: Explorer) -> None:
    """In an alert beside the control; and back when it is mended."""
    find(x, w.IntText, "MaxUID").value = 1
    assert x.problems["max_uid"] in words(x)
    assert any('role="alert"' in getattr(one, "value", "") for one in parts(x.widget)
               if isinstance(one, w.HTML))  # fmt: skip
    assert find(x, w.Button, "Run").disabled
    assert find(x, w.Button, "Step").disabled
    assert "container_id" not in words(x)
    find(x, w.IntText, "MaxUID").value = 2
    assert not find(x, w.Button, "Run").disabled
    assert "max_uid=1" not in words(x)


def test_a_custom_map_begins_with_the_planned_one_and_marks_its_bad_row(x: Explorer) -> None:
    """Cells are the model's rows; a row can be added and removed."""
    find(x, w.Dropdown, "ID map").value = "custom"
    assert x.custom == ((0, 65535, 1), (1, 1, 65534))
    rows = [one for one in parts(x.widget) if "nsx-x-maprow" in one._dom_classes]
    assert [[c.value for c in row.children[:3]] for row in rows] == [
        ["0", "65535", "1"],
        ["1", "1", "65534"],
    ]
    rows[1].children[0].value = "0"
    assert x.marked == ("custom", 1)
    assert "nsx-x-marked" in rows[1]._dom_classes
    assert "nsx-x-marked" not in rows[0]._dom_classes
    assert x.problems["custom"] in words(x)
    rows[1].children[3].click()
    assert x.custom == (("0", "65535", "1"),)
    assert x.plan.uid_mappings.to_host(0) == 65535
    x.custom = "0 5 1\n1 6 2\n3 9 1"
    rows = [one for one in parts(x.widget) if "nsx-x-maprow" in one._dom_classes]
    assert [row.children[1].value for row in rows] == ["5", "6", "9"]


def test_groups_get_a_table_of_their_own(x: Explorer) -> None:
    """Which begins with the users'."""
    find(x, w.Dropdown, "ID map").value = "custom"
    find(x, w.Checkbox, "The same for groups").value = False
    assert x.custom_groups == x.custom
    assert "map of groups" in words(x)
    find(x, w.Checkbox, "The same for groups").value = True
    assert x.custom_groups is None
    assert "map of groups" not in words(x)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0 inside is host 65535 . Host 0 has no mapping and shows inside as 65534"),
        (7, "7 inside is host 7 . Host 7 shows inside as 7"),
        (65535, "65535 inside is nothing outside : no mapping"),
        (-1, "IDs are from 0 to 4294967294"),
    ],
)
def test_one_is_told_where_an_id_lands(x: Explorer, number: int, said: str) -> None:
    """Both ways, by the map that is planned."""
    find(x, w.IntText, "Where does ID").value = number
    assert said in sentence(x)


# -- runs -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x_", "y", "said"),
    [
        (0.13, 0.1, "At the pointer: 0 inside is host 65535"),
        (0.575, 0.9, "At the pointer: 65535 inside is nothing outside"),  # beside the line: hit
        (0.99, 0.1, "At the pointer: 4294967294 inside is nothing outside"),
    ],
)
def test_one_may_point_at_an_id(x: Explorer, x_: float, y: float, said: str) -> None:
    """In the picture's upper half it is one inside, else one outside; then what was typed again."""
    pointer = find(x, Pointer)
    heard = pointer._handle_custom_msg
    heard({"picture": 0, "x": x_, "y": y}, [])
    assert said in sentence(x)
    assert "land?" not in sentence(x)
    assert "nsx-mark" in pictures_of(x)
    heard({}, [])
    assert "land? 0 inside is host 65535" in sentence(x)


@pytest.mark.parametrize(
    "message",
    [None, [], {"picture": "0", "x": 0, "y": 0}, {"picture": 7, "x": 0.5, "y": 0.5}, {"x": 1}],
)
def test_what_points_nowhere_points_at_nothing(x: Explorer, message: Any) -> None:
    """A page may send anything: a picture that has gone, another form."""
    find(x, Pointer)._handle_custom_msg(message, [])
    assert "land? 0 inside is host 65535" in sentence(x)


def of(script: str, asked: dict[str, Any] = OWN_MAP) -> Explorer:
    return explore(**controls_for(script, asked))


def test_nothing_is_started_but_by_run_or_step(x: Explorer) -> None:
    """However many controls are turned."""
    x.privileged = True
    x.command = "/bin/sleep 60"
    x.namespaces = 0
    assert (x.process, x.state, x.history) == (None, "idle", ())
    assert "Nothing was started yet" in words(x)


def test_run_shows_output_namespaces_and_the_run() -> None:
    """What the program saw is what is shown, beside this process's own namespaces."""
    x = of("readlink /proc/self/ns/*; echo oops >&2")
    try:
        click(x, "Run")
        assert x.wait(10) == 0
        shown = words(x)
        for kind, own in own_namespaces().items():
            seen = x.view.namespaces[kind]
            assert f"{kind}:[{seen.id.ino}]" in shown
            assert f"[{own.ino}]" in shown
        assert "oops" in shown
        assert ("✓ new" in shown) == bool(x.asked.clone_flags)
        assert "exit status 0" in shown
        assert "timeline" in shown
    finally:
        x.close()


def test_output_streams_and_stop_ends_it() -> None:
    """Seen before the end; stdin gets there; Stop reaps."""

    async def cell() -> None:
        click(x, "Run")
        assert await comes(lambda: "ready" in words(x))
        stdin = find(x, Line, "stdin")
        assert not stdin.disabled
        stdin._handle_custom_msg({"line": "hello"}, [])
        assert await comes(lambda: "got hello" in words(x))
        assert await comes(lambda: "1 process inside" in words(x))
        pid = x.process.pid
        assert find(x, w.Button, "Run").disabled
        click(x, "Stop")
        assert await comes(lambda: x.state == "ended")
        assert is_gone(pid)
        assert "by Stop" in words(x)
        assert stdin.disabled
        assert not find(x, w.Button, "Run").disabled

    x = of("echo ready; read line; echo got $line; exec sleep 300")
    try:
        asyncio.run(cell())
    finally:
        x.close()


def test_a_line_that_is_not_taken_comes_back(x: Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody types it again; what is no line at all is left alone."""
    back: list[object] = []
    stdin = find(x, Line, "stdin")
    monkeypatch.setattr(stdin, "send", back.append)
    for said in ({"line": "early"}, {"line": 5}, {}, "line", None):
        stdin._handle_custom_msg(said, [])
    assert back == [{"refused": "early"}]
    assert x.problems["send"] == "nothing runs"


async def comes(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Return whether the condition comes true, while the loop goes on."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True


def test_step_walks_through_the_stops() -> None:
    """Each press is one stop, shown on the way; exec'd is a process that runs."""
    x = of("true")
    try:
        seen = []
        click(x, "Step")
        while x.state == "stepping":
            (here,) = re.findall(r'aria-current="step"[^>]*>([^<]*)<', pictures_of(x))
            seen.append(html.unescape(here))
            assert "namespaces, at a stop of its start" in words(x)
            click(x, "Step")
        assert (*seen, "exec'd") == x.stops
        x.wait(10)
        assert "exit status 0" in words(x)
        assert 'aria-current="step"' not in pictures_of(x)
    finally:
        x.close()


def pictures_of(x: Explorer) -> str:
    return "".join(o.value for o in parts(x.widget) if isinstance(o, w.HTML) and is_shown(x, o))


def test_hostile_output_is_text_and_bounded() -> None:
    """Markup, escapes, bytes that are no text, a line without end: the page has the end of it."""
    script = (
        r"printf '<script>alert(1)</script>\033[31m\377\n\tok\n';"
        " head -c 3000000 /dev/zero | tr '\\0' x; echo; echo '<img src=x>' the end"
    )
    x = of(script)
    try:
        click(x, "Run")
        assert x.wait(20) == 0
        out = pictures_of(x)
        assert "&lt;img src=x&gt; the end" in out
        assert "<img" not in out
        assert "<script" not in out
        assert max(len(o.value) for o in parts(x.widget) if isinstance(o, w.HTML)) < 100_000
        assert b"<script>alert(1)</script>\033[31m\377\n\tok\n" in x.read_output()
        x.command = shell(r"printf '<script>alert(1)</script>\033[31m\377\n\tok\n'")
        click(x, "Run")
        x.wait(10)
        out = pictures_of(x)
        assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[31m\ufffd\n\tok\n</pre>" in out
    finally:
        x.close()


def test_two_runs_are_compared_and_others_may_be_chosen() -> None:
    """The last two at first; what differs is marked, and may be all that is shown."""
    x = of("echo one")
    try:
        x.run()
        x.wait(10)
        assert not is_shown(x, find(x, w.Dropdown, "Compare"))
        x.command = shell("echo two")
        for _ in range(2):
            x.run()
            x.wait(10)
        assert "no difference" in words(x)
        find(x, w.Dropdown, "Compare").value = 1
        assert "differs" in words(x)
        assert "a fresh /proc" in words(x)
        find(x, w.Checkbox, "Only what differs").value = True
        assert "a fresh /proc" not in words(x)
        assert "stdout" in words(x)
    finally:
        x.close()


def test_a_failed_start_says_why_and_may_be_repeated() -> None:
    """The words are beside Run; nothing is left of it."""
    x = explore(command="/nowhere/at/all", **{k: v for k, v in controls_for("").items()
                                              if k != "command"})  # fmt: skip
    try:
        assert "Probably refused" in words(x)
        click(x, "Run")
        assert "no such file or directory" in words(x)
        assert "nothing was started" in words(x)
        assert not find(x, w.Button, "Run").disabled
    finally:
        x.close()


def test_look_shows_the_machine_and_who_is_in_a_namespace(x: Explorer) -> None:
    """Only when somebody looks; the event loop goes on meanwhile."""
    tree = find(x, Choosable)
    assert not is_shown(x, tree)
    assert tree.markup == ""

    async def cell() -> None:
        click(x, "Look")
        assert find(x, w.Button, "Look").disabled
        assert await comes(lambda: "below the user namespace" in tree.markup, 20)

    asyncio.run(cell())
    choice = find(x, w.Select, "Namespace")
    assert is_shown(x, choice)
    choice.value = own_namespaces()["uts"]
    assert re.search("process(es)? in it", words(x))
    assert f"[{own_namespaces()['uts'].ino}]" in words(x)
    find(x, w.Button, "Look").click()  # without a loop it is done at once
    assert choice.value == own_namespaces()["uts"]
    ours = {kind: f"{own.dev}:{own.ino}" for kind, own in own_namespaces().items()}
    assert tree.chosen == ours["uts"]
    for value in ours.values():
        assert tree.markup.count(f'<button type="button" value="{value}" aria-label="Who is') == 1
    tree.chosen = ours["net"]
    assert choice.value == own_namespaces()["net"]
    assert f"net:[{own_namespaces()['net'].ino}]" in words(x)


# -- as a whole -----------------------------------------------------------------------


def test_without_a_browser_it_shows_its_plan_and_its_last_run() -> None:
    """As text and as HTML, beside the widgets; problems, where there is no plan."""
    x = of("echo hello")
    try:
        bundle = x._repr_mimebundle_()
        assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == x.widget.model_id
        assert text(x.plan) in bundle["text/plain"]
        x.run()
        x.wait(10)
        for mime in ("text/plain", "text/html"):
            assert "hello" in x._repr_mimebundle_()[mime]
            assert "exit status 0" in x._repr_mimebundle_()[mime]
        x.id_map, x.max_uid = "garden", 1
        x.privileged = False
        for mime in ("text/plain", "text/html"):
            assert html.escape(x.problems["max_uid"]).replace("&#x27;", "'") in html.unescape(
                x._repr_mimebundle_()[mime]
            )
    finally:
        x.close()
    assert set(x._repr_mimebundle_()) == {"text/plain", "text/html"}


def test_ten_explorers_do_not_hear_each_other_and_leave_nothing() -> None:
    """Each shows its own; closed ones are gone, and are no burden to whoever keeps them."""
    before = len(open_widgets)
    all_of_them = [of(f"echo number-{n}-") for n in range(10)]
    for each in all_of_them:
        each._repr_mimebundle_()
    for n, each in enumerate(all_of_them):
        each.run()
        each.wait(10)
        each.command = f"/bin/echo {n}"
    for n, each in enumerate(all_of_them):
        assert f"number-{n}-" in words(each)
        assert not re.search(f"number-[^{n}]-", words(each))
        assert len(each.history) == 1
        each.close()
    assert len(open_widgets) == before
    kept = all_of_them[0]
    kept.command = "/bin/true"
    kept.custom = "0 0 1"
    assert len(open_widgets) == before
    assert not kept.run()
    with pytest.raises(RuntimeError, match="closed"):
        kept.widget  # noqa: B018 - asked for, not used


def test_ten_explorers_with_fifty_runs_each_leave_nothing_more() -> None:
    """Side by side on one loop each shows its own; runs add no widget, descriptor or child."""

    async def runs(number: int, explorer: Explorer, count: int) -> None:
        for at in range(count):
            find(explorer, w.Text, "Command").value = shell(f"echo by-{number} run-{at}.")
            click(explorer, "Run")
            assert await explorer.ended(20) == 0, explorer.problems
            (out, *_) = (o for o in parts(explorer.widget) if "nsx-x-scroll" in o._dom_classes)
            assert f">by-{number} run-{at}.\n<" in out.value

    async def all_of_them(count: int) -> None:
        await asyncio.gather(*(runs(n, each, count) for n, each in enumerate(explorers)))

    before = len(open_widgets)
    explorers = [of("true") for _ in range(10)]
    asyncio.run(all_of_them(5))
    gc.collect()
    there = len(open_widgets), len(open_descriptors()), children()
    asyncio.run(all_of_them(45))
    gc.collect()
    assert (len(open_widgets), len(open_descriptors()), children()) == there
    for number, each in enumerate(explorers):
        assert len(each.history) == 50
        assert {run.stdout.split()[0] for run in each.history} == {f"by-{number}"}
        assert set(re.findall(r"by-\d+", words(each))) == {f"by-{number}"}
        each.close()
    assert len(open_widgets) == before


def test_rows_that_come_and_go_leave_no_widgets(x: Explorer) -> None:
    """However often a table changes."""
    x.id_map = "custom"
    x.custom = "0 0 1"
    before = len(open_widgets)
    for _ in range(3):
        x.custom = "0 0 1\n1 1 1\n2 2 1"
        x.custom = "0 0 1"
    assert len(open_widgets) == before


def test_closing_ends_the_process() -> None:
    """With the widgets."""
    x = of("exec sleep 300")
    x.widget  # noqa: B018 - it is made
    x.run()
    pid = x.process.pid
    x.close()
    assert eventually(lambda: is_gone(pid))


def test_the_model_alone_needs_no_ipywidgets() -> None:
    """Nor does naming the package; asking for `explore` does."""
    code = (
        "import sys, nsexplore.widgets, nsexplore.widgets.model\n"
        "assert 'ipywidgets' not in sys.modules\n"
        "nsexplore.widgets.explore; assert 'ipywidgets' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_where_the_machine_refuses_the_doctor_is_offered() -> None:
    """Only then; what was found stands below, and goes with the next start."""
    refusal = StartError("fork/exec /bin/true: operation not permitted", step="clone", errno=1)
    runner = nx.RecordingCommandRunner(error=refusal)
    x = explore(command_runner=runner, command="/bin/true", id_map="rootless")
    try:
        assert not is_shown(x, find(x, w.Button, "Ask the doctor"))
        click(x, "Run")
        assert "operation not permitted" in words(x)
        click(x, "Ask the doctor")
        assert "user namespace" in pictures_of(x)
        assert 'aria-label="What the doctor found"' in pictures_of(x)
        runner.error = None
        click(x, "Run")
        assert not is_shown(x, find(x, w.Button, "Ask the doctor"))
        assert "What the doctor found" not in pictures_of(x)
    finally:
        x.close()


@pytest.mark.parametrize(
    ("controls", "error"),
    [({"max_ui": 5}, TypeError), ({"max_uid": "many"}, TraitError), ({"custom": 5}, TraitError)],
)
def test_what_is_no_control_s_value_is_refused(
    controls: dict[str, Any], error: type[Exception]
) -> None:
    """At once, and no widget is left of it."""
    with pytest.raises(error, match=next(iter(controls))):
        explore(**controls)

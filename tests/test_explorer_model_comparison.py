"""Two runs of the explorer side by side."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from drivers.whoever import BARE, OWN_MAP, ROOTLESS
from explorer_asking import model, shell

from nsexplore.widgets.comparison import compare
from nsexplore.widgets.history import Run
from nsexplore.widgets.model import Model

pytestmark = pytest.mark.usefixtures("leaves_nothing")


def run(m: Model) -> Run:
    assert m.run(), m.problems
    m.wait(10)
    return m.history[-1]


def told(a: Run, b: Run) -> dict[str, tuple[str, str]]:
    """Return what differs, by name."""
    return {row.name: (row.a, row.b) for row in compare(a, b).differing}


def test_two_runs_of_the_same_do_not_differ() -> None:
    """Inodes, PIDs and durations do; that is no difference."""
    m = model("echo same")
    assert told(run(m), run(m)) == {}
    assert "no difference" in str(compare(*m.history))


def test_the_output_and_the_end_are_compared() -> None:
    """What the process wrote, how much, and its exit status."""
    m = model("echo one")
    a = run(m)
    m.command = shell("echo three >&2; exit 3")
    assert told(a, run(m)) == {
        "command": ("/bin/sh -c 'echo one'", "/bin/sh -c 'echo three >&2; exit 3'"),
        "how it ended": ("exit status 0", "exit status 3"),
        "stdout": ("one", ""),
        "bytes of stdout": ("4", "0"),
        "stderr": ("", "three"),
        "bytes of stderr": ("0", "6"),
    }


@pytest.mark.needs("root")
def test_privileged_and_not() -> None:
    """The user namespace, whose the others are, who root is outside, what it may do."""
    m = model("true", OWN_MAP)
    a = run(m)
    m.privileged = True
    b = run(m)
    found = told(a, b)
    assert found["CLONE_NEWUSER"] == ("set", "not set")
    assert found["user namespace"] == ("new", "shared")
    assert found["net namespace"] == (
        "new, owned by the new user namespace",
        "new, owned by this notebook's user namespace",
    )
    assert found["uid outside"] == ("65535", "0")
    assert "uid inside" not in found
    assert found["effective capabilities"][0].endswith("inside only")
    assert found["users"] == ("0 65535 1, 1 1 65534", "no map")
    assert (a.name, b.name) == ("#1 MaxUID 65535", "#2 privileged")


@pytest.mark.needs("root")
def test_two_max_uids() -> None:
    """Nothing but the maps and who root is outside."""
    m = model("true", OWN_MAP)
    a = run(m)
    m.max_uid = 33
    assert set(told(a, run(m))) == {"users", "groups", "uid outside", "gid outside"}


@pytest.mark.needs("user namespaces")
def test_kinds_that_one_run_had_alone() -> None:
    """Shared in the one, new in the other."""
    m = model("true", {**ROOTLESS, "clone_flags": "user"})
    a = run(m)
    m.namespaces = "user,uts"
    found = told(a, run(m))
    assert found["uts namespace"] == ("shared", "new, owned by the new user namespace")
    assert found["CLONE_NEWUTS"] == ("not set", "set")


def test_what_is_not_the_same_is_marked_without_colour() -> None:
    """In text by a star, in HTML by a word; all of it is escaped."""
    m = model("printf '<b>\\033[31m'", BARE)
    a = run(m)
    m.command = shell("echo other")
    comparison = compare(a, run(m))
    bundle = comparison._repr_mimebundle_()
    text, html = bundle["text/plain"], bundle["text/html"]
    assert text == str(comparison)
    starred = [line.split()[1] for line in text.splitlines() if line.startswith("  *")]
    assert starred[0] == "command"
    assert html.count("differs") == len(comparison.differing)
    for shown in (text, html):
        assert "\x1b" not in shown
    assert "<b>" not in html
    assert "&lt;b&gt;" in html


def test_a_run_without_a_birth_view_is_compared_as_far_as_it_goes() -> None:
    """No /proc, no view: it is said, and nothing is invented."""
    a = run(model("true"))
    found = told(replace(a, birth=None), a)
    assert found["net namespace"][0] == "not seen"
    assert found["uid outside"][0] == ""


def test_a_run_never_changes() -> None:
    """It is a value."""
    a: Any = run(model("true"))
    with pytest.raises(FrozenInstanceError):
        a.number = 2
    with pytest.raises(TypeError):
        a.here["net"] = None
    assert hash(a) == hash(replace(a))

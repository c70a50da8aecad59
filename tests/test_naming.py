"""Stable mode: what is shown is the same in every run, and the values are what they are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pandas as pd
import pytest
from drivers.whoever import OWN_MAP
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.formatters import DisplayFormatter

import nsexplore as nx
from nsexplore.naming import in_words, namespace_name, number_name, pid_name, recorded_by
from nsexplore.tables import _stably

OWN = os.stat("/proc/self/ns/net").st_ino


@pytest.fixture(autouse=True)
def stable() -> Iterator[None]:
    nx.stable()
    yield
    nx.stable(False)


# -- names ------------------------------------------------------------------------


def test_namespaces_are_numbered_as_they_are_shown_and_ours_is_the_first() -> None:
    assert namespace_name("net", 77) == "net:#2"
    assert namespace_name("net", OWN) == "net:#1"
    assert namespace_name("uts", 78) == "uts:#2"
    assert namespace_name("net", nx.NamespaceID(4, 77)) == "net:#2"


def test_who_has_our_inode_in_a_recording_is_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lowest free inode is given out, so it happens: whoever recorded it is the first."""
    monkeypatch.setattr("nsexplore.naming._recorders", {})
    nx.stable()  # without those that other tests have shown
    same, other = nx.NamespaceID(4, OWN), nx.NamespaceID(4, 77)
    recorded_by({"net": other})
    for _ in range(2):
        assert namespace_name("net", other) == "net:#1"
        assert namespace_name("net", 78) == "net:#2"
        assert namespace_name("net", same) == "net:#3"
        recorded_by({"net": other})  # as each look at it says
        assert namespace_name("net", same) == "net:#3"
        nx.stable()
    recorded_by({"uts": nx.NamespaceID(4, os.stat("/proc/self/ns/uts").st_ino)})
    assert namespace_name("uts", os.stat("/proc/self/ns/uts").st_ino) == "uts:#1"


def test_processes_are_numbered_and_the_first_of_all_keeps_its_number() -> None:
    assert [pid_name(pid) for pid in (os.getpid(), 999999, 1, 0, 999998, 999999)] == [
        "#1", "#2", "1", "0", "#3", "#2",
    ]  # fmt: skip


def test_each_call_counts_anew_and_the_mode_can_be_left() -> None:
    assert namespace_name("net", 77) == "net:#2"
    nx.stable()
    assert namespace_name("net", 78) == "net:#2"
    nx.stable(False)
    assert (namespace_name("net", 78), pid_name(4711)) == ("net:[78]", "4711")
    assert (number_name(4), in_words("net:[78]")) == ("4", "net:[78]")


def test_links_and_paths_in_a_text_are_named_too() -> None:
    text = "net:[77] time_for_children:[78] /proc/4711/ns/net /proc/1/fd /proc/self x[79]"
    assert in_words(text) == "net:#2 time:#2 /proc/#2/ns/net /proc/1/fd /proc/self x[79]"


@given(st.text())
def test_any_text_can_be_named(text: str) -> None:
    """Strings of other processes are in tables."""
    assert isinstance(in_words(text), str)


# -- what is shown ------------------------------------------------------------------

SHOW = """
import sys, nsexplore as nx
from drivers.whoever import OWN_MAP
from nsexplore.pictures import text
nx.stable()
done = nx.NamespacingExecer(**OWN_MAP).run("/bin/true")
for value in (done, done.timeline, done.birth, done.birth.namespaces["user"]):
    print(text(value))
with nx.NamespacingExecer(**OWN_MAP).start("/bin/sleep", "60") as process:
    print(process, nx.inspect(process), nx.inspect(process).namespaces["net"].id)
"""


@pytest.mark.needs("user namespaces")
def test_two_runs_show_the_same() -> None:
    """Inodes, PIDs, devices and durations differ between them, and nothing shows it."""
    env = {**os.environ, "PYTHONPATH": os.path.dirname(__file__)}
    run = [sys.executable, "-c", SHOW]
    first, second = (subprocess.check_output(run, text=True, env=env) for _ in range(2))
    assert first == second
    assert "user:#2" in first
    assert "4026" not in first


@pytest.mark.needs("user namespaces")
def test_the_values_stay_what_they_are() -> None:
    birth = nx.NamespacingExecer(**OWN_MAP).run("/bin/true").birth
    assert birth is not None
    assert birth.namespaces["net"].link == f"net:[{birth.namespaces['net'].ino}]"
    assert nx.namespaces_frame(birth).loc["net", "inode"] == birth.namespaces["net"].ino


# -- tables -------------------------------------------------------------------------


@pytest.fixture
def formats(monkeypatch: pytest.MonkeyPatch) -> DisplayFormatter:
    """A notebook's formatter, as our tables find it."""

    class Shell:
        display_formatter = DisplayFormatter()

    monkeypatch.setattr("IPython.get_ipython", Shell)
    return Shell.display_formatter


def test_a_notebook_shows_symbols_in_our_tables(formats: DisplayFormatter) -> None:
    """Whatever rows and columns are chosen; in text, in HTML, and for a single column."""
    frame = nx.namespaces_frame(os.getpid())
    for part in (frame, frame[["inode", "link", "dev"]].head(3), frame["inode"]):
        shown, _ = formats.format(part)
        assert all("402" not in text for text in shown.values())
        assert "user:#1" in shown["text/plain"]
    assert "user:#1" in formats.format(frame)[0]["text/html"]


def test_a_namespace_keeps_its_kind_where_the_column_of_kinds_is_left_out(
    formats: DisplayFormatter,
) -> None:
    """Whether the kinds are a column or the index."""
    frame = nx.discover(progress=False).namespaces
    shown = formats.format(frame.loc[frame["type"] == "net", ["inode"]])[0]["text/plain"]
    assert "net:#" in shown
    assert "user:#" not in shown
    shown = formats.format(nx.namespaces_frame(os.getpid()).reset_index(drop=True)[["inode"]])[0]
    assert [kind.name for kind in nx.KINDS if f"{kind.name}:#1" not in shown["text/plain"]] == []


def test_a_notebook_shows_other_tables_as_they_are(formats: DisplayFormatter) -> None:
    """And ours, once the mode is left."""
    ours = nx.namespaces_frame(os.getpid())
    others = pd.DataFrame({"inode": [4026531840], "pid": [4711]})
    assert formats.format(others)[0]["text/html"] == others._repr_html_()
    nx.stable(False)
    assert formats.format(ours)[0]["text/plain"] == repr(ours)


def test_every_column_of_chance_is_a_symbol() -> None:
    """A missing value is a dash, whatever pandas makes of it."""
    frame = pd.DataFrame(
        {
            "type": ["net", "pid"], "inode": [77, 78], "owner": [79, None], "parent": [None, 80],
            "net_ns": [77, 77], "pid": [4711, 1], "dev": [4, 4], "size": [1, 2],
            "path": ["/proc/4711/ns/net", None], "duration_us": [0.5, 1.5],
        },
        dtype=object,
    )  # fmt: skip
    frame.attrs["nsexplore"] = True
    shown = _stably.symbolic(frame)
    assert shown.iloc[0].tolist()[:3] == ["net", "net:#2", "user:#2"]
    assert shown.iloc[0].tolist()[4:] == ["net:#2", "#2", "…", 1, "/proc/#2/ns/net", "…"]
    assert shown.iloc[1].tolist()[:2] + shown.iloc[1].tolist()[3:6] == [
        "pid", "pid:#2", "pid:#3", "net:#2", "1",
    ]  # fmt: skip
    assert (shown.loc[1, "owner"], shown.loc[1, "path"]) == ("-", "-")


def test_a_readers_own_column_may_have_anything_in_it() -> None:
    """Such as lists, of which no one can say whether they are missing."""
    frame = nx.namespaces_frame(os.getpid())
    frame["words"] = [["lo", f"net:[{OWN}]"]] * len(frame)
    assert _stably.symbolic(frame)["words"].iloc[0] == "['lo', 'net:#1']"


def test_making_a_table_numbers_nothing_and_showing_it_does(formats: DisplayFormatter) -> None:
    """Or else a table of the whole machine would use up the numbers, one for each that is there."""
    nx.discover(progress=False).namespaces  # noqa: B018
    assert namespace_name("net", 77) == "net:#2"


def test_the_next_namespace_of_an_inode_has_the_next_number() -> None:
    """The kernel uses inodes again; where it has an ID that it does not, that counts."""
    first, next_one = (nx.Namespace("net", 4, 77, unique_id=n) for n in (900, 901))
    names = [namespace_name("net", found) for found in (first, first.id, next_one, next_one.id)]
    assert names == ["net:#2", "net:#2", "net:#3", "net:#3"]

"""``nsexplore ls``: all namespaces of the machine, for a terminal or as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from drivers.whoever import OWN_MAP

import nsexplore as nx
from nsexplore import cli

OWN = os.stat("/proc/self/ns/uts").st_ino


def ls(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nsexplore", "ls", *args], capture_output=True, text=True
    )


def test_every_namespace_has_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole, since nobody's terminal is to be filled; what is hidden is told apart."""
    seen = nx.discover(progress=False)  # the next one may see others
    monkeypatch.setattr("nsexplore.discovering.discover", lambda: seen)
    assert cli.main(["ls"]) == 0
    printed = capsys.readouterr()
    header, *lines = printed.out.splitlines()
    assert header.split()[0] == "TYPE"
    assert any(f"uts:[{OWN}]" in line for line in lines)
    assert len(lines) == len(seen.seen_namespaces)
    assert len(printed.err.splitlines()) == len(seen.hidden) + len(seen.notes)


@pytest.mark.needs("user namespaces")
def test_the_namespaces_of_one_process(capsys: pytest.CaptureFixture[str]) -> None:
    with nx.NamespacingExecer(**OWN_MAP).start("/bin/sleep", "60") as process:
        assert cli.main(["ls", "--pid", str(process.pid), "--type", "uts,net"]) == 0
        assert process.birth is not None
        lines = capsys.readouterr().out.splitlines()[1:]
        assert {line.split()[0] for line in lines} == {"uts", "net"}
        for kind in ("uts", "net"):
            (line,) = [n for n in lines if process.birth.namespaces[kind].link in n]
            assert line.endswith("/bin/sleep 60")


def test_json_has_the_columns_of_the_table() -> None:
    done = ls("--json", "--type", "uts,time")
    data = json.loads(done.stdout)
    assert {row["type"] for row in data["namespaces"]} == {"uts", "time"}
    assert [*data["namespaces"][0]] == [*nx.discover(progress=False).namespaces.columns]
    (own,) = [row for row in data["namespaces"] if row["inode"] == OWN]
    assert own["nprocs"] >= 1
    assert {"host", "boot_id", "hidden", "notes"} < data.keys()


@pytest.mark.parametrize("by", ["owner", "user", "pid"])
def test_trees(by: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ls", "--tree", by]) == 0
    printed = capsys.readouterr().out
    assert "(here)" in printed
    assert ("uts:[" in printed) == (by == "owner")


@pytest.mark.parametrize(
    ("args", "words", "code"),
    [
        (["--pid", "4194305"], "process 4194305 is not in this snapshot", 1),
        (["--type", "ent"], "'ent' is no kind of namespace; there are user, pid", 2),
        (["--tree", "--type", "net"], "a tree needs all", 2),
        (["--tree", "x"], "invalid choice: 'x'", 2),
        (["--json", "--tree"], "not allowed with argument", 2),
    ],
)
def test_what_cannot_be_is_refused_in_words(args: list[str], words: str, code: int) -> None:
    done = ls(*args)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_whoever_reads_may_stop_reading() -> None:
    """As with ``| head -1``."""
    script = f"{sys.executable} -m nsexplore ls | head -1"
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True)
    assert done.stdout.startswith("TYPE")
    assert "BrokenPipe" not in done.stderr

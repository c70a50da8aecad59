"""A process started here finds what it would find if Go's os/exec, and so garden-linux, had.

The same program is started by ``oracle/main.go`` and by `NamespacingExecer`, each
from a process in the same state, and reports its own view; the two reports are
compared field by field. `INTENDED` lists where they are meant to differ, and
why: each entry has a test that fails once the difference is no longer there.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from probing import Starter, build_oracle, build_probe, open_folder, read_report

pytestmark = [pytest.mark.needs("root"), pytest.mark.usefixtures("leaves_nothing")]

SEED_TEXT = "system: failed to start the supplied command: "
MAX_UIDS = (2, 33, 65535, 65536, 4294967294)

# Signals 32 to 34 are libc's own. Go leaves some of them alone, we none; GNU make, for one, has
# them ignored in all that it starts.
LIBCS_SIGNALS = 0b111 << 31

# All but those that nobody can ignore, and the one by which a starter hears of its child's end.
IGNORABLE = set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}

INTENDED = {
    "mounts": "a mount made inside a privileged process would appear on a host whose / is shared,"
    " as on every machine with systemd: mounts are private unless propagation=None",
    "death_signal": "a namespaced process never outlives its notebook unless detached=True",
    "fds": "a stray inheritable descriptor of the notebook is none of the child's business",
    "SigBlk": "the mask of whichever thread started it is none of the child's business either",
    "environ": "Go sets PWD to a working directory that is asked for; subprocess does not, and"
    " we follow it: garden never asks for one",
    "max_uid": "a MaxUID that the kernel would refuse, or wrap to another number, is refused"
    " before anything is spawned",
    "NUL": "an argument with a NUL byte is refused before anything is spawned, by its name",
    "closed file": "a closed extra file is refused; Go leaves a hole in its place",
    "slash": "Go takes / for a name to look up in PATH; a name with a slash is a path",
}
shown: list[str] = []


def shows(*differences: str) -> Callable[[Any], Any]:
    """Mark a test that fails unless these intended differences are really there."""
    shown.extend(differences)
    return lambda test: test


def test_every_intended_difference_has_a_test() -> None:
    """The table lists what is tested to differ, and nothing else."""
    assert sorted(shown) == sorted(INTENDED)


def differing(ours: dict[str, Any], gos: dict[str, Any]) -> set[str]:
    """Return the fields that are not the same."""
    assert ours.keys() == gos.keys()
    return {field for field in ours if ours[field] != gos[field]}


# -- views ------------------------------------------------------------------

STATUS = (
    *("Umask", "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"),
    *("NoNewPrivs", "Seccomp", "SigPnd", "ShdPnd", "SigBlk", "SigCgt", "Threads"),
    *("Cpus_allowed", "Mems_allowed"),
)
PLAIN = (
    *("uid_map", "gid_map", "setgroups", "cgroup", "limits", "oom_score_adj", "personality"),
    *("coredump_filter", "cmdline", "environ", "execfn", "exe", "cwd", "fds", "interfaces"),
    *("uids", "gids", "groups", "pid", "ppid", "pgrp", "sid", "hostname", "domainname"),
    *("death_signal", "dumpable", "keepcaps", "securebits", "timerslack", "secure", "nice"),
    "scheduler",
)


def fields(report: dict[str, Any], greeting: dict[str, Any]) -> dict[str, Any]:
    """Return what is compared: everything that is not a mere number of this very process."""
    status, outside = report["status"], greeting["namespaces"]
    stat = report["stat"].rpartition(")")[2].split()  # from the third field on: see proc(5)
    mounts = [line.split(" - ")[0].split() for line in report["mountinfo"].splitlines()]
    return {
        **{name: status[name] for name in STATUS},
        **{name: report[name] for name in PLAIN},
        "SigIgn": int(status["SigIgn"][0], 16) & ~LIBCS_SIGNALS,
        "new namespaces": {k for k, found in report["namespaces"].items() if found != outside[k]},
        "namespace links": report["namespaces"].keys(),
        "pids inside": status["NSpid"][1:],
        "session is the starter's": int(status["NSsid"][0]) == greeting["sid"],
        "group is its own": status["NSpgid"] == status["NSpid"],
        "terminal": stat[7 - 3],
        "exit signal": stat[38 - 3],
        "real-time priority": stat[40 - 3],
        # mount point, options, and how it propagates: "shared:7" without the number
        "mounts": [(m[4], m[5], re.sub(r":\d+", "", " ".join(m[6:]))) for m in mounts],
    }


@pytest.fixture
def views(
    tool: Callable[[str], str], tmp_path: Path
) -> Iterator[Callable[..., tuple[dict[str, Any], dict[str, Any]]]]:
    """Return what starts the probe both ways, from two processes in the same state."""
    probe, oracle = build_probe(tool("gcc")), build_oracle(tool("go"))
    report, data = tmp_path / "report", tmp_path / "data"
    data.write_text("data")
    # With a shared /, as on a machine with systemd.
    before = (tool("unshare"), "--mount", "--propagation", "shared")

    with ExitStack() as stack:
        pairs: dict[str, tuple[Starter, Starter]] = {}

        def both(
            *args: str, state: dict[str, Any] | None = None, **job: Any
        ) -> tuple[dict[str, Any], dict[str, Any]]:
            key = json.dumps(state or {})
            if key not in pairs:
                pairs[key] = (
                    stack.enter_context(Starter(state or {}, before=before)),
                    stack.enter_context(Starter(state or {}, oracle, before=before)),
                )
            files = [{"path": str(report), "write": True}, {"path": str(data)}]
            job = {"args": [probe, *args], "extra_files": files, **job}
            found = []
            for starter in pairs[key]:
                answer = starter(job)
                assert (answer["error"], answer.get("status")) == ("", 0)
                found.append(fields(read_report(report), starter.greeting))
            return found[0], found[1]

        yield both


AS_THE_SEED = {"propagation": None, "detached": True}
"""What is done on purpose in another way, switched off."""

MODES = [
    *(pytest.param({"privileged": False, "max_uid": m}, id=f"max_uid={m}") for m in MAX_UIDS),
    pytest.param({"privileged": True, "max_uid": 65535}, id="privileged"),
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("how", ["start", "exec"])
def test_without_our_additions_nothing_differs(views: Any, mode: Any, how: str) -> None:
    """As the seed does it, in both modes, no field of the child's view is another."""
    ours, gos = views("an argument", "", how=how, options=AS_THE_SEED, **mode)
    assert differing(ours, gos) == set()
    assert ours["fds"][3][0] == 3  # so that something was compared
    assert "pid" in ours["new namespaces"]


@shows("mounts", "death_signal")
@pytest.mark.parametrize("mode", MODES)
def test_by_default_two_things_differ(views: Any, mode: Any) -> None:
    """Mounts are private, and the process dies with its notebook; all else is as in Go."""
    ours, gos = views(**mode)
    assert differing(ours, gos) == {"mounts", "death_signal"}
    assert {how for _, _, how in ours["mounts"]} == {""}
    assert {how for _, _, how in gos["mounts"]} == {"shared" if mode["privileged"] else "master"}
    assert (ours["death_signal"], gos["death_signal"]) == (signal.SIGKILL, 0)


@pytest.fixture
def both_modes() -> list[dict[str, Any]]:
    return [{"privileged": p, "max_uid": 33, "options": AS_THE_SEED} for p in (False, True)]


def test_what_a_child_inherits_it_inherits_as_under_go(views: Any, both_modes: Any) -> None:
    """Umask, limits, priority, groups, folder and what nohup ignores pass on alike."""
    state = {
        "umask": 0o027,
        "nice": 3,
        "groups": [7, 33],
        "oom_score_adj": "77",
        "limits": {"RLIMIT_CORE": 0, "RLIMIT_STACK": 1 << 22},
        "ignored": sorted(IGNORABLE),
        "cwd": str(open_folder()),
    }
    for mode in both_modes:
        ours, gos = views(state=state, **mode)
        assert differing(ours, gos) == set()
        assert (ours["Umask"], ours["nice"]) == (["0027"], 3)
        assert (ours["oom_score_adj"], ours["cwd"]) == ("77\n", str(open_folder()))
        assert re.search(r"core file size +0 ", ours["limits"])
        assert ours["groups"] == ([7, 33] if mode["privileged"] else [])
        job_control = {signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCONT}
        stay = {signal.SIGHUP, signal.SIGINT, *job_control}
        assert ours["SigIgn"] == sum(1 << (n - 1) for n in stay)


@shows("fds", "SigBlk", "environ")
@pytest.mark.parametrize(
    ("state", "asked", "difference"),
    [
        ({"stray": 57}, {}, "fds"),
        ({"blocked": [signal.SIGUSR1, signal.SIGTERM]}, {}, "SigBlk"),
        ({}, {"cwd": "/"}, "environ"),
    ],
    ids=["stray descriptor", "blocked signals", "working directory"],
)
def test_an_untidy_starter_shows_one_difference(
    views: Any, both_modes: Any, state: Any, asked: Any, difference: str
) -> None:
    """Each thing that a starter leaves lying about shows in its one field, and nowhere else."""
    for mode in both_modes:
        ours, gos = views(state=state, **asked, **mode)
        assert differing(ours, gos) == {difference}


# -- errors and PATH --------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a folder of things that can and cannot be executed."""
    for name in ("good", "also", "plain", "folder"):
        (tmp_path / name).mkdir()
    for program in ("good/tool", "also/tool", "tool", "plain/tool", "naïve", "no-shebang"):
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    (tmp_path / "plain/tool").chmod(0o644)
    (tmp_path / "folder/tool").mkdir()
    (tmp_path / "dangling").mkdir()
    (tmp_path / "dangling/tool").symlink_to("nowhere")
    (tmp_path / "linked").symlink_to("good")
    (tmp_path / "no-shebang").write_text("echo text, and no program\n")
    (tmp_path / "lost-interpreter").write_text("#!/no/such/interpreter\n")
    (tmp_path / "lost-interpreter").chmod(0o755)
    (tmp_path / "loop").symlink_to("loop")
    tmp_path.chmod(0o755)
    return tmp_path


@pytest.fixture
def starters(tool: Callable[[str], str], tree: Path) -> Iterator[tuple[Starter, Starter]]:
    """Return our starter and Go's, both in the folder."""
    state = {"cwd": str(tree)}
    with Starter(state) as ours, Starter(state, build_oracle(tool("go"))) as gos:
        yield ours, gos


FAILING: dict[str, dict[str, Any]] = {
    "missing, with a path": {"args": ["/no/such/file"]},
    "missing, by name": {"args": ["no-such-program"]},
    "empty": {"args": [""]},
    "a directory": {"args": ["/etc"]},
    "a directory by name": {"args": ["good"], "PATH": "."},
    "a file as a directory": {"args": ["./tool/tool"]},
    "not executable": {"args": ["./plain/tool"]},
    "not executable, by name": {"args": ["tool"], "PATH": "{tree}/plain"},
    "no shebang": {"args": ["./no-shebang"]},
    "no interpreter": {"args": ["./lost-interpreter"]},
    "a loop of links": {"args": ["./loop"]},
    "too long a name": {"args": ["./" + "x" * 300]},
    "too long an argument": {"args": ["/bin/true", "x" * 200_000]},
    "PATH is empty": {"args": ["true"], "PATH": ""},
    "PATH is unset": {"args": ["true"], "PATH": None},
    "found through .": {"args": ["tool"], "PATH": "."},
    "found through an empty entry": {"args": ["tool"], "PATH": "/no/such:"},
    "found through a relative entry": {"args": ["tool"], "PATH": "good:{tree}/also"},
    "working directory is missing": {"args": ["/bin/true"], "cwd": "/no/such"},
    "working directory is a file": {"args": ["/bin/true"], "cwd": "{tree}/tool"},
    "working directory hides the file": {"args": ["./tool"], "cwd": "/"},
    "quotes": {"args": ['a"b\\c\a\b\f\n\r\t\v\x01\x7f\x85']},
    "other scripts": {"args": ["größe\u00a0日本\u200b\U0001f600\U000e0001"]},
    "a path in another script": {"args": ["./größe\n日本"]},
    "not a dot": {"args": ["."]},
}


@pytest.mark.parametrize("case", FAILING)
def test_first_line_of_an_error_is_the_seeds(starters: Any, tree: Path, case: str) -> None:
    """What fails under Go fails here, and the first line is garden's text with Go's reason."""
    job = {"max_uid": 33, **FAILING[case]}
    for name in ("PATH", "cwd"):
        if job.get(name):
            job[name] = job[name].format(tree=tree)
    for privileged in (False, True):
        ours, gos = (starter({"privileged": privileged, **job}) for starter in starters)
        assert gos["error"]
        # A line feed in a name is itself part of the first line.
        assert ours["error"].split("\n  step: ")[0] == SEED_TEXT + gos["error"]
        assert ours["type"] == "StartError"


def test_what_is_found_in_path_is_what_go_finds(starters: Any, tree: Path) -> None:
    """Whatever PATH holds, the program, or the reason that there is none, is Go's."""
    places = ["good", "also", "plain", "folder", "dangling", "linked", "no/such", "good/../also"]
    forms = [*places, "", ".", "..", "./good", "good/", "also//", "..//good", "~", "good/./"]
    inside = [f"{tree}/{place}" for place in [*places, ".", "good/", "/good", ""]]
    slashes = [f"/{tree}/good", f"//{tree}/good", "/", "//", "/.", "//usr/bin", "/usr/bin"]
    entries = st.sampled_from([*forms, *inside, *slashes])
    names = st.sampled_from(["tool", "true", "good", "nothing", ".", "..", "naïve", "./tool", ""])
    seen = set()

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(names, st.lists(entries, max_size=4).map(":".join) | st.none())
    @example("tool", f"//{tree}/good")
    @example("tool", f"plain:{tree}/plain:{tree}/folder:{tree}/also:good")
    def check(name: str, path: str | None) -> None:
        job = {"args": [name], "PATH": path, "only_look": True}
        ours, gos = (starter(job) for starter in starters)
        if "/" in name or not name:  # not looked up; only the start would fail
            assert ours["path"] == gos["path"]
            return
        assert (ours["path"], ours["error"]) == (gos["path"], gos["error"])
        seen.add(gos["error"].partition(": ")[2].partition(": ")[2] or "found")

    check()
    assert len(seen) == 3, f"found, found relative to the folder, not found: {seen}"


# -- where we refuse --------------------------------------------------------


@pytest.fixture
def probed(
    tool: Callable[[str], str], starters: Any, tree: Path
) -> Callable[..., tuple[dict[str, Any], dict[str, Any], Path]]:
    """Return what has both start the probe, and returns their answers and where it reports."""
    report = tree / "report"

    def both(*, extra_files: Any = (), **job: Any) -> tuple[dict[str, Any], dict[str, Any], Path]:
        files = [{"path": str(report), "write": True}, *extra_files]
        job = {"args": [build_probe(tool("gcc"))], "extra_files": files, **job}
        ours, gos = (starter(job) for starter in starters)
        return ours, gos, report

    return both


@shows("max_uid")
@pytest.mark.parametrize("max_uid", [-1, 0, 1, 4294967295, 4294967296 + 33])
def test_a_bad_max_uid_is_refused_by_name(probed: Any, max_uid: int) -> None:
    """Go answers with a bare EINVAL, or in silence with another map; we name the value."""
    ours, gos, report = probed(privileged=False, max_uid=max_uid)
    if max_uid > 4294967295:
        assert gos["error"] == ""
        assert read_report(report)["uid_map"].split() == ["0", "33", "1", "1", "1", "32"]
    else:
        assert gos["error"].endswith("/probe: invalid argument")
    assert ours["type"] == "IDMapError"
    assert f"max_uid={max_uid}" in ours["error"]


@shows("closed file")
def test_a_closed_extra_file_is_refused_by_name(probed: Any) -> None:
    """Go starts the program with a hole where the file was to be; we name the file."""
    closed = {"path": "/dev/null", "closed": True}
    ours, gos, report = probed(privileged=True, max_uid=33, extra_files=[closed])
    assert gos["error"] == ""
    assert [fd for fd, _, _ in read_report(report)["fds"]] == [0, 1, 2, 3]
    assert ours["type"] == "ValueError"
    assert ours["error"].startswith("extra_files[1]")


@shows("NUL")
def test_a_nul_in_an_argument_is_refused_by_name(starters: Any) -> None:
    """Go answers EINVAL after the fork; we name the argument, and spawn nothing."""
    job = {"args": ["/bin/echo", "a", "b\0c"], "privileged": True, "max_uid": 33}
    ours, gos = (starter(job) for starter in starters)
    assert gos["error"] == "fork/exec /bin/echo: invalid argument"
    assert ours["type"] == "ValueError"
    assert ours["error"].startswith("args[1]=")


@shows("slash")
def test_a_slash_is_a_path(starters: Any) -> None:
    """Go looks it up as if it were a name; we ask the kernel, which says the same of it."""
    job = {"args": ["/"], "privileged": True, "max_uid": 33}
    ours, gos = (starter(job) for starter in starters)
    assert gos["error"] == 'exec: "/": permission denied'
    assert ours["error"].startswith(f"{SEED_TEXT}fork/exec /: permission denied\n  step: execve")

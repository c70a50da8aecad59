"""What is reported of a process is what the process itself finds, inside."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from drivers.whoever import OWN_MAP
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from probing import Starter, build_probe, open_folder, read_report, report_path

import nsexplore as nx
from nsexplore import CloneFlags

pytestmark = [
    pytest.mark.needs("user namespaces"),
    pytest.mark.usefixtures("leaves_nothing"),
]

PIPE = subprocess.PIPE
SINGLE = [kind.flag for kind in nx.KINDS]
GARDEN = [CloneFlags.garden(privileged=p) for p in (False, True)]
ALL = CloneFlags(sum(CloneFlags))
ROOTS = pytest.mark.needs("root")
FLAGS = [
    *GARDEN,
    ALL,
    ALL & ~CloneFlags.NEWUSER,
    *SINGLE,
    *(flag | CloneFlags.NEWUSER for flag in SINGLE if flag is not CloneFlags.NEWUSER),
    CloneFlags(0),
]
PRIVILEGED_OR_NOT = pytest.mark.parametrize("privileged", [False, pytest.param(True, marks=ROOTS)])


def talk(executer: nx.NamespacingExecer, script: str) -> tuple[nx.Process, list[str]]:
    """Start a shell that says something and waits; return it and the lines that it has said."""
    process = executer.start(
        "/bin/sh", "-c", f"{script}\necho end\nread x", stdin=PIPE, stdout=PIPE
    )
    assert process.stdout is not None
    lines = []
    while (line := process.stdout.readline()) != "end\n":
        assert line, "it has ended early"
        lines.append(line.removesuffix("\n"))
    return process, lines


# -- namespaces -------------------------------------------------------------


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(flags, marks=ROOTS if flags and CloneFlags.NEWUSER not in flags else ())
        for flags in FLAGS
    ],
    ids=str,
)
def test_links_are_what_stat_says_inside(flags: CloneFlags) -> None:
    """Birth view, view and table: device, inode and link of each kind, and which are new."""
    own = OWN_MAP if CloneFlags.NEWUSER in flags else {"max_uid": 33}
    executer = nx.NamespacingExecer(**own, clone_flags=flags)
    script = """cd /proc/self/ns; for kind in user pid mnt net ipc uts cgroup time; do
        echo $kind $(stat -L -c '%d %i' $kind) $(readlink $kind); done"""
    process, lines = talk(executer, script)
    with process:
        said = {kind: (int(dev), int(ino), link) for kind, dev, ino, link in map(str.split, lines)}
        assert said.keys() == {kind.name for kind in nx.KINDS}
        assert process.birth is not None
        for view in (process.birth, nx.inspect(process), nx.inspect(process.pid)):
            seen = {name: (ns.dev, ns.ino, ns.link) for name, ns in view.namespaces.items()}
            assert seen == said
        new = {kind.name for kind in nx.KINDS if kind.flag in flags}
        for of in (process, process.birth, process.pid):
            frame = nx.namespaces_frame(of)
            rows = zip(frame["dev"], frame["inode"], frame["link"], strict=True)
            assert dict(zip(frame.index, rows, strict=True)) == said
            assert set(frame.index[frame["new"]]) == new
        again = nx.namespaces_frame(process, reference=process.pid)
        assert not again["new"].any()


def test_a_new_time_namespace_is_entered() -> None:
    """Its clocks, set while the process waits before execve, are those that the program reads."""
    executer = nx.NamespacingExecer(**OWN_MAP, clone_flags=GARDEN[0] | CloneFlags.NEWTIME)
    before = os.readlink("/proc/self/ns/time_for_children")
    ahead = 10_000_000
    with executer.step("/bin/cat", "/proc/uptime", "/proc/self/timens_offsets", stdout=PIPE) as s:
        while s.next() != "released":
            pass
        Path(f"/proc/{s.pid}/timens_offsets").write_text(f"boottime {ahead} 0")
        process = s.finish()
        uptime, _, *offsets = process.communicate()[0].split()
        assert offsets == ["monotonic", "0", "0", "boottime", str(ahead), "0"]
    ours = float(Path("/proc/uptime").read_text().split()[0])
    assert ahead <= float(uptime) <= ours + ahead
    assert os.readlink("/proc/self/ns/time_for_children") == before


# -- identity ---------------------------------------------------------------

MODES: dict[str, dict[str, Any]] = {
    "garden": {"max_uid": 65535},
    "garden, 33": {"max_uid": 33},
    "privileged": {"privileged": True},
    "rootless": {"id_map": "rootless"},
    "own maps": {
        "id_map": nx.IDMap.parse("0 1000 5\n7 2000 3\n"),
        "gid_map": nx.IDMap.parse("0 3000 9\n"),
    },
}


@pytest.mark.parametrize("mount_proc", [False, True])
@pytest.mark.parametrize(
    "mode",
    [pytest.param(mode, marks=() if mode == "rootless" else ROOTS) for mode in MODES],
)
def test_views_agree_with_the_status_read_inside(mode: str, mount_proc: bool) -> None:
    """Credentials, capabilities, maps and PIDs are those that the process reads of itself."""
    executer = nx.NamespacingExecer(mount_proc=mount_proc, **MODES[mode])
    files = ("status", "uid_map", "gid_map", "setgroups")
    process, lines = talk(executer, "\n".join(f"cat /proc/$$/{name}; echo =" for name in files))
    if not mount_proc:  # /proc/$$ is not the shell there
        process.close()
        script = "\n".join(f"cat /proc/self/{name}; echo =" for name in files)
        process, lines = talk(executer, script)
    with process:
        texts = [part.strip("\n") for part in "\n".join(lines).split("=")]
        status = {line.split(":")[0]: line.split(":")[1].split() for line in texts[0].splitlines()}
        for view in (process.birth, nx.inspect(process)):
            assert view is not None
            assert view.unreadable == {}
            inside, caps = view.inside, view.capabilities
            assert inside is not None
            assert caps is not None
            uids = [inside.uid, inside.euid, inside.suid, inside.fsuid]
            gids = [inside.gid, inside.egid, inside.sgid, inside.fsgid]
            assert list(map(int, status["Uid"])) == uids
            assert list(map(int, status["Gid"])) == gids
            assert tuple(map(int, status["Groups"])) == inside.groups
            masks = (caps.inheritable, caps.permitted, caps.effective, caps.bounding, caps.ambient)
            for name, found in zip(("Inh", "Prm", "Eff", "Bnd", "Amb"), masks, strict=True):
                assert int(status[f"Cap{name}"][0], 16) == found.mask
            assert [str(view.uid_map), str(view.gid_map)] == [f"{text}\n" for text in texts[1:3]]
            if (asked := process.command).uid_mappings is not None:
                assert (view.uid_map, view.gid_map) == (asked.uid_mappings, asked.gid_mappings)
            assert view.setgroups == texts[3]
            assert [int(status["NoNewPrivs"][0]), int(status["Seccomp"][0])] == [
                view.no_new_privs,
                view.seccomp,
            ]
            assert (view.pid, view.nspid[-1]) == (process.pid, 1)
            # With a /proc of its own the shell looked at itself, else cat did: PID 2 inside.
            pids = list(map(int, status["NSpid"]))
            assert pids == [1] if mount_proc else pids[-1] > 1
            assert len(view.nspid) == len(pids) + mount_proc


@pytest.mark.parametrize("call", ["exec", "start"])
@PRIVILEGED_OR_NOT
def test_once_started_it_is_never_seen_under_the_old_name(privileged: bool, call: str) -> None:
    """When a start returns, execve is over: name, arguments and credentials are the new ones."""
    executer = nx.NamespacingExecer(**({"privileged": True} if privileged else OWN_MAP))
    host = 0 if privileged else OWN_MAP.get("max_uid", os.getuid())
    for _ in range(100):
        started = getattr(executer, call)("/bin/sleep", "60")
        pid = started if call == "exec" else started.pid
        view = nx.inspect(pid)
        os.kill(pid, 9)
        _ = os.waitpid(pid, 0) if call == "exec" else started.wait()
        assert (view.comm, view.cmdline) == ("sleep", ("/bin/sleep", "60"))
        assert view.credentials is not None
        assert view.credentials.uid == host


# -- mounts -----------------------------------------------------------------

MOUNTING = """
import json, sys
from pathlib import Path
from nsexplore import NamespacingExecer

folder, privileged = sys.argv[1], sys.argv[2] == "True"
script = 'mount -t tmpfs none "$0" && cat /proc/self/mountinfo'
answers = {}
for propagation in ("private", "slave", "shared", None):
    executer = NamespacingExecer(privileged=privileged, max_uid=33, propagation=propagation)
    done = executer.run("/bin/sh", "-c", script, folder)
    outside = Path("/proc/self/mountinfo").read_text()
    answers[str(propagation)] = done.stdout, done.stderr, f" {folder} " in outside
print(json.dumps(answers))
"""


@pytest.mark.needs("root")
@pytest.mark.parametrize("privileged", [False, True])
def test_propagation_is_what_the_child_reads(tool: Callable[[str], str], privileged: bool) -> None:
    """With a shared / outside, each value shows inside; two leak if privileged."""
    (folder := open_folder() / "mountpoint").mkdir(exist_ok=True)
    done = subprocess.run(
        [
            *(tool("unshare"), "--mount", "--propagation", "shared"),
            *(sys.executable, "-c", MOUNTING, str(folder), str(privileged)),
        ],
        stdout=PIPE,
        check=True,
    )
    expected = {
        "private": "",
        "slave": "master",
        "shared": "shared" if privileged else "shared master",
        "None": "shared" if privileged else "master",
    }
    for propagation, (mountinfo, errors, leaked) in json.loads(done.stdout).items():
        assert errors == ""
        (root,) = (m for m in map(str.split, mountinfo.splitlines()) if m[4] == "/")
        tags = re.findall(r"(shared|master):\d+", " ".join(root[6:]))
        assert " ".join(tags) == expected[propagation]
        assert f" {folder} " in mountinfo
        # A copy of a shared mount is its peer, unless another user namespace owns the copy.
        assert leaked == (privileged and propagation in ("None", "shared"))


@PRIVILEGED_OR_NOT
def test_mount_proc_shows_the_processes_inside_only(privileged: bool) -> None:
    """The child sees itself as PID 1 and no other; our /proc is as it was."""
    before = Path("/proc/self/mountinfo").read_text()
    mode = {"privileged": True} if privileged else OWN_MAP
    executer = nx.NamespacingExecer(**mode, mount_proc=True)
    done = executer.run("/bin/sh", "-c", "echo /proc/[0-9]*; cat /proc/1/comm; cat /proc/mounts")
    pids, comm, *mounts = done.stdout.splitlines()
    assert (pids, comm) == ("/proc/1", "sh")
    assert mounts[-1].split()[:4] == ["proc", "/proc", "proc", "rw,nosuid,nodev,noexec,relatime"]
    assert Path("/proc/self/mountinfo").read_text() == before
    assert Path(f"/proc/{os.getpid()}").exists()


# -- files, folder, environment ---------------------------------------------


@pytest.fixture
def placing(
    tool: Callable[[str], str], tmp_path: Path
) -> Iterator[Callable[[list[int | None]], tuple[list[str], list[tuple[int, str]]]]]:
    """Return what passes a starter's files on by their numbers, the three streams first.

    The starter has a file of its own at each of fd 3 to 9, and pipes at 0 and 1.
    """
    paths = [tmp_path / f"file{n}" for n in range(3, 10)]
    for path in paths:
        path.touch()
    report = report_path()
    with Starter({"files": list(map(str, paths))}) as starter:

        def place(numbers: list[int | None]) -> tuple[list[str], list[tuple[int, str]]]:
            args = [build_probe(tool("gcc")), str(report)]
            job = {"args": args, "privileged": False, "options": OWN_MAP, "fds": numbers}
            assert starter(job) | {"pid": 0} == {"error": "", "pid": 0, "status": 0}
            there = Path(f"/proc/{starter.pid}/fd")
            wanted = ["/dev/null" if n is None else os.readlink(there / str(n)) for n in numbers]
            found = read_report(report)["fds"]
            assert not any(int(flags, 8) & os.O_CLOEXEC for _, _, flags in found)
            return wanted, [(fd, target) for fd, target, _ in found]

        yield place


def test_files_arrive_in_order_whatever_their_numbers_here(placing: Any) -> None:
    """Swapped, overlapping, repeated, given as a stream too: each lands on its own number."""
    number = st.sampled_from([0, 1, *range(3, 10)])
    three = st.lists(number | st.none(), min_size=3, max_size=3)

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(three, st.lists(number, max_size=12))
    @example([None] * 3, [4, 3])
    @example([None] * 3, [4, 5, 3])
    @example([None] * 3, [3, 4, 5])
    @example([None] * 3, [0, 0])
    @example([None] * 3, [1])
    @example([3, 4, 5], [5, 4, 3])
    @example([1, 0, 0], [1, 0])
    @example([9, None, 9], [])
    def check(streams: list[int | None], extra: list[int]) -> None:
        wanted, found = placing([*streams, *extra])
        assert found == list(enumerate(wanted))

    check()


@pytest.fixture
def seen(tool: Callable[[str], str]) -> Callable[..., dict[str, Any]]:
    """Return what starts the probe with these arguments of `start` and returns its report."""

    def look(**asked: Any) -> dict[str, Any]:
        path = report_path()
        executer = nx.NamespacingExecer(**OWN_MAP)
        with executer.start(build_probe(tool("gcc")), path, **asked) as process:
            assert process.wait() == 0
        return read_report(path)

    return look


def test_streams_are_what_subprocess_would_make_of_them(seen: Any, tmp_path: Path) -> None:
    """Files, numbers, PIPE, DEVNULL and STDOUT are what the child finds at fd 0, 1 and 2."""

    def targets(**streams: Any) -> list[str]:
        return [target for _, target, _ in seen(**streams)["fds"]]

    with open(tmp_path / "in", "w+") as given, open(tmp_path / "out", "w") as out:
        assert targets() == ["/dev/null"] * 3
        assert targets(stdin=given, stdout=out.fileno(), stderr=subprocess.STDOUT) == [
            given.name,
            out.name,
            out.name,
        ]
        assert targets(stdin=subprocess.DEVNULL, stdout=given.fileno(), stderr=given) == [
            "/dev/null",
            given.name,
            given.name,
        ]
    pipes = targets(stdin=PIPE, stdout=PIPE, stderr=PIPE)
    assert len(set(pipes)) == 3
    assert all(re.fullmatch(r"pipe:\[\d+\]", pipe) for pipe in pipes)
    one, two, three = targets(stdout=PIPE, stderr=subprocess.STDOUT)
    assert one == "/dev/null"
    assert two == three


def test_folder_and_environment_are_ours_or_those_asked_for(
    seen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inherited as they are at the start, the environment byte for byte; or replaced whole."""
    monkeypatch.setenv("NSEXPLORE_TEST", "naïve \udcff = x\n")
    monkeypatch.chdir("/usr")
    inherited = b"".join(b"%s=%s\0" % item for item in os.environb.items())
    report = seen()
    assert report["cwd"] == "/usr"
    assert report["environ"].encode("latin-1") == inherited
    report = seen(cwd="/", env={"A": "1", "B": ""})
    assert (report["cwd"], report["environ"]) == ("/", "A=1\0B=\0")

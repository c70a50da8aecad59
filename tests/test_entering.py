"""`enter`: what is seen inside is what nsenter(1) sees; refusals name the rule; nothing is left."""

from __future__ import annotations

import ctypes
import errno
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import entering_alice as alice
import pytest
from conftest import eventually
from drivers.whoever import IS_ROOT, OWN_MAP
from ordinary_user import as_ordinary_user

import nsexplore as nx
from nsexplore.codec import decode, encode
from nsexplore.command import Command
from nsexplore.entering import enter, inside
from nsexplore.flags import ALL_NAMESPACES, CloneFlags
from nsexplore.jsonable import jsonable
from nsexplore.kinds import KINDS

pytestmark = [
    pytest.mark.needs("user namespaces"),
    pytest.mark.usefixtures("leaves_nothing"),
]

NAMES = tuple(kind.name for kind in KINDS)
PR_GET_DUMPABLE = 3

# Which namespaces, who, what it may do, where it is, and how deep its PID is.
LOOK = """\
for kind in user pid mnt net ipc uts cgroup time; do readlink /proc/self/ns/$kind; done
id -u; id -g; id -G; hostname; pwd
grep -E '^(CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs)' /proc/self/status
grep NSpid /proc/self/status | wc -w; if test $$ -lt 1000; then echo small; fi
"""


@contextmanager
def somebody(flags: CloneFlags = ALL_NAMESPACES, **options: Any) -> Iterator[nx.Process]:
    """Start a process that does nothing in namespaces of its own, with a host name of its own."""
    execer = nx.NamespacingExecer(**{**OWN_MAP, "clone_flags": flags, **options})
    script = "echo ready; exec sleep 60"
    if CloneFlags.NEWUTS in flags:
        script = f"hostname inside-{os.getpid()}; {script}"
    pipe = subprocess.PIPE
    with execer.start("/bin/sh", "-c", script, stdout=pipe) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process


@pytest.fixture(scope="module")
def target() -> Iterator[nx.Process]:
    with somebody() as process:
        yield process


def nsenter(tool: Callable[[str], str], pid: int, kinds: tuple[str, ...], script: str) -> str:
    """Return what a script says that nsenter(1) runs."""
    options = {"mnt": "mount"}
    words = [f"--{options.get(kind, kind)}" for kind in kinds]
    command = [tool("nsenter"), f"--target={pid}", *words, "sh", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


# -- what is seen inside ----------------------------------------------------------


@pytest.mark.needs("root")
@pytest.mark.parametrize("kinds", [*((name,) for name in NAMES), NAMES], ids=",".join)
def test_inside_is_what_nsenter_sees(
    kinds: tuple[str, ...], target: nx.Process, tool: Callable[[str], str]
) -> None:
    """Namespaces, IDs, capabilities, host name, folder, depth of the PID: line by line."""
    script = f"cd / 2>/dev/null; {LOOK}" if "mnt" not in kinds else LOOK
    expected = nsenter(tool, target.pid, kinds, script)
    done = enter(target, "sh", "-c", script, types=kinds)
    assert done.stderr == ""
    assert done.stdout == expected
    links = nx.inspect(target).links
    own = nx.inspect(os.getpid()).links
    seen = dict(zip(NAMES, done.stdout.splitlines(), strict=False))
    assert seen == {name: links[name] if name in kinds else own[name] for name in NAMES}


@pytest.mark.needs("root")
@pytest.mark.parametrize("kinds", [*((name,) for name in NAMES), NAMES], ids=",".join)
def test_birth_and_timeline_show_what_was_entered(
    kinds: tuple[str, ...], target: nx.Process
) -> None:
    """The birth view's namespaces, a step of setns for each kind, a fork for PIDs alone."""
    done = enter(target.pid, "/bin/true", types=kinds)
    links, own = nx.inspect(target).links, nx.inspect(os.getpid()).links
    assert done.birth is not None
    assert done.birth.links == {name: (links if name in kinds else own)[name] for name in NAMES}
    assert {n for n in done.timeline.names if n.startswith("setns(")} == {
        f"setns({kind})" for kind in kinds
    }
    assert ("fork" in done.timeline.names) == ("pid" in kinds)
    assert set(done.command.enters) == set(kinds)
    assert len(done.birth.nspid) == (2 if "pid" in kinds else 1)


def test_all_that_differ_are_entered_by_default() -> None:
    """The kinds that the target shares with this process are left out."""
    with somebody(CloneFlags.NEWUSER | CloneFlags.NEWUTS) as process:
        done = enter(process, "/bin/hostname")
        assert done.stdout == f"inside-{os.getpid()}\n"
        assert done.command.enters == ("user", "uts")


def test_ones_own_namespaces_are_left_out() -> None:
    """Also the user namespace, which setns(2) would refuse with EINVAL."""
    done = enter(os.getpid(), "/bin/echo", "here", types=NAMES)
    assert (done.stdout, done.command.joins) == ("here\n", ())


@pytest.mark.parametrize(
    "point",
    [
        lambda process: process,
        lambda process: process.pid,
        lambda process: f"/proc/{process.pid}/ns/net",
        lambda process: Path(f"/proc/{process.pid}/ns/net"),
        lambda process: [f"/proc/{process.pid}/ns/user", f"/proc/{process.pid}/ns/net"],
        lambda process: (process, os.getpid()),
    ],
    ids=["Process", "PID", "str", "Path", "files", "also ourselves"],
)
@pytest.mark.needs("root")
def test_targets_of_every_sort_lead_to_it(point: Callable[[nx.Process], Any]) -> None:
    """Each leads to the same network namespace."""
    with somebody(CloneFlags.NEWUSER | CloneFlags.NEWNET) as process:
        seen = enter(point(process), "readlink", "/proc/self/ns/net").stdout
        assert seen == nx.inspect(process).links["net"] + "\n"


@pytest.mark.needs("root")
def test_a_step_and_an_open_file_are_targets_too() -> None:
    """A start that is held, and a namespace that nothing but a descriptor keeps."""
    with nx.NamespacingExecer(**OWN_MAP).step("/bin/true") as step:
        step.next()
        link = step.view().links["net"]
        assert enter(step, "readlink", "/proc/self/ns/net", types="net").stdout == f"{link}\n"
        file = open(f"/proc/{step.pid}/ns/net")  # noqa: SIM115  # outlives the step
    with file:
        done = enter(file, "readlink", "/proc/self/ns/net")
        assert done.stdout == f"{link}\n"
        assert done.command.joins[0].source == f"fd {file.fileno()}"


@pytest.mark.needs("root")
def test_a_bind_mount_is_a_target(tmp_path: Path, tool: Callable[[str], str]) -> None:
    """As ip-netns(8) keeps one: no process is in it. Made in a mount namespace of our own."""
    code = (
        "import os, subprocess, sys\n"
        "from nsexplore.entering import enter\n"
        "place = sys.argv[1]\n"
        "open(place, 'w').close()\n"
        "subprocess.run(['unshare', f'--net={place}', 'true'], check=True)\n"
        "done = enter(place, 'readlink', '/proc/self/ns/net')\n"
        "assert done.stdout == f'net:[{os.stat(place).st_ino}]\\n', done\n"
        "assert done.command.joins[0].source == place\n"
    )
    command = [tool("unshare"), "--mount", "--propagation", "private", sys.executable, "-c", code]
    subprocess.run([*command, str(tmp_path / "blue")], check=True)


# -- order, and who one is there ------------------------------------------------------


@pytest.mark.needs("root")
def test_what_is_owned_outside_is_entered_before_the_user_namespace() -> None:
    """A network namespace of the machine's: once in the user namespace, it could not be."""
    with nx.NamespacingExecer(privileged=True, clone_flags=CloneFlags.NEWNET).start(
        "unshare", "--user", "--map-root-user", "sleep", "60"
    ) as process:
        own = nx.inspect(os.getpid()).links["user"]
        assert eventually(lambda: nx.inspect(process).links["user"] != own)
        assert eventually(lambda: Path(f"/proc/{process.pid}/uid_map").read_text() != "")
        assert eventually(lambda: nx.inspect(process).comm == "sleep")
        done = enter(process, "sh", "-c", "readlink /proc/self/ns/net; id -u")
        assert done.command.enters == ("net", "user")
        assert done.stdout == nx.inspect(process).links["net"] + "\n0\n"


@pytest.mark.needs("root")
def test_what_the_user_namespace_or_one_below_owns_is_entered_after_it() -> None:
    """Also where the owner is a grandchild, and however the targets are ordered."""
    with somebody(CloneFlags.NEWUSER | CloneFlags.NEWUTS) as process:
        with inside(process) as execer:
            nested = execer.start("unshare", "--user", "--map-root-user", "--net", "sleep", "60")
        with nested:
            assert eventually(lambda: nx.inspect(nested).comm == "sleep")
            files = [f"/proc/{nested.pid}/ns/net", f"/proc/{process.pid}/ns/user"]
            done = enter(files, "readlink", "/proc/self/ns/net")
            assert done.command.enters == ("user", "net")
            assert done.stdout == nx.inspect(nested).links["net"] + "\n"


def test_an_ordinary_user_enters_ones_own_process() -> None:
    """User namespace first, which gives the rights for the others; the birth is seen, too."""
    seen = as_ordinary_user(alice.enter_ones_own) if IS_ROOT else alice.enter_ones_own()
    assert seen["stderr"] == ""
    uid, gid, caps, *links = filter(None, seen["lines"])
    assert (uid, gid) == ("0", "0")
    assert int(caps.split()[1], 16) != 0
    assert set(links) == set(seen["target"].values())
    assert seen["birth"] == seen["target"]
    assert (seen["inside"], seen["unreadable"], seen["dumpable"]) == (0, {}, {})
    steps = [name for name in seen["names"] if name.startswith("setns")]
    assert steps[0] == "setns(user)"


@pytest.mark.needs("root")
@pytest.mark.parametrize("by_file", [False, True])
def test_without_a_mapping_for_root_one_stays_who_one_is(
    by_file: bool, tool: Callable[[str], str]
) -> None:
    """A note says so; the IDs are the overflow ID, as nsenter --preserve-credentials has it."""
    with subprocess.Popen([tool("unshare"), "--user", "sleep", "60"]) as process:
        try:
            path = f"/proc/{process.pid}/ns/user"
            assert eventually(lambda: os.stat(path).st_ino != os.stat("/proc/self/ns/user").st_ino)
            done = enter(path if by_file else process.pid, "id", "-u")
        finally:
            process.kill()
    assert done.stdout == "65534\n"
    assert done.command.credential is None
    assert "no mapping for UID 0 and GID 0" in done.command.notes[0]


@pytest.mark.needs("root")
def test_groups_stay_where_setgroups_is_denied() -> None:
    """Root inside all the same."""
    script = "echo deny > /proc/self/setgroups; echo ready; sleep 60"
    with subprocess.Popen(
        ["unshare", "--user", "--map-root-user", "sh", "-c", script], stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            assert Path(f"/proc/{process.pid}/setgroups").read_text() == "deny\n"
            for target in (process.pid, f"/proc/{process.pid}/ns/user"):
                done = enter(target, "id", "-u")
                assert done.stdout == "0\n"
                assert done.command.credential == nx.Credential(0, 0, None)
                assert "setgroups(0)" not in done.timeline.names
        finally:
            process.kill()


# -- time namespaces --------------------------------------------------------------------


@pytest.mark.needs("root")
def test_clocks_inside_and_the_timeline_outside(tool: Callable[[str], str]) -> None:
    """A day ahead inside; yet the steps of the start follow each other on one clock, ours."""
    command = [tool("unshare"), "--time", "--fork", "--boottime", "86400", "--monotonic", "86400"]
    with subprocess.Popen([*command, "sleep", "60"], start_new_session=True) as process:
        try:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            assert eventually(lambda: children.read_text() != "")
            pid = int(children.read_text())
            code = "import time; print(time.clock_gettime(time.CLOCK_MONOTONIC))"
            assert eventually(lambda: nx.inspect(pid).comm == "sleep")
            done = enter(pid, sys.executable, "-c", code)
            now = time.clock_gettime(time.CLOCK_MONOTONIC)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    assert done.command.enters == ("time",)
    assert 86000 < float(done.stdout) - now < 86500
    assert 0 < done.timeline.total_us < 5e6
    starts = [step.start_us for step in done.timeline if step.by == "child"]
    assert starts == sorted(starts)
    assert done.timeline.names[-1] == "execve"


# -- start, step and run ----------------------------------------------------------------


def test_a_started_process_outlives_the_open_namespaces() -> None:
    """`inside` closes what it has opened; what was started runs on, and is ended as ever."""
    with somebody() as process:
        with inside(process) as execer:
            started = execer.start("/bin/sh", "-c", "echo go; read line; echo $line",
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
        with started:
            assert started.communicate("on\n") == ("go\non\n", None)


def test_a_step_is_inside_from_its_first_stop_on() -> None:
    """cloned, released, exec'd: at each the process is where it was to enter."""
    with somebody() as process, inside(process) as execer:
        links = nx.inspect(process).links
        with execer.step("/bin/sleep", "60") as step:
            assert step.states == ("cloned", "released", "exec'd")
            while True:
                assert step.view().links == links, step.state
                if step.state == "exec'd":
                    break
                step.next()
            assert step.pid == step.process.pid
            assert step.view().nspid[0] == step.pid


@pytest.mark.parametrize("state", ["cloned", "released"])
def test_killed_on_the_way(state: str) -> None:
    """Whoever kills the process that has entered: an error that says so, nothing left."""
    with somebody() as process, inside(process) as execer, execer.step("sleep", "60") as step:
        while step.state != state:
            step.next()
        os.kill(step.pid, signal.SIGKILL)
        with pytest.raises(nx.StartError, match="killed by signal 9"):
            step.finish()


@pytest.mark.parametrize("state", ["cloned", "released", "exec'd"])
@pytest.mark.filterwarnings("ignore:.*was dropped while it ran:ResourceWarning")
def test_a_dropped_step_leaves_nothing(state: str) -> None:
    """Its process is gone and reaped."""
    with somebody() as process, inside(process) as execer:
        step = execer.step("/bin/sleep", "60")
        while step.state != state:
            step.next()
        pid = step.pid
        del step
        gc.collect()
        assert not Path(f"/proc/{pid}").exists()


def test_timeout_ends_it_with_what_it_has_written() -> None:
    """As of `run`."""
    with somebody() as process, pytest.raises(subprocess.TimeoutExpired) as caught:
        enter(process, "/bin/sh", "-c", "echo so far; sleep 60", timeout=0.3)
    assert caught.value.stdout == "so far\n"


def test_input_and_environment_arrive() -> None:
    """As of `run`: stdin is what was given, the environment exactly that."""
    with somebody() as process:
        done = enter(process, "/bin/sh", "-c", "cat; echo $A", input="in\n", env={"A": "b"})
        assert done.stdout == "in\nb\n"


def test_no_other_descriptor_arrives() -> None:
    """0, 1 and 2 alone: none of the namespaces' descriptors is left open."""
    with somebody() as process:
        done = enter(process, "ls", "/proc/self/fd")
    assert done.stdout.split() == ["0", "1", "2", "3"]  # the last is the listing's own


def test_programs_are_looked_for_inside(tmp_path: Path) -> None:
    """With a mount namespace, what is found through PATH is what is there."""
    tool = tmp_path / "only-inside"
    with somebody(ALL_NAMESPACES, mount_proc=False) as process:
        tmp_path.chmod(0o755)
        with inside(process, types=("user", "mnt")) as execer:
            command = execer.plan("sh")
            assert command.path == "sh"
            assert "/bin/sh" in command.search
            assert command.cwd == "/"
        with pytest.raises(nx.StartError) as caught:
            enter(process, tool.name)
    assert caught.value.step == "execve"
    assert "none of these folders in the entered mount namespace" in caught.value.hint


# -- many at once -------------------------------------------------------------------------


def test_many_threads_enter_at_once() -> None:
    """Twenty, among them time namespaces and starts of new ones; dumpable is put back."""
    libc = ctypes.CDLL(None)
    before = libc.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)
    with somebody() as process:
        links = nx.inspect(process).links

        def act(number: int) -> str:
            if number % 4 == 3:
                return nx.NamespacingExecer(**OWN_MAP).run("/bin/echo", "x").stdout
            return enter(process, "readlink", "/proc/self/ns/net").stdout

        with ThreadPoolExecutor(20) as pool:
            said = list(pool.map(act, range(60)))
    assert said == ["x\n" if n % 4 == 3 else links["net"] + "\n" for n in range(60)]
    assert libc.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == before == 1


def test_memory_is_hidden_while_a_user_namespace_is_entered() -> None:
    """Root of that namespace could trace the process into our memory: not until execve."""
    libc = ctypes.CDLL(None)
    with somebody() as process, inside(process) as execer:
        step = execer.step("/bin/sleep", "60")
        assert libc.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0
        step.finish()
        assert libc.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1
        step.close()


def test_from_a_short_lived_thread() -> None:
    """The process does not die with the thread that started it."""
    with somebody() as process, inside(process) as execer:
        started: list[nx.Process] = []
        thread = threading.Thread(target=lambda: started.append(execer.start("/bin/sleep", "60")))
        thread.start()
        thread.join()
        with started[0] as sleeper:
            time.sleep(0.1)
            assert sleeper.poll() is None


def test_where_sigchld_is_ignored() -> None:
    """Nobody is left to wait for; the process runs and its output is had."""
    code = (
        "import signal, sys, nsexplore as nx\n"
        "from nsexplore.entering import inside\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "with inside(int(sys.argv[1])) as execer:\n"
        "    process = execer.start('/bin/echo', 'here', stdout=-1)\n"
        "    print(process.stdout.read(), end='')\n"
        "    process.stdout.close()\n"
    )
    with somebody() as process:
        command = [sys.executable, "-W", "ignore", "-c", code, str(process.pid)]
        assert subprocess.check_output(command, text=True) == "here\n"


# -- refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "options", "error", "words"),
    [
        (1 << 22, {}, ProcessLookupError, "has ended, or never was"),
        (0, {}, ValueError, "is no PID"),
        (True, {}, TypeError, "must be a PID"),
        (None, {}, TypeError, "must be a PID"),
        ((), {}, ValueError, "target is empty"),
        ("/etc/passwd", {}, ValueError, "no namespace but an ordinary file"),
        ("/proc/self/ns", {}, ValueError, "no namespace but a folder"),
        ("/dev/null", {}, ValueError, "no namespace but a device"),
        ("/no/such/file", {}, FileNotFoundError, "/no/such/file"),
        ("/proc/self/ns/net", {"types": "uts"}, ValueError, "leads to no uts namespace"),
        (os.getpid(), {"types": "nett"}, ValueError, "'nett' is no kind of namespace; there are"),
        (os.getpid(), {"types": ["net", 3]}, TypeError, "types must be names"),
        (os.getpid(), {"types": 7}, TypeError, "types must be names"),
        (os.getpid(), {"types": ()}, ValueError, "types is empty"),
        (os.getpid(), {"timeout": "x"}, TypeError, "timeout must be"),
    ],
)
def test_bad_arguments_are_refused(
    target: Any, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    """Before anything is started, in words."""
    with pytest.raises(error) as caught:
        enter(target, "/bin/true", **options)
    assert words in str(caught.value)


def test_an_ended_process_is_no_target() -> None:
    """Neither as one of ours nor, unreaped, by its PID."""
    with somebody() as process:
        pass
    with pytest.raises(ProcessLookupError, match="has ended"):
        enter(process, "/bin/true")
    zombie = subprocess.Popen(["true"])
    try:
        assert eventually(lambda: nx.inspect(zombie.pid).state.startswith("Z"))
        with pytest.raises(ProcessLookupError, match="has ended"):
            enter(zombie.pid, "/bin/true")
    finally:
        zombie.wait()


def test_two_namespaces_of_a_kind_are_refused() -> None:
    """Only one can be entered; both are named."""
    with somebody() as one, somebody() as other:
        with pytest.raises(ValueError, match="two user namespaces") as caught:
            enter([one, other], "/bin/true")
        assert f"/proc/{one.pid}/ns/user" in str(caught.value)


@pytest.mark.needs("root")
def test_a_pid_namespace_whose_init_has_died() -> None:
    """The kernel's ENOMEM in words, at the step of the fork."""
    with somebody() as process:
        file = open(f"/proc/{process.pid}/ns/pid")  # noqa: SIM115  # outlives the process
    with file, pytest.raises(nx.StartError) as caught:
        enter(file, "/bin/true")
    assert (caught.value.step, caught.value.errno) == ("fork", errno.ENOMEM)
    assert "its PID 1 has ended" in caught.value.hint


@pytest.mark.needs("root")
def test_a_pid_namespace_above_cannot_be_entered(tool: Callable[[str], str]) -> None:
    """EINVAL, with the rule; asked from a process inside another PID namespace."""
    code = (
        "import sys, nsexplore as nx\n"
        "from nsexplore.entering import enter\n"
        "try:\n"
        "    enter(open('/proc/1/ns/pid' if len(sys.argv) < 2 else sys.argv[1]), '/bin/true')\n"
        "except nx.StartError as error:\n"
        "    print(error.step, error.errno, error.hint)\n"
    )
    # The /proc outside is still mounted there, so its self leads nowhere: the parent's shows.
    command = [tool("unshare"), "--pid", "--fork", "--kill-child", sys.executable, "-c", code]
    done = subprocess.run(
        [*command, f"/proc/{os.getpid()}/ns/pid"], capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith(f"setns {errno.EINVAL} only our own PID namespace"), done


@pytest.mark.needs("root")
def test_refusals_of_an_ordinary_user_name_the_rule() -> None:
    """Another's process is not even seen; by a descriptor, the rule of each kind is named."""
    with somebody() as process:
        name, number, words, _ = as_ordinary_user(alice.refused, process.pid, None)
        assert (name, number) == ("PermissionError", errno.EACCES)
        assert "CAP_SYS_PTRACE" in words
    for kind, rule in {
        "user": "needs CAP_SYS_ADMIN in it",
        "net": "needs CAP_SYS_ADMIN in the user namespace that owns it",
        "mnt": "CAP_SYS_ADMIN and CAP_SYS_CHROOT",
        "time": "needs CAP_SYS_ADMIN in the user namespace that owns it",
    }.items():
        with nx.NamespacingExecer(**OWN_MAP, clone_flags=ALL_NAMESPACES).start(
            "sleep", "60"
        ) as process:
            path = f"/proc/{process.pid}/ns/{kind}"
            name, number, words, step = _refused_with_open_file(path)
        assert (name, number, step) == ("StartError", errno.EPERM, "setns"), words
        assert rule in words
        assert f"entering {kind}:[" in words


def _refused_with_open_file(path: str) -> tuple[str, int | None, str, str]:
    """As root open it, then ask as nobody: in a child, which gives up its rights."""
    code = (
        "import os, sys, json\n"
        "import nsexplore.entering, nsexplore.hints, nsexplore._spawn, entering_alice\n"
        "import nsexplore.causes, nsexplore.facts, nsexplore.probes\n"
        "file = open(sys.argv[1])\n"
        "os.setgroups([]); os.setresgid(1000, 1000, 1000); os.setresuid(1000, 1000, 1000)\n"
        "print(json.dumps(entering_alice.refused(file, None)))\n"
    )
    here = str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", code, path], env={**os.environ, "PYTHONPATH": here},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return tuple(json.loads(done.stdout))


# -- as a value ---------------------------------------------------------------------------


def test_the_command_survives_a_recording() -> None:
    """Every attribute goes to JSON and back; the number of a descriptor is not part of it."""
    with somebody() as process, inside(process) as execer:
        command = execer.plan("id", "-u")
    assert command.joins
    assert decode(Command, encode(command), "command") == command
    plain = jsonable(command)
    assert plain["joins"][0].keys() == {"kind", "dev", "ino", "source"}


def test_pictures_show_what_is_entered() -> None:
    """The command names each namespace and its source; the process tells entered from shared."""
    with somebody(CloneFlags.NEWUSER | CloneFlags.NEWUTS) as process:
        done = enter(process, "/bin/true")
        source = f"/proc/{process.pid}/ns/uts"
    for value in (done.command, done):
        bundle = value._repr_mimebundle_()
        assert "uts" in bundle["text/html"]
    assert source in str(done.command)
    assert "setns(" in done.command._repr_mimebundle_()["text/html"]
    lines = {line.split()[0]: line.split()[1:] for line in str(done).splitlines() if line.split()}
    assert lines["entered"] == ["user", "uts"]
    assert lines["shared"] == ["pid", "mnt", "net", "ipc", "cgroup", "time"]
    assert "real root" not in str(done)

"""`Command.as_shell`: pasted into sh or bash, it does what the command itself does."""

from __future__ import annotations

import doctest
import json
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import eventually
from drivers.whoever import OWN_MAP, ROOTLESS
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jupyter_apart import MARK, still_running

import nsexplore as nx
from nsexplore.cli import main
from nsexplore.command import Join
from nsexplore.entering import inside
from nsexplore.shell import quoted

pytestmark = pytest.mark.usefixtures("no_sleeper", "leaves_nothing")

SHELLS = ("dash", "bash")
NEW = nx.CloneFlags
ALL = NEW(sum(kind.flag for kind in nx.KINDS))

PROBE = r"""
echo uid_map: $(cat /proc/self/uid_map)
echo gid_map: $(cat /proc/self/gid_map)
echo setgroups: $(cat /proc/self/setgroups)
grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp|SigPnd|SigBlk|SigCgt)' /proc/self/status
grep -E '^NSpid' /proc/self/status | wc -w
for kind in user pid mnt net ipc uts cgroup time; do readlink /proc/self/ns/$kind; done
test $$ = 1 && echo init
test "$(echo /proc/[0-9]* | wc -w)" -lt 6 && echo its own proc
awk '$5 == "/" { print "root:", substr($7, 1, 6) }' /proc/self/mountinfo
echo umask: $(umask), directory: $(pwd), open: $(ls /proc/self/fd)
env | grep -Ev '^(_|SHLVL)=' | sort  # a shell's own
exit 7
"""
"""What the kernel gave, a fact a line; it ends with a status of its own."""


@pytest.fixture
def no_sleeper(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that leaves the process that holds a user namespace."""
    mark = {MARK: uuid.uuid4().hex}
    monkeypatch.setenv(MARK, mark[MARK])
    yield
    assert eventually(lambda: not still_running(mark)), f"left: {still_running(mark)}"


def pasted(command: nx.Command, shell: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Return what comes of a command's line in a shell."""
    given = {"text": True, "timeout": 20, "env": dict(os.environ), **options}
    if "input" not in given:
        given["stdin"] = subprocess.DEVNULL
    line = [shell, "-c", command.as_shell()]
    return subprocess.run(line, capture_output=True, check=False, **given)


def typed(command: nx.Command, shell: str) -> subprocess.CompletedProcess[str]:
    """Return the same, where the shell reads the line from its stdin."""
    line, env = command.as_shell(), dict(os.environ)
    return subprocess.run(
        [shell], input=line, env=env, capture_output=True, text=True, timeout=20, check=False
    )


def facts(output: str) -> list[str]:
    """Return the facts, with a namespace's number replaced by whether it is another than ours."""
    ours = {os.readlink(f"/proc/self/ns/{kind.name}") for kind in nx.KINDS}
    return [
        f"{line.partition(':')[0]} is {'ours' if line in ours else 'new'}" if ":[" in line else line
        for line in output.splitlines()
    ]


def assert_the_same(execer: nx.NamespacingExecer, **options: Any) -> list[str]:
    """Fail unless the kernel gives a pasted line what it gives the command; return that."""
    command = execer.plan("sh", "-c", PROBE, **options)
    done = execer.run("sh", "-c", PROBE, **options)
    assert (done.returncode, done.stderr) == (7, "")
    for shell in SHELLS:
        for got in (pasted(command, shell), typed(command, shell)):
            assert (got.returncode, got.stderr) == (7, ""), command.as_shell()
            assert facts(got.stdout) == facts(done.stdout), shell
    return facts(done.stdout)


# -- new namespaces -----------------------------------------------------------------------


PRIVILEGED: dict[str, dict[str, Any]] = {
    "garden's": {},
    "none": {"clone_flags": 0},
    "all": {"clone_flags": ALL & ~NEW.NEWUSER, "mount_proc": True},
    "uts alone": {"clone_flags": NEW.NEWUTS},
    "time alone": {"clone_flags": NEW.NEWTIME},
    "detached": {"detached": True},
}


@pytest.mark.needs("root")
@pytest.mark.parametrize("asked", PRIVILEGED.values(), ids=PRIVILEGED)
def test_without_a_user_namespace(asked: dict[str, Any]) -> None:
    """The machine's real root gets the same from unshare(1)."""
    assert_the_same(nx.NamespacingExecer(privileged=True, **asked))


MAPS: dict[str, dict[str, Any]] = {
    "garden's": {},
    "garden's with a MaxUID": {"max_uid": 65535},
    "all": {"max_uid": 1000, "clone_flags": ALL, "mount_proc": True},
    "user alone": {"max_uid": 1000, "clone_flags": NEW.NEWUSER},
    "user and uts": {"max_uid": 1000, "clone_flags": NEW.NEWUSER | NEW.NEWUTS},
    "detached": {"max_uid": 1000, "detached": True},
    "of one's own": {"id_map": nx.IDMap([(0, 0, 1), (1000, 5, 10)])},
    "two": {"id_map": nx.IDMap([(0, 7, 2)]), "gid_map": nx.IDMap([(0, 9, 1), (1, 20, 3)])},
    "of many lines": {"id_map": nx.IDMap([(n, 2 * n, 1) for n in range(300)])},
}


@pytest.mark.needs("root")
@pytest.mark.parametrize("asked", MAPS.values(), ids=MAPS)
def test_a_map_that_root_writes(asked: dict[str, Any]) -> None:
    """Whatever the map, and whichever the namespaces beside."""
    got = assert_the_same(nx.NamespacingExecer(**asked))
    assert "user is new" in got


@pytest.mark.needs("user namespaces")
@pytest.mark.parametrize("flags", [None, NEW.NEWUSER, NEW.NEWUSER | NEW.NEWNET, ALL])
def test_a_rootless_map(flags: nx.CloneFlags | None) -> None:
    """What anybody may have: one ID by unshare alone, more by newuidmap and newgidmap."""
    execer = nx.NamespacingExecer(**ROOTLESS, clone_flags=flags, mount_proc=flags == ALL)
    got = assert_the_same(execer)
    command = execer.plan("true")
    one_id = not command.gid_mappings_enable_setgroups
    assert ("--map-root-user" in command.as_shell()) == one_id
    assert ("newuidmap" in command.as_shell()) == (command.newuidmap is not None)
    assert f"setgroups: {'deny' if one_id else 'allow'}" in got


@pytest.mark.needs("sub-IDs")
def test_the_helpers_write_the_maps() -> None:
    """In the order of newuidmap's own arguments."""
    line = nx.NamespacingExecer(id_map="rootless").plan("true").as_shell()
    assert f"newuidmap $holder 0 {os.geteuid()} 1  1 100000 65536\n" in line
    assert f"newgidmap $holder 0 {os.getegid()} 1  1 200000 65536\n" in line


@pytest.mark.needs("sub-IDs")
def test_a_helper_for_users_alone() -> None:
    """Then setgroups is denied, and nsenter is not to touch the groups."""
    users = nx.IDMap([(0, os.geteuid(), 1), (1, 100000, 10)])
    groups = nx.IDMap.rootless(os.getegid())
    got = assert_the_same(nx.NamespacingExecer(id_map=users, gid_map=groups))
    assert "setgroups: deny" in got


def test_a_comment_says_what_a_line_cannot() -> None:
    """Rather than do something else without a word."""
    idmap = nx.IDMap.garden(33)
    joins = (Join("net", 4, 2, "/run/netns/blue"),)
    flags = NEW.NEWUSER | NEW.NEWUTS
    both = nx.Command("/bin/id", ("id",), None, None, None, None, None, flags, idmap, idmap, True)
    assert replace(both, joins=joins).as_shell().startswith("# without net, ")
    assert not both.as_shell().startswith("#")


@pytest.mark.needs("sub-IDs")
def test_who_cannot_be_become_is_said() -> None:
    """Where setgroups is denied, nsenter does not become a root that is somebody else."""
    groups = nx.IDMap.rootless(os.getegid())
    for root, said in ((os.geteuid(), False), (100000, True)):
        plan = nx.NamespacingExecer(id_map=nx.IDMap([(0, root, 1), (1, 100001, 9)]), gid_map=groups)
        assert plan.plan("id").as_shell().startswith("# root inside is somebody else") == said


@pytest.mark.needs("user namespaces")
def test_one_id_that_is_somebody_else_is_no_map_of_oneself() -> None:
    """--map-root-user would map oneself, whatever the command asks for."""
    own = nx.IDMap.rootless(os.geteuid())
    plan = replace(
        nx.NamespacingExecer(id_map=own, gid_map=nx.IDMap.rootless(os.getegid())).plan("true"),
        gid_mappings_enable_setgroups=False,
    )
    assert "--map-root-user" in plan.as_shell()
    for field in ("uid_mappings", "gid_mappings"):
        other = replace(plan, **{field: nx.IDMap([(0, 54321, 1)])})
        assert "--map-root-user" not in other.as_shell()
        assert "0 54321 1" in other.as_shell()


@pytest.mark.needs("root")
def test_credentials_of_ones_own() -> None:
    """Which no execer asks for, but a command may."""
    runner = nx.NativeCommandRunner()
    read, write = os.pipe()
    command = nx.Command(
        "/bin/sh",
        ("sh", "-c", "grep -E '^(Uid|Gid|Groups|CapEff)' /proc/self/status"),
        stdout=write,
        credential=nx.Credential(7, 8, (9, 10)),
    )
    with os.fdopen(read) as output, runner.start(command) as process:
        os.close(write)
        process.wait()
        seen = output.read()
    assert "Groups:\t9 10" in seen
    for shell in SHELLS:
        assert pasted(command, shell).stdout == seen


@pytest.mark.needs("root")
def test_setgroups_is_denied_before_the_map_of_groups_is_written() -> None:
    """As the kernel wants it of those without privileges."""
    execer = nx.NamespacingExecer(max_uid=1000)
    command = replace(execer.plan("sh", "-c", PROBE), gid_mappings_enable_setgroups=False)
    with nx.NativeCommandRunner().start(replace(command, stdout=None)) as process:
        assert process.birth.setgroups == "deny"
    for shell in SHELLS:
        assert "setgroups: deny" in pasted(command, shell).stdout.splitlines()


@pytest.mark.needs("user namespaces")
@pytest.mark.parametrize("shell", SHELLS)
def test_what_is_changed_inside_stays_there(shell: str) -> None:
    """A host name, and a mount."""
    before = os.uname().nodename, Path("/proc/self/mountinfo").read_text()
    script = "hostname inside; hostname; mount -t tmpfs x /mnt; grep -c '^x ' /proc/self/mounts"
    done = pasted(nx.NamespacingExecer(**OWN_MAP).plan("sh", "-c", script), shell)
    assert (done.stdout, done.stderr) == ("inside\n1\n", "")
    assert (os.uname().nodename, Path("/proc/self/mountinfo").read_text()) == before


PROPAGATE = """
import json, subprocess
import nsexplore as nx
show = "awk '$5 == \\"/\\" {print substr($7, 1, 6)} $5 == \\"/proc\\" {n++} END {print n}'"
for how in ("private", "slave", "shared", None):
    execer = nx.NamespacingExecer(
        privileged=True,
        clone_flags=nx.CloneFlags.NEWNS | nx.CloneFlags.NEWPID,
        propagation=how,
        mount_proc=how in ("private", "slave"),
    )
    words = ["sh", "-c", show + " /proc/self/mountinfo"]
    line = execer.plan(*words).as_shell()
    got = [subprocess.check_output([shell, "-c", line], text=True) for shell in ("dash", "bash")]
    print(json.dumps([execer.run(*words).stdout, *got]))
"""


@pytest.mark.needs("user namespaces")
def test_propagation_of_mounts() -> None:
    """Each way, where all mounts are shared, as systemd makes them; /proc is mounted anew."""
    shared = ["unshare", "--map-root-user", "--mount", "--propagation", "shared"]
    done = subprocess.run(
        [*shared, sys.executable, "-c", PROPAGATE], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(own == dash == bash for own, dash, bash in seen)
    assert [own.split()[0] for own, *_ in seen] == ["-", "master", "shared", "shared"]
    fresh = [int(own.split()[1]) for own, *_ in seen]
    assert fresh[0] == fresh[1] == fresh[2] + 1 == fresh[3] + 1


# -- the program ----------------------------------------------------------------------


ODD = [
    "",
    " ",
    "a b",
    "'",
    '"\'"',
    "$HOME `id` $(id)",
    "two\nlines",
    "\n\nends\n\n",
    "-x",
    "--",
    "*",
    "~",
    "!!",
    "\\n\\",
    "%s%d",
    "\t\r\x1b[31m",
    "\x01'\n",
    "-\x7f",
    "é☃\u202e",
    "\udcff\udc80",
    "#",
    "a=b",
    "MAP",
]


BARE: dict[str, Any] = {"privileged": True, "clone_flags": 0}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("asked", [OWN_MAP, BARE], ids=["namespaces", "none"])
def test_words_arrive_as_they_are(shell: str, asked: dict[str, Any]) -> None:
    """Whatever is in them; and all of the text can be seen."""
    env = {"PATH": "/bin:/usr/bin", "-i": "x", "ODD": "".join(ODD)}
    script = 'printf "%s\\0" "$ODD" "$@"'
    command = nx.NamespacingExecer(**asked).plan("sh", "-c", script, *ODD, env=env)
    assert all(c.isprintable() or c == "\n" for c in command.as_shell())
    done = pasted(command, shell, text=False)
    assert done.stdout.split(b"\0") == [os.fsencode(w) for w in ("".join(ODD), *ODD[1:], "")]
    assert done.stderr == b""


@given(st.text(st.characters(blacklist_characters="\0", blacklist_categories=()), max_size=40))
@settings(max_examples=40, deadline=None)
def test_any_word_can_be_quoted(word: str) -> None:
    """Both shells read it as it is, bytes that are no UTF-8 included."""
    assume(not any(0xD800 <= ord(c) <= 0xDFFF and not 0xDC80 <= ord(c) <= 0xDCFF for c in word))
    assert all(c.isprintable() or c == "\n" for c in quoted(word))
    for shell in SHELLS:
        done = subprocess.run(
            [shell, "-c", f"printf '%s\\0' {quoted(word)}"], capture_output=True, check=True
        )
        assert done.stdout == os.fsencode(word) + b"\0"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that anybody may enter, which pytest's are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("name", ["a=b", "-x", "if", "with space", "$x;'", "é\n"])
@pytest.mark.parametrize("asked", [OWN_MAP, BARE], ids=["namespaces", "none"])
@pytest.mark.parametrize("env", [None, {}, {"A": "b"}], ids=["inherited", "empty", "given"])
def test_the_program_is_found_by_its_path(
    name: str, asked: dict[str, Any], env: dict[str, str] | None, open_folder: Path
) -> None:
    """An odd name is no option, no assignment and no keyword; nor is a relative one in PATH."""
    program = open_folder / name
    program.write_text("#!/bin/sh\necho $A $#; pwd")
    program.chmod(0o755)
    execer = nx.NamespacingExecer(**asked)
    for command in (
        execer.plan(program, "1", env=env, cwd=open_folder),
        replace(execer.plan("true", "1", env=env, cwd=open_folder), path=name, args=(name, "1")),
    ):
        for shell in SHELLS:
            done = pasted(command, shell, cwd=open_folder)
            expected = f"{(env or {}).get('A', os.environ.get('A', ''))} 1".strip()
            assert (done.stdout, done.stderr) == (f"{expected}\n{open_folder}\n", "")


@pytest.mark.needs("user namespaces")
def test_environment_and_folder() -> None:
    """Those that are given, and no other variable."""
    got = assert_the_same(
        nx.NamespacingExecer(**OWN_MAP), env={"PATH": os.environ["PATH"], "A": "x y"}, cwd="/usr"
    )
    assert "A=x y" in got
    assert not any(line.startswith("HOME=") for line in got)
    assert any("directory: /usr," in line for line in got)


@pytest.mark.needs("user namespaces")
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("flags", [None, NEW.NEWUSER])
def test_how_it_ends(shell: str, flags: nx.CloneFlags | None) -> None:
    """The exit status is the program's; a signal's, where one ended it."""
    execer = nx.NamespacingExecer(**OWN_MAP, clone_flags=flags)
    assert pasted(execer.plan("sh", "-c", "exit 42"), shell).returncode == 42
    if flags is not None:  # PID 1 is spared by those inside
        killed = pasted(execer.plan("sh", "-c", "kill -USR1 $$; sleep 9"), shell)
        assert killed.returncode in (-signal.SIGUSR1, 128 + signal.SIGUSR1)


@pytest.mark.needs("user namespaces")
@pytest.mark.parametrize("shell", SHELLS)
def test_streams_are_the_shells(shell: str) -> None:
    """So that the program can be talked to."""
    command = nx.NamespacingExecer(**OWN_MAP).plan("sh", "-c", "cat; echo two >&2")
    done = pasted(command, shell, input="one\n")
    assert (done.stdout, done.stderr) == ("one\n", "two\n")


@pytest.mark.needs("user namespaces")
@pytest.mark.parametrize("shell", SHELLS)
def test_extra_files_are_for_the_shell_to_open(shell: str) -> None:
    """A comment says which; they reach the program."""
    with open(os.devnull) as file:
        execer = nx.NamespacingExecer(**OWN_MAP, extra_files=[file, file])
        command = execer.plan("sh", "-c", "cat <&4")
    comment, line = command.as_shell().split("\n", 1)
    assert comment.startswith("# fd 3, 4 ")
    script = f"exec 3</dev/null 4<<END\nfour\nEND\n{line}"
    done = subprocess.run([shell, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("four\n", "")


@pytest.mark.parametrize("name", ["", "no-such-program", "no\nsuch \x1b"])
def test_a_program_that_is_not_here(name: str) -> None:
    """May be elsewhere: the line is as it would be there, and says so."""
    command = nx.NamespacingExecer(privileged=True, max_uid=33).plan(name)
    comment, line = command.as_shell().split("\n", 1)
    assert comment.startswith("# exec: ")
    assert line == f"unshare --pid --mount --net --ipc --uts --fork --kill-child -- {quoted(name)}"
    for shell in SHELLS:
        done = pasted(nx.NamespacingExecer(**BARE).plan(name), shell)
        assert done.returncode == 127


# -- what is left -------------------------------------------------------------------------


@pytest.mark.needs("user namespaces")
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("flags", [None, NEW.NEWUSER])
def test_a_pasted_line_that_is_killed_leaves_nothing(
    shell: str, flags: nx.CloneFlags | None
) -> None:
    """The holder ends with unshare, and so does the program."""
    command = nx.NamespacingExecer(**OWN_MAP, clone_flags=flags).plan("sh", "-c", "echo; exec cat")
    with subprocess.Popen(
        [shell, "-c", command.as_shell()], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        below = descendants(process.pid)
        while not is_running(below[0], "unshare") and below[1:]:
            below.pop(0)  # a shell; without a holder or a fork, the program is all there is
        assert is_running(below[0])
        os.kill(below[0], signal.SIGKILL)
        assert process.stdout.read() == b""  # nobody has it any more
        assert eventually(lambda: not any(map(is_running, below)))


def descendants(pid: int) -> list[int]:
    """Return a process and all below it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += descendants(int(child))
    return found


def is_running(pid: int, name: str = "") -> bool:
    """Whether a process has not ended, and is of this name."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return f"Name:\t{name}" in status and "State:\tZ" not in status


@pytest.mark.needs("user namespaces")
@pytest.mark.parametrize("shell", SHELLS)
def test_a_map_that_the_kernel_refuses_leaves_nothing(shell: str) -> None:
    """The program does not start, and the shell says what was refused."""
    idmap = nx.IDMap([(0, 4294967294, 1)])
    asked = {"uid_mappings": idmap, "gid_mappings": idmap, "newuidmap": None, "newgidmap": None}
    command = replace(nx.NamespacingExecer(**OWN_MAP).plan("echo", "started"), **asked)
    script = f"unshare --map-root-user {shell} -c {quoted(command.as_shell())}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stdout == ""
    assert "Operation not permitted" in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_where_no_namespace_is_to_be_had_it_fails(shell: str) -> None:
    """Soon: nobody waits for a holder that is not coming."""
    command = replace(nx.NamespacingExecer(max_uid=1000).plan("echo", "started"))
    line = command.as_shell().replace("unshare --user sleep", "unshare --no-such-option sleep")
    assert line != command.as_shell()
    done = subprocess.run(
        [shell, "-c", line], capture_output=True, text=True, check=False, timeout=10
    )
    assert (done.returncode != 0, done.stdout) == (True, "")


# -- what is there already ----------------------------------------------------------------


@pytest.fixture(scope="module")
def somebody() -> Iterator[nx.Process]:
    """Return a process in namespaces of its own."""
    execer = nx.NamespacingExecer(**OWN_MAP, clone_flags=ALL, mount_proc=True)
    with execer.start("sleep", "100") as process:
        yield process


@pytest.mark.needs("user namespaces")
@pytest.mark.parametrize(
    "types", [None, "user", "user,net", "user,pid", "user,pid,mnt,uts", "user,time"]
)
def test_entering(somebody: nx.Process, types: str | None) -> None:
    """All of a process's namespaces, or some."""
    with inside(somebody, types=types) as execer:
        got = assert_the_same(execer, env=dict(os.environ))
        line = execer.plan("true").as_shell()
    assert "user is new" in got
    if types is None:
        assert sum(fact.endswith(" is new") for fact in got) == 8
    assert f"nsenter --user=/proc/{somebody.pid}/ns/user" in line
    assert line.endswith(" -- true" if types is None or "mnt" in types else "/true")


@pytest.mark.needs("root")
@pytest.mark.parametrize("types", ["net", "uts,ipc", "pid,mnt", "cgroup", "time"])
def test_entering_without_the_user_namespace(somebody: nx.Process, types: str) -> None:
    """With the rights of the machine's real root."""
    with inside(somebody, types=types) as execer:
        got = assert_the_same(execer)
    assert sum(fact.endswith(" is new") for fact in got) == len(types.split(","))


@pytest.mark.needs("user namespaces")
@pytest.mark.parametrize("shell", SHELLS)
def test_entering_what_the_shell_has_open(shell: str, somebody: nx.Process) -> None:
    """A comment says that the descriptor is for the shell to open."""
    with (
        open(f"/proc/{somebody.pid}/ns/user") as user,
        open(f"/proc/{somebody.pid}/ns/uts") as uts,
        inside([user, uts]) as execer,
    ):
        command = execer.plan("readlink", "/proc/self/ns/uts")
        assert f"# fd {user.fileno()}: open the user namespace" in command.as_shell()
        done = pasted(command, shell, pass_fds=[user.fileno(), uts.fileno()])
    assert (done.stdout.strip(), done.stderr) == (os.readlink(f"/proc/{somebody.pid}/ns/uts"), "")


def test_entering_what_is_only_recorded() -> None:
    """The line is as it would be, with a word to be replaced."""
    joins = (Join("net", 4, 1, "ours"), Join("uts", 4, 2, "a recording", -1))
    comment, line = nx.Command("/bin/id", ("id",), joins=joins).as_shell().split("\n")
    assert comment.startswith("# PID: ")
    assert line == "nsenter --uts=/proc/PID/ns/uts -- /bin/id"


# -- where it is shown --------------------------------------------------------------------


def test_the_picture_has_it_folded() -> None:
    """In the HTML of a command, and not in its text; an environment's values in neither."""
    plan = nx.NamespacingExecer(max_uid=33).plan("echo", "<b>", env={"TOKEN": "secret"})
    shown = plan._repr_mimebundle_()
    assert "<summary>in a shell</summary>" in shown["text/html"]
    assert "cat &gt;/proc/$holder/uid_map &lt;&lt;MAP\n0 33 1\n1 1 32\nMAP\n" in shown["text/html"]
    assert "TOKEN=…" in shown["text/html"]
    assert "secret" not in "".join(shown.values())
    assert "<b>" not in shown["text/html"].split("in a shell")[1].split("</pre>")[0]
    assert "unshare" not in shown["text/plain"]
    assert "TOKEN=secret" in plan.as_shell()


def test_the_example_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    """In the docstring. Doctest itself would leave a ``_`` for all to see."""
    examples = doctest.DocTestParser().get_examples(nx.Command.as_shell.__doc__ or "")
    exec("".join(example.source for example in examples), {})
    assert capsys.readouterr().out == "".join(example.want for example in examples) != ""


def test_the_command_line_prints_it_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """``nsexplore plan --shell``; that root is the real one goes to stderr."""
    assert main(["plan", "--shell", "--privileged", "--", "/bin/echo", "a b"]) == 0
    out, err = capsys.readouterr()
    line = "unshare --pid --mount --net --ipc --uts --fork --kill-child -- /bin/echo 'a b'\n"
    assert out == line
    assert "real root" in err
    assert main(["plan", "--shell", "--max-uid", "33", "--", "/bin/true"]) == 0
    assert capsys.readouterr().out == (
        nx.NamespacingExecer(max_uid=33).plan("/bin/true").as_shell() + "\n"
    )

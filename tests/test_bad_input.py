"""Every wrong argument gets an error that names it, and nothing is spawned or left."""

from __future__ import annotations

import errno
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from drivers.whoever import OWN_MAP
from ordinary_user import as_ordinary_user

import nsexplore as nx
from nsexplore.errors import IDMapTypeError

pytestmark = pytest.mark.usefixtures("leaves_nothing")


@pytest.fixture
def execer() -> nx.NamespacingExecer:
    return nx.NamespacingExecer(**OWN_MAP)


@pytest.fixture
def open_tmp(tmp_path: Path) -> Path:
    """A folder that the mapped root can reach, too (pytest's are closed to others)."""
    folder = Path(os.path.realpath(tmp_path))
    for parent in (folder, *folder.parents):
        if parent.stat().st_uid == os.getuid() and parent != Path("/"):
            mode = parent.stat().st_mode
            if not mode & 0o001:
                parent.chmod(mode | 0o011)
        if parent.parent.name == "tmp":
            break
    return folder


def start_error(execer: nx.NamespacingExecer, *words: Any, **options: Any) -> nx.StartError:
    with pytest.raises(nx.StartError) as caught:
        execer.run(*words, **options)
    return caught.value


@pytest.mark.parametrize("value", [-1, 0, 1, 2**32 - 1, 2**32, 2**32 + 33])
def test_a_max_uid_out_of_range_is_refused_naming_value_line_and_reason(value: int) -> None:
    """The error stands at the constructor, before there is anything to start."""
    with pytest.raises(nx.IDMapError, match=rf"max_uid={value} .*line [12] of the map"):
        nx.NamespacingExecer(max_uid=value)


@pytest.mark.parametrize("value", [True, 1.5, "7"])
def test_a_max_uid_that_is_no_integer_is_refused(value: Any) -> None:
    """It is a TypeError as well as an IDMapError (a ValueError)."""
    with pytest.raises(IDMapTypeError, match="max_uid=") as caught:
        nx.NamespacingExecer(max_uid=value)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"id_map": "rooted"}, 'id_map=.rooted. must be "rootless"'),
        ({"id_map": nx.IDMap([(0, 0, 0)])}, "line 1 .* EINVAL: its size is 0"),
        ({"id_map": nx.IDMap([(5, 5, 5)])}, "id_map has no line for ID 0 inside"),
        ({"gid_map": nx.IDMap([(0, 0, 1)])}, "gid_map goes beside an id_map"),
        ({"id_map": "rootless", "privileged": True}, "belongs to a user namespace"),
        (
            {"id_map": nx.IDMap([(0, 33, 1)]), "clone_flags": nx.CloneFlags.NEWUTS},
            "belongs to a user namespace",
        ),
        ({"clone_flags": 0x100}, "clone_flags: 0x100 stands for no namespace"),
        ({"clone_flags": nx.CloneFlags.NEWUSER, "privileged": True}, "leave NEWUSER out"),
        ({"propagation": "public"}, "propagation='public' must be one of"),
        ({"mount_proc": True, "propagation": None}, 'use propagation="private"'),
        ({"mount_proc": True, "clone_flags": nx.CloneFlags.NEWPID}, "needs CLONE_NEWNS too"),
    ],
)
def test_arguments_that_contradict_each_other_are_refused(
    options: dict[str, Any], words: str
) -> None:
    """Each is a ValueError that names the argument."""
    with pytest.raises(ValueError, match=words):
        nx.NamespacingExecer(**options)


def test_a_missing_binary_is_a_start_error(execer: nx.NamespacingExecer) -> None:
    """Go's text first; step, errno and cause after it."""
    error = start_error(execer, "/no/such/program")
    first, step, hint = str(error).split("\n")
    assert first == (
        "system: failed to start the supplied command:"
        " fork/exec /no/such/program: no such file or directory"
    )
    assert (error.errno, error.step) == (errno.ENOENT, "execve")
    assert "ENOENT" in step
    assert "/no/such/program does not exist" in hint


def test_a_bare_name_that_is_nowhere_is_a_start_error(execer: nx.NamespacingExecer) -> None:
    """It fails at the lookup, before anything is spawned."""
    error = start_error(execer, "no-such-program-at-all")
    assert str(error).startswith(
        "system: failed to start the supplied command:"
        ' exec: "no-such-program-at-all": executable file not found in $PATH'
    )
    assert error.step == "lookup"


def test_an_empty_path_is_a_start_error(execer: nx.NamespacingExecer) -> None:
    """Go's words: no command."""
    assert "exec: no command" in str(start_error(execer, ""))


def test_a_directory_is_a_start_error(execer: nx.NamespacingExecer) -> None:
    """EACCES, and the hint says that it is a directory."""
    error = start_error(execer, "/usr")
    assert (error.errno, error.step, error.hint) == (errno.EACCES, "execve", "/usr is a directory")


def test_a_file_that_is_not_executable_is_a_start_error(
    execer: nx.NamespacingExecer, open_tmp: Path
) -> None:
    """EACCES, and the hint says what to do."""
    script = open_tmp / "script"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o644)
    error = start_error(execer, script)
    assert error.errno == errno.EACCES
    assert "chmod +x" in error.hint


def test_a_script_without_shebang_is_a_start_error(
    execer: nx.NamespacingExecer, open_tmp: Path
) -> None:
    """ENOEXEC: no shell is tried in its place."""
    script = open_tmp / "script"
    script.write_text("echo hello\n")
    script.chmod(0o755)
    error = start_error(execer, script)
    assert (error.errno, error.step) == (errno.ENOEXEC, "execve")
    assert "#! line" in error.hint


def test_a_missing_interpreter_is_explained(execer: nx.NamespacingExecer, open_tmp: Path) -> None:
    """ENOENT although the file is there."""
    script = open_tmp / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    error = start_error(execer, script)
    assert error.errno == errno.ENOENT
    assert "its interpreter" in error.hint


def test_a_relative_path_counts_from_cwd(execer: nx.NamespacingExecer, open_tmp: Path) -> None:
    """A path with a slash is not looked up; one that is not there says from where it counts."""
    script = open_tmp / "here"
    script.write_text("#!/bin/sh\necho found\n")
    script.chmod(0o755)
    assert execer.run("./here", cwd=open_tmp).stdout == "found\n"
    assert "relative to cwd" in start_error(execer, "./not-here", cwd=open_tmp).hint


@pytest.mark.parametrize(
    ("words", "options", "message"),
    [
        (("/bin/true\0",), {}, "bin_path"),
        (("/bin/true", "a\0b"), {}, r"args\[0\]"),
        (("/bin/true", "a", b"a\0b"), {}, r"args\[1\]"),
        (("/bin/true",), {"env": {"A": "a\0b"}}, r"env\['A'\]"),
        (("/bin/true",), {"env": {"A\0": "a"}}, "a name in env"),
        (("/bin/true",), {"env": {"A=B": "a"}}, "env: 'A=B' is no name"),
        (("/bin/true",), {"cwd": "/\0"}, "cwd"),
    ],
)
def test_nul_and_other_impossible_strings_are_refused_by_name(
    execer: nx.NamespacingExecer, words: Any, options: Any, message: str
) -> None:
    """Before anything is spawned; the seed answers a bare EINVAL."""
    with pytest.raises(ValueError, match=message):
        execer.run(*words, **options)


@pytest.mark.parametrize(
    ("words", "options", "message"),
    [
        ((None,), {}, "bin_path must be str"),
        (("/bin/true", 7), {}, r"args\[0\] must be str"),
        (("/bin/true", "a", None), {}, r"args\[1\] must be str"),
        (("/bin/true",), {"env": {"A": 1}}, r"env\['A'\] must be str"),
        (("/bin/true",), {"env": ["A=1"]}, "env must be a mapping"),
        (("/bin/true",), {"cwd": 3}, "cwd must be str"),
    ],
)
def test_arguments_that_are_no_strings_are_refused_by_name(
    execer: nx.NamespacingExecer, words: Any, options: Any, message: str
) -> None:
    """Each is a TypeError, before anything is spawned."""
    with pytest.raises(TypeError, match=message):
        execer.run(*words, **options)


def test_a_closed_extra_file_is_refused_by_its_place() -> None:
    """The seed leaves a hole in its stead."""
    with open("/dev/null") as first, open("/dev/null") as second:
        pass
    execer = nx.NamespacingExecer(extra_files=[0, first], **OWN_MAP)
    with pytest.raises(ValueError, match=r"extra_files\[1\] has no file descriptor"):
        execer.exec("/bin/true")
    number = os.open("/dev/null", os.O_RDONLY)
    os.close(number)
    execer = nx.NamespacingExecer(extra_files=[number], **OWN_MAP)
    with pytest.raises(ValueError, match=rf"extra_files\[0\].* {number} is not open"):
        execer.exec("/bin/true")
    assert second.closed


@pytest.mark.parametrize("foreign", ["a name", 1.5, True, object()])
def test_an_extra_file_that_is_no_file_is_refused_by_its_place(foreign: Any) -> None:
    """A TypeError that says what belongs there."""
    with pytest.raises(TypeError, match=r"extra_files\[0\] must be an open file"):
        nx.NamespacingExecer(extra_files=[foreign]).exec("/bin/true")


@pytest.mark.parametrize("number", [-3, 2**31, 2**70])
def test_a_number_that_is_no_descriptor_is_refused(number: int) -> None:
    """Beyond what a file descriptor can be."""
    with pytest.raises(ValueError, match=r"extra_files\[0\]"):
        nx.NamespacingExecer(extra_files=[number]).exec("/bin/true")


def test_500_extra_files_arrive_in_order() -> None:
    """Many files are no error: fd 3 to 502, and no other."""
    pairs = [os.pipe() for _ in range(250)]
    try:
        files = [end for pair in pairs for end in pair]
        execer = nx.NamespacingExecer(extra_files=files, **OWN_MAP)
        listing = execer.run("/bin/sh", "-c", "ls /proc/self/fd").stdout.split()
        # ls itself opens the folder, at the lowest free number
        assert sorted(map(int, listing)) == list(range(504))
    finally:
        for end in (end for pair in pairs for end in pair):
            os.close(end)


@pytest.mark.parametrize(
    ("cwd", "number", "words"),
    [
        ("/no/such/folder", errno.ENOENT, "does not exist"),
        ("/etc/passwd", errno.ENOTDIR, "not a directory"),
    ],
)
def test_a_bad_cwd_is_blamed_on_cwd(
    execer: nx.NamespacingExecer, cwd: str, number: int, words: str
) -> None:
    """The seed blames the binary; our step and hint name the argument."""
    error = start_error(execer, "/bin/true", cwd=cwd)
    assert (error.errno, error.step) == (number, "chdir")
    assert f"cwd='{cwd}'" in error.hint
    assert words in error.hint


@pytest.mark.needs("root")
def test_what_the_mapped_root_cannot_reach_is_explained(
    execer: nx.NamespacingExecer, open_tmp: Path
) -> None:
    """A binary under a 0700 folder: the hint names the host UID that root inside is."""
    closed = open_tmp / "closed"
    closed.mkdir(mode=0o700)
    script = closed / "script"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    error = start_error(execer, script)
    assert (error.errno, error.step) == (errno.EACCES, "execve")
    assert "host UID 65535" in error.hint
    error = start_error(execer, "/bin/true", cwd=closed)
    assert (error.errno, error.step) == (errno.EACCES, "chdir")
    assert nx.NamespacingExecer(privileged=True).run(script).returncode == 0


def _start_error(**options: Any) -> tuple[int | None, str, str]:
    try:
        nx.NamespacingExecer(**options).exec("/bin/true")
    except nx.StartError as error:
        return error.errno, error.step, str(error)
    return None, "", ""


def _garden_start_error() -> tuple[int | None, str, str]:
    return _start_error(max_uid=65535)


@pytest.mark.needs("root")
def test_without_privilege_the_map_is_refused_with_the_reason() -> None:
    """EPERM at the map, and the way out: the rootless map."""
    number, step, text = as_ordinary_user(_garden_start_error)
    assert (number, step) == (errno.EPERM, "uid_map")
    assert 'id_map="rootless"' in text
    assert "CAP_SETUID" in text


def _privileged_start_error() -> tuple[int | None, str, str]:
    return _start_error(privileged=True)


@pytest.mark.needs("root")
def test_without_privilege_privileged_mode_is_refused_with_the_reason() -> None:
    """EPERM at clone: CAP_SYS_ADMIN is missing."""
    number, step, text = as_ordinary_user(_privileged_start_error)
    assert (number, step) == (errno.EPERM, "clone")
    assert "CAP_SYS_ADMIN" in text


def _rootless_run() -> tuple[str, int, int]:
    done = nx.NamespacingExecer(id_map="rootless").run(
        "/bin/sh", "-c", "id -u; cat /proc/self/uid_map /proc/self/setgroups"
    )
    assert done.birth is not None
    assert done.birth.credentials is not None
    assert done.birth.inside is not None
    return done.stdout, done.birth.credentials.uid, done.birth.inside.uid


@pytest.mark.needs("root")
def test_an_ordinary_user_gets_the_one_id_map() -> None:
    """id_map="rootless": root inside is one's own UID, and setgroups is denied."""
    output, outside, inside = as_ordinary_user(_rootless_run)
    assert output.split() == ["0", "0", "1000", "1", "deny"]
    assert (outside, inside) == (1000, 0)


@pytest.mark.parametrize("pid", [0, -1])
def test_a_number_that_is_no_pid_is_a_value_error(pid: int) -> None:
    """0 and negative numbers mean groups to kill(2), and nothing here."""
    with pytest.raises(ValueError, match=f"target={pid} is no PID"):
        nx.inspect(pid)


def test_a_pid_that_is_gone_is_a_lookup_error() -> None:
    """ProcessLookupError, naming the number."""
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    with pytest.raises(ProcessLookupError, match=f"no process {child.pid}"):
        nx.inspect(child.pid)


@pytest.mark.parametrize("target", [True, "1", 1.0, None])
def test_what_is_no_pid_is_a_type_error(target: Any) -> None:
    """The message says what is accepted."""
    with pytest.raises(TypeError, match="target must be a PID, a Process or a Step"):
        nx.inspect(target)


def _inspect_init() -> tuple[list[str], list[str], bool]:
    view = nx.inspect(1)
    return sorted(view.namespaces), sorted(view.unreadable), view.uid_map is None


@pytest.mark.needs("root")
def test_a_process_that_is_not_ours_shows_what_may_be_read() -> None:
    """Init, seen by an ordinary user: no traceback, and the reasons for the rest."""
    namespaces, unreadable, no_map = as_ordinary_user(_inspect_init)
    assert namespaces == []
    assert unreadable == sorted(f"ns/{kind.name}" for kind in nx.KINDS)
    assert not no_map


def test_a_map_file_of_garbage_is_refused_with_its_line(tmp_path: Path) -> None:
    """max_valid_id reads what may be anything."""
    file = tmp_path / "uid_map"
    file.write_text("0 0 1\nsome words here\n")
    with pytest.raises(nx.IDMapError, match="line 2"):
        nx.max_valid_id(str(file), str(file))


def test_max_valid_id_is_the_smaller_of_the_two_largest(tmp_path: Path) -> None:
    """Garden's default for MaxUID."""
    uid_map, gid_map = tmp_path / "uid_map", tmp_path / "gid_map"
    uid_map.write_text("0 0 1\n1 100000 65536\n")
    gid_map.write_text("0 0 1001\n")
    assert nx.max_valid_id(str(uid_map), str(gid_map)) == 1000
    assert nx.max_valid_id() == 2**32 - 2


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"timeout": "1"}, TypeError, "timeout must be a number of seconds"),
        ({"timeout": True}, TypeError, "timeout must be a number of seconds"),
        ({"timeout": float("nan")}, ValueError, "timeout is not a number"),
        ({"input": 5}, TypeError, "input must be str or bytes"),
    ],
)
def test_run_refuses_a_bad_timeout_or_input_before_it_starts_anything(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    """The runner is not even asked."""
    runner = nx.RecordingCommandRunner()
    with pytest.raises(error, match=message):
        nx.NamespacingExecer(runner).run("/bin/true", **options)
    assert runner.commands == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"command_runner": 65535}, "has no start.*max_uid="),
        ({"privileged": "no"}, "privileged must be True or False"),
    ],
)
def test_what_stands_in_another_argument_s_place_is_refused(
    options: dict[str, Any], message: str
) -> None:
    """NamespacingExecer(65535) means max_uid, and "no" is not False."""
    with pytest.raises(TypeError, match=message):
        nx.NamespacingExecer(**options)


def test_a_whole_shell_line_is_told_from_a_program(execer: nx.NamespacingExecer) -> None:
    """A beginner's first mistake."""
    assert 'run("ls", "-l")' in start_error(execer, "ls -l").hint
    assert 'run("sh", "-c"' in start_error(execer, "ls -l /tmp | head").hint
    with pytest.raises(TypeError, match="one by one"):
        execer.run(["ls", "-l"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"clone_flags": nx.CloneFlags.NEWUTS, "mount_proc": True},
        {"clone_flags": nx.CloneFlags.NEWNS | nx.CloneFlags.NEWPID, "mount_proc": True,
         "propagation": "shared"},
    ],
)  # fmt: skip
def test_a_command_by_hand_cannot_mount_outside(changes: dict[str, Any]) -> None:
    """The checks of an execer hold for what a runner is given, too."""
    plan = nx.NamespacingExecer(privileged=True).plan("/bin/true")
    with pytest.raises(ValueError, match="mount_proc=True"):
        nx.NativeCommandRunner().start(replace(plan, **changes))


@pytest.mark.needs("root")
def test_propagation_without_a_mount_namespace_changes_nothing(tool: Any) -> None:
    """Not even from a command made by hand: the mounts would be the caller's own."""
    plan = nx.NamespacingExecer(privileged=True).plan("/bin/true")
    command = replace(plan, clone_flags=nx.CloneFlags.NEWUTS)
    assert command.propagation == "private"
    with nx.NativeCommandRunner().start(command) as process:
        assert process.wait() == 0
        assert "propagation" not in process.timeline.names


def _own_map_run() -> tuple[str, str]:
    done = nx.NamespacingExecer(id_map=nx.IDMap([(0, 1000, 1)])).run(
        "/bin/sh", "-c", "id -u; cat /proc/self/setgroups"
    )
    return done.stdout, done.stderr


@pytest.mark.needs("root")
def test_an_ordinary_user_may_give_the_one_id_map_as_a_map() -> None:
    """Setgroups is denied where the kernel asks for it, and only there."""
    assert as_ordinary_user(_own_map_run) == ("0\ndeny\n", "")
    own = nx.NamespacingExecer(id_map=nx.IDMap([(0, 1000, 1)]))
    assert own.plan("/bin/true").gid_mappings_enable_setgroups


@pytest.mark.parametrize("option", ["stdin", "stdout", "stderr"])
def test_a_stream_that_is_no_file_is_refused_by_name(
    execer: nx.NamespacingExecer, option: str
) -> None:
    """And no pipe made for another stream is left open."""
    streams: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with pytest.raises(TypeError, match=f"{option} must be an open file"):
        execer.start("/bin/true", **{**streams, option: "a name"})

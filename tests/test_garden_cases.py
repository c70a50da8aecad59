"""garden-linux's own cases for its executer, as ours: what is asked of the command runner.

A recording runner stands in for the kernel, so that these run anywhere; where a
runner fails after a real start, the kernel is asked.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from drivers.whoever import OWN_MAP

from nsexplore import (
    CloneFlags,
    Command,
    Credential,
    IDMapping,
    NamespacingExecer,
    NativeCommandRunner,
    Process,
    RecordingCommandRunner,
    StartError,
)

TEXT = "system: failed to start the supplied command: "
FIVE = (
    CloneFlags.NEWIPC | CloneFlags.NEWNET | CloneFlags.NEWNS | CloneFlags.NEWUTS | CloneFlags.NEWPID
)


def asked(*args: str, **options: Any) -> Command:
    """Return the one command that an executer asks a runner for."""
    runner = RecordingCommandRunner()
    NamespacingExecer(runner, **{"max_uid": 33, **options}).exec(*(args or ("/bin/something",)))
    (command,) = runner.commands
    return command


@pytest.mark.parametrize("privileged", [False, True])
class TestInBothModes:
    def test_the_command_and_its_arguments_are_asked_for(self, privileged: bool) -> None:
        """Path and argument vector are those given; the vector begins with the name."""
        command = asked("/bin/something", "smthg", "-x", "", privileged=privileged)
        assert command.path == "/bin/something"
        assert command.args == ("/bin/something", "smthg", "-x", "")

    def test_the_pid_is_the_runners(self, privileged: bool) -> None:
        """What `exec` returns is the PID of the process that the runner has started."""
        runner = RecordingCommandRunner(pid=12)
        executer = NamespacingExecer(runner, privileged=privileged, max_uid=33)
        assert executer.exec("/bin/something") == 12

    def test_everything_else_is_inherited(self, privileged: bool) -> None:
        """Streams are /dev/null; environment and working directory are the caller's."""
        command = asked(privileged=privileged)
        assert (command.stdin, command.stdout, command.stderr) == (None, None, None)
        assert (command.env, command.cwd) == (None, None)

    def test_extra_files_are_passed_in_order(self, privileged: bool, tmp_path: Path) -> None:
        """They keep the order in which they were given, whatever their numbers."""
        with open(tmp_path / "a", "w") as a, open(tmp_path / "b", "w") as b:
            files = (b, a, b.fileno(), b)
            numbers = (b.fileno(), a.fileno(), b.fileno(), b.fileno())
            assert asked(extra_files=files, privileged=privileged).extra_files == numbers

    def test_no_extra_files_by_default(self, privileged: bool) -> None:
        """Nothing is passed that was not asked for."""
        assert asked(privileged=privileged).extra_files == ()

    def test_a_runners_error_is_wrapped(self, privileged: bool) -> None:
        """An error of the runner becomes garden's text, and keeps its errno and its cause."""
        cause = OSError(errno.EPERM, "banana")
        runner = RecordingCommandRunner(error=cause)
        with pytest.raises(StartError) as caught:
            NamespacingExecer(runner, privileged=privileged, max_uid=33).exec("/bin/something")
        assert str(caught.value).splitlines()[0] == f"{TEXT}{cause}"
        assert (caught.value.errno, caught.value.step) == (errno.EPERM, "runner")
        assert caught.value.__cause__ is cause

    def test_an_error_without_an_errno_is_wrapped(self, privileged: bool) -> None:
        """Any exception of a runner is a failed start, and its words are the reason."""
        runner = RecordingCommandRunner(error=RuntimeError("banana"))
        with pytest.raises(StartError) as caught:
            NamespacingExecer(runner, privileged=privileged, max_uid=33).start("/bin/something")
        assert str(caught.value).splitlines()[0] == f"{TEXT}banana"
        assert caught.value.errno is None

    def test_a_runner_that_returns_no_process_is_an_error(self, privileged: bool) -> None:
        """Where the seed crashes on a nil process, the runner is named."""

        class Forgetful:
            def start(self, command: Command) -> Any:
                return None

        with pytest.raises(StartError) as caught:
            NamespacingExecer(Forgetful(), privileged=privileged, max_uid=33).exec("/bin/x")
        assert str(caught.value).startswith(f"{TEXT}the command runner returned no process")
        assert "Forgetful.start" in str(caught.value)


class TestPrivileged:
    def test_exactly_gardens_five_kinds_are_new(self) -> None:
        """IPC, network, mount, UTS and PID namespaces, and no user namespace."""
        command = asked(privileged=True)
        assert command.clone_flags == FIVE
        assert command.privileged

    def test_no_map_and_no_credential_is_asked_for(self) -> None:
        """The process keeps the caller's identity."""
        command = asked(privileged=True)
        assert (command.uid_mappings, command.gid_mappings, command.credential) == (None,) * 3
        assert not command.gid_mappings_enable_setgroups


class TestUnprivileged:
    def test_a_user_namespace_is_new_too(self) -> None:
        """The five kinds and NEWUSER."""
        command = asked(privileged=False)
        assert command.clone_flags == FIVE | CloneFlags.NEWUSER
        assert not command.privileged

    def test_it_is_the_default(self) -> None:
        """Nobody becomes the machine's real root unasked."""
        assert asked() == asked(privileged=False)

    def test_root_inside_is_max_uid_outside(self) -> None:
        """Both maps: 0 is MaxUID, and 1 to MaxUID-1 stay themselves."""
        maps = (IDMapping(0, 33, 1), IDMapping(1, 1, 32))
        command = asked(max_uid=33)
        assert command.uid_mappings is not None
        assert command.gid_mappings is not None
        assert tuple(command.uid_mappings) == tuple(command.gid_mappings) == maps

    def test_setgroups_stays_allowed(self) -> None:
        """Root inside may set its supplementary groups."""
        assert asked().gid_mappings_enable_setgroups

    def test_it_becomes_root_without_groups(self) -> None:
        """UID 0, GID 0, and no supplementary group of the caller's."""
        assert asked().credential == Credential(0, 0, ())


class StartsThenFails:
    """Starts a process for real, and then raises, or forgets to return it."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error
        self.process: Process | None = None

    def start(self, command: Command) -> Any:
        self.process = NativeCommandRunner().start(command)
        if self.error is not None:
            raise self.error
        return None


@pytest.mark.usefixtures("leaves_nothing")
@pytest.mark.parametrize(
    "options", [OWN_MAP, pytest.param({"privileged": True}, marks=pytest.mark.needs("root"))]
)
@pytest.mark.parametrize("call", ["exec", "start", "run"])
@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (ConnectionError("cannot write the log"), StartError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (None, StartError),
    ],
    ids=["an error", "an interrupt", "no process returned"],
)
def test_a_runner_that_fails_after_the_start_leaves_no_child(
    options: Any, call: str, error: BaseException | None, raised: type[BaseException]
) -> None:
    """Where the seed leaves the child running, it is ended before the error arrives."""
    runner = StartsThenFails(error)
    executer = NamespacingExecer(runner, **options)
    with pytest.raises(raised):
        getattr(executer, call)("/bin/sleep", "60")
    assert runner.process is not None
    assert runner.process.returncode == -9
    with pytest.raises(ProcessLookupError):
        os.kill(runner.process.pid, 0)


@pytest.mark.usefixtures("leaves_nothing")
def test_a_runner_around_the_native_one_starts_a_process() -> None:
    """A runner may do something of its own and leave the start to the native one."""
    seen = []

    class Logging:
        def start(self, command: Command) -> Process:
            seen.append(command.args)
            return NativeCommandRunner().start(command)

    done = NamespacingExecer(Logging(), **OWN_MAP).run("/bin/echo", "hello")
    assert (done.stdout, done.returncode) == ("hello\n", 0)
    assert seen == [("/bin/echo", "hello")]


@pytest.mark.usefixtures("leaves_nothing")
def test_a_start_within_a_failing_runner_ends_only_its_own() -> None:
    """What other starts of this thread have left running is not touched."""
    with NamespacingExecer(**OWN_MAP).start("/bin/sleep", "60") as other:
        with pytest.raises(StartError):
            NamespacingExecer(StartsThenFails(OSError("late")), **OWN_MAP).exec("/bin/sleep", "60")
        assert other.poll() is None

"""`step`: the real process, held between clone and execve, and what the kernel says of it there."""

from __future__ import annotations

import errno
import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import eventually
from drivers.whoever import IS_ROOT, OWN_MAP

import nsexplore as nx
from nsexplore.flags import ALL_NAMESPACES

pytestmark = [
    pytest.mark.needs("user namespaces"),
    pytest.mark.usefixtures("leaves_nothing"),
]

STATES = ("cloned", "uid_map", "setgroups", "gid_map", "released", "exec'd")
GARDEN = nx.NamespacingExecer(max_uid=65535)
MAPPED = nx.NamespacingExecer(**OWN_MAP)


def at(state: str, execer: nx.NamespacingExecer = MAPPED, *argv: str) -> Any:
    """Return a step of a long sleep, at that stop."""
    step = execer.step(*(argv or ("/bin/sleep", "60")))
    while step.state != state:
        step.next()
    return step


def ids_seen_inside(tool: Callable[[str], str], pid: int) -> dict[str, list[str]]:
    """Return the Uid, Gid and Groups lines as the kernel shows them in its user namespace."""
    text = subprocess.run(
        [tool("nsenter"), "--preserve-credentials", f"--user=/proc/{pid}/ns/user", "cat",
         f"/proc/{pid}/status"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    lines = (line.partition(":") for line in text.splitlines())
    return {name: rest.split() for name, _, rest in lines if name in ("Uid", "Gid", "Groups")}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    "options",
    [pytest.param({"max_uid": 65535}, marks=pytest.mark.needs("root")), {"id_map": "rootless"}],
    ids=["garden", "rootless"],
)
def test_the_view_is_what_the_kernel_says_at_each_stop(
    state: str, options: dict[str, Any], tool: Callable[[str], str]
) -> None:
    """Maps, setgroups, and the IDs as shown inside: all from the kernel, at that very moment."""
    with at(state, nx.NamespacingExecer(**options)) as step:
        view, proc = step.view(), Path(f"/proc/{step.pid}")
        assert str(view.uid_map) == (proc / "uid_map").read_text()
        assert str(view.gid_map) == (proc / "gid_map").read_text()
        assert view.setgroups == (proc / "setgroups").read_text().strip()
        inside, seen = view.inside, ids_seen_inside(tool, step.pid)
        assert [str(i) for i in (inside.uid, inside.euid, inside.suid, inside.fsuid)] == seen["Uid"]
        assert [str(i) for i in (inside.gid, inside.egid, inside.sgid, inside.fsgid)] == seen["Gid"]
        assert [str(group) for group in inside.groups] == seen["Groups"]


@pytest.mark.needs("root")
def test_nobody_turns_into_root() -> None:
    """Garden's map does not map our own ID: 65534 until the child has taken its credentials."""
    with GARDEN.step("/bin/sleep", "60") as step:
        uids, maps = [step.view().inside.uid], [str(step.view().uid_map)]
        while step.state != "exec'd":
            step.next()
            uids.append(step.view().inside.uid)
            maps.append(str(step.view().uid_map))
    assert uids == [65534, 65534, 65534, 65534, 0, 0]
    assert maps[0] == ""
    assert len(set(maps[1:])) == 1
    assert maps[1].split() == "0 65535 1 1 1 65534".split()


def test_a_map_of_ones_own_id_makes_root_as_it_is_written() -> None:
    """Rootless maps our own ID: the UID is root after uid_map, the GID after gid_map."""
    options: dict[str, Any] = {"id_map": "rootless"}
    if not IS_ROOT:  # who may have more than one ID
        options = {"id_map": nx.IDMap.rootless(os.getuid())}
        options["gid_map"] = nx.IDMap.rootless(os.getgid())
    with nx.NamespacingExecer(**options).step("/bin/sleep", "60") as step:
        seen = {step.state: (step.view().inside.uid, step.view().inside.gid)}
        setgroups = {step.state: step.view().setgroups}
        while step.state != "released":
            step.next()
            seen[step.state] = (step.view().inside.uid, step.view().inside.gid)
            setgroups[step.state] = step.view().setgroups
    assert seen == {
        "cloned": (65534, 65534),
        "uid_map": (0, 65534),
        "setgroups": (0, 65534),
        "gid_map": (0, 0),
        "released": (0, 0),
    }
    assert [setgroups[state] for state in ("uid_map", "setgroups")] == ["allow", "deny"]


def test_the_namespaces_are_new_from_the_first_stop_on() -> None:
    """What clone makes is there at ``cloned``, and the same one until execve and after."""
    execer = nx.NamespacingExecer(**OWN_MAP, clone_flags=ALL_NAMESPACES)
    own = nx.inspect(os.getpid()).namespaces
    with execer.step("/bin/sleep", "60") as step:
        seen = [step.view().namespaces]
        while step.state != "exec'd":
            step.next()
            seen.append(step.view().namespaces)
    for kind in own:
        # A time namespace is the one that is made last, by the child itself.
        views = seen[STATES.index("released") :] if kind == "time" else seen
        assert len({view[kind].id for view in views}) == 1, kind
        assert views[0][kind].id != own[kind].id, kind


@pytest.mark.needs("root")
def test_privileged_mode_has_no_stops_for_maps() -> None:
    """Without a user namespace there is nothing to write; root is root all along."""
    with nx.NamespacingExecer(privileged=True).step("/bin/sleep", "60") as step:
        assert step.states == ("cloned", "released", "exec'd")
        seen = [step.state]
        while step.state != "exec'd":
            assert step.view().inside.uid == 0
            seen.append(step.next())
        assert tuple(seen) == step.states


@pytest.mark.parametrize("state", STATES)
def test_one_can_finish_from_each_stop(state: str) -> None:
    """finish() goes on to the running process, whose streams are those asked for."""
    with MAPPED.step("/bin/echo", "here", stdout=subprocess.PIPE) as step:
        while step.state != state:
            step.next()
        process = step.finish()
        assert step.finish() is process is step.process
        assert step.state == "exec'd"
        assert process.communicate()[0] == "here\n"
        assert process.returncode == 0
        assert process.timeline.names[-1] == "execve"
        assert process.birth is not None
        assert process.birth.inside.uid == 0


def test_there_is_no_step_after_the_last() -> None:
    """next() after exec'd or after the end is an error, and view() after the end another."""
    with MAPPED.step("/bin/sleep", "60") as step:
        step.finish()
        with pytest.raises(RuntimeError, match="no step after exec'd"):
            step.next()
    assert step.state == "ended"
    with pytest.raises(RuntimeError, match="has ended"):
        step.next()
    with pytest.raises(ProcessLookupError, match="has ended"):
        step.view()
    step.close()  # again: nothing happens


def test_a_step_that_fails_has_ended() -> None:
    """A missing binary is found out at execve: the step is over, its timeline says why."""
    with MAPPED.step("/missing") as step:
        with pytest.raises(nx.StartError) as caught:
            step.finish()
        assert (caught.value.step, step.state, step.pid) == ("execve", "ended", 0)
        assert step.timeline[-1].name == "execve"
        assert step.timeline[-1].errno == caught.value.errno
        with pytest.raises(RuntimeError):
            step.next()


@pytest.mark.parametrize("state", STATES[:-1])
def test_a_child_killed_from_outside_fails_the_next_step(state: str) -> None:
    """The next word to it finds nobody: the error says at which step it was killed, by what."""
    with at(state) as step:
        # At the first stop it may still be on its way to where it waits.
        assert eventually(lambda: step.view().state.startswith("S"))
        os.kill(step.pid, signal.SIGKILL)
        with pytest.raises(nx.StartError, match="killed by signal 9") as caught:
            step.finish()
        assert caught.value.step == ("hold" if state == "released" else "wait")
        assert caught.value.errno is None
        assert step.state == "ended"


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("end", ["leave", "drop", "close twice", "killed, then dropped"])
@pytest.mark.filterwarnings("ignore:.*was dropped while it ran:ResourceWarning")
def test_an_ended_step_leaves_nothing(state: str, end: str) -> None:
    """Left, garbage-collected, closed twice or killed: the process is gone and reaped."""
    step = at(state)
    pid = step.pid
    if end == "leave":
        with step:
            pass
    elif end == "close twice":
        step.close()
        step.close()
    elif end == "killed, then dropped":
        os.kill(pid, signal.SIGKILL)
    del step
    gc.collect()
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("state", STATES)
def test_pipes_of_an_ended_step_are_closed(state: str) -> None:
    """Both ends of all three, at whichever stop (the fixture looks for descriptors)."""
    step = MAPPED.step(
        "/bin/cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while step.state != state:
        step.next()
    step.close()


@pytest.mark.parametrize("state", STATES)
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_copy_of_this_process_ends_nothing(state: str) -> None:
    """The copy may drop, close or advance its copy of the step: the process is not its own."""
    step = at(state)
    copy = os.fork()
    if copy == 0:
        code = 1
        try:
            if state != "exec'd":
                try:
                    step.next()
                except RuntimeError as error:
                    code = 0 if "copy" in str(error) else 2
            else:
                del step
                gc.collect()
                code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]) == 0
    with step:
        assert step.finish().poll() is None


@pytest.mark.needs("root")
def test_no_map_is_written_to_a_stranger_who_got_the_childs_number(
    tool: Callable[[str], str],
) -> None:
    """The child was killed and reaped by others, its PID given away: the step fails instead."""
    code = """if True:
        import os, signal, subprocess, nsexplore as nx
        step = nx.NamespacingExecer(max_uid=65535).step("/bin/true")
        step.next()
        pid = step.pid
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        with open("/proc/sys/kernel/ns_last_pid", "w") as file:
            file.write(str(pid - 1))
        stranger = subprocess.Popen(["unshare", "--user", "sleep", "60"])
        assert stranger.pid == pid, "the number was not given away"
        while open(f"/proc/{pid}/comm").read() != "sleep\\n":
            pass
        try:
            step.finish()
        except nx.StartError as error:
            print(error.step, error.errno)
        print(open(f"/proc/{pid}/setgroups").read() + open(f"/proc/{pid}/gid_map").read(), end="")
        stranger.kill()
        stranger.wait()
    """
    done = subprocess.run(
        [tool("unshare"), "--pid", "--fork", "--mount-proc", "--kill-child", sys.executable,
         "-c", code],
        capture_output=True, text=True, timeout=20,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout == f"setgroups {errno.ESRCH}\nallow\n"


def test_another_thread_may_not_drive_the_same_step() -> None:
    """While one thread waits for a child that takes its time, a second is turned away."""
    with at("released") as step:
        spawn = step._spawn
        os.kill(step.pid, signal.SIGSTOP)
        thread = threading.Thread(target=step.finish)
        thread.start()
        try:

            def turned_away() -> bool:
                try:
                    spawn.disown()
                except RuntimeError as error:
                    return "another thread" in str(error)
                return False

            assert eventually(turned_away)
        finally:
            os.kill(step.pid, signal.SIGCONT)
            thread.join()
        assert step.state == "exec'd"

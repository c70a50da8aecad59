"""How long a process lives, and what a start is robust against: kills, Ctrl-C, forks, SIGCHLD."""

from __future__ import annotations

import ctypes
import json
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import eventually
from drivers.whoever import OWN_MAP, ROOTLESS, UNMAPPED

import nsexplore as nx

pytestmark = pytest.mark.usefixtures("leaves_nothing")

DRIVERS = Path(__file__).with_name("drivers")
EXECER = nx.NamespacingExecer(**OWN_MAP)
GARDEN = nx.NamespacingExecer(max_uid=65535)

PR_GET_DUMPABLE, PR_SET_DUMPABLE = 3, 4
libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def driver(name: str, *args: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a driver; it is killed at the end of the block."""
    with subprocess.Popen(
        [sys.executable, str(DRIVERS / name), *args], stdout=subprocess.PIPE, text=True, **options
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a program that may import what drivers do."""
    return subprocess.run(
        [sys.executable, *options, "-c", code],
        cwd=DRIVERS,
        check=True,
        capture_output=True,
        text=True,
        timeout=40,
    )


def ended(pidfd: int, seconds: float = 0) -> bool:
    """Return whether the process behind a pidfd ends within so many seconds."""
    return bool(select.select([pidfd], [], [], seconds)[0])


def test_a_killed_notebook_takes_its_processes_along_but_the_detached() -> None:
    """SIGKILL for the parent: started in any way, from any thread, at any stop of a step."""
    with driver("mortal.py") as process:
        assert process.stdout is not None
        pids = json.loads(process.stdout.readline())
        dies = {name: os.pidfd_open(pid) for name, pid in pids["dies"].items()}
        stays = {name: os.pidfd_open(pid) for name, pid in pids["stays"].items()}
        try:
            # Those of threads that have ended are still there.
            assert [name for name, fd in {**dies, **stays}.items() if ended(fd)] == []
            process.kill()
            process.wait()
            survivors = [name for name, fd in dies.items() if not ended(fd, 5)]
            victims = [name for name, fd in stays.items() if ended(fd, 0.05)]
            assert (survivors, victims) == ([], [])
        finally:
            for fd in (*dies.values(), *stays.values()):
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(fd, signal.SIGKILL)
                os.close(fd)


@pytest.mark.parametrize("how", ["exec", "start", "drop"])
def test_a_detached_process_survives_the_end_of_the_interpreter(how: str) -> None:
    """Handed to the reaper, held by a name, or dropped: an orderly end does not kill it."""
    code = f"""if True:
        import nsexplore as nx
        from whoever import OWN_MAP
        execer = nx.NamespacingExecer(**OWN_MAP, detached=True)
        if {how!r} == "exec":
            print(execer.exec("/bin/sleep", "60"))
        else:
            process = execer.start("/bin/sleep", "60")
            print(process.pid)
            if {how!r} == "drop":
                del process
    """
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=DRIVERS, check=True, capture_output=True, text=True
    )
    pid = int(done.stdout)
    try:
        assert done.stderr == ""
        assert Path(f"/proc/{pid}/comm").read_text() == "sleep\n"
    finally:
        os.kill(pid, signal.SIGKILL)


def test_a_process_outlives_the_thread_that_started_it() -> None:
    """The parent-death signal is about the notebook, not about one of its threads."""
    processes: list[Any] = []
    thread = threading.Thread(target=lambda: processes.append(EXECER.start("/bin/sleep", "60")))
    thread.start()
    thread.join()
    with processes[0] as process:
        assert not ended(process.pidfd, 0.1)


def test_ctrl_c_does_not_reach_the_child() -> None:
    """SIGINT to the whole process group of the notebook, as the terminal sends it."""
    code = """if True:
        import signal, nsexplore as nx
        from whoever import OWN_MAP
        children = [
            nx.NamespacingExecer(privileged=True, clone_flags=nx.CloneFlags(0)).start(
                "/bin/sleep", "60"
            ),
            nx.NamespacingExecer(**OWN_MAP).start("/bin/sleep", "60"),
        ]
        try:
            print("ready", flush=True)
            signal.pause()
        except KeyboardInterrupt:
            print([child.poll() for child in children], flush=True)
        for child in children:
            child.close()
    """
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=DRIVERS,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.readline() == "[None, None]\n"


def test_interrupts_at_any_moment_leave_nothing() -> None:
    """200 SIGINTs at random moments of starts of every kind: no process, descriptor, thread."""
    rng = random.Random(2016)
    with driver("interrupted.py", "200") as process:
        assert process.stdout is not None
        pause = 4 * float(process.stdout.readline())
        deadline = time.monotonic() + 60
        while not select.select([process.stdout], [], [], rng.uniform(0, pause))[0]:
            assert time.monotonic() < deadline, "hangs"
            process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "finished\n"
        started, found = process.stdout.readline().split(" ", 1)
        assert found == "nothing left\n"
        assert int(started) > 50, "interrupted too often to have tested much"


def test_a_start_that_takes_forever_can_be_interrupted(tmp_path: Path) -> None:
    """Ctrl-C while the child hangs before execve: the child is killed, the start raises."""
    code = """if True:
        import os, signal, sys, threading, time, nsexplore as nx
        from whoever import OWN_MAP
        execer = nx.NamespacingExecer(**OWN_MAP)
        step = execer.step("/bin/sleep", "60")
        while step.state != "released":
            step.next()
        os.kill(step.pid, signal.SIGSTOP)  # it will not hear the word
        pid = step.pid
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            step.next()
        except KeyboardInterrupt:
            print("interrupted", step.state, os.path.exists(f"/proc/{pid}"))
    """
    done = run(code)
    assert done.stdout == "interrupted ended False\n"


def test_forks_of_other_threads_do_not_make_a_start_wait() -> None:
    """Copies of the process that live on hold no end of a pipe that somebody waits for."""
    with driver("forking.py", "2") as process:
        assert process.wait(timeout=20) == 0
        assert process.stdout is not None
        starts, forks = map(int, process.stdout.read().split())
        assert starts > 10
        assert forks > 10


def test_standard_descriptors_closed_and_few_to_be_had() -> None:
    """Any of fd 0, 1, 2 closed in the notebook, and any low limit: right files, or an error."""
    with driver("odd_descriptors.py") as process:
        assert process.wait(timeout=40) == 0
        assert process.stdout is not None
        assert process.stdout.read().split()[0] == "8"


def test_an_ignored_sigchld_loses_exit_statuses_only() -> None:
    """Where children are reaped by the kernel, starts and failures are as ever, and none hangs."""
    code = """if True:
        import signal, nsexplore as nx
        from whoever import OWN_MAP
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        execer = nx.NamespacingExecer(**OWN_MAP)
        try:
            execer.start("/missing")
        except nx.StartError as error:
            print(error.step, error.errno)
        print(execer.run("/bin/echo", "hello").stdout.strip())
        with execer.start("/bin/sleep", "60") as process:
            pass
        print(process.returncode, execer.exec("/bin/true") > 0)
    """
    done = run(code, "-W", "ignore")
    assert done.stdout.splitlines() == ["execve 2", "hello", "255 True"]
    assert done.stderr == ""


def test_somebody_elses_wait_for_any_child_disturbs_no_start() -> None:
    """A thread that reaps whatever ends takes exit statuses away, and nothing else."""
    code = """if True:
        import os, threading, nsexplore as nx
        from whoever import OWN_MAP
        execer, over = nx.NamespacingExecer(**OWN_MAP), threading.Event()
        def thief():
            while not over.is_set():
                try:
                    os.waitpid(-1, 0)
                except ChildProcessError:
                    pass
        thread = threading.Thread(target=thief)
        thread.start()
        steps = set()
        for turn in range(60):
            assert execer.run("/bin/echo", str(turn)).stdout == f"{turn}\\n"
            with execer.step("/bin/true") as step:
                step.next()
            try:
                execer.start("/missing")
            except nx.StartError as error:
                steps.add((error.step, error.errno))
        over.set()
        thread.join()
        print(steps, len(os.listdir("/proc/self/fd")))
    """
    done = run(code, "-W", "ignore")
    assert done.stdout == "{('execve', 2)} 4\n"


def test_a_reset_sigpipe_does_not_kill_the_notebook() -> None:
    """With SIGPIPE at its default, as command line tools set it, a dead child is an error only."""
    code = """if True:
        import os, signal, nsexplore as nx
        from whoever import OWN_MAP
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        with nx.NamespacingExecer(**OWN_MAP).step("/bin/true") as step:
            os.kill(step.pid, signal.SIGKILL)
            os.waitid(os.P_PIDFD, step.pidfd, os.WEXITED | os.WNOWAIT)
            try:
                step.finish()
            except nx.StartError:
                print("error")
    """
    done = run(code)
    assert done.stdout == "error\n"


# -- the dumpable trap: garden's map changes credentials, which the rootless one does not ---


def dumpable() -> int:
    return int(libc.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0))


def guarded() -> int:
    """Return what the kernel makes of a process whose credentials change: 0 or 2."""
    return int(Path("/proc/sys/fs/suid_dumpable").read_text())


def step_at(state: str, execer: nx.NamespacingExecer = GARDEN) -> Any:
    step = execer.step("/bin/sleep", "60")
    while step.state != state:
        step.next()
    return step


@pytest.mark.needs("root")
@pytest.mark.parametrize("end", ["finish", "close", "kill"])
def test_this_process_is_guarded_while_a_changed_child_shares_its_memory(end: str) -> None:
    """Not dumpable from the child's new credentials to its execve or end, then as before."""
    assert dumpable() == 1
    with step_at("gid_map") as step:
        assert dumpable() == 1
        step.next()
        assert dumpable() == guarded() != 1
        if end == "finish":
            step.finish()
        elif end == "kill":
            os.kill(step.pid, signal.SIGKILL)
            with pytest.raises(nx.StartError):
                step.finish()
        else:
            step.close()
        assert dumpable() == 1


@pytest.mark.needs("root")
def test_the_last_of_several_children_lifts_the_guard() -> None:
    """While one such child is left in our memory, the others' execve does not lift it."""
    with step_at("released") as first, step_at("released") as second:
        first.finish()
        assert dumpable() == guarded()
        assert GARDEN.run("/bin/true").returncode == 0
        assert dumpable() == guarded()
        second.finish()
        assert dumpable() == 1


def test_children_without_new_credentials_need_no_guard() -> None:
    """Unmapped and rootless starts keep our own credentials, and us dumpable."""
    for execer in (nx.NamespacingExecer(**UNMAPPED), nx.NamespacingExecer(**ROOTLESS)):
        with step_at("released", execer):
            assert dumpable() == 1


@pytest.mark.needs("root")
def test_a_process_that_was_not_dumpable_stays_so() -> None:
    """What is put back is what was there before."""
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    try:
        assert GARDEN.run("/bin/true").returncode == 0
        with pytest.raises(nx.StartError):
            GARDEN.start("/missing")
        assert dumpable() == 0
    finally:
        libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)


def test_eight_threads_leave_it_as_it_was() -> None:
    """However starts and failures overlap, dumpable once the last is through."""

    def storm() -> None:
        for _ in range(20):
            EXECER.run("/bin/true")
            with suppress(nx.StartError):
                EXECER.start("/missing")

    threads = [threading.Thread(target=storm) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dumpable() == 1


@pytest.mark.needs("root")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_copy_is_dumpable_again() -> None:
    """The guard is for the memory that is shared with a child; a copy's is not."""
    with step_at("released"):
        copy = os.fork()
        if copy == 0:
            os._exit(dumpable())
        assert os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]) == 1
        assert dumpable() == guarded()


def as_host_uid(uid: int, act: Callable[[], str]) -> str:
    """Return what a process of that UID and GID, with no capability left, says."""
    read, write = os.pipe()
    copy = os.fork()
    if copy == 0:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            os.write(write, act().encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read) as file:
        said = file.read()
    os.waitpid(copy, 0)
    return said


def attack(pid: int) -> str:
    """Try to get at a process's memory; return what worked."""
    worked = []
    os.kill(pid, 0)  # ours, as far as IDs go
    worked.append("kill")
    for name, mode in (("mem", "rb"), ("maps", "rb"), ("environ", "rb")):
        with suppress(PermissionError), open(f"/proc/{pid}/{name}", mode) as file:
            file.read(0)
            worked.append(name)
    PTRACE_SEIZE = 0x4206
    if libc.ptrace(PTRACE_SEIZE, pid, None, None) == 0:
        worked.append("ptrace")
    return " ".join(worked)


@pytest.mark.needs("root")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_the_mapped_host_uid_cannot_get_at_the_memory_of_a_held_child() -> None:
    """Others of host UID 65535 may signal the waiting child, and neither trace nor read it."""
    with step_at("released") as step:
        assert step.view().credentials.uid == 65535
        assert as_host_uid(65535, lambda: attack(step.pid)) == "kill"


@pytest.mark.needs("root")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_that_attack_works_on_a_process_without_the_guard() -> None:
    """The control: a dumpable process of the same UID and no namespaces can be read and traced."""
    sleeper = subprocess.Popen(["/bin/sleep", "60"], user=65535, group=65535, extra_groups=[])
    try:
        assert eventually(lambda: Path(f"/proc/{sleeper.pid}/comm").read_text() == "sleep\n")
        said = as_host_uid(65535, lambda: attack(sleeper.pid))
        assert said == "kill mem maps environ ptrace"
    finally:
        sleeper.kill()
        sleeper.wait()

"""Explorers come and go: nothing leaks, nothing crosses over, nothing outlives its notebook."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import time
import types
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import children, eventually, open_descriptors
from drivers.whoever import BARE, OWN_MAP
from explorer_asking import is_gone, model, shell
from jupyter_apart import apart, still_running
from jupyter_client.manager import AsyncKernelManager

from nsexplore.widgets import following
from nsexplore.widgets.model import Model

pytestmark = pytest.mark.usefixtures("leaves_nothing")

TESTS = Path(__file__).parent


def resident() -> int:
    """Return KiB of this process's memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


# -- many ------------------------------------------------------------------------------


def test_ten_models_fifty_runs_each_side_by_side() -> None:
    """Each gets its own output, every time; descriptors, children and memory stay."""

    async def one(number: int, m: Model, runs: int) -> None:
        for at in range(runs):
            m.command = shell(f"echo {number} {at}; echo err {number} >&2; exit {number}")
            assert m.run(), m.problems
            assert await m.ended(20) == number
            assert m.output.stdout.text == f"{number} {at}\n"
            assert m.output.stderr.text == f"err {number}\n"
            assert m.problems == {}

    async def all_of_them(models: list[Model], runs: int) -> None:
        await asyncio.gather(*(one(n, m, runs) for n, m in enumerate(models)))

    models = [model() for _ in range(10)]
    asyncio.run(all_of_them(models, 10))
    gc.collect()
    fds, kids, memory = len(open_descriptors()), children(), resident()
    asyncio.run(all_of_them(models, 40))
    gc.collect()
    assert len(open_descriptors()) <= fds
    assert children() == kids
    # 400 runs are kept in the histories, of some 10 KiB each.
    assert resident() - memory < 16 * 1024
    for number, m in enumerate(models):
        assert [run.number for run in m.history] == list(range(1, 51))
        assert {run.returncode for run in m.history} == {number}
        m.close()


def test_large_outputs_do_not_add_up() -> None:
    """What is kept of a run goes with the next one."""
    m = model("head -c 4000000 /dev/zero")
    m.run()
    m.wait(20)
    fds, memory = len(open_descriptors()), resident()
    for _ in range(10):
        m.run()
        m.wait(20)
    assert len(open_descriptors()) == fds
    assert resident() - memory < 4096
    m.close()


def test_the_history_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest runs go; the numbers go on."""
    monkeypatch.setattr(following, "MOST_RUNS", 3)
    m = model("true", BARE)
    for _ in range(5):
        m.run()
        m.wait(10)
    assert [run.number for run in m.history] == [3, 4, 5]


def test_failing_starts_leave_nothing() -> None:
    """Neither descriptors nor frames held by errors."""
    m = model(asked=OWN_MAP, command="/no/such/program")
    m.run()
    fds = len(open_descriptors())
    for _ in range(50):
        assert not m.run()
    while m.step():
        pass
    assert len(open_descriptors()) == fds


# -- the end of a model ----------------------------------------------------------------------


def waiting_at_a_stop() -> Model:
    m = model("true")
    m.step()
    return m


def running() -> Model:
    m = model("sleep 60")
    m.run()
    return m


def talking() -> Model:
    m = model("yes")
    m.run()
    m.wait(0.1)
    return m


@pytest.mark.parametrize("make", [waiting_at_a_stop, running, talking])
@pytest.mark.parametrize("on_a_loop", [False, True])
@pytest.mark.parametrize("how", ["close", "drop"])
def test_the_end_of_a_model_ends_its_process(make: object, on_a_loop: bool, how: str) -> None:
    """At once, without a warning; a closed one says so, and its plan still works."""
    assert callable(make)

    async def test() -> None:
        m = make()
        if on_a_loop:
            await asyncio.sleep(0.02)
        pid = m.view.pid
        if how == "close":
            m.close()
            assert m.state == "ended"
            assert not m.can_run
            assert m.run() is False
            assert "closed" in m.problems["run"]
            m.command = "false"
            assert m.plan.args == ("false",)
            m.close()
        else:
            reference = weakref.ref(m)
            del m
            gc.collect()
            assert reference() is None
        assert not Path(f"/proc/{pid}").exists()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(test())


def test_one_that_awaits_the_end_of_a_closed_model_is_released() -> None:
    """It is told how the process ended."""

    async def test() -> None:
        m = running()
        waiting = asyncio.ensure_future(m.ended(30))
        await asyncio.sleep(0.02)
        m.close()
        assert await asyncio.wait_for(waiting, 5) == -9

    asyncio.run(test())


PROGRAM = """if True:
    import asyncio, json, os, sys
    sys.path.insert(0, {tests!r})
    from explorer_asking import model
    async def main():
        global a, b, c
        a, b, c = model("sleep 60 & exec sleep 61"), model("true"), model("yes")
        a.run(); b.step(); c.run()
        await asyncio.sleep(0.7)
        print(json.dumps([m.view.pid for m in (a, b, c)]), flush=True)
        {then}
    asyncio.run(main())
"""


@contextmanager
def program(then: str) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """Run a program with three models, one of them stepping; yield the pidfds of theirs."""
    code = PROGRAM.format(tests=str(TESTS), then=then)
    with subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    ) as process:
        fds: list[int] = []
        try:
            assert process.stdout is not None
            fds = [os.pidfd_open(pid) for pid in json.loads(process.stdout.readline())]
            yield process, fds
        finally:
            process.kill()
            for fd in fds:
                os.close(fd)


def has_ended(pidfd: int) -> bool:
    """Return whether the process behind a pidfd is gone."""
    import select

    return bool(select.select([pidfd], [], [], 0)[0])


@pytest.mark.parametrize("then", ["sys.stdin.read()", "await asyncio.sleep(60)"])
def test_a_killed_kernel_takes_everything_along(then: str) -> None:
    """SIGKILL, whether its loop runs or not."""
    with program(then) as (process, fds):
        assert not any(map(has_ended, fds))
        process.kill()
        assert eventually(lambda: all(map(has_ended, fds)))


def test_a_kernel_that_ends_in_good_order_takes_everything_along() -> None:
    """Without a word: no warning, no error of a loop that is closed."""
    with program("sys.stdin.readline()") as (process, fds):
        _, errors = process.communicate("\n", timeout=20)
        assert (process.returncode, errors) == (0, "")
        assert eventually(lambda: all(map(has_ended, fds)))


def test_a_model_that_is_never_collected_ends_with_the_kernel() -> None:
    """With what its process has started, which nothing else would end in no PID namespace."""
    code = f"""if True:
        import ctypes, sys
        sys.path.insert(0, {str(TESTS)!r})
        from explorer_asking import model
        m = model("sleep 60 & echo $!; exec sleep 61", {BARE!r})
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(m))
        m.run()
        while not m.output.text:
            m.wait(0.01)
        print(m.output.text, flush=True)
    """
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True
    )
    assert eventually(lambda: is_gone(int(done.stdout)))


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_copy_leaves_the_original_alone() -> None:
    """Its models refuse in words; neither its end nor its garbage ends or reads anything."""
    m, stepping = model("read x; echo $x"), waiting_at_a_stop()
    m.run()
    pid = os.fork()
    if pid == 0:
        wrong = 1
        try:
            refused = [m.run(), m.step(), m.stop(), m.send("copy\n"), stepping.step()]
            m.wait(0.05)
            words = m.problems["run"] == "nothing runs" and "copy" in stepping.problems["run"]
            m.close(), stepping.close()
            del m, stepping
            gc.collect()
            wrong = int(any(refused) or not words)
        finally:
            os._exit(wrong)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    m.send("original\n")
    assert m.wait(10) == 0
    assert m.output.stdout.text == "original\n"
    assert stepping.finish()
    assert stepping.wait(10) == 0


@types.coroutine
def turn() -> Iterator[None]:
    """Give the loop one turn."""
    yield


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_copy_that_goes_on_with_the_loop_takes_nothing_away() -> None:
    """As os.fork in a cell: the copy's loop is told of the same pipes."""

    async def test() -> None:
        m = model("for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.03; done")
        m.run()
        pid = os.fork()
        if pid == 0:
            try:
                until = time.monotonic() + 0.4
                while time.monotonic() < until:
                    await turn()  # a copy knows of no running loop, but goes on with it
            finally:
                os._exit(0)
        assert await m.ended(10) == 0
        assert m.output.stdout.text == "".join(f"{n}\n" for n in range(1, 9))
        os.waitpid(pid, 0)

    asyncio.run(test())


def test_an_interrupt_while_one_waits_leaves_the_process_running() -> None:
    """Ctrl-C is for the cell; Stop is for the process."""
    m = model("sleep 60")
    m.run()
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            m.wait(10)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert m.state == "running"
    m.stop()
    assert m.history[0].returncode == -9


def test_in_a_notebooks_kernel(tmp_path: Path) -> None:
    """Output comes in between cells, others are answered meanwhile, and its end is the end."""

    async def test() -> None:
        env = apart(tmp_path)
        env["PYTHONPATH"] = os.pathsep.join([str(TESTS.parent), str(TESTS)])
        manager = AsyncKernelManager(kernel_name="python3")
        await manager.start_kernel(env=env)
        client = manager.client()
        client.start_channels()

        async def cell(code: str) -> str:
            said: list[str] = []
            reply = await client.execute_interactive(
                code, timeout=20, output_hook=lambda m: said.append(m["content"].get("text", ""))
            )
            assert reply["content"]["status"] == "ok", reply["content"]
            return "".join(said)

        try:
            await client.wait_for_ready(timeout=30)
            await cell("from explorer_asking import model")
            await cell("m = model('while :; do seq 1000; sleep 0.01; done')")
            await cell("assert m.run()")
            took = []
            for _ in range(20):
                begin = time.monotonic()
                await cell("1")
                took.append(time.monotonic() - begin)
            assert max(took) < 0.2
            while int(await cell("print(m.output.stdout.total)")) < 100_000:
                await asyncio.sleep(0.05)
            assert await cell("m.stop(); print(m.state, len(m.history))") == "ended 1\n"
            await cell("m.run()")
            await manager.shutdown_kernel()
            assert eventually(lambda: not still_running(env)), still_running(env)
        finally:
            client.stop_channels()
            await manager.shutdown_kernel(now=True)
            manager.context.destroy()

    asyncio.run(test())


def test_nothing_is_spawned_by_looking() -> None:
    """Only Run and Step start anything."""
    kids = children()
    m = model("true")
    for name, value in {"privileged": True, "max_uid": 33, "id_map": "custom"}.items():
        setattr(m, name, value)
    assert children() == kids
    assert m.process is None


def test_neither_ipywidgets_nor_pandas_is_needed() -> None:
    """The model is for scripts, too."""
    code = (
        "import sys, nsexplore.widgets.model, nsexplore.widgets.comparison\n"
        "assert not {'ipywidgets', 'pandas', 'IPython'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

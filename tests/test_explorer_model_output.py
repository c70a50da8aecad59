"""The explorer's output: streamed on an event loop or without one, and hostile."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import eventually
from drivers.whoever import BARE
from explorer_asking import model, shell
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nsexplore.widgets import output as outputs
from nsexplore.widgets import streaming
from nsexplore.widgets.model import Model
from nsexplore.widgets.output import KEPT, SHOWN, Excerpt, Output

pytestmark = pytest.mark.usefixtures("leaves_nothing")


def together(output: list[Output]) -> str:
    """Return stdout put together from what each update says was added."""
    text = ""
    for update in output:
        excerpt = update.stdout
        text = text + excerpt.added if excerpt.joins else excerpt.text
    return text


def watched(m: Model) -> list[Output]:
    """Return a list that every change of the output is added to."""
    seen: list[Output] = []
    m.observe(lambda change: seen.append(change.new), "output")
    return seen


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Let the loop run until a condition comes true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


def on_a_loop(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Have a coroutine run as a test."""

    def run() -> None:
        asyncio.run(test())  # type: ignore[arg-type]

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


# -- on the loop ------------------------------------------------------------------------


@on_a_loop
async def test_output_comes_in_as_it_is_written() -> None:
    """Each line is there before the process writes the next, without anybody waiting."""
    m = model("for i in 1 2 3; do echo $i; read x; done")
    seen = watched(m)
    assert m.run()
    for text in ("1\n", "1\n2\n", "1\n2\n3\n"):
        await until(lambda text=text: m.output.stdout.text == text)  # type: ignore[misc]
        assert m.state == "running"
        m.send("\n")
    assert await m.ended(10) == 0
    assert together(seen) == "1\n2\n3\n"


@on_a_loop
async def test_the_end_is_noticed_by_itself() -> None:
    """The state, the history and the last words, all at once."""
    m = model("echo last; exit 7")
    m.run()
    await until(lambda: m.state == "ended")
    assert m.output.stdout == Excerpt("last\n", m.output.stdout.added, 5, state="ended")
    assert m.history[0].returncode == 7


@on_a_loop
async def test_a_cell_may_wait_while_the_loop_stands_still() -> None:
    """`wait` does itself what the loop would do; the loop goes on with the next run."""
    for _ in range(2):
        m = model("echo out; sleep 0.05")
        m.run()
        assert m.wait(10) == 0
        assert m.output.text == "out\n"
        m.run()
        assert await m.ended(10) == 0
        assert m.output.text == "out\n"


@on_a_loop
async def test_waiting_ends_in_time() -> None:
    """None, and the process goes on."""
    m = model("sleep 60")
    m.run()
    assert await m.ended(0.05) is None
    assert m.wait(0.05) is None
    assert m.state == "running"
    m.stop()
    assert await m.ended() == -9


def test_a_process_outlives_the_loop_it_was_started_on() -> None:
    """Another loop, or none, takes over."""
    m = model("read x; echo $x; read x; echo $x")

    async def first() -> None:
        m.run()
        await asyncio.sleep(0)

    async def second() -> None:
        m.send("two\n")
        assert await m.ended(10) == 0

    asyncio.run(first())
    m.send("one\n")
    while not m.output.text:
        m.wait(0.01)
    asyncio.run(second())
    assert m.output.text == "one\ntwo\n"


@on_a_loop
async def test_an_observer_that_fails_does_not_stop_the_stream() -> None:
    """The loop is told of its error; the output is whole."""
    errors: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))
    m = model("echo 1; read x; echo 2")

    def fail(change: Any) -> None:
        raise RuntimeError("an observer's own")

    m.observe(fail, "output")
    m.run()
    await until(lambda: m.output.stdout.text == "1\n")
    m.send("\n")
    assert await m.ended(10) == 0
    assert m.output.stdout.text == "1\n2\n"
    assert errors


@on_a_loop
async def test_an_observer_may_run_the_next() -> None:
    """From within the notification of the end."""
    m = model("true")

    def again(change: Any) -> None:
        if change.new == "ended" and len(m.history) < 5:
            m.run()

    m.observe(again, "state")
    m.run()
    await until(lambda: len(m.history) == 5 and m.state == "ended")


# -- the loop stays responsive --------------------------------------------------------------

FLOODS = {
    "as fast as it can": "exec yes",
    "to both": "yes & exec yes >&2",
    "100,000 lines a second": "while :; do seq 1000; sleep 0.01; done",
    "no text": "exec cat /dev/urandom",
    "no newline": "exec cat /dev/zero",
    "byte by byte": "dd if=/dev/zero bs=1 2>/dev/null & exec dd if=/dev/zero bs=1 >&2",
}


@pytest.mark.parametrize("how", FLOODS)
def test_a_flood_leaves_the_loop_responsive(how: str) -> None:
    """Somebody else's 5 ms are never 200, and updates are some dozens a second at most."""

    async def test() -> None:
        m = model(FLOODS[how])
        seen = watched(m)
        m.run()
        late, begin = [], time.monotonic()
        while time.monotonic() < begin + 0.5:
            asleep = time.monotonic()
            await asyncio.sleep(0.005)
            late.append(time.monotonic() - asleep - 0.005)
        assert max(late) < 0.2
        assert 2 <= len(seen) <= 0.5 * 24 + 2
        assert len(m.output.stdout.text) <= SHOWN
        assert len(m.output.stderr.text) <= SHOWN
        m.stop()
        assert await m.ended(10) == -9

    asyncio.run(test())


def test_a_tick_reads_no_more_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """What writes faster waits for the next tick, and the loop is idle meanwhile."""
    monkeypatch.setattr(streaming, "PER_TICK", 1 << 16)

    async def test() -> None:
        m = model("cat /dev/zero")
        m.run()
        busy = time.process_time()
        await asyncio.sleep(0.5)
        assert m.output.stdout.total <= 12 * (1 << 17)
        assert time.process_time() - busy < 0.2
        m.stop()

    asyncio.run(test())


# -- bounds -----------------------------------------------------------------------------------


def test_what_nobody_wants_is_left_in_the_pipe_and_the_process_waits() -> None:
    """As under a pager: the words say so, `more` reads on, and nothing is lost."""
    size = KEPT + (4 << 20)
    m = model(f'head -c {size} /dev/zero | tr "\\0" x; echo done >&2')
    m.run()
    assert m.wait() is None  # not for ever
    assert "more() or stop()" in m.problems["output"]
    assert m.output.waits
    assert m.output.stdout.total == KEPT
    assert "The process waits" in " ".join(m.output.notices)
    assert 'read_output("stdout") has them all' in " ".join(m.output.notices)
    assert m.output.stdout.text == "x" * SHOWN
    assert not m.output.stdout.is_whole
    assert m.wait(0.3) is None
    assert m.output.stderr.text == ""
    assert m.process.stdout.read(100_000) == b"x" * 100_000  # the rest is there
    assert m.more()
    assert m.wait(20) == 0
    assert m.output.stderr.text == "done\n"
    assert m.output.stdout.total + 100_000 <= size
    assert set(m.read_output()) == {ord("x")}
    assert m.history[0].written[0] == len(m.read_output())
    m.close()


def test_no_room_on_disk_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be kept is not read on; the process may be stopped."""

    def full(*args: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(outputs.os, "pwrite", full)
    m = model("cat /dev/zero")
    m.run()
    m.wait(0.3)
    assert "it cannot be kept: No space left on device" in " ".join(m.output.notices)
    m.stop()
    assert m.state == "ended"


def test_all_of_it_can_be_read_though_only_its_end_is_shown() -> None:
    """From memory for a little, from an unlinked file for much."""
    for count in (10, 100_000):
        m = model(f"seq {count}; seq {count} >&2")
        m.run()
        m.wait(20)
        whole = "".join(f"{n}\n" for n in range(1, count + 1))
        assert m.read_output("stdout") == m.read_output("stderr") == whole.encode()
        assert m.output.stdout.text == whole[-SHOWN:]
        assert m.output.stdout.is_whole == (len(whole) <= SHOWN)
        assert m.history[0].stdout == whole[:4096]
    with pytest.raises(ValueError, match="neither 'stdout' nor 'stderr'"):
        m.read_output("stdin")


def test_pieces_of_characters_are_put_together() -> None:
    """A character of four bytes, written byte by byte; and what is none, as U+FFFD."""
    writes = 'for b in 360 237 246 234; do printf "\\\\$b"; sleep 0.06; done'
    m = model(writes + '; printf "\\377a\\303"')
    seen = watched(m)
    m.run()
    m.wait(10)
    assert m.output.stdout.text == "🦜�a�"
    assert together(seen) == m.output.stdout.text
    assert "�" not in seen[0].stdout.text  # half of a character is not shown yet


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(st.sampled_from("aé€🦜\n"), max_size=400),
    st.lists(st.tuples(st.integers(1, 90), st.booleans()), min_size=1),
)
def test_what_is_shown_is_the_end_of_what_was_written(
    monkeypatch: pytest.MonkeyPatch, text: str, pieces: list[tuple[int, bool]]
) -> None:
    """However it is cut into reads, and whenever one looks: no character is broken."""
    monkeypatch.setattr(outputs, "SHOWN", 40)
    data, together = text.encode(), ""
    ours, theirs = os.pipe()
    with open(ours, "rb") as file, open(theirs, "wb", buffering=0) as writer:
        channel = outputs.Channel("stdout", file)
        for size, looks in itertools.cycle(pieces):
            piece, data = data[:size], data[size:]
            if not piece:
                break
            writer.write(piece)
            channel.read(size)
            if looks:
                shown = channel.excerpt()
                together = together + shown.added if shown.joins else shown.text
                so_far = text.encode()[: shown.total].decode(errors="ignore")
                assert so_far.endswith(shown.text)
                assert shown.text or not so_far
                assert shown.is_whole <= (shown.text == so_far)
                assert together.endswith(shown.text)
        channel.close()
        assert text.endswith(channel.excerpt().text)
        assert channel.spool.read() == text.encode()


def test_a_cut_falls_between_characters() -> None:
    """What is shown of a long text begins with a whole character."""
    m = model("yes € | tr -d '\\n' | head -c 3000000")
    m.run()
    m.wait(20)
    assert set(m.output.stdout.text) == {"€"}
    assert m.output.stdout.total == 3_000_000


def test_updates_can_be_added_up() -> None:
    """Each says what it adds, or that it joins nothing."""

    async def test() -> None:
        m = model("for i in 1 2 3 4 5 6; do seq 20000; sleep 0.03; done")
        seen = watched(m)
        m.run()
        assert await m.ended(20) == 0
        assert together(seen)[-SHOWN:] == m.output.stdout.text
        assert len(seen) > 1

    asyncio.run(test())


def test_a_stream_held_open_by_another_is_not_waited_for() -> None:
    """One that left the session and the group; what it wrote until then is there."""
    m = model("echo before; setsid sleep 30 & sleep 0.1", BARE)
    m.run()
    begin = time.monotonic()
    assert m.wait(10) == 0
    assert time.monotonic() - begin < 2
    assert m.output.stdout.text == "before\n"
    assert m.output.stdout.state == "cut"
    assert "another process holds it open" in m.output.notices[0]
    for folder in Path("/proc").glob("[0-9]*"):  # it is ours to end
        if _is(folder, b"sleep\x0030\x00"):
            os.kill(int(folder.name), 9)


def _is(folder: Path, cmdline: bytes) -> bool:
    try:
        return (folder / "cmdline").read_bytes() == cmdline
    except OSError:
        return False


def test_a_process_that_closes_its_streams_runs_on() -> None:
    """The end of the streams is not that of the process."""
    m = model("exec >&- 2>&-; sleep 0.3; exit 5")
    m.run()
    m.wait(0.1)
    assert m.state == "running"
    assert m.wait(10) == 5


def test_no_thread_is_made() -> None:
    """Neither with a loop nor without."""
    tasks = len(os.listdir("/proc/self/task"))
    m = model("seq 100000")
    m.run()
    m.wait(0.01)
    assert len(os.listdir("/proc/self/task")) == tasks
    m.wait(10)
    assert eventually(lambda: len(os.listdir("/proc/self/task")) == tasks)


def test_idle_costs_next_to_nothing() -> None:
    """A process that says nothing is looked at twice a second, not more."""

    async def test() -> None:
        m = model("sleep 60")
        calls: list[int] = []
        after = streaming.Streaming._after

        def counted(self: streaming.Streaming) -> None:
            calls.append(1)
            after(self)

        m.run()
        streaming.Streaming._after = counted  # type: ignore[method-assign]
        try:
            await asyncio.sleep(1.1)
        finally:
            streaming.Streaming._after = after  # type: ignore[method-assign]
        assert 1 <= len(calls) <= 4
        m.stop()

    asyncio.run(test())


def test_terminal_escapes_are_left_as_they_are() -> None:
    """To be shown through the pictures: the model changes nothing."""
    m = model('printf "\\033[31mred\\033]0;title\\007\\r\\n<b>"')
    m.run()
    m.wait(10)
    assert m.output.stdout.text == "\x1b[31mred\x1b]0;title\x07\r\n<b>"


def test_shell_quotes_the_script() -> None:
    """So that these tests run what they say."""
    assert shell("echo 'a b'") == "/bin/sh -c 'echo '\"'\"'a b'\"'\"''"

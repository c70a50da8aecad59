"""Speed and memory of `discover` beside lsns(8), as one Markdown table.

``python benchmarks/discovery.py`` takes two minutes and needs root and a C compiler.

All look at the same machine, on which 2,000 and then 10,000 processes sleep besides what
runs there anyway. They take turns in many short rounds, in an order drawn anew for each;
a ratio is that of two contestants in the same round. lsns counts from its start to its
end, as one runs it; discovery counts in a Python that has imported it already, as in a
notebook.
"""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyperf
from run import HERE, Turn, as_benchmark, compare, take_turns
from table import Row, options_of, tell

from nsexplore.discovering import discover
from nsexplore.finding import Findings
from nsexplore.scanning import Scan, open_proc, pids

COUNTS = (2_000, 10_000)
BOUNDS = {"links": 0.25, "all": 1.0}
GROWTH_BOUND = 5.5
"""Times the time, for five times the processes."""
KIB_BOUND = 25.0
"""Peak memory for each process."""


@contextmanager
def sleeping(program: Path, count: int) -> Iterator[None]:
    """Let so many processes sleep for a while."""
    with subprocess.Popen([program, str(count)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        try:
            if parent.stdout.readline() != b"ready\n":
                sys.exit(f"{count} processes could not be started")
            yield
        finally:
            parent.kill()
            parent.stdout.read()  # the end of it is that of the last one


def timed(act: Callable[[], object]) -> list[float]:
    """Return the seconds that an act takes."""
    begin = time.perf_counter()
    act()
    return [time.perf_counter() - begin]


def lsns() -> None:
    """Run the peer."""
    subprocess.run(["lsns", "--json", "--output-all"], stdout=subprocess.DEVNULL, check=True)


def look() -> None:
    """Run discovery, all places."""
    discover(progress=False)


def race(rounds: int, count: int) -> dict[str, pyperf.Benchmark]:
    """Return the seconds of all contestants."""
    turns: dict[str, Turn] = {
        f"{name}/{count}": lambda act=act: timed(act)  # type: ignore[misc]
        for name, act in (("lsns", lsns), ("links", links), ("all", look))
    }
    values = take_turns(turns, rounds)
    return {name: as_benchmark(name, found) for name, found in values.items()}


def peak_kib() -> float:
    """Return the peak of Python's memory during a discovery."""
    gc.collect()
    tracemalloc.start()
    base = tracemalloc.get_traced_memory()[0]
    look()
    peak = tracemalloc.get_traced_memory()[1] - base
    tracemalloc.stop()
    return peak / 1024


async def longest_pause() -> float:
    """Return the longest time in seconds that an event loop stands still beside a discovery."""
    longest = 0.0
    beside = asyncio.ensure_future(asyncio.to_thread(look))
    while not beside.done():
        begin = time.perf_counter()
        await asyncio.sleep(0.001)
        longest = max(longest, time.perf_counter() - begin - 0.001)
    await beside
    return longest


def links() -> None:
    """Read the links below /proc/PID/ns of every process, and nothing else."""
    root = open_proc("/proc")
    scan = Scan(root, Findings(0))
    for pid in pids(root):
        with suppress(OSError):
            folder = os.open(str(pid), os.O_PATH | os.O_DIRECTORY, dir_fd=root)
            scan._links(folder)
            os.close(folder)
    os.close(root)


# -- the table ------------------------------------------------------------------


def rows_for(count: int, benchmarks: dict[str, pyperf.Benchmark]) -> Iterator[Row]:
    """Return the rows about so many processes; they sleep meanwhile."""
    words = {"links": "links below /proc/PID/ns alone", "all": "`discover()`, all places"}
    for name, what in words.items():
        ours, peer = benchmarks[f"{name}/{count}"], benchmarks[f"lsns/{count}"]
        yield compare(f"{what}, {count:,} processes", ours, "lsns", peer, BOUNDS[name])
    peak = peak_kib() / count
    bound = f"{KIB_BOUND:g} KiB"
    yield Row(
        f"peak memory of `discover()` for each of {count:,} processes",
        f"{peak:.1f} KiB",
        bound,
        ratios=[peak / KIB_BOUND] * 2,
        best=[peak / KIB_BOUND],
        bound=1,
    )
    pause = asyncio.run(longest_pause())
    yield Row(
        f"longest pause of an event loop beside it, {count:,} processes", f"{pause * 1e3:.0f} ms"
    )


def growth(benchmarks: dict[str, pyperf.Benchmark]) -> Row:
    """Return the row about five times the processes."""
    few, many = (benchmarks[f"all/{count}"] for count in COUNTS)
    return Row(
        f"`discover()`, {COUNTS[1]:,} processes",
        many.format_value(many.median()),
        f"{COUNTS[0]:,}",
        few.format_value(few.median()),
        [b / a for a, b in zip(few.get_values(), many.get_values(), strict=True)],
        [min(many.get_values()) / min(few.get_values())],
        GROWTH_BOUND,
    )


def main() -> None:
    """Run everything, print the table."""
    options = options_of(__doc__).parse_args()
    if os.geteuid() != 0:
        sys.exit("to read every process needs root")

    compiler = shutil.which("cc") or sys.exit("a C compiler is needed")
    rows: list[Row] = []
    benchmarks: dict[str, pyperf.Benchmark] = {}
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "sleepers"
        subprocess.run([compiler, "-O2", "-o", program, HERE / "sleepers.c"], check=True)
        for count in COUNTS:
            with sleeping(program, count):
                benchmarks |= race(3 if options.fast else 10, count)
                rows += rows_for(count, benchmarks)
    rows.append(growth(benchmarks))
    tell(rows, options)


if __name__ == "__main__":
    main()

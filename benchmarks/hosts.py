"""Speed of putting many hosts together, as one Markdown table.

``python benchmarks/hosts.py`` takes half a minute, and needs neither root nor a cluster.

Each simulated host has a hundred processes, each fifth in a user namespace and a network of its
own. The merging is what follows a `Fleet.discover()` in a notebook: all three tables, what
overlaps, the containers, and what only mounts keep. Reading the hosts' JSON is shown beside it.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from making_snapshots import many
from table import Row, options_of, tell

from nsexplore.hosts import Answer, Snapshots
from nsexplore.recording import Recording
from nsexplore.snapshot import Snapshot

FEW, MANY = 200, 1_000
PROCESSES = 100
BOUND = 2.0
"""Seconds for the many."""
GROWTH_BOUND = 5.5
"""Times the time, for five times the hosts."""


def hosts(count: int) -> list[Answer]:
    """Return the answers of so many hosts, no two snapshots the same object."""
    seen = many(PROCESSES)
    return [
        Answer(n, f"host-{n:04}", None, replace(seen, host=f"host-{n:04}"), None, 0.0)
        for n in range(count)
    ]


def put_together(answers: list[Answer]) -> None:
    """Do all that is done with them."""
    machines = Snapshots(answers)
    _ = machines.namespaces, machines.processes, machines.id_maps
    machines.overlaps()
    machines.containers()
    machines.kept_by_mounts()


def seconds(act: Callable[[], object]) -> float:
    """Return the CPU time that it takes, in this one thread: other work does not count."""
    gc.collect()
    begin = time.process_time()
    act()
    return time.process_time() - begin


def read_all(texts: list[str]) -> list[object]:
    """Read the hosts' JSON."""
    return [Recording.from_json(text).value for text in texts]


def main() -> None:
    """Run everything, print the table."""
    options = options_of(__doc__).parse_args()

    few, all_of_them = hosts(FEW), hosts(MANY)
    values = {FEW: [], MANY: []}  # type: dict[int, list[float]]
    for _ in range(2 if options.fast else 7):
        for count, answers in ((FEW, few), (MANY, all_of_them)):
            values[count].append(seconds(lambda answers=answers: put_together(answers)))
    one: Snapshot = many(PROCESSES)
    texts = [Recording.take(one).to_json()] * FEW
    reading = seconds(lambda: read_all(texts)) / FEW
    ratios = [b / a for a, b in zip(values[FEW], values[MANY], strict=True)]
    rows = [
        Row(
            f"tables and questions of {MANY:,} hosts, {PROCESSES} processes each",
            f"{median(values[MANY]):.2f} s",
            f"{BOUND:g} s",
            ratios=[value / BOUND for value in values[MANY]],
            best=[min(values[MANY]) / BOUND],
            bound=1,
        ),
        Row(
            f"the same, {MANY:,} hosts",
            f"{median(values[MANY]):.2f} s",
            f"{FEW:,} hosts",
            f"{median(values[FEW]):.2f} s",
            ratios,
            [min(values[MANY]) / min(values[FEW])],
            GROWTH_BOUND,
        ),
        Row(f"reading the JSON of a host ({len(texts[0]) >> 10} KiB)", f"{reading * 1e3:.1f} ms"),
    ]
    tell(rows, options)


if __name__ == "__main__":
    main()

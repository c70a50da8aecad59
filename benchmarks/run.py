"""Speed and memory of a start beside Go's os/exec and bare C, as one Markdown table.

``python benchmarks/run.py`` takes a minute or two and needs root, Go and a C compiler.

Every peer is a process that waits for the word to start ``/bin/true`` some times. They
take turns in many short rounds, in an order drawn anew for each, so that whatever else
the machine does strikes all alike. A ratio is that of two peers' median starts in the same
round; shown are its median over the rounds, its quartiles, and the same of their best
starts, to which other work on the machine adds least. What counts is the time from the
call until it returns, which is after execve for all of them. Reaping is left out, and so
is the pause before each start, in which the kernel takes the last namespaces apart.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median

import pyperf
from table import Row, options_of, tell

HERE = Path(__file__).parent
MAX_UID = 65535
RESIDENT_GIB = 4
STARTS = 10
PAUSE_US = 3000
SETTLE = 0.03
"""Seconds before each turn."""
MODES = ("privileged", "unprivileged")
USER = "daemon"
"""Any ordinary user that every machine has."""

BOUNDS = {
    ("exec", "go", "privileged"): 1.0,
    ("exec", "go", "unprivileged"): 0.75,
    ("exec", "c", "privileged"): 1.25,
    ("exec", "c", "unprivileged"): 1.25,
    ("resident", "exec", "privileged"): 1.1,
    ("resident", "exec", "unprivileged"): 1.1,
    ("rootless", "exec", "unprivileged"): 1.1,
}
COMPARED = (
    *BOUNDS,
    *(("tight", "tight go", mode) for mode in MODES),
    *(("exec@thread", "exec", mode) for mode in MODES),
    *(("start", "exec", mode) for mode in MODES),
    *(("run", "unshare", mode) for mode in MODES),
    ("ranges", "user", "unprivileged"),
)
IMPORT_BOUND = 0.2
DOCTOR_BOUND = 0.3
"""Seconds."""

WORDS = {
    "exec": "`exec`",
    "tight": "`exec`, without a pause",
    "tight go": "Go, without a pause",
    "go": "Go's `os/exec`",
    "c": "bare C",
    "resident": f"`exec`, {RESIDENT_GIB} GiB resident",
    "exec@thread": "`exec` from another thread",
    "start": "`start`, with its birth view",
    "run": "`run`, to the end",
    "rootless": "`exec`, rootless with one ID",
    "user": "the same, with one ID",
    "ranges": "`exec`, rootless with ranges, by newuidmap and newgidmap",
    "unshare": "`Popen` of unshare(1), to the end",
}

Turn = Callable[[], list[float]]
Values = dict[str, list[list[float]]]
"""By contestant, by round: seconds."""


def compare(
    what: str, ours: pyperf.Benchmark, word: str, peer: pyperf.Benchmark, bound: float | None
) -> Row:
    """Return the row of two contestants, of which pyperf has one run for each round."""
    pairs = [(a.values, b.values) for a, b in zip(ours.get_runs(), peer.get_runs(), strict=True)]
    return Row(
        what,
        ours.format_value(ours.median()),
        word,
        peer.format_value(peer.median()),
        [median(a) / median(b) for a, b in pairs],
        [min(a) / min(b) for a, b in pairs],
        bound,
    )


# -- the race -----------------------------------------------------------------


def build(folder: Path) -> dict[str, list[str]]:
    """Compile the peers that are not in Python and return their commands."""
    compiler = shutil.which("cc") or sys.exit("a C compiler is needed")
    go = shutil.which("go") or sys.exit("Go is needed (Debian: golang-go)")
    subprocess.run([compiler, "-O2", "-o", folder / "c", HERE / "peer.c"], check=True)
    here = {**os.environ, "GOCACHE": str(folder / "cache"), "GO111MODULE": "off"}
    subprocess.run([go, "build", "-o", folder / "go", HERE / "peer.go"], check=True, env=here)
    return {name: [str(folder / name), str(MAX_UID)] for name in ("go", "c")}


def python_peers() -> dict[str, list[str]]:
    """Return the commands of the peers in Python."""
    base = [sys.executable, str(HERE / "peer.py")]
    peers = ("exec", "exec@thread", "start", "run", "unshare")
    commands = {what: [*base, what, str(MAX_UID)] for what in peers}
    return commands | {"resident": [*base, "exec", str(MAX_UID), str(RESIDENT_GIB)]}


def ordinary_peers(folder: Path) -> dict[str, list[str]]:
    """Return the commands of an ordinary user without sub-IDs, and with them; none, and why."""
    script = 'mount --bind "$1" /etc/subuid && mount --bind "$1" /etc/subgid && shift && exec "$@"'
    commands = {}
    for name, text in (("user", ""), ("ranges", f"{USER}:100000:65536\n")):
        file = folder / name
        file.write_text(text)
        place = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", file]
        here = [sys.executable, str(HERE / "peer.py"), f"exec@{USER}", str(MAX_UID)]
        commands[name] = [*map(str, place), *here]
    if not (shutil.which("newuidmap") and shutil.which("newgidmap")):
        why = "newuidmap and newgidmap are not installed (Debian: uidmap)"
    elif subprocess.run([*commands["ranges"][:-4], "true"], check=False).returncode:
        why = "/etc/subuid and /etc/subgid could not be replaced for a while"
    else:
        return commands
    print(f"left out: {WORDS['ranges']}: {why}", file=sys.stderr)
    return {}


class Peer:
    """A process that starts ``/bin/true`` when asked to."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, mode: str, pause: int) -> list[float]:
        """Let it start some times; return the seconds that each took."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{mode} {STARTS} {pause}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"{self.process.args!r} has failed")
        return [int(nanoseconds) / 1e9 for nanoseconds in answer.split()[::2]]


@contextmanager
def running(command: list[str]) -> Iterator[Peer]:
    """Start a peer; end it with the block."""
    peer = Peer(command)
    try:
        yield peer
    finally:
        assert peer.process.stdin is not None
        peer.process.stdin.close()
        peer.process.wait()


def take_turns(turns: dict[str, Turn], rounds: int) -> Values:
    """Return each contestant's values of each round; the first round only warms up."""
    values: Values = {name: [] for name in turns}
    for number in range(rounds + 1):
        for name in random.sample(list(turns), len(turns)):
            time.sleep(SETTLE)
            seconds = turns[name]()
            if number:
                values[name].append(seconds)
    return values


def race(rounds: int) -> Values:
    """Return the seconds of all starts, by ``peer/mode`` and round."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        commands = {**build(Path(folder)), **python_peers()}
        peers = {name: stack.enter_context(running(c)) for name, c in commands.items()}
        ordinary = {
            name: stack.enter_context(running(c))
            for name, c in ordinary_peers(Path(folder)).items()
        }
        turns: dict[str, Turn] = {}
        for mode in MODES:
            for name, peer in peers.items():
                turns[f"{name}/{mode}"] = partial(peer.start, mode, PAUSE_US)
            for name, peer in (("tight", peers["exec"]), ("tight go", peers["go"])):
                turns[f"{name}/{mode}"] = partial(peer.start, mode, 0)
        for name, peer in {"rootless": peers["exec"], **ordinary}.items():
            turns[f"{name}/unprivileged"] = partial(peer.start, "rootless", PAUSE_US)
        return take_turns(turns, rounds)


def race_rows(benchmarks: dict[str, pyperf.Benchmark]) -> Iterator[Row]:
    """Return the rows about starts."""
    for name, against, mode in COMPARED:
        if f"{name}/{mode}" not in benchmarks:  # said by whoever left it out
            continue
        yield compare(
            f"{WORDS[name]}, {mode}",
            benchmarks[f"{name}/{mode}"],
            WORDS[against],
            benchmarks[f"{against}/{mode}"],
            BOUNDS.get((name, against, mode)),
        )


# -- imports and memory ---------------------------------------------------------


def seconds_of(code: str) -> list[float]:
    """Return how long a Python runs that does just this."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return [time.perf_counter() - begin]


def race_imports(rounds: int) -> Values:
    """Return the seconds that each import adds to a bare Python, by round."""
    names = ("nsexplore", "pandas")
    turns: dict[str, Turn] = {"bare": partial(seconds_of, "pass")}
    turns |= {name: partial(seconds_of, f"import {name}") for name in names}
    values = take_turns(turns, rounds)
    bare = median(value for [value] in values["bare"])
    return {f"import/{name}": [[value - bare] for [value] in values[name]] for name in names}


def import_row(benchmarks: dict[str, pyperf.Benchmark]) -> Row:
    """Return the row about the import; exit if it loads what it must not."""
    code = "import sys, nsexplore; print(*({'pandas', 'ipywidgets'} & sys.modules.keys()))"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).strip()
    if loaded:
        sys.exit(f"import nsexplore loads {loaded}")
    return compare(
        "`import nsexplore` (loads neither pandas nor ipywidgets)",
        benchmarks["import/nsexplore"],
        "`import pandas`",
        benchmarks["import/pandas"],
        IMPORT_BOUND,
    )


def doctor_row(rounds: int) -> Row:
    """Return the row about the first diagnosis of a fresh process: its bound is a time."""
    code = (
        "import time; import nsexplore.diagnosing as d; begin = time.perf_counter(); d.doctor();"
        " print(time.perf_counter() - begin)"
    )
    seconds = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(rounds)]
    return Row(
        "`doctor()`, the first of a process",
        f"{median(seconds) * 1e3:.1f} ms",
        f"{DOCTOR_BOUND * 1e3:.0f} ms",
        ratios=[value / DOCTOR_BOUND for value in seconds],
        best=[min(seconds) / DOCTOR_BOUND],
        bound=1,
    )


def memory_rows(starts: int) -> Iterator[Row]:
    """Return the rows about memory."""
    command = [sys.executable, str(HERE / "memory.py"), str(starts)]
    peak, kept, resident = map(float, subprocess.check_output(command, text=True).split())
    yield Row("Python memory during one `exec`", f"{peak / 1024:.1f} KiB")
    yield Row(f"Python memory kept after each of {starts}", f"{kept:.0f} B")
    yield Row("growth of the process for each (resident set)", f"{resident:.0f} B")


# -- the table ------------------------------------------------------------------


def as_benchmark(name: str, rounds: list[list[float]]) -> pyperf.Benchmark:
    """Return the values as pyperf keeps them: each round is a run."""
    facts = {"name": name, "unit": "second", "loops": 1}
    return pyperf.Benchmark(
        [pyperf.Run(values, metadata=facts, collect_metadata=False) for values in rounds]
    )


def main() -> None:
    """Run everything, print the table."""
    parser = options_of(__doc__)
    parser.add_argument("--output", help="keep the values, for `python -m pyperf stats`")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("privileged namespaces need root")

    values = race(8 if options.fast else 50) | race_imports(4 if options.fast else 15)
    benchmarks = {name: as_benchmark(name, rounds) for name, rounds in values.items()}
    rows = [*race_rows(benchmarks), import_row(benchmarks), doctor_row(10), *memory_rows(300)]

    if options.output:
        pyperf.BenchmarkSuite(list(benchmarks.values())).dump(options.output, replace=True)
    tell(rows, options)


if __name__ == "__main__":
    main()

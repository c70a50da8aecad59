"""Speed of the explorer in a notebook's kernel and in a browser, as one Markdown table.

``python benchmarks/explorer.py`` takes a minute and needs root, for its privileged run; the
row of the browser needs Chromium.

Each round has a kernel of its own, and the explorer is shown in it as in a notebook. A
control counts from its change until the plan is drawn and sent; in the browser, a JupyterLab
for all rounds, from the slider's event until the frame in which the picture has the new
number. A cell counts from its request until its answer, by the clock of the client that asks.
Every bound is a time. Of a round of many the 95th percentile counts for controls, and the
longest answer for cells; shown are the median of the rounds and their quartiles as a part of
the bound.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import nbformat
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from playwright.sync_api import sync_playwright
from run import HERE
from table import Row, options_of, tell

CHANGES = 200
DRAGS = 40
CELLS = 50
LINES = 100_000
"""A second, at least."""
PLAN_BOUND, PICTURE_BOUND, SHOW_BOUND, ANSWER_BOUND = 0.010, 0.100, 0.300, 0.200

IMPORTS = "import nsexplore as nx; nx.explore"
SHOW = "x = nx.explore(id_map='garden'); x"
"""Shown by being the cell's value."""

CHANGE = f"""
import json, random, time
took = []
for number in random.sample(range(2, 4294967295), {CHANGES}):
    begin = time.perf_counter()
    x.max_uid = number
    took.append(time.perf_counter() - begin)
    assert x.plan.uid_mappings.to_host(0) == number
print(json.dumps(took))
"""

TALKER = f"""
import os, time
begin, part = time.monotonic(), 0
while True:
    os.write(1, b"one more line of it\\n" * {LINES // 90})
    part += 1
    time.sleep(max(0, begin + part / 100 - time.monotonic()))
"""
"""Prints in a hundred parts a second, and makes good what it has not managed in time."""

TALK = f"""
import shlex, sys
x.privileged = True
x.command = shlex.join([sys.executable, "-c", {TALKER!r}])
assert x.run(), x.problems
"""
TOTAL = "print(x.output.stdout.total // len(b'one more line of it\\n'))"


DRAG = """async root => {
    const slider = root.querySelector("input[type=range]");
    const number = root.querySelector("input[type=number]");
    const isDrawn = before => number.value !== before && [...root.querySelectorAll("svg text")]
        .some(e => e.textContent === `root inside is host ${number.value}`);
    const took = [];
    for (let at = 0; at < %d; at++) {
        const before = number.value, begin = performance.now();
        const place = 160 + at %% 2 * 160 + Math.floor(Math.random() * 160); // 2,048 and more
        slider.value = place;
        slider.dispatchEvent(new Event("input"));
        while (!isDrawn(before)) {
            if (performance.now() > begin + 5000) throw new Error("no picture of " + place);
            await new Promise(requestAnimationFrame);
        }
        took.push((performance.now() - begin) / 1000);
        await new Promise(done => setTimeout(done, 20));
    }
    return took;
}"""


class Client:
    """A notebook's side of a kernel: it asks, and waits for the answer."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self._client = client

    def cell(self, code: str) -> tuple[str, float]:
        """Run a cell; return what it prints, and the seconds until all of its answer is here."""
        said: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            content = message["content"]
            said.append(content.get("text", ""))
            if message["msg_type"] == "error":
                sys.exit("\n".join(content["traceback"]))

        begin = time.perf_counter()
        self._client.execute_interactive(code, timeout=60, output_hook=hear)
        return "".join(said), time.perf_counter() - begin


@contextmanager
def kernel(clients: int) -> Iterator[list[Client]]:
    """Run a kernel without anybody's own settings, with so many clients."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        sockets, file = (str(Path(folder) / name) for name in ("socket", "kernel.json"))
        manager = KernelManager(transport="ipc", ip=sockets, connection_file=file)
        stack.callback(manager.cleanup_resources)
        manager.start_kernel(env={**os.environ, "IPYTHONDIR": folder})
        stack.callback(manager.shutdown_kernel, now=True)
        found = []
        for _ in range(clients):
            client = manager.blocking_client()
            client.start_channels()
            stack.callback(client.stop_channels)
            client.wait_for_ready(timeout=60)
            found.append(Client(client))
        yield found


def percentile(seconds: list[float]) -> float:
    """Return the 95th."""
    return quantiles(seconds, n=20)[-1]


def measure() -> dict[str, float]:
    """Return what one kernel has to say: seconds, and lines a second."""
    with kernel(2) as (mine, others):
        mine.cell(IMPORTS)
        _, shown = mine.cell(SHOW)
        changes, _ = mine.cell(CHANGE)
        mine.cell(TALK)
        time.sleep(1)  # beyond what is first
        others.cell("pass")  # it hears all that was said so far
        begin, before = time.perf_counter(), int(mine.cell(TOTAL)[0])
        answers = []
        for _ in range(CELLS):
            answers.append(others.cell("1 + 1")[1])
            time.sleep(0.02)
        lines = int(mine.cell(TOTAL)[0]) - before
        rate = lines / (time.perf_counter() - begin)
        mine.cell("x.stop()")
    plans = percentile(json.loads(changes))
    return {"plan": plans, "show": shown, "answer": max(answers), "lines": rate}


def drag(rounds: int) -> list[float]:
    """Return how long the picture takes to follow the slider in JupyterLab; none, and why."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("left out: the browser: Chromium is not installed", file=sys.stderr)
        return []
    sys.path.insert(0, str(HERE.parent / "tests"))
    from in_browser import CHROMIUM, jupyter_options, run_all, serving
    from jupyter_apart import apart

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        notebook = folder / "notebooks" / "explorer.ipynb"
        notebook.parent.mkdir()
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)"}}
        cells = [nbformat.v4.new_code_cell(f"{IMPORTS}\n{SHOW}")]
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), notebook)
        env = {**apart(folder), "HOME": str(folder)}
        server = serving("jupyterlab", jupyter_options(notebook), env, folder)
        address = stack.enter_context(server)
        chromium_ = stack.enter_context(sync_playwright()).chromium
        browser = chromium_.launch(executable_path=chromium, args=CHROMIUM, env=env)
        stack.callback(browser.close)
        page = browser.new_page(viewport={"width": 1500, "height": 2000})
        run_all(page, address, notebook)
        explorer = page.locator(".nsx-x")
        explorer.get_by_role("slider").wait_for()
        return [percentile(explorer.evaluate(DRAG % DRAGS)) for _ in range(rounds)]


def within(what: str, seconds: list[float], bound: float) -> Row:
    """Return the row about a time and its bound."""
    return Row(
        what,
        f"{median(seconds) * 1e3:.1f} ms",
        f"{bound * 1e3:.0f} ms",
        ratios=[value / bound for value in seconds],
        best=[min(seconds) / bound],
        bound=1,
    )


def rows_for(rounds: list[dict[str, float]], drags: list[float]) -> Iterator[Row]:
    """Return the rows of the table."""
    values = {name: [found[name] for found in rounds] for name in rounds[0]}
    yield within(
        f"control to redrawn plan: 95th percentile of {CHANGES} MaxUIDs", values["plan"], PLAN_BOUND
    )
    if drags:
        what = f"the same in a browser, until its picture is drawn: of {DRAGS} drags"
        yield within(what, drags, PICTURE_BOUND)
    yield within("`explore()`, first shown after its imports", values["show"], SHOW_BOUND)
    talking = f"while a process prints {median(values['lines']):,.0f} lines a second"
    yield within(
        f"another client's cell {talking}, longest of {CELLS}", values["answer"], ANSWER_BOUND
    )


def main() -> None:
    """Run everything, print the table."""
    options = options_of(__doc__).parse_args()
    if os.geteuid() != 0:
        sys.exit("privileged namespaces need root")

    count = 3 if options.fast else 8
    rounds = [measure() for _ in range(count)]
    rows = list(rows_for(rounds, drag(count)))
    slowest = min(found["lines"] for found in rounds)
    if slowest < LINES:
        sys.exit(f"once only {slowest:,.0f} lines a second were read, of {LINES:,} at least")
    tell(rows, options)


if __name__ == "__main__":
    main()

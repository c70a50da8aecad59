"""Notebooks as a reader meets them: in JupyterLab, in a real browser."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import nbformat
import notebook_tool
import pytest
from conftest import eventually
from drivers.whoever import IS_ROOT
from jupyter_apart import apart, still_running
from playwright.sync_api import Page, expect, sync_playwright

ARTIFACTS = Path(__file__).parent.parent / ".artifacts" / "notebooks"
TOKEN = "of-a-test"

CHROMIUM = [
    "--no-sandbox",  # Chromium has none for root
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
]
SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/apputils-extension/themes": {"theme": "JupyterLab Light"},
}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.fixture
def notebook(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of a notebook without outputs: what shows afterwards comes from this run."""
    original = notebook_tool.NOTEBOOKS / f"{request.param}.ipynb"
    content = nbformat.read(original, as_version=4)
    for cell in content.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    path = tmp_path / "notebooks" / original.name
    shutil.copytree(original.parent / "recordings", path.parent / "recordings")
    nbformat.write(content, path)
    return path


@pytest.fixture
def env(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of all that is started here; afterwards nothing of it runs any more."""
    env = {**apart(tmp_path), "HOME": str(tmp_path)}
    yield env
    assert eventually(lambda: not still_running(env)), still_running(env)


@pytest.fixture
def lab(tmp_path: Path, notebook: Path, env: dict[str, str]) -> Iterator[str]:
    """A JupyterLab of our own; yields its address."""
    for plugin, values in SETTINGS.items():
        file = tmp_path / "settings" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), encoding="utf-8")
    port = free_port()
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": notebook.parent,
        "IdentityProvider.token": TOKEN,
    }
    log = tmp_path / "lab.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
            + [f"--{name}={value}" for name, value in options.items()],
            cwd=tmp_path,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        assert eventually(lambda: answers(f"{address}/api", server), 30), log.read_text()
        yield address
    finally:
        server.terminate()  # it ends its kernels, too
        try:
            server.wait(20)
        finally:
            server.kill()
            server.wait()


def answers(url: str, server: subprocess.Popen[bytes]) -> bool:
    assert server.poll() is None, "JupyterLab has ended"
    directly = build_opener(ProxyHandler({}))
    with contextlib.suppress(OSError), directly.open(url, timeout=5) as response:
        return bool(response.status == 200)
    return False


@pytest.fixture
def page(lab: str, env: dict[str, str], tool: Callable[[str], str]) -> Iterator[Page]:
    """A browser tall enough to show the whole notebook at once, and so to draw all of it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=tool("chromium"), args=CHROMIUM, env=env
        )
        try:
            yield browser.new_page(viewport={"width": 1200, "height": 11000})
        finally:
            browser.close()


def choose(page: Page, *way: str) -> None:
    """Go through the menus, as one does with the mouse."""
    page.locator(".lm-MenuBar-item", has_text=re.compile(f"^{way[0]}$")).click()
    for label in way[1:]:
        exactly = page.locator(".lm-Menu-itemLabel", has_text=re.compile(f"^{label}$"))
        page.locator(".lm-Menu-item", has=exactly).click()


def photograph(page: Page, notebook: Path, name: str) -> None:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{notebook.stem}-{name}.png")


def run_all(page: Page, lab: str, notebook: Path) -> None:
    """Open a notebook and run every cell, without an error."""
    page.goto(f"{lab}/lab/tree/{notebook.name}?reset&token={TOKEN}")
    cells = page.locator(".jp-CodeCell")
    expected = [c for c in nbformat.read(notebook, as_version=4).cells if c.cell_type == "code"]
    expect(cells).to_have_count(len(expected), timeout=20_000)
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=20_000)

    choose(page, "Run", "Run All Cells")
    last = cells.last.locator(".jp-InputArea-prompt")
    expect(last).to_have_text(f"[{len(expected)}]:", timeout=20_000)

    for kind in ("error", "stderr"):
        mime = f"[data-mime-type='application/vnd.jupyter.{kind}']"
        expect(page.locator(mime)).to_have_count(0)


def go_dark(page: Page) -> None:
    """Change the theme; the pictures follow."""
    paper = "e => getComputedStyle(e).backgroundColor"
    light = page.locator(".nsx").first.evaluate(paper)
    choose(page, "Settings", "Theme", "JupyterLab Dark")
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "false")
    assert eventually(lambda: page.locator(".nsx").first.evaluate(paper) != light)


@pytest.mark.usefixtures("leaves_nothing")
@pytest.mark.parametrize("notebook", ["01-first-namespaces"], indirect=True)
def test_a_reader_runs_the_first_notebook(page: Page, lab: str, notebook: Path) -> None:
    """One menu entry runs every cell without an error; both themes; nothing runs afterwards."""
    run_all(page, lab, notebook)
    outputs = page.locator(".jp-OutputArea-output")
    words = (
        "uid=0(root) gid=0(root)",
        "root inside is this machine's real root",
        "root inside is host 65535",
        "system: failed to start the supplied command",
    )
    for text in words if IS_ROOT else ("root inside is host 65535",):
        expect(outputs.get_by_text(text).locator("visible=true").first).to_be_visible()
    badge = page.locator(".nsx-k", has_text="✓ CLONE_NEWUSER").first
    expect(badge).to_be_visible()
    assert badge.evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(69, 90, 115)"
    photograph(page, notebook, "light")
    page.locator("summary", has_text="birth").click()
    page.locator("summary", has_text="timeline").click()
    expect(page.get_by_text("at its birth").locator("visible=true")).to_be_visible()
    photograph(page, notebook, "light-open")
    paper = "e => getComputedStyle(e).backgroundColor"
    # JupyterLab puts every code element into a grey box; in a picture, none is wanted.
    assert page.locator(".nsx code").first.evaluate(paper) == "rgba(0, 0, 0, 0)"
    go_dark(page)
    photograph(page, notebook, "dark")


@pytest.mark.usefixtures("leaves_nothing")
@pytest.mark.parametrize("notebook", ["09-the-whole-machine"], indirect=True)
def test_a_reader_sees_the_whole_machine(page: Page, lab: str, notebook: Path) -> None:
    """Trees with all their namespaces, and the diagram, which JupyterLab draws by itself."""
    run_all(page, lab, notebook)
    photograph(page, notebook, "light")
    trees = page.locator(".nsx", has_text="only its children")
    expect(trees.first).to_be_visible()
    expect(trees.first.locator("li")).to_have_count(8 + 18)  # the legend, and the namespaces
    diagram = page.locator(".jp-RenderedMermaid")
    expect(diagram.locator("img, svg").first).to_be_visible(timeout=20_000)
    expect(diagram.locator(".jp-mod-error, .jp-RenderedMermaid-Details pre")).to_have_count(0)
    go_dark(page)
    photograph(page, notebook, "dark")

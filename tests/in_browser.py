"""A notebook in a real browser: JupyterLab and Chromium of our own, and ways to act in them.

A test module takes the fixtures as its own and says what `notebook` is::

    env, lab, page = in_browser.env, in_browser.lab, in_browser.page
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import nbformat
import pytest
from conftest import eventually
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
    with serving("jupyterlab", jupyter_options(notebook), env, tmp_path) as address:
        yield address


def jupyter_options(notebook: Path) -> dict[str, object]:
    """Return the options of a Jupyter server that shows a notebook's folder."""
    return {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": free_port(),
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": notebook.parent,
        "IdentityProvider.token": TOKEN,
        "ServerApp.allow_root": True,
    }


@contextlib.contextmanager
def serving(
    module: str,
    options: dict[str, object],
    env: dict[str, str],
    folder: Path,
    *words: str,
    answering: str = "api",
) -> Iterator[str]:
    """Run a server until the block is left; yields its address once it answers."""
    port = next(value for name, value in options.items() if name.endswith("port"))
    log = folder / f"{module}.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", module, *words, "--no-browser"]
            + [f"--{name}={value}" for name, value in options.items()],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        there = eventually(lambda: answers(f"{address}/{answering}", server), 30)
        assert there, log.read_text()
        yield address
    finally:
        server.terminate()  # it ends its kernels, too
        try:
            server.wait(20)
        finally:
            server.kill()
            server.wait()


def answers(url: str, server: subprocess.Popen[bytes]) -> bool:
    assert server.poll() is None, "the server has ended"
    directly = build_opener(ProxyHandler({}))
    with contextlib.suppress(OSError), directly.open(url, timeout=5) as response:
        return bool(response.status == 200)
    return False


@pytest.fixture
def page(env: dict[str, str], tool: Callable[[str], str]) -> Iterator[Page]:
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
    expect(page.locator("#jupyterlab-splash")).to_have_count(0)  # it covers all meanwhile
    assert eventually(lambda: page.locator(".nsx").first.evaluate(paper) != light)

"""Opening JupyterLab on the notebooks."""

from __future__ import annotations

import importlib.util
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

__all__ = ["LabError", "has_screen", "open_lab"]

PATIENCE: Final = 60.0
"""Seconds in which the server must have answered: its first start on a slow machine is slow."""

FAREWELL: Final = 10.0
"""Seconds that the server has to end its kernels."""


class LabError(Exception):
    """JupyterLab could not be opened; the message says why, and what to do."""


def has_screen(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> bool:
    """Return whether a browser that is opened here can be seen by somebody."""
    if platform in ("darwin", "win32"):
        return True
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def open_lab(notebook: str | None = None, *, browser: bool = True, port: int = 0) -> int:
    """Run JupyterLab until Ctrl-C, and open a browser on it or say where to point one.

    Parameters
    ----------
    notebook : str, optional
        The notebook to open.
    browser : bool
        Whether to open one, where there is a screen.
    port : int
        On the loopback interface; 0 is a free one.

    Returns
    -------
    int
        An exit code: 0 after Ctrl-C, else the server's.

    Raises
    ------
    LabError
        JupyterLab is not installed or does not start, there is no such
        notebook, or the port is taken.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise LabError('JupyterLab is not installed here: python -m pip install "nsexplore[lab]"')
    folder, page = _folder_and_page(notebook)
    port = _free_port(port)
    token = secrets.token_urlsafe(24)
    address = f"http://127.0.0.1:{port}/lab{page}?token={token}"
    with (
        tempfile.TemporaryDirectory(prefix="nsexplore-") as private,
        _server(folder, port, token, private) as server,
    ):
        try:
            _wait_until_it_answers(server, port, token)
            opened = browser and has_screen() and webbrowser.open(_page_to(address, private))
            print(_where(address, port, opened=opened), flush=True)
            return server.wait()
        except KeyboardInterrupt:
            print("\nEnding JupyterLab.", flush=True)
            return 0


def _folder_and_page(notebook: str | None) -> tuple[Path, str]:
    here = Path.cwd()
    if notebook is None:
        return here, ""
    path = Path(notebook).absolute()
    if not path.exists():
        raise LabError(f"there is no notebook {notebook!r}")
    folder = here if path.is_relative_to(here) else path.parent
    return folder, f"/tree/{quote(path.relative_to(folder).as_posix())}"


def _free_port(port: int) -> int:
    with socket.socket() as probe:
        # As the server will: a port that lingers after its last user is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise LabError(f"port {port} cannot be used: {error}") from None
        number: int = probe.getsockname()[1]
        return number


def _page_to(address: str, folder: str) -> str:
    # A browser's arguments can be read by everybody; this page cannot.
    page = Path(folder) / "open.html"
    page.write_text(f'<meta http-equiv="refresh" content="0; url={address}">')
    return page.as_uri()


@contextmanager
def _server(
    folder: Path, port: int, token: str, workspaces: str
) -> Iterator[subprocess.Popen[bytes]]:
    # A session of its own: Ctrl-C is ours, and ends it in an orderly way.
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *_settings(folder, port, workspaces)],
        env={**os.environ, "JUPYTER_TOKEN": token},  # arguments can be read by everybody
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield server
    finally:
        _end(server)
        signal.signal(signal.SIGTERM, before)


def _settings(folder: Path, port: int, workspaces: str) -> list[str]:
    settings = [
        "--no-browser",
        "--log-level=ERROR",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.workspaces_dir={workspaces}",  # no tabs of another day
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        settings.append("--allow-root")
    return settings


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _end(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(FAREWELL)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_until_it_answers(server: subprocess.Popen[bytes], port: int, token: str) -> None:
    question = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/status", headers={"Authorization": f"token {token}"}
    )
    # Not through a proxy that the environment may name.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise LabError(f"JupyterLab ended at its start with exit code {server.returncode}")
        try:
            with direct.open(question, timeout=5):
                return
        except urllib.error.HTTPError as error:
            raise LabError(
                f"JupyterLab does not accept our token ({error}): your Jupyter configuration"
                " sets a token or a password of its own; start it by: jupyter lab"
            ) from None
        except OSError:  # not yet
            time.sleep(0.1)
    raise LabError(f"JupyterLab has not answered within {PATIENCE:.0f} s")


def _where(address: str, port: int, *, opened: bool) -> str:
    if opened:
        return f"JupyterLab is open in your browser: {address}\nCtrl-C here ends it."
    return (
        f"JupyterLab is running. Point a browser on this machine at\n\n    {address}\n\n"
        "From another machine, first forward the port, then use the same address there:\n\n"
        f"    ssh -L {port}:127.0.0.1:{port} {socket.gethostname()}\n\n"
        "Ctrl-C here ends it."
    )

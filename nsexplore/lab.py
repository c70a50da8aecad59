"""Opening JupyterLab on the notebooks, or Voilà: one of them as a page for a class."""

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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

__all__ = ["LabError", "has_screen", "open_lab"]

PATIENCE: Final = 60.0
"""Seconds in which the server must have answered: its first start on a slow machine is slow."""

FAREWELL: Final = 10.0
"""Seconds that the server has to end its kernels."""


class LabError(Exception):
    """It could not be opened; the message says why, and what to do."""


@dataclass(frozen=True)
class _Server:
    """A program that serves notebooks.

    Attributes
    ----------
    name, module, command : str
        What people call it, Python, and a shell.
    door : str
        A path behind its lock: whoever asks for it with the right token is answered by
        `opened`, and nothing is started for him.
    opened : int
        An HTTP status.
    """

    name: str
    module: str
    command: str
    door: str
    opened: int


_LAB: Final = _Server("JupyterLab", "jupyterlab", "jupyter lab", "api/status", 200)
_VOILA: Final = _Server("Voilà", "voila", "voila", "login", 302)  # 200 is the form


def has_screen(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> bool:
    """Return whether a browser that is opened here can be seen by somebody."""
    if platform in ("darwin", "win32"):
        return True
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def open_lab(
    notebook: str | None = None, *, browser: bool = True, port: int = 0, voila: bool = False
) -> int:
    """Run JupyterLab or Voilà until Ctrl-C, and open a browser on it or say where to point one.

    Parameters
    ----------
    notebook : str, optional
        The notebook to open.
    browser : bool
        Whether to open one, where there is a screen.
    port : int
        On the loopback interface; 0 is a free one.
    voila : bool
        Serve the notebook as a page with Voilà, a kernel for each visitor; without a
        notebook, a list of those below the working directory.

    Returns
    -------
    int
        An exit code: 0 after Ctrl-C, else the server's.

    Raises
    ------
    LabError
        It is not installed or does not start, there is no such notebook, or the port is
        taken.
    """
    program = _VOILA if voila else _LAB
    if importlib.util.find_spec(program.module) is None:
        raise LabError(
            f'{program.name} is not installed here: python -m pip install "nsexplore[lab]"'
        )
    page, settings = (_as_page if voila else _to_edit)(notebook)
    port = _free_port(port)
    token = secrets.token_urlsafe(24)
    address = f"http://127.0.0.1:{port}/{page}?token={token}"
    with (
        tempfile.TemporaryDirectory(prefix="nsexplore-") as private,
        _running(program, [*settings(port, private)], token) as server,
    ):
        try:
            _wait_until_it_answers(program, server, port, token)
            opened = browser and has_screen() and webbrowser.open(_page_to(address, private))
            print(_where(program, address, port, opened=opened), flush=True)
            return server.wait()
        except KeyboardInterrupt:
            print(f"\nEnding {program.name}.", flush=True)
            return 0


_Settings = Callable[[int, str], Iterator[str]]
"""The arguments of a server for a port, and a folder that is nobody else's."""


def _to_edit(notebook: str | None) -> tuple[str, _Settings]:
    """Return JupyterLab's page with a notebook, and how it is started."""
    folder, page = Path.cwd(), "lab"
    if notebook is not None:
        path = _existing(notebook)
        folder = folder if path.is_relative_to(folder) else path.parent
        page = f"lab/tree/{quote(path.relative_to(folder).as_posix())}"

    def settings(port: int, private: str) -> Iterator[str]:
        yield from ("--no-browser", "--log-level=ERROR", "--ServerApp.ip=127.0.0.1")
        yield from (f"--ServerApp.port={port}", "--ServerApp.port_retries=0")
        yield f"--ServerApp.root_dir={folder}"
        yield f"--LabApp.workspaces_dir={private}"  # no tabs of another day
        yield "--LabApp.news_url=None"
        yield "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            yield "--allow-root"

    return page, settings


def _as_page(notebook: str | None) -> tuple[str, _Settings]:
    """Return Voilà's page of a notebook, and how it is started."""
    path = Path.cwd() if notebook is None else _existing(notebook)
    if path.is_file() and path.suffix != ".ipynb":
        raise LabError(f"Voilà shows notebooks (.ipynb), and {notebook!r} is none")

    def settings(port: int, private: str) -> Iterator[str]:
        yield from ("--no-browser", "--Voila.log_level=ERROR", "--Voila.ip=127.0.0.1")
        yield from (f"--Voila.port={port}", "--Voila.port_retries=0")
        yield "--Voila.auto_token=True"  # without, it has no lock; ours is in the environment
        yield "--VoilaConfiguration.show_tracebacks=True"  # errors, and stderr, teach, too
        yield f"--Voila.connection_dir_root={private}"
        yield str(path)

    return "", settings


def _existing(notebook: str) -> Path:
    path = Path(notebook).absolute()
    if not path.exists():
        raise LabError(f"there is no notebook {notebook!r}")
    return path


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
def _running(
    program: _Server, arguments: list[str], token: str
) -> Iterator[subprocess.Popen[bytes]]:
    # A session of its own: Ctrl-C is ours, and ends it in an orderly way.
    server = subprocess.Popen(
        [sys.executable, "-m", program.module, *arguments],
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


def _wait_until_it_answers(
    program: _Server, server: subprocess.Popen[bytes], port: int, token: str
) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise LabError(f"{program.name} ended at its start with exit code {server.returncode}")
        try:
            status = _status(f"http://127.0.0.1:{port}/{program.door}", token)
        except OSError:  # not yet
            time.sleep(0.1)
            continue
        if status == program.opened:
            return
        raise LabError(
            f"{program.name} does not accept our token (HTTP {status}): your Jupyter configuration"
            f" sets a token or a password of its own; start it by: {program.command}"
        )
    raise LabError(f"{program.name} has not answered within {PATIENCE:.0f} s")


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Go nowhere else: there, a kernel would be started."""


def _status(url: str, token: str) -> int:
    question = urllib.request.Request(url, headers={"Authorization": f"token {token}"})
    # Not through a proxy that the environment may name.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay)
    try:
        with direct.open(question, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def _where(program: _Server, address: str, port: int, *, opened: bool) -> str:
    if opened:
        return f"{program.name} is open in your browser: {address}\nCtrl-C here ends it."
    return (
        f"{program.name} is running. Point a browser on this machine at\n\n    {address}\n\n"
        "From another machine, first forward the port, then use the same address there:\n\n"
        f"    ssh -L {port}:127.0.0.1:{port} {socket.gethostname()}\n\n"
        "Ctrl-C here ends it."
    )

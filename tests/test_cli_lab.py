"""``nsexplore lab``: a real JupyterLab."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from command_line import started

from nsexplore.cli import main
from nsexplore.lab import has_screen


def test_lab_says_where_to_point_a_browser_and_ctrl_c_ends_it(tmp_path: Path):
    """Without a screen: the address, which answers with the notebook's page, and the way in."""
    notebook = tmp_path / "a notebook.ipynb"
    notebook.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    hidden = {"DISPLAY", "WAYLAND_DISPLAY"}
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    env |= {f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    process = started("lab", str(notebook), env=env, cwd=tmp_path)
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        address = lines[2].strip()
        assert "a%20notebook.ipynb?token=" in address, lines
        port = urlsplit(address).port
        lines = [process.stdout.readline() for _ in range(6)]
        assert any(f"ssh -L {port}:127.0.0.1:{port} " in line for line in lines)
        with urlopen(address, timeout=20) as page:
            assert page.status == 200
            settings = json.loads(
                re.search(rb'type="application/json">(.*?)</script', page.read(), re.S)[1]
            )
        assert settings["news"] == {"disabled": True}
        with pytest.raises(HTTPError, match="403"):
            urlopen(f"http://127.0.0.1:{port}/api/contents", timeout=20)
        token = address.partition("token=")[2]
        assert token not in subprocess.run(["ps", "axww"], capture_output=True, text=True).stdout
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        with pytest.raises(URLError):
            urlopen(address, timeout=5)
    finally:
        process.terminate()
        process.communicate()


def test_lab_without_jupyterlab_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """One line, no traceback."""
    monkeypatch.setitem(sys.modules, "jupyterlab", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["lab"]) == 1
    assert 'pip install "nsexplore[lab]"' in capsys.readouterr().err


def test_lab_refuses_a_notebook_that_is_not_there_and_a_port_that_is_taken(
    capsys: pytest.CaptureFixture[str],
):
    """Before anything is started."""
    assert main(["lab", "no-such.ipynb"]) == 1
    assert "there is no notebook 'no-such.ipynb'" in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["lab", "--port", str(port)]) == 1
        assert f"port {port} cannot be used" in capsys.readouterr().err
    assert main(["lab", "--port", "70000"]) == 1


@pytest.mark.parametrize(
    ("environment", "platform", "seen"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ""}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "darwin", True),
        ({}, "win32", True),
    ],
)
def test_browser_is_for_those_who_can_see_it(
    environment: dict[str, str], platform: str, seen: bool
):
    """An X or Wayland display on Linux; always on systems that have but one screen."""
    assert has_screen(environment, platform) is seen

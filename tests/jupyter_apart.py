"""Jupyter apart from the user's own, and everything that it started found again."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

MARK = "NSEXPLORE_TEST_RUN"
"""The variable that everything which a test starts inherits."""

_FOLDERS = {
    "IPYTHONDIR": "ipython",
    "JUPYTER_CONFIG_DIR": "config",
    "JUPYTER_DATA_DIR": "data",
    "JUPYTER_RUNTIME_DIR": "runtime",
    "JUPYTERLAB_SETTINGS_DIR": "settings",
    "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
}


def apart(folder: Path) -> dict[str, str]:
    """Return an environment in which Jupyter reads and writes below one folder.

    It carries a mark of its own, by which `still_running` knows what was
    started in it, children of children in namespaces of their own included.
    """
    others = ("IPYTHON", "JUPYTER", "PYTEST_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    env.update({name: str(folder / below) for name, below in _FOLDERS.items()})
    env["JUPYTER_PREFER_ENV_PATH"] = "1"
    env[MARK] = uuid.uuid4().hex
    return env


def still_running(env: dict[str, str]) -> dict[int, str]:
    """Return the PIDs and command lines of all processes that were started in the environment."""
    mark = f"{MARK}={env[MARK]}".encode()
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(folder.name)] = words.decode("utf-8", "replace")
        except OSError:  # ended meanwhile, or another user's
            continue
    return found

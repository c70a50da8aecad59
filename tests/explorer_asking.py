"""An explorer's model for whoever runs the tests."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from drivers.whoever import OWN_MAP

from nsexplore.widgets.model import Model


def shell(script: str) -> str:
    """Return a command line that runs a script of the shell."""
    return shlex.join(["/bin/sh", "-c", script])


def controls_for(script: str, asked: dict[str, Any] = OWN_MAP) -> dict[str, Any]:
    """Return the controls that run a script; `asked` is one of `drivers.whoever`."""
    names = {"clone_flags": "namespaces"}
    said = {names.get(name, name): value for name, value in asked.items()}
    if "max_uid" in said:
        said["id_map"] = "garden"
    return {"command": shell(script), **said}


def model(script: str = "true", asked: dict[str, Any] = OWN_MAP, **controls: Any) -> Model:
    """Return a model that runs a script; `asked` is one of `drivers.whoever`."""
    return Model(**{**controls_for(script, asked), **controls})


def is_gone(pid: int) -> bool:
    """Return whether a process has ended; whoever took it over need not have reaped it yet."""
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True

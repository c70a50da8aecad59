"""binder/: what mybinder.org would build has all that is needed, and its steps work.

How all notebooks run there, as UID 1000, without privileges and with new namespaces refused, is
what test_notebooks.py tells in the locked-down environment of environments.py, which CI runs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT

pytestmark = pytest.mark.anywhere

BINDER = ROOT / "binder"
INDEX = "notebooks/00-index.ipynb"


@pytest.fixture(scope="module")
def dockerfile() -> str:
    """What repo2docker makes of this checkout, without an engine."""
    options = ("--no-build", "--debug", "--user-id", "1000", "--user-name", "explorer")
    done = subprocess.run(
        [sys.executable, "-m", "repo2docker", *options, ROOT],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    return done.stdout + done.stderr


def test_the_image_has_what_the_notebooks_and_the_compiler_need(dockerfile: str) -> None:
    """Debian's packages, Python's, the check of the extension, and the start on the index."""
    packages = (BINDER / "apt.txt").read_text().split()
    assert {"build-essential", "iproute2", "procps", "uidmap", "util-linux"} <= set(packages)
    for package in packages:
        assert re.search(rf"\b{re.escape(package)}\b", dockerfile), package
    for file in ("requirements.txt", "postBuild", "start"):
        assert f"binder/{file}" in dockerfile, file


def test_jupyterlab_opens_on_the_index(tmp_path: Path) -> None:
    """The start script hands the server's command on, with the page to open."""
    (tmp_path / "jupyter").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "jupyter").chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = [BINDER / "start", "jupyter", "lab", "--ip=0.0.0.0"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    words = done.stdout.splitlines()
    assert words[:2] == ["lab", "--ip=0.0.0.0"]
    assert words[-1] == f"--ServerApp.default_url=/lab/tree/{INDEX}"
    assert (ROOT / INDEX).exists()
    other = subprocess.run([BINDER / "start", "echo", "hello"], capture_output=True, text=True)
    assert other.stdout == "hello\n"


@pytest.mark.timeout(600)
def test_the_install_steps_work_in_a_clean_environment(tmp_path: Path) -> None:
    """What requirements.txt asks for, then postBuild: with the extension, or it fails."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    env = {**os.environ, "PATH": f"{venv / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": ""}
    env["PIP_ROOT_USER_ACTION"] = "ignore"
    env |= {f"JUPYTER_{place}_DIR": str(tmp_path / place) for place in ("CONFIG", "DATA")}
    install = [venv / "bin" / "pip", "install", "-q", "-r", BINDER / "requirements.txt"]
    for step in (install, [BINDER / "postBuild"]):
        done = subprocess.run(
            step, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert done.returncode == 0, done.stdout
    script = "import nsexplore, sys; assert nsexplore.__file__.startswith(sys.prefix)"
    subprocess.run([venv / "bin" / "python", "-c", script], cwd=tmp_path, check=True)

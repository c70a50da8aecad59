"""``%%ns`` in a real kernel: in a notebook that is run, interrupted and validated."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import eventually
from jupyter_apart import apart, still_running
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient

from nsexplore.pytest_plugin import SANITIZER

pytestmark = pytest.mark.needs("user namespaces")

NEW = ["-q", "--rootless", "--namespaces", "user,pid,uts"]

TWICE = "%%ns --rootless --namespaces user,pid,net\nid -u; readlink /proc/self/ns/net >/dev/null"


def notebook(*sources: str) -> nbformat.NotebookNode:
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return nbformat.v4.new_notebook(cells=cells)


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The environment of all that is started here; afterwards nothing of it runs any more."""
    env = apart(tmp_path)
    for name in {*os.environ} - {*env}:
        monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    yield env
    assert eventually(lambda: not still_running(env)), still_running(env)


class Watching(NotebookClient):
    """Makes a file when it is told a word: before the cell has ended, that is."""

    flag: Path

    def process_message(self, msg: Any, cell: Any, index: int) -> Any:
        if "first" in msg["content"].get("text", ""):
            self.flag.touch()
        return super().process_message(msg, cell, index)


def test_notebook_streams_and_is_validated(env: dict[str, str], tmp_path: Path):
    """A kernel shows output before its process ends; in stable mode nbval finds the same again."""
    flag = tmp_path / "flag"
    waits = f"echo first; until [ -e {flag} ]; do sleep .02; done; echo last"
    book = notebook(
        "import nsexplore as nx\nnx.stable()\n%load_ext nsexplore",
        f"%%ns {shlex.join(NEW)} --timeout 30\n{waits}",
        TWICE,
        f"{TWICE}; exit 3",
        "_.returncode",
    )
    client = Watching(book, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}})
    client.flag = flag
    client.execute()
    streams = [o["text"] for o in book.cells[1].outputs if o["output_type"] == "stream"]
    assert "".join(streams) == "first\nlast\n"
    (shown,) = [o for o in book.cells[3].outputs if o["output_type"] == "execute_result"]
    assert shown["data"]["text/plain"].startswith("exit status 3\n")
    assert "<details" in shown["data"]["text/html"]
    nbformat.write(book, tmp_path / "cells.ipynb")
    options = ("--nbval", "--nbval-current-env", "--nbval-sanitize-with", str(SANITIZER))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, "cells.ipynb"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "5 passed" in done.stdout, done.stdout


def test_interrupt_of_a_kernel_ends_what_runs_in_a_cell(env: dict[str, str]):
    """The error is one line; the kernel goes on, and nothing is left of the process."""
    marker = f"61.{os.getpid()}"
    manager, client = start_new_kernel(kernel_name="python3", env=env)
    try:
        client.execute("%load_ext nsexplore", reply=True, timeout=20)
        said: list[dict[str, Any]] = []

        def hear(message: dict[str, Any]) -> None:
            said.append(message)
            if "ready" in message["content"].get("text", ""):
                manager.interrupt_kernel()

        script = f"%%ns {shlex.join(NEW)}\nsleep {marker} & echo ready; sleep {marker}"
        reply = client.execute_interactive(script, output_hook=hear, timeout=20)
        assert reply["content"]["status"] == "error"
        errors = [m["content"] for m in said if m["msg_type"] == "error"]
        words = "KeyboardInterrupt: the process was killed, with everything in it"
        assert [(e["ename"], e["traceback"]) for e in errors] == [("KeyboardInterrupt", [words])]
        assert [m["content"]["text"] for m in said if m["msg_type"] == "stream"] == ["ready\n"]
        assert eventually(
            lambda: not [line for line in still_running(env).values() if marker in line]
        )
        assert client.execute("1", reply=True, timeout=20)["content"]["status"] == "ok"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()

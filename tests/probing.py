"""For tests that ask a started process what it sees: the probe, and two starters.

``probe.c`` reports a process's own view; ``starter.py`` and ``oracle/main.go``
start it, ours and Go's. The programs are built once.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

HERE = Path(__file__).parent


@functools.cache
def open_folder() -> Path:
    """Return a folder that root inside may enter, whoever it is outside; pytest's are 0700."""
    folder = Path(tempfile.mkdtemp(prefix="nsexplore-tests-"))
    atexit.register(shutil.rmtree, folder)
    folder.chmod(0o755)
    return folder


@functools.cache
def build_probe(gcc: str) -> str:
    """Return the path of the program that reports its own view to fd 3."""
    program = open_folder() / "probe"
    build(gcc, "-O1", "-Wall", "-Wextra", "-Werror", "-o", program, HERE / "probe.c")
    return str(program)


@functools.cache
def build_oracle(go: str) -> str:
    """Return the path of the program that starts commands through Go's os/exec."""
    program = open_folder() / "oracle"
    # Nothing but Go's own library: no network, and no cache but the test's.
    build(
        *(go, "build", "-o", program, "."),
        cwd=HERE / "oracle",
        GOCACHE=open_folder() / "go-cache",
        GOENV="off",
        GOFLAGS="-mod=mod",
        GOPROXY="off",
        GOTOOLCHAIN="local",
        GOWORK="off",
        CGO_ENABLED="0",
    )
    return str(program)


def build(*command: Any, cwd: Path = HERE, **environment: Any) -> None:
    """Run a compiler; what it complains of is the test's failure."""
    done = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


class Starter:
    """A process in a state of its own that starts commands: ours, or Go's if `oracle` is given.

    Parameters
    ----------
    state : dict
        What it puts on first; see ``starter.py``.
    oracle : str, optional
        The program that it becomes then.
    before : sequence of str
        A command to run it under, such as unshare(1).

    Attributes
    ----------
    pid : int
        Its PID, or that of the command before it.
    greeting : dict
        Its namespaces and its session.
    """

    def __init__(
        self, state: dict[str, Any], oracle: str | None = None, before: tuple[str, ...] = ()
    ) -> None:
        program = [sys.executable, str(HERE / "starter.py"), json.dumps(state)]
        self._process = subprocess.Popen(
            [*before, *program, *([oracle] if oracle else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        try:
            self.greeting = self._answer()
        except BaseException:
            self.close()
            raise

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the starter has ended; its reason is on stderr"
        return dict(json.loads(line))

    def __call__(self, job: dict[str, Any]) -> dict[str, Any]:
        """Have it do a job and return its answer."""
        assert self._process.stdin is not None
        print(json.dumps({"PATH": os.environ.get("PATH"), **job}), file=self._process.stdin)
        self._process.stdin.flush()
        return self._answer()

    def __enter__(self) -> Starter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it: it lives as long as its stdin is open."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def report_path() -> Path:
    """Return an empty file that root inside may write to, whoever it is outside."""
    path = open_folder() / "report"
    path.write_bytes(b"")
    path.chmod(0o666)
    return path


def read_report(path: Path) -> dict[str, Any]:
    """Return what the probe has written, without the commas' filling."""
    report: dict[str, Any] = json.loads(path.read_text())
    report["fds"] = report["fds"][:-1]
    report["groups"] = report["groups"][:-1]
    for part in (report, report["interfaces"], report["namespaces"]):
        part.pop("")
    status = report["status"].splitlines()
    report["status"] = {line.partition(":")[0]: line.partition(":")[2].split() for line in status}
    return report

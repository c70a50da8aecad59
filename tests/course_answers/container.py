"""Answers to the exercises on the container built by hand: the right ones asked of the kernel."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat

import nsexplore as nx
from nsexplore.timeline import Timeline

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "11-build-a-container.ipynb"
FLAGS = nx.CloneFlags.garden(privileged=False)
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
SHADOW = "test -e /etc/shadow || test -e /old/etc/shadow"
FRAME = ("if", "then", "else", "fi", "for", "do", "done", "exec", "#", "false", "echo 'not")
"""What the lines of the script stand in, which is no line of its own."""

execer = nx.NamespacingExecer(max_uid=65535)


def build() -> str:
    """Return the script of the notebook."""
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    (source,) = (cell.source for cell in cells if cell.source.startswith("BUILD = "))
    names: dict[str, Any] = {}
    exec(source, names)
    return str(names["BUILD"])


def container(script: str, *command: str, run: nx.NamespacingExecer = execer) -> nx.Completed:
    """Run a command in a container, as the notebook does."""
    return run.run("sh", "-c", script, "container", *command, env=ENVIRONMENT)


def the_line_that_matters() -> str:
    """Leave out one line after the other, and see whether the machine's files are there."""
    lines = [line.strip() for line in build().splitlines()]
    lines = [line for line in lines if not line.startswith("rmdir")]
    found = set()
    for number, line in enumerate(lines):
        if not line or line.startswith(FRAME):
            continue
        without = "\n".join(lines[:number] + lines[number + 1 :])
        done = container(without, "sh", "-c", f"echo ran; {SHADOW} && echo reached")
        if done.stdout.split() == ["ran", "reached"]:
            found.add(line.split()[0])
    (command,) = found
    return command


def the_owner_outside() -> int:
    """Let root inside write a file, and look at it from here."""
    script = "echo hello > /note; echo written; exec sleep 60"
    with execer.start(
        "sh",
        "-c",
        build(),
        "container",
        *("sh", "-c", script),
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        return Path("/proc", str(process.pid), "root", "note").stat().st_uid


def the_kinds_that_may_be_missing() -> set[str]:
    """Leave out one kind after the other. (Without NEWUSER it would be the machine's root.)"""
    missing = set()
    for kind in nx.KINDS:
        if kind.flag in FLAGS and kind.name != "user":
            run = nx.NamespacingExecer(
                max_uid=65535,
                clone_flags=FLAGS & ~kind.flag,
                propagation=None if kind.name == "mnt" else "private",
            )
            if container(build(), "true", run=run).returncode == 0:
                missing.add(kind.name)
    return missing


def a_read_only_root() -> nx.Completed:
    """Build it as the exercise asks for."""
    script = "mount -o remount,bind,ro / && id -un && touch /note"
    return container(build(), "sh", "-c", script)


def a_root_that_is_remounted_as_a_whole() -> nx.Completed:
    """Ask mount(8) for what is refused: the file system's options name a UID outside."""
    return container(build(), "sh", "-c", "mount -o remount,ro / && id -un && touch /note")


def ended(
    stdout: str, stderr: str = "", *command: str, run: nx.NamespacingExecer = execer
) -> nx.Completed:
    """Return what a container would have ended with."""
    plan = run.plan("sh", "-c", build(), "container", *command)
    return nx.Completed(plan, 1, stdout, stderr, None, Timeline(()))


REFUSED = "touch: cannot touch '/note': Read-only file system\n"

RIGHT: dict[str, Callable[[], object]] = {
    "container.1": the_line_that_matters,
    "container.2": the_owner_outside,
    "container.3": the_kinds_that_may_be_missing,
    "container.4": a_read_only_root,
}

ALSO_RIGHT: dict[str, list[object]] = {
    "container.1": ["umount -l", "umount -l /old", "umount(8)"],
    "container.3": [["CLONE_NEWIPC"]],
}

WRONG: dict[str, list[object]] = {
    "container.1": ["pivot_root", "rmdir", "chroot", "mount", "cd", "if", "hostname", 4],
    "container.2": [0, 65534, 1, 1000, "root"],
    "container.3": [
        {"ipc", "user"},
        {"ipc", "pid"},
        {"mnt"},
        {"ipc", "net"},
        {"uts", "ipc"},
        set(),
        "ipc",
    ],
    "container.4": [
        "Read-only file system",
        ended("root\n", REFUSED, run=nx.NamespacingExecer(privileged=True)),
        ended(
            "root\n",
            REFUSED,
            run=nx.NamespacingExecer(clone_flags=nx.CloneFlags.NEWUSER, max_uid=65535),
        ),
        a_root_that_is_remounted_as_a_whole,
        ended("", REFUSED),
        ended("root\n", "touch: cannot touch '/usr/note': Read-only file system\n"),
        ended("root\n", "touch: cannot touch '/note': Permission denied\n"),
        ended("root\n"),
        ended(f"root\n{REFUSED}", "", "sh", "-c", f'echo root; echo "{REFUSED.strip()}"'),
    ],
}

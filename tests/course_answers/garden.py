"""Answers to the exercises on garden's exec: the right ones asked of the kernel."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields, replace

import nsexplore as nx
from nsexplore.timeline import Timeline

FLAGS = nx.CloneFlags.garden(privileged=False)
NEWNET = nx.CloneFlags.NEWNET
SHARED = FLAGS & ~NEWNET

garden = nx.NamespacingExecer(max_uid=65535)


def the_owner_inside() -> int:
    """Hand over a file of UID 1000, and look at it from inside."""
    file = os.memfd_create("owned")
    try:
        os.fchown(file, 1000, 1000)
        execer = nx.NamespacingExecer(max_uid=1000, extra_files=[file])
        return int(execer.run("sh", "-c", "stat -L -c %u /proc/self/fd/3").stdout)
    finally:
        os.close(file)


def the_fields_that_differ() -> set[str]:
    """Compare the two plans field by field."""
    one, other = (
        nx.NamespacingExecer(privileged=mode, max_uid=65535).plan("/bin/true")
        for mode in (False, True)
    )
    return {f.name for f in fields(one) if getattr(one, f.name) != getattr(other, f.name)}


def the_machines_network() -> nx.Command:
    """Plan it, and see that a process of that plan shares the network and nothing else."""
    execer = nx.NamespacingExecer(max_uid=4242, clone_flags=SHARED)
    with execer.start("/bin/true") as process:
        birth = process.birth
    assert birth is not None
    ours = nx.inspect(os.getpid()).links
    new = {kind for kind, link in birth.links.items() if link != ours[kind]}
    assert (new, birth.credentials.uid) == ({"user", "pid", "mnt", "ipc", "uts"}, 4242)
    return execer.plan("/bin/true")


def read_seed(
    *, execer: nx.NamespacingExecer = garden, script: str = "cat <&3", rewind: bool = True
) -> nx.Completed:
    """Run a script that has the word at fd 3."""
    file = os.memfd_create("word")
    try:
        os.write(file, b"seed\n")
        if rewind:
            os.lseek(file, 0, os.SEEK_SET)
        return replace_files(execer, file).run("sh", "-c", script)
    finally:
        os.close(file)


def replace_files(execer: nx.NamespacingExecer, *files: int) -> nx.NamespacingExecer:
    """Return the same execer with extra files."""
    return replace(execer, extra_files=files)


def ended(stdout: str, returncode: int = 0, script: str = "cat <&3") -> nx.Completed:
    """Return what a command with an extra file would have ended with."""
    command = replace_files(garden, 0).plan("sh", "-c", script)
    return nx.Completed(command, returncode, stdout, "", None, Timeline(()))


def without_files(execer: nx.NamespacingExecer, script: str) -> nx.Completed:
    """Return what a command without any would have ended with."""
    return nx.Completed(execer.plan("sh", "-c", script), 0, "seed\n", "", None, Timeline(()))


def planned(flags: nx.CloneFlags, max_uid: int = 4242, program: str = "/bin/true") -> nx.Command:
    """Return a plan."""
    return nx.NamespacingExecer(max_uid=max_uid, clone_flags=flags).plan(program)


RIGHT: dict[str, Callable[[], object]] = {
    "garden.1": the_owner_inside,
    "garden.2": the_fields_that_differ,
    "garden.3": the_machines_network,
    "garden.4": read_seed,
}

WRONG: dict[str, list[object]] = {
    "garden.1": [1000, 65534, 999, 1, "root", None],
    "garden.2": [
        {"clone_flags", "privileged"},
        {"clone_flags", "max_uid"},
        {"clone_flags", "propagation"},
        {"clone_flags", "extra_files"},
        {"clone_flags", "uid_mappings", "gid_mappings"},
        "clone_flags",
        3,
    ],
    "garden.3": [
        planned(SHARED & ~nx.CloneFlags.NEWUSER),
        planned(FLAGS),
        planned(SHARED & ~nx.CloneFlags.NEWPID),
        planned(SHARED, max_uid=65535),
        planned(SHARED, program="/bin/false"),
        "NEWNET",
    ],
    "garden.4": [
        "seed",
        without_files(replace(garden, privileged=True), "cat <&3"),
        without_files(garden, "cat <&3"),
        ended("seed\n", script="echo seed"),
        ended("", returncode=2),
        ended(""),
        ended("weed\n"),
    ],
}

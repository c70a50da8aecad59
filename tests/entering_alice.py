"""What an ordinary user does in the tests of `enter`: run through `as_ordinary_user`."""

from __future__ import annotations

import os
from typing import Any

import nsexplore as nx
import nsexplore.entering
import nsexplore.hints
from nsexplore import _spawn  # noqa: F401  # here, while it may be read
from nsexplore.flags import ALL_NAMESPACES


def enter_ones_own() -> dict[str, Any]:
    """Enter one's own rootless process; return what is seen of it from both sides."""
    execer = nx.NamespacingExecer(id_map="rootless", clone_flags=ALL_NAMESPACES)
    with execer.start("/bin/sleep", "60") as process:
        target = nx.inspect(process).links
        script = "id -u; id -g; grep CapEff /proc/self/status; readlink /proc/self/ns/*"
        done = nsexplore.entering.enter(process, "/bin/sh", "-c", script)
        assert done.birth is not None
        return {
            "target": target,
            "lines": done.stdout.split("\n"),
            "stderr": done.stderr,
            "birth": done.birth.links,
            "inside": done.birth.inside.uid if done.birth.inside else None,
            "unreadable": dict(done.birth.unreadable),
            "names": done.timeline.names,
            "dumpable": nx.inspect(os.getpid()).unreadable,
        }


def refused(target: Any, types: Any) -> tuple[str, int | None, str, str]:
    """Return the class, errno and words of a refusal, and the step."""
    try:
        nsexplore.entering.enter(target, "/bin/true", types=types)
    except OSError as error:
        return type(error).__name__, error.errno, str(error), getattr(error, "step", "")
    return "", None, "", ""


def refused_by_path(path: str, types: Any) -> tuple[str, int | None, str, str]:
    """Return the same for a descriptor that root has opened, which this process has inherited."""
    with open(path) as file:
        return refused(file, types)

"""What the running process holds, for the drivers: children, memory, descriptors."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def children() -> list[int]:
    """Return the PIDs of this process's children, zombies included."""
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            found += map(int, (task / "children").read_text().split())
    return found


def descriptors() -> list[int]:
    """Return the open file descriptors; the listing's own is among them, always the lowest free."""
    return sorted(map(int, os.listdir("/proc/self/fd")))


def memory(name: str) -> int:
    """Return a line of /proc/self/status, such as VmRSS, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))

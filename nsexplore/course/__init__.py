"""The exercises of the course, a module for each notebook."""

from __future__ import annotations

from typing import Final

__all__ = ["PARTS"]

PARTS: Final = {
    "first": "01-first-namespaces",
    "uts": "02-what-a-namespace-is",
    "users": "03-users-and-id-maps",
    "pids": "04-pids",
    "mounts": "05-mounts",
    "networks": "06-networks",
    "others": "07-ipc-time-cgroup",
    "garden": "08-garden-exec",
    "machine": "09-the-whole-machine",
    "doctor": "10-why-not",
    "container": "11-build-a-container",
    "hosts": "12-many-machines",
}
"""The modules of this package, in the order of the course, and the notebooks they belong to."""

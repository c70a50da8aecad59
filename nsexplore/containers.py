"""Which container, or which unit of systemd, a process belongs to: what its cgroup path says."""

from __future__ import annotations

from dataclasses import dataclass

from ._renders import Renders

__all__ = ["Container"]


@dataclass(frozen=True, slots=True)
class Container(Renders):
    """What a process belongs to, after the names that engines give their cgroups.

    Attributes
    ----------
    engine : str
        ``"docker"``, ``"podman"``, ``"containerd"``, ``"cri-o"``, ``"lxc"``,
        ``"systemd-nspawn"`` or ``"systemd"`` (a unit, which is no container).
    name : str
        The container's ID or name, or the unit's name. Whoever named it may have chosen anything.
    """

    engine: str
    name: str

    def __str__(self) -> str:
        return f"{self.engine}:{self.name}"

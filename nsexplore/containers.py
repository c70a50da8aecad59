"""Which container, or which unit of systemd, a process belongs to: what its cgroup path says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ._renders import Renders
from .origin import printable

__all__ = ["Container", "container_of"]

_HEX = r"(?P<name>[0-9a-f]{64})"
_NAME = r"(?P<name>[^/]+)"

# One row a form: the engine, and what the last parts of a path are when it is its container's.
# After each, where the form is written down.
_FORMS: Final = tuple(
    (engine, re.compile(rf"/{form}$"))
    for engine, form in (
        # dockerd's drivers "systemd" and "cgroupfs": docs.docker.com/engine/containers/runmetrics
        ("docker", rf"docker-{_HEX}\.scope"),
        ("docker", rf"docker/{_HEX}"),
        # libpod's createUnitName; with driver "cgroupfs" no scope: podman issues 20423, 826
        ("podman", rf"libpod-{_HEX}(?:\.scope)?"),
        # containerd's CRI plugin, driver "systemd" (the second, where runc is told otherwise),
        # and nerdctl, which does as dockerd does
        ("containerd", rf"(?:cri-containerd|nerdctl)-{_HEX}\.scope"),
        ("containerd", rf"[^/]+:(?:cri-containerd|nerdctl):{_HEX}"),
        # cri-o: "crio" is its scope prefix, with either driver; crio-conmon-… is no container
        ("cri-o", rf"crio-{_HEX}(?:\.scope)?"),
        # Kubernetes' driver "cgroupfs": the bare ID. Dockershim's looked the same, up to 1.23
        ("containerd", rf"kubepods(?:/[^/]+)?/pod[^/]+/{_HEX}"),
        # lxc.container.conf(5), lxc.cgroup.dir; before LXC 4: /lxc/NAME
        ("lxc", rf"lxc\.payload[./]{_NAME}"),
        ("lxc", rf"lxc/{_NAME}"),
        # systemd-nspawn(1), --keep-unit and systemd-nspawn@.service: the payload has a group of
        # its own beside the supervisor's; machined's scopes are libvirt's as well
        ("systemd-nspawn", rf"systemd-nspawn@{_NAME}\.service/payload"),
        ("systemd-nspawn", rf"machine-(?!(?:qemu|lxc)\\x2d){_NAME}\.scope(?:/payload)?"),
    )
)

_UNIT: Final = re.compile(r"[^/]+\.(?:service|scope)")
_ESCAPED: Final = re.compile(r"\\x([0-7][0-9a-f])")


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
        return f"{printable(self.engine)}:{printable(self.name)}"


def container_of(cgroup_text: str) -> Container | None:
    """Return what a process belongs to, from the text of its /proc/PID/cgroup.

    The innermost container; where there is none, the innermost service or
    scope of systemd. None for a process in neither.

    Examples
    --------
    >>> print(container_of("0::/user.slice/user-1000.slice/session-2.scope"))
    systemd:session-2.scope
    """
    paths = list(_paths(cgroup_text))
    for find in (_in_container, _in_unit):
        for path in paths:
            if (found := find(path)) is not None:
                return found
    return None


def _paths(text: str) -> Iterator[str]:
    """Yield the path in each hierarchy, the one that systemd keeps first (cgroups(7))."""
    lines = [line.split(":", 2) for line in text.split("\n")]
    hierarchies = [line for line in lines if len(line) == 3]
    hierarchies.sort(key=lambda line: line[1] not in ("", "name=systemd"))
    return (path for _, _, path in hierarchies)


def _in_container(path: str) -> Container | None:
    end = len(path)
    while end > 0:  # from the innermost part outwards
        for engine, form in _FORMS:
            match = form.search(path, 0, end)
            # Beside the payload's group is that of systemd-nspawn itself, which is outside.
            if match is not None and not path.startswith("/supervisor", end):
                return Container(engine, _unescaped(match["name"]))
        end = path.rfind("/", 0, end)
    return None


def _in_unit(path: str) -> Container | None:
    units = _UNIT.findall(path)
    return Container("systemd", units[-1]) if units else None


def _unescaped(name: str) -> str:
    r"""Undo systemd's escaping of a name (systemd-escape(1)): ``my\x2dbox`` is my-box."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), name)

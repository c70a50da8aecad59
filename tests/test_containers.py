"""Which container a process is in: cgroup files as engines write them."""

from __future__ import annotations

import pytest

from nsexplore.containers import Container, container_of

ID = "cf21d19260ace8544fe8b769fc2638bf2c0873dfbfff0b6253f0569b26a1d5eb"
POD = "kubepods-besteffort-pod1f0b4f5c_6a3e_4a0b_9d2c_0d8a3e2b9c11.slice"

FORMS = {
    # docs.docker.com/engine/containers/runmetrics: both drivers, v1 and v2
    f"0::/system.slice/docker-{ID}.scope": f"docker:{ID}",
    f"0::/docker/{ID}": f"docker:{ID}",
    f"12:pids:/docker/{ID}\n1:name=systemd:/docker/{ID}\n0::/system.slice/containerd.service": (
        f"docker:{ID}"
    ),
    f"0::/system.slice/docker-{ID}.scope/system.slice/ssh.service": f"docker:{ID}",
    f"0::/docker/{'0' * 64}/docker/{ID}": f"docker:{ID}",
    # podman issues 20423 and 826, and what `podman run --systemd` gives
    f"0::/user.slice/user-0.slice/user@0.service/machine.slice/libpod-{ID}.scope/container": (
        f"podman:{ID}"
    ),
    f"0::/machine.slice/libpod-{ID}.scope/init.scope": f"podman:{ID}",
    f"9:memory:/libpod_parent/libpod-{ID}/ctr\n0::/": f"podman:{ID}",
    f"0::/machine.slice/machine-libpod_pod_{ID}.slice/libpod-{ID}.scope": f"podman:{ID}",
    # conmon watches from outside
    f"0::/machine.slice/libpod-conmon-{ID}.scope": f"systemd:libpod-conmon-{ID}.scope",
    # Kubernetes: containerd and cri-o with both drivers
    f"0::/kubepods.slice/kubepods-besteffort.slice/{POD}/cri-containerd-{ID}.scope": (
        f"containerd:{ID}"
    ),
    f"11:cpu:/kubepods/burstable/pod1f0b4f5c-6a3e/{ID}\n0::/": f"containerd:{ID}",
    f"0::/kubepods/pod1f0b4f5c-6a3e/{ID}": f"containerd:{ID}",
    f"0::/system.slice/containerd.service/{POD}:cri-containerd:{ID}": f"containerd:{ID}",
    f"0::/system.slice/nerdctl-{ID}.scope": f"containerd:{ID}",
    f"0::/kubepods.slice/{POD}/crio-{ID}.scope/container": f"cri-o:{ID}",
    f"0::/kubepods.slice/{POD}/crio-conmon-{ID}.scope": f"systemd:crio-conmon-{ID}.scope",
    # lxc.container.conf(5)
    "0::/lxc.payload.web-1": "lxc:web-1",
    "0::/lxc.payload.web-1/system.slice/cron.service": "lxc:web-1",
    "0::/lxc.payload/web-1/init.scope": "lxc:web-1",
    "6:devices:/lxc/web-1\n1:name=systemd:/lxc/web-1/init.scope": "lxc:web-1",
    "0::/lxc.monitor.web-1": None,
    # systemd-nspawn(1)
    r"0::/machine.slice/systemd-nspawn@my\x2dbox.service/payload/init.scope": (
        "systemd-nspawn:my-box"
    ),
    r"0::/machine.slice/systemd-nspawn@my\x2dbox.service/supervisor": (
        r"systemd:systemd-nspawn@my\x2dbox.service"
    ),
    r"0::/machine.slice/machine-my\x2dbox.scope/payload": "systemd-nspawn:my-box",
    "0::/machine.slice/machine-debian.scope": "systemd-nspawn:debian",
    "0::/machine.slice/machine-debian.scope/supervisor": "systemd:machine-debian.scope",
    r"0::/machine.slice/machine-qemu\x2d1\x2dvm.scope/libvirt/emulator": (
        r"systemd:machine-qemu\x2d1\x2dvm.scope"
    ),
    # systemd.unit(5)
    "0::/system.slice/cron.service": "systemd:cron.service",
    "0::/init.scope": "systemd:init.scope",
    "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-a.scope": (
        "systemd:app-gnome-a.scope"
    ),
    "5:cpu:/\n1:name=systemd:/user.slice/user-1000.slice/session-2.scope\n0::/": (
        "systemd:session-2.scope"
    ),
    "0::/user.slice/user-1000.slice": None,
    "0::/": None,
    "0::/../../system.slice/cron.service": "systemd:cron.service",
    # no engine's
    f"0::/docker/{ID[1:]}": None,
    f"0::/mydocker/{ID}": None,
    "0::/docker": None,
    "": None,
    "nonsense\n::\n0::": None,
}


@pytest.mark.anywhere
@pytest.mark.parametrize("text", FORMS)
@pytest.mark.parametrize("ending", ["\n", ""])
def test_a_container_is_named_from_the_cgroup(text: str, ending: str) -> None:
    """The innermost container, else the innermost unit, else none."""
    found = container_of(text + ending)
    assert (None if found is None else str(found)) == FORMS[text]


@pytest.mark.anywhere
def test_the_hierarchy_that_systemd_keeps_is_asked_first() -> None:
    """With cgroups v1 other hierarchies may have other units."""
    text = "3:memory:/system.slice/a.service\n1:name=systemd:/system.slice/b.service\n"
    assert container_of(text) == Container("systemd", "b.service")

"""Who one is, where one stands, and which calls are filtered."""

from __future__ import annotations

from errno import EINVAL, EPERM

import circumstances as c
import seccomp
from doctor_case import FIRST_NAMESPACE, MOUNTINFO, NO_USER_NAMESPACE, RULE, Case

from nsexplore import CloneFlags

PRIVILEGE = [
    Case(
        "root without CAP_SYS_ADMIN",
        (c.WITHOUT_SYS_ADMIN,),
        "no-cap-sys-admin",
        ("net", "without one"),
        "clone",
        EPERM,
        (("CapEff in /proc/self/status", "CAP_SYS_ADMIN not among them"),),
        "user namespace",
        way="garden",
        **RULE,
    ),
    Case(
        "an ordinary user without a user namespace",
        (c.ORDINARY,),
        "no-cap-sys-admin",
        ("none",),
        "clone",
        EPERM,
        (("CapEff in /proc/self/status", "no capability"),),
        "user namespace",
        way="one ID",
        **RULE,
    ),
    Case(
        "an ordinary user with garden's map",
        (c.ORDINARY,),
        "map-rule-uid",
        ("garden",),
        "uid_map",
        EPERM,
        (("effective UID", "1000"), ("CapEff in /proc/self/status", "CAP_SETUID not there")),
        'id_map="rootless"',
        way="one ID",
        **RULE,
    ),
    *(
        Case(
            f"root without {capability}",
            (c.without(capability),),
            f"map-rule-{kind}",
            (check,),
            f"{kind}_map",
            EPERM,
            (("CapEff in /proc/self/status", f"{capability} not there"),),
            alternative,
            way=way,
            **RULE,
        )
        for capability, kind, check, way, alternative in (
            ("CAP_SETUID", "uid", "garden", "one ID", 'id_map="rootless"'),
            ("CAP_SETGID", "gid", "garden", "one ID", 'id_map="rootless"'),
            ("CAP_SETFCAP", "uid", "one ID", "garden", "garden's map"),
        )
    ),
    Case(
        "setgroups denied for ever",
        (c.NO_SETGROUPS,),
        "setgroups-denied",
        ("garden",),
        "setgroups",
        EPERM,
        (("/proc/self/setgroups", "deny"),),
        'id_map="rootless"',
        way="one ID",
        **RULE,
    ),
    Case(
        "a namespace of one ID with garden's map",
        (c.ROOTLESS,),
        "too-few-ids",
        ("garden",),
        "plan",
        EINVAL,
        (("/proc/self/uid_map", "0 0 1"), ("/proc/self/gid_map", "0 0 1")),
        'id_map="rootless"',
        way="one ID",
        **RULE,
    ),
    Case(
        "a UID without a mapping",
        (c.UNMAPPED_UID,),
        "unmapped-uid",
        evidence=(("effective UID", "65534"), ("/proc/self/uid_map", "0 1000 1")),
        fix="setuid",
        way="none",
        helps=c.step(c.Stage.PROCESS, "be_root"),
        **NO_USER_NAMESPACE,
    ),
    Case(
        "a GID without a mapping",
        (c.UNMAPPED_GID,),
        "unmapped-gid",
        evidence=(("effective GID", "65534"), ("/proc/self/gid_map", "0 1000 1")),
        fix="setgid",
        way="none",
        helps=c.step(c.Stage.PROCESS, "be_root"),
        **NO_USER_NAMESPACE,
    ),
    Case(
        "IDs without a mapping, where 65534 is somebody else",
        (c.UNMAPPED_BUT_65534,),
        "unmapped-uid",
        evidence=(
            ("/proc/self/uid_map", "0 100000 65536"),
            ("fchown(2) of a file of one's own to UID 65534", "EPERM"),
        ),
        fix="setuid",
        faults=("unmapped-uid", "unmapped-gid"),
        way="none",
        helps=c.step(c.Stage.PROCESS, "be_root"),
        **NO_USER_NAMESPACE,
    ),
]

CHROOTS = [
    Case(
        "chroot, as root",
        (c.CHROOT,),
        "chroot",
        evidence=(("setns(2)", "not the same"), (MOUNTINFO, "nothing is mounted on /")),
        fix="pivot_root",
        faults=("chroot", "root-is-no-mount"),
        helps=c.step(c.Stage.PROCESS, "leave_chroot"),
        **NO_USER_NAMESPACE,
    ),
    Case(
        "chroot into a mount point, as root",
        (c.CHROOT_ON_MOUNT,),
        "chroot",
        evidence=(("setns(2)", "not the same"),),
        fix="pivot_root",
        way="none",
        helps=c.step(c.Stage.PROCESS, "leave_chroot"),
        **NO_USER_NAMESPACE,
    ),
    Case(
        "chroot, as an ordinary user",
        (c.CHROOT, c.ORDINARY_FOR_NOW),
        "chroot",
        evidence=((MOUNTINFO, "nothing is mounted on /"),),
        fix="pivot_root",
        helps=c.as_root("leave_chroot"),
        **NO_USER_NAMESPACE,
    ),
    Case(
        "chroot into a mount point that others see from outside, as an ordinary user",
        (c.CHROOT_ON_MOUNT, c.SOMEBODY_OUTSIDE, c.ORDINARY_FOR_NOW),
        "chroot",
        evidence=(("what is mounted on / here", "is mounted on /mnt/jail, in /proc/"),),
        fix="pivot_root",
        helps=c.as_root("leave_chroot"),
        **NO_USER_NAMESPACE,
    ),
    Case(
        "chroot into a mount point, as an ordinary user",
        (c.CHROOT_ON_MOUNT, c.ORDINARY_FOR_NOW),
        "chroot",
        evidence=(("setns(2)", "not allowed here"), ("clone(CLONE_NEWUSER)", "EPERM")),
        fix="pivot_root",
        certainty="likely",
        helps=c.as_root("leave_chroot"),
        **NO_USER_NAMESPACE,
    ),
    Case(
        "chroot into a folder that is no mount, without a user namespace",
        (c.CHROOT,),
        "root-is-no-mount",
        ("none",),
        "propagation",
        EINVAL,
        ((MOUNTINFO, "nothing is mounted on /"),),
        "propagation=None",
        faults=("chroot", "root-is-no-mount"),
        helps=c.step(c.Stage.PROCESS, "leave_chroot"),
    ),
]

DOCKER = seccomp.docker()
RESTRICT = seccomp.restrict_namespaces()
KILLS = c.killing(RESTRICT)

FILTERS = [
    Case(
        "Docker's filter, as root without CAP_SYS_ADMIN",
        (c.filtered(DOCKER), c.WITHOUT_SYS_ADMIN),
        "seccomp-container",
        evidence=(
            ("unshare(CLONE_FILES)", "EPERM"),
            ("clone3()", "ENOSYS"),
            ("Seccomp in /proc/self/status", "2"),
            ("for user, pid", "EPERM"),
        ),
        fix="--security-opt seccomp=",
        **NO_USER_NAMESPACE,
    ),
    Case(
        "Docker's filter, as an ordinary user",
        (c.filtered(DOCKER), c.ORDINARY),
        "seccomp-container",
        evidence=(("unshare(CLONE_FILES)", "EPERM"), ("clone3()", "ENOSYS")),
        fix="securityContext.seccompProfile",
        **NO_USER_NAMESPACE,
    ),
    Case(
        "systemd's RestrictNamespaces=",
        (c.filtered(RESTRICT), c.ORDINARY),
        "seccomp-filter",
        evidence=(("for user, pid, mnt, net", "EPERM"), ("Seccomp", "2")),
        fix="RestrictNamespaces=no",
        **NO_USER_NAMESPACE,
    ),
    Case(
        "systemd's RestrictNamespaces= for one kind",
        (c.filtered(seccomp.restrict_namespaces(~CloneFlags.NEWNET)), c.ORDINARY),
        "seccomp-filter",
        ("net", FIRST_NAMESPACE),
        "clone",
        EPERM,
        (("EINVAL; for net", "EPERM"),),
        "RestrictNamespaces=no",
    ),
    Case(
        "a filter that kills",
        (c.filtered(KILLS), c.ORDINARY),
        "seccomp-filter",
        ("user",),
        "clone",
        None,
        (("for user, pid", "killed"),),
        "a filter that lets clone(2)",
    ),
    Case(
        "a filter against mounts",
        (c.filtered(seccomp.answers({"mount": EPERM})), c.ORDINARY),
        "seccomp-mount",
        ("one ID",),
        "propagation",
        EPERM,
        (("mount()", "EPERM"), ("Seccomp", "2")),
        "lets mount through",
    ),
]

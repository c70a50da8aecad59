"""Why a process in its new namespaces may not do what comes then: IDs, mounts, network."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from ..diagnosis import Cause
from ..facts import APPARMOR_USERNS, Facts
from ..probes import Probes
from .ruling import ADMINISTRATOR, CONTAINER, YOU, Failure, fault, likely, rule, seen

_REFUSALS = (errno.EPERM, errno.EACCES)


def restricted(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of Ubuntu's user namespaces in which root has no power."""
    if (
        failure.errno not in _REFUSALS
        or not failure.new_user
        or facts.sysctls.get(APPARMOR_USERNS) != "1"
        or facts.can("CAP_SYS_ADMIN")
    ):
        return
    yield likely(
        "apparmor-userns",
        "AppArmor lets this process make a user namespace, and takes every capability in there"
        " from it",
        'a line with apparmor="DENIED" and profile="unprivileged_userns" in the kernel\'s log'
        " (journalctl -k)",
        seen(
            (f"/proc/sys/{APPARMOR_USERNS.replace('.', '/')}", "1"),
            ("/proc/self/attr/current", facts.label or "not readable"),
        ),
        "an AppArmor profile for this program with the rule  userns,  (or, for all programs,"
        f" sysctl {APPARMOR_USERNS}=0)",
        ADMINISTRATOR,
        "Ubuntu's documentation, AppArmor unprivileged user namespace restrictions",
    )


def no_dev_null(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of a /dev in which nobody has put anything."""
    if failure.errno == errno.ENOENT:
        yield fault(
            "no-dev-null",
            "/dev/null is not there, and the standard streams of what is started lead to it by"
            " default",
            seen(("/dev/null", "not there")),
            "mknod -m 666 /dev/null c 1 3, or mount a /dev; or give stdin=, stdout= and stderr=",
            CONTAINER,
            "null(4)",
        )


def ids(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of IDs that cannot be taken."""
    credential = failure.command.credential
    if failure.errno == errno.EINVAL and credential is not None:
        number = credential.uid if failure.step == "setuid" else credential.gid
        yield rule(
            "unmapped-inside",
            f"ID {number} has no mapping inside",
            seen(
                ("uid_map", failure.command.uid_mappings), ("gid_map", failure.command.gid_mappings)
            ),
            f"a map with a line for ID {number} inside",
            YOU,
            "setuid(2), EINVAL",
        )
    elif failure.step == "setgroups(0)" and facts.setgroups == "deny":
        yield rule(
            "setgroups-denied",
            "setgroups is denied in this process's user namespace, so it is in those below",
            seen(("/proc/self/setgroups", "deny")),
            'use id_map="rootless", which does not ask for it',
            YOU,
            "user_namespaces(7), The /proc/pid/setgroups file",
        )


def filtered_mount(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of a seccomp filter that answers for mount(2)."""
    if answer := probes.filtered("mount"):
        yield fault(
            "seccomp-mount",
            "a seccomp filter refuses mounts, as the default profile of Docker and Kubernetes does"
            " in a container without CAP_SYS_ADMIN",
            seen(
                ("mount() of an unreadable type, by the kernel EFAULT", answer),
                ("Seccomp in /proc/self/status", facts.seccomp),
            ),
            "a seccomp profile that lets mount through (docker run --security-opt seccomp=FILE)",
            CONTAINER,
            "seccomp(2); Docker's documentation, Seccomp security profiles",
        )


def root_is_no_mount(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of a root folder on which nothing is mounted."""
    if failure.step == "propagation" and failure.errno == errno.EINVAL:
        yield fault(
            "root-is-no-mount",
            "the root folder is no mount point, as in a chroot, so its propagation cannot be set",
            seen(("/proc/self/mountinfo", "nothing is mounted on /")),
            "use propagation=None; or mount the folder on itself before the chroot",
            YOU,
            "mount(2), EINVAL",
        )


def masked_proc(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of a /proc, parts of which are hidden."""
    if failure.step == "mount_proc" and failure.new_user and failure.errno == errno.EPERM:
        if facts.masked:
            yield fault(
                "masked-proc",
                "parts of the /proc outside are mounted over, as container engines do, and the"
                " kernel gives a user namespace no new one that would show them",
                seen(*((where, "mounted over") for where in facts.masked[:4])),
                "docker run --security-opt systempaths=unconfined, podman run --security-opt"
                " unmask=ALL, procMount: Unmasked in Kubernetes",
                CONTAINER,
                "mount_too_revealing() in fs/namespace.c, since Linux 4.2",
            )
        elif not facts.proc:
            yield fault(
                "no-proc",
                "no /proc is mounted outside, and the kernel gives a user namespace none then",
                seen(("/proc/self/mountinfo", "no /proc")),
                "mount one outside (mount -t proc proc /proc)",
                CONTAINER,
                "mount_too_revealing() in fs/namespace.c, since Linux 4.2",
            )


def read_only_proc(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of a /proc that must not become writable."""
    options = facts.proc.split(",")
    if failure.step == "mount_proc" and failure.new_user and "ro" in options:
        yield fault(
            "read-only-proc",
            "the /proc outside is mounted read-only, and the kernel gives a user namespace no"
            " other one that is not",
            seen(("options of /proc in /proc/self/mountinfo", facts.proc)),
            "mount -o remount,bind,rw /proc",
            CONTAINER,
            "mount_too_revealing() in fs/namespace.c, since Linux 4.2",
        )


def denied_mount(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of a security module that denies mounts."""
    if failure.errno != errno.EACCES or facts.sysctls.get(APPARMOR_USERNS) == "1":
        return
    yield likely(
        "denied-mount",
        "a security module denies mounts, as Docker's AppArmor profile does",
        'a line with apparmor="DENIED" operation="mount" in the kernel\'s log (journalctl -k)',
        seen(("/proc/self/attr/current", facts.label or "not readable")),
        "docker run --security-opt apparmor=unconfined, or a profile that allows mounts",
        CONTAINER,
        "Docker's documentation, AppArmor security profiles",
    )


def filtered_unshare(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of a filter that answers for unshare(2): clone(2) makes no time namespace."""
    if failure.errno not in (0, *_REFUSALS):
        return
    if answer := probes.filtered("unshare files"):
        yield fault(
            "seccomp-container",
            "a seccomp filter refuses unshare(2), as the default profile of Docker and Kubernetes"
            " does in a container without CAP_SYS_ADMIN",
            seen(("unshare(CLONE_FILES), granted by the kernel to everybody", answer)),
            "a seccomp profile that lets unshare through (docker run --security-opt seccomp=FILE)",
            CONTAINER,
            "seccomp(2); Docker's documentation, Seccomp security profiles",
        )


def hidden(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of a /proc that hides the processes of others."""
    options = [option for option in facts.proc.split(",") if option.startswith("hidepid=")]
    if options and options[0] not in ("hidepid=0", "hidepid=off"):
        yield fault(
            "hidepid",
            "/proc is mounted such that the processes of other users are hidden from this one",
            seen(("options of /proc in /proc/self/mountinfo", options[0])),
            "mount -o remount,hidepid=0 /proc; or join the group of its gid= option",
            ADMINISTRATOR,
            "proc(5), Mount options",
        )

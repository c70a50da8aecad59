"""Why clone(2) refuses new namespaces: filters, modules, privilege, and where one stands."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping

from ..diagnosis import Cause
from ..facts import APPARMOR_USERNS, USERNS_CLONE, Facts
from ..flags import NO_NAMESPACES, CloneFlags
from ..kinds import KINDS, NamespaceKind
from ..probes import Probes
from .ruling import (
    ADMINISTRATOR,
    CONTAINER,
    YOU,
    Failure,
    fault,
    likely,
    lines,
    rule,
    seen,
)

_REFUSALS = (errno.EPERM, errno.EACCES)


def _listed(kinds: list[NamespaceKind]) -> str:
    return ", ".join(kind.name for kind in kinds)


def _cap_eff(facts: Facts) -> tuple[str, object]:
    names = () if facts.effective is None else facts.effective.names
    found = (
        f"{len(names)} capabilities, CAP_SYS_ADMIN {'' if facts.can('CAP_SYS_ADMIN') else 'not '}"
    )
    return ("CapEff in /proc/self/status", f"{found}among them" if names else "no capability")


def no_spawner(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of a native part that is not there."""
    if not facts.kinds:
        yield rule(
            "no-linux",
            "namespaces are a feature of Linux; on this system plans, recordings and pictures work,"
            " and nothing can be started",
            seen(("system", facts.system), ("/proc/self/ns", "not there")),
            "a Linux machine, or a virtual one",
            YOU,
            "namespaces(7)",
        )
        return
    if failure.said:
        full = os.strerror(errno.EMFILE) in failure.said
        yield fault(
            "spawner-not-loaded",
            f"the C extension of nsexplore is there, and cannot be loaded: {failure.said}",
            seen(("import nsexplore._spawn", failure.said)),
            "close some files, or raise the limit (ulimit -n)" if full else _REINSTALL,
            YOU,
            "dlopen(3)",
        )
        return
    yield fault(
        "no-spawner",
        "the C extension of nsexplore was not built",
        seen(("nsexplore._spawn", "not there")),
        _REINSTALL,
        YOU,
        "nsexplore's README",
    )


_REINSTALL = (
    "install a C compiler and Python's headers, then reinstall nsexplore (python -m pip install"
    " --force-reinstall nsexplore)"
)


def not_there(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of a kind that this kernel was built without."""
    missing = [kind for kind in failure.kinds if facts.kinds and kind.name not in facts.kinds]
    if missing:
        yield fault(
            "kernel-without",
            f"this kernel does not have namespaces of the kind {_listed(missing)}"
            f" (there since Linux {missing[0].since}, if it is built in)",
            seen(*((f"/proc/self/ns/{kind.name}", "not there") for kind in missing)),
            f"a kernel that has them; or leave {_listed(missing)} out of the namespaces asked for",
            ADMINISTRATOR,
            f"namespaces(7), {missing[0].man}",
        )


def filtered(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of a seccomp filter that gave itself away."""
    names = [f"clone {kind.name}" for kind in failure.kinds if kind.name != "time"]
    if not any(map(probes.filtered, names)):
        return
    # All that it refuses, not only what is asked for here: it is one filter.
    every = [f"clone {kind.name}" for kind in KINDS if kind.name != "time"]
    answers = {name: said for name in every if (said := probes.filtered(name))}
    evidence: list[tuple[str, object]] = [
        ("Seccomp in /proc/self/status", facts.seccomp),
        *_given_away(answers),
    ]
    if tell_tale := probes.filtered("unshare files"):
        told = ("unshare(CLONE_FILES), which the kernel grants to everybody", tell_tale)
        evidence.insert(0, told)
        if clone3 := probes.filtered("clone3"):
            evidence.append(("clone3() without arguments, by the kernel EINVAL", clone3))
        yield fault(
            "seccomp-container",
            "a seccomp filter refuses new namespaces, as the default profile of Docker and"
            " Kubernetes does in a container without CAP_SYS_ADMIN",
            seen(*evidence),
            "a seccomp profile that lets clone, unshare, setns and mount through (docker run"
            " --security-opt seccomp=FILE, securityContext.seccompProfile in Kubernetes)",
            CONTAINER,
            "seccomp(2); Docker's documentation, Seccomp security profiles",
        )
        return
    yield fault(
        "seccomp-filter",
        "a seccomp filter refuses new namespaces"
        f" ({', '.join(name.removeprefix('clone ') for name in answers)}), as systemd's"
        " RestrictNamespaces= and sandboxes do",
        seen(*evidence),
        "for a systemd service RestrictNamespaces=no in its unit; else a filter that lets clone(2)"
        " make namespaces",
        CONTAINER,
        "seccomp(2), systemd.exec(5)",
    )


def _given_away(answers: Mapping[str, str]) -> Iterator[tuple[str, object]]:
    """Tell which contradictory calls got which answer: one line an answer, not one a kind."""
    for said in dict.fromkeys(answers.values()):
        kinds = [name.removeprefix("clone ") for name, one in answers.items() if one == said]
        call = "clone() with flags that contradict each other, by the kernel EINVAL"
        yield f"{call}; for {', '.join(kinds)}", said


def chrooted(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of a changed root folder."""
    if not failure.new_user:
        return
    found = []
    if probes.chrooted:
        found.append(("/ before and after setns(2) into this mount namespace", "not the same"))
    if facts.root_is_mounted is False:
        found.append(("/proc/self/mountinfo", "nothing is mounted on /"))
    if probes.root_elsewhere:
        found.append(("what is mounted on / here", f"is mounted on {probes.root_elsewhere}"))
    if found:
        yield fault("chroot", _CHROOTED, seen(*found), *_OUT_OF_CHROOT)


_CHROOTED = (
    "this process is chrooted, and the kernel makes no user namespace then: it would be a way out"
)
_OUT_OF_CHROOT = (
    "start it outside; or change the root by pivot_root(2) in a mount namespace of its own, as"
    " container engines do, instead of by chroot(2)",
    CONTAINER,
    "clone(2), EPERM",
)


def unmapped(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of a process whose own IDs have no number in its user namespace."""
    if not failure.new_user:
        return
    for name, number, known in (
        ("UID", facts.euid, facts.uid_map),
        ("GID", facts.egid, facts.gid_map),
    ):
        if known is None or name.lower() not in facts.unmapped:
            continue
        evidence = [
            (f"effective {name}", number),
            (f"/proc/self/{name.lower()}_map", lines(known)),
        ]
        if known.to_host(number) is not None:  # there is one, and it is somebody else
            evidence.append((f"fchown(2) of a file of one's own to {name} {number}", "EPERM"))
        yield fault(
            f"unmapped-{name.lower()}",
            f"the {name} of this process has no mapping in its own user namespace (it shows as"
            f" {number}), so it may make no other one",
            seen(*evidence),
            f"a map of this user namespace with a line for it; or become an ID that has one"
            f" (set{name.lower()}) before",
            "whoever made this user namespace",
            "clone(2), EPERM",
        )


def debian(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of Debian's own switch."""
    # The patch asks for the capability in the machine's first user namespace.
    can = facts.can("CAP_SYS_ADMIN") and facts.outermost is not False
    if failure.new_user and facts.sysctls.get(USERNS_CLONE) == "0" and not can:
        yield fault(
            "userns-clone",
            "this kernel (Debian's, or one that took over its patch) lets only processes with"
            " CAP_SYS_ADMIN make user namespaces",
            seen((f"/proc/sys/{USERNS_CLONE.replace('.', '/')}", "0"), _cap_eff(facts)),
            f"sysctl {USERNS_CLONE}=1",
            ADMINISTRATOR,
            "Debian's linux package, debian/patches, unprivileged_userns_clone",
        )


def confined(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of a security module that has a say on user namespaces."""
    if not failure.new_user or failure.errno not in _REFUSALS:
        return
    label = facts.label or "not readable"
    if facts.sysctls.get(APPARMOR_USERNS) == "1" and not facts.can("CAP_SYS_ADMIN"):
        yield likely(
            "apparmor-userns",
            "AppArmor restricts user namespaces of processes without CAP_SYS_ADMIN, and this one's"
            f" profile ({facts.label or 'unconfined'}) does not allow them",
            'a line with operation="userns_create" and class="namespace" in the kernel\'s log'
            " (journalctl -k)",
            seen(
                (f"/proc/sys/{APPARMOR_USERNS.replace('.', '/')}", "1"),
                ("/proc/self/attr/current", label),
            ),
            "an AppArmor profile for this program with the rule  userns,  (or, for all programs,"
            f" sysctl {APPARMOR_USERNS}=0)",
            ADMINISTRATOR,
            "Ubuntu's documentation, AppArmor unprivileged user namespace restrictions",
        )
    elif failure.errno == errno.EACCES or (
        not _unconfined(facts.label) and not _explained(failure, facts, probes)
    ):
        yield likely(
            "security-module",
            "a security module (SELinux, AppArmor …) refuses this process a user namespace",
            "a denial in the kernel's log (journalctl -k) or audit log (ausearch -m AVC), for"
            " SELinux of the class user_namespace",
            seen(("/proc/self/attr/current", label)),
            "a rule of that module which allows this program user namespaces",
            ADMINISTRATOR,
            "security_create_user_ns(), since Linux 6.1",
        )


def _unconfined(label: str) -> bool:
    """Whether a label is that of a process which AppArmor or SELinux lets do everything."""
    return label.split(" ")[0] in ("", "unconfined", "kernel") or ":unconfined_t:" in label


def suspected(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of what cannot be seen from here, where nothing that can be seen explains a no."""
    if (
        not failure.new_user
        or failure.errno != errno.EPERM
        or probes.chrooted is False
        or probes.alone.get(CloneFlags.NEWUSER) == 0
        or _explained(failure, facts, probes)
    ):
        return
    yield likely(
        "chroot",
        _CHROOTED,
        "ls -di / of this process (/proc/PID/root) against that of one which is not chrooted, as"
        " the machine's root: they differ",
        seen(
            ("clone(CLONE_NEWUSER)", "EPERM, for no other reason that can be seen from here"),
            ("/proc/self/mountinfo", "something is mounted on /, so it does not tell"),
            ("setns(2) into this mount namespace, which would tell", "not allowed here"),
        ),
        *_OUT_OF_CHROOT,
    )


def _explained(failure: Failure, facts: Facts, probes: Probes) -> bool:
    rules = (filtered, debian, chrooted, unmapped)
    return any(True for one in rules for _ in one(failure, facts, probes))


def no_capability(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of what takes privilege when there is no user namespace."""
    flags = failure.command.clone_flags
    if flags == NO_NAMESPACES or failure.new_user:
        return
    words = (
        "making these namespaces without a user namespace takes CAP_SYS_ADMIN, which this process"
        " lacks"
    )
    instead = (
        "ask for a user namespace too (privileged=False, and NEWUSER among clone_flags where they"
        " are given), or become root"
    )
    if facts.effective is None and failure.errno == errno.EPERM:
        yield likely(
            "no-cap-sys-admin",
            words,
            "CapEff in /proc/PID/status of this process; there is no /proc here that shows it",
            seen(("effective UID", facts.euid)),
            instead,
            YOU,
            "clone(2), EPERM",
            "rule",
        )
    elif not facts.can("CAP_SYS_ADMIN"):
        yield rule(
            "no-cap-sys-admin", words, seen(_cap_eff(facts)), instead, YOU, "clone(2), EPERM"
        )

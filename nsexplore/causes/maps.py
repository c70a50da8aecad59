"""Why an ID map cannot be written, by ourselves or by newuidmap and newgidmap."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import Literal

from .. import maphelpers
from ..diagnosis import Cause, Evidence
from ..errors import IDMapError
from ..facts import Facts
from ..idmap import IDMap, MapWriter
from ..probes import Probes
from ..subids import SHARE, SubIDRange, SubIDs, spare
from .ruling import ADMINISTRATOR, CONTAINER, YOU, Failure, fault, likely, lines, rule, seen

_SPARES = {"newuidmap": "CAP_SETUID", "newgidmap": "CAP_SETGID"}
"""The capability with which a process writes such a map itself."""

_NOT_ZERO = "use garden's map (max_uid), which maps nothing to UID 0 outside; or keep CAP_SETFCAP"
_ALTERNATIVE = 'use id_map="rootless" or become root'
_FEWER = 'a map of IDs that this user namespace has, such as id_map="rootless"'


def no_proc(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of a missing /proc, and of one that belongs to others."""
    if failure.step not in ("proc", "/proc/1"):
        return
    if failure.errno == errno.ESRCH or facts.foreign_proc:
        yield fault(
            "foreign-proc",
            "the /proc that is mounted here belongs to another PID namespace: the child has no"
            " number in it, and a map written there would be an unrelated process's",
            seen(
                ("/proc/self", "leads nowhere")
                if facts.foreign_proc
                else ("Pid in /proc/self/fdinfo/PIDFD", "0")
            ),
            "mount a /proc of this PID namespace (mount -t proc proc /proc)",
            CONTAINER,
            "pid_namespaces(7), /proc and PID namespaces",
        )
    elif not facts.proc and failure.errno in (errno.ENOENT, errno.ENOTDIR):
        yield fault(
            "no-proc",
            "no /proc is mounted here, and ID maps are written through it",
            seen(("/proc/self", "not there")),
            "mount one (mount -t proc proc /proc)",
            CONTAINER,
            "user_namespaces(7), User and group ID mappings",
        )


def read_only_proc(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of a /proc in which nobody writes anything."""
    if failure.errno == errno.EROFS:
        yield fault(
            "read-only-proc",
            "/proc is mounted read-only, and ID maps are written through it",
            seen(("options of /proc in /proc/self/mountinfo", facts.proc or "not there")),
            "mount -o remount,bind,rw /proc",
            CONTAINER,
            "mount(8), user_namespaces(7)",
        )


def not_dumpable(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of a process whose files in /proc are root's."""
    if failure.errno != errno.EACCES or probes.dumpable in (1, None):
        return
    yield fault(
        "not-dumpable",
        "this process is not dumpable, so the files of its children in /proc belong to root, and"
        " it may not write their maps",
        seen(("prctl(PR_GET_DUMPABLE)", probes.dumpable)),
        "finish the other start of this process that waits between its change of IDs and execve,"
        " if there is one (a step() held at released, or an enter() or discover() in another"
        " thread that is entering a user namespace), which needs it so; else"
        " prctl(PR_SET_DUMPABLE, 1): it is lost by a change of user or group ID, and by a program"
        " file that its user may not read",
        YOU,
        "proc(5), PR_SET_DUMPABLE in prctl(2)",
    )


def refused(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of a map that the kernel's own rules do not allow this process."""
    command = failure.command
    maps = {"uid": command.uid_mappings, "gid": command.gid_mappings}
    for kind, id_map in maps.items():
        denied = not command.gid_mappings_enable_setgroups
        writer = facts.writer(kind, setgroups_denied=denied)
        if id_map is None or writer is None or getattr(command, f"new{kind}map"):
            continue  # nothing to write, or not by ourselves
        try:
            id_map.validate(writer=writer, kind="uid" if kind == "uid" else "gid")
        except IDMapError as error:
            yield rule(
                f"map-rule-{kind}",
                f"the kernel does not let this process write this {kind}_map: {error.rule}",
                seen(
                    (f"{kind}_map", lines(id_map)),
                    (f"effective {kind.upper()}", getattr(writer, f"e{kind}")),
                    (f"/proc/self/{kind}_map", lines(writer.parent)),
                    (
                        "CapEff in /proc/self/status",
                        f"CAP_SET{kind.upper()} {'' if writer.can_set_ids else 'not '}there,"
                        f" CAP_SETFCAP {'' if writer.can_set_fcap else 'not '}there",
                    ),
                ),
                _instead(error, writer),
                YOU,
                "user_namespaces(7), Defining user and group ID mappings",
            )
            return  # the other map would say the same once more


def _instead(error: IDMapError, writer: MapWriter) -> str:
    if "CAP_SETFCAP" in error.rule:
        return _NOT_ZERO
    return _FEWER if writer.can_set_ids else _ALTERNATIVE


def setgroups_denied(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of a "deny" that comes from further up."""
    if facts.setgroups == "deny" and failure.command.gid_mappings_enable_setgroups:
        yield rule(
            "setgroups-denied",
            "setgroups is denied in this process's user namespace, so it is in those below, for"
            " ever",
            seen(("/proc/self/setgroups", "deny")),
            'use id_map="rootless", which leaves it denied',
            YOU,
            "user_namespaces(7), The /proc/pid/setgroups file",
        )


def no_ranges(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of files that give this user no sub-IDs."""
    subids = facts.subids
    if subids is None or not subids.missing:
        return
    problems = [
        problem
        for file in subids.files
        for problem in file.problems
        if problem.text.partition(":")[0] in (subids.user, str(facts.euid))
    ]
    evidence = seen(
        *((file.path, file.unreadable or f"{len(file.ranges)} ranges") for file in subids.files),
        *((f"{problem.file}, line {problem.line}", problem.text) for problem in problems),
    )
    fix = _grant(subids, facts)
    source = "subuid(5), subgid(5), newuidmap(1)"
    if problems:
        words = "; ".join(f"{p.file}, line {p.line}: {p.why}" for p in problems)
        first = spare(subids.files, (facts.uid_map, facts.gid_map))
        fix = "write it as OWNER:START:COUNT"
        fix += "" if first is None else f", such as {subids.user}:{first}:{SHARE}"
        yield fault("malformed-subids", words, evidence, fix, ADMINISTRATOR, source)
    else:
        yield Cause(
            "no-subids",
            subids.missing,
            "proven",
            "",
            evidence,
            fix,
            ADMINISTRATOR,
            source,
            "option",
        )


def _grant(subids: SubIDs, facts: Facts) -> str:
    """Return what gives a user sub-IDs: those that he lacks, and nobody has."""
    gone = os.strerror(errno.ENOENT)
    closed = [file.path for file in subids.files if file.unreadable not in (None, gone)]
    if closed:
        return f"chmod a+r {' '.join(closed)}"
    first = spare(subids.files, (facts.uid_map, facts.gid_map))
    if first is None:
        return "start outside of this user namespace, which has no IDs to spare"
    if subids.login_gid is None:  # whom usermod does not know
        line = f"{subids.user}:{first}:{SHARE}"
        return f"the line {line} in {' and in '.join(file.path for file in subids.files)}"
    # usermod adds nothing to a file that is not there.
    absent = [file.path for file in subids.files if file.unreadable]
    span = f"{first}-{first + SHARE - 1}"
    return (f"touch {' '.join(absent)}; " if absent else "") + (
        f"usermod --add-subuids {span} --add-subgids {span} {subids.user} (or any range that nobody"
        " has)"
    )


def no_helper(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of newuidmap and newgidmap where they are not installed."""
    missing = [
        name for name, path in facts.helpers.items() if not path and not facts.can(_SPARES[name])
    ]
    if not missing:
        return
    yield _of_helpers(
        facts,
        "no-newuidmap",
        f"{' and '.join(missing)}, which write the map of sub-IDs for an ordinary user, are not"
        " installed, or not in PATH",
        seen(*((f"{name} in PATH", "not there") for name in missing)),
        "install the package uidmap (Debian, Ubuntu) or shadow-utils (Fedora, Arch)",
        ADMINISTRATOR,
        "newuidmap(1)",
    )


def _of_helpers(
    facts: Facts,
    key: str,
    words: str,
    evidence: tuple[Evidence, ...],
    fix: str,
    by: str,
    source: str,
) -> Cause:
    """Return what is proven to keep newuidmap and newgidmap from working."""
    return Cause(key, words, "proven", "", evidence, fix, by, source, _weight(facts))


def _weight(facts: Facts) -> Literal["fault", "option"]:
    """Where there are no sub-IDs, what keeps newuidmap from working keeps nobody from anything."""
    return "option" if facts.subids is None or facts.subids.missing else "fault"


def no_new_privs(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of setuid programs without effect."""
    if not facts.no_new_privs or all(map(facts.can, _SPARES.values())):
        return
    yield _of_helpers(
        facts,
        "no-new-privs",
        "no_new_privs is set, so newuidmap and newgidmap run without the privilege that they need",
        seen(("NoNewPrivs in /proc/self/status", "1")),
        "start without it: no --security-opt no-new-privileges (Docker),"
        " allowPrivilegeEscalation: true (Kubernetes), NoNewPrivileges=no (systemd)",
        CONTAINER,
        "PR_SET_NO_NEW_PRIVS(2const), newuidmap(1)",
    )


def no_privilege(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of a newuidmap that was installed, yet has no privilege."""
    for name, path in facts.helpers.items():
        why = facts.powerless.get(name)
        if path and why and not facts.can(_SPARES[name]):
            yield _of_helpers(
                facts,
                f"powerless-{name}",
                f"{path} has no privilege: it {why}",
                seen((path, why)),
                maphelpers.remedy(path, why),
                ADMINISTRATOR,
                "newuidmap(1), execve(2)",
            )


def bounded(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of a capability that no program can get any more."""
    lost = [
        capability
        for capability in _SPARES.values()
        if facts.bounding is not None
        and capability not in facts.bounding
        and not facts.can(capability)
    ]
    if lost:
        yield _of_helpers(
            facts,
            "bounding-set",
            f"no program can get {' and '.join(lost)} any more, which newuidmap and newgidmap need",
            seen(("CapBnd in /proc/self/status", f"{' and '.join(lost)} not among them")),
            "start without dropping them: --cap-add SETUID --cap-add SETGID (Docker, podman),"
            " CapabilityBoundingSet= (systemd)",
            CONTAINER,
            "capabilities(7), Capability bounding set",
        )


def not_as_in_passwd(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of a caller whom newuidmap does not know."""
    subids = facts.subids
    if subids is None or all(map(facts.can, _SPARES.values())):
        return
    uid, gid = facts.real
    source = "newuidmap(1); shadow's src/newuidmap.c"
    if (uid, gid) != (facts.euid, facts.egid):
        yield rule(
            "real-ids",
            "newuidmap and newgidmap take only a caller whose real IDs are the effective ones",
            seen(
                ("real UID and GID", f"{uid}, {gid}"),
                ("effective UID and GID", f"{facts.euid}, {facts.egid}"),
            ),
            "setresuid and setresgid to one ID each",
            YOU,
            source,
        )
    elif subids.login_gid is None:
        yield _of_helpers(
            facts,
            "no-login-name",
            f"newuidmap and newgidmap ask for a login name, and UID {uid} has none",
            seen((f"getent passwd {uid}", "nothing")),
            "an entry in the password database (useradd)",
            ADMINISTRATOR,
            source,
        )
    elif gid != subids.login_gid and len(failure.command.uid_mappings or ()) <= 1:
        yield rule(
            "other-group",
            "newuidmap and newgidmap take only a caller who is in the login group",
            seen(("real GID", gid), ("getent passwd, group", subids.login_gid)),
            f"newgrp or sg to group {subids.login_gid}; or GRANT_AUX_GROUP_SUBIDS yes in"
            " /etc/login.defs",
            YOU,
            source,
        )


def out_of_reach(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of ranges of which no ID exists here."""
    subids = facts.subids
    if subids is None or subids.missing:
        return
    for file, ranges, known in zip(
        subids.files, (subids.uids, subids.gids), (facts.uid_map, facts.gid_map), strict=True
    ):
        if known is None or any(_meet(one, known) for one in ranges):
            continue
        yield rule(
            f"foreign-{'subuids' if file.path.endswith('uid') else 'subgids'}",
            f"no ID that {file.path} gives to {subids.user} exists in this user namespace",
            seen((file.path, ", ".join(map(str, ranges))), ("the map here", lines(known))),
            "ranges of IDs that this user namespace has",
            ADMINISTRATOR,
            "user_namespaces(7), Defining user and group ID mappings",
        )


def _meet(given: SubIDRange, known: IDMap) -> bool:
    return any(given.start < m.container_end and m.container_id < given.end for m in known)


def noted(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of what only the plan knows: why it has fallen back to one ID."""
    others = (
        *(no_ranges, no_helper, no_new_privs, no_privilege),
        *(bounded, not_as_in_passwd, out_of_reach),
    )
    if failure.errno or any(True for one in others for _ in one(failure, facts, probes)):
        return
    for note in failure.command.notes:
        yield Cause(
            "one-id-only",
            note,
            "proven",
            "",
            seen(("the plan", note)),
            "use the map of one ID",
            YOU,
            "newuidmap(1)",
            "option",
        )


def said_no(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of what newuidmap itself said."""
    helper: maphelpers.Helper = "newgidmap" if failure.step == "newgidmap" else "newuidmap"
    if failure.said:
        hint = maphelpers.hint_for(helper, maphelpers.Failure(failure.errno, failure.said))
        yield likely(
            f"{helper}-said-no",
            f"{helper} said: {failure.said}",
            f"strace -f -p PID of this process: what {helper} asked of the kernel",
            seen((helper, failure.said)),
            hint or "use an IDMap of one ID (IDMap.rootless()), which needs no sub-IDs",
            YOU,
            f"{helper}(1)",
        )

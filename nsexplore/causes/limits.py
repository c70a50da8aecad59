"""Why there is no room for another namespace, or for another process."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Final

from ..diagnosis import Cause, Evidence
from ..facts import Facts, errno_name
from ..flags import CloneFlags
from ..kinds import NamespaceKind
from ..probes import Probes
from .ruling import ADMINISTRATOR, CONTAINER, YOU, Failure, fault, likely, seen

_NO_ROOM: Final = (errno.ENOSPC, errno.EUSERS)

_UNTOUCHED: Final = 2**31 - 1
"""Every limit of a new user namespace, until somebody sets one: more than any machine can have."""

_SOURCE: Final = "namespaces(7), The /proc/sys/user directory"


def _sysctl(kind: NamespaceKind) -> str:
    return f"user.max_{kind.name}_namespaces"


def _read(kind: NamespaceKind, facts: Facts) -> tuple[str, str]:
    name = _sysctl(kind)
    return f"/proc/sys/{name.replace('.', '/')}", facts.sysctls.get(name, "not there")


# -- none at all --------------------------------------------------------------------


def user_limit(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of a limit of 0 on user namespaces: the first thing that the kernel looks at."""
    yield from _at_zero([kind for kind in failure.kinds if kind.name == "user"], facts)


def other_limits(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of each other kind of which there may be none here."""
    yield from _at_zero([kind for kind in failure.kinds if kind.name != "user"], facts)


def _at_zero(kinds: list[NamespaceKind], facts: Facts) -> Iterator[Cause]:
    for kind in kinds:
        if facts.sysctls.get(_sysctl(kind)) == "0":
            yield fault(
                f"limit-{kind.name}",
                f"no user of this user namespace may make {kind.name} namespaces: their limit is 0",
                seen(_read(kind, facts)),
                f"sysctl {_sysctl(kind)}=10000",
                _root_here(facts),
                _SOURCE,
            )


def _root_here(facts: Facts) -> str:
    return ADMINISTRATOR if facts.outermost else "root of this user namespace"


# -- no more ------------------------------------------------------------------------


def too_deep(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of user namespaces nested as deep as the kernel allows.

    From inside nothing but ENOSPC tells: NS_GET_PARENT is refused for one's own
    parents, and a limit outside that is used up answers the same.
    """
    user = [kind for kind in _without_room(failure, facts, probes) if kind.name == "user"]
    if user and facts.outermost is False:
        yield likely(
            "too-deep",
            "this user namespace lies as deep as the kernel allows, 33 levels below the machine's"
            " first one",
            "the levels, counted from outside: lsns --type user --tree=parent as the machine's"
            " root",
            seen(
                ("/proc/self/ns/user", "not the machine's first user namespace"),
                *_alone(user[0], failure, probes),
            ),
            "start from a process that is less deep",
            YOU,
            "user_namespaces(7), Nested namespaces",
        )


def too_deep_pids(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of PID namespaces nested as deep as the kernel allows."""
    pid = [kind for kind in _without_room(failure, facts, probes) if kind.name == "pid"]
    if not pid or facts.outermost_pids:
        return
    words = "PID namespaces are nested 32 deep here, which is the most there can be"
    fix = "start from a process that is less deep"
    source = "pid_namespaces(7), Nesting PID namespaces"
    if _pids_are_too_deep(facts):
        evidence = seen(("NSpid in /proc/self/status", f"{facts.pid_levels} PIDs"))
        yield fault("too-deep-pid", words, evidence, fix, YOU, source)
    else:
        yield likely(
            "too-deep-pid",
            words,
            "NSpid in /proc/PID/status of this process, read in the machine's first PID namespace:"
            " 33 numbers",
            seen(
                ("/proc/self/ns/pid", "not the machine's first PID namespace"),
                *_alone(pid[0], failure, probes),
            ),
            fix,
            YOU,
            source,
        )


def _pids_are_too_deep(facts: Facts) -> bool:
    return (facts.pid_levels or 0) > 32


def used_up(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of each kind whose limit is not 0, yet reached, here or further out."""
    kinds = _without_room(failure, facts, probes)
    for kind in kinds:
        if kind.name == "pid" and _pids_are_too_deep(facts):
            continue
        here = facts.sysctls.get(_sysctl(kind), "")
        evidence = seen(_read(kind, facts), *_alone(kind, failure, probes))
        known = len(kinds) == 1 or _alone(kind, failure, probes)
        if facts.outermost:
            key, where = f"limit-reached-{kind.name}", ""
            sure = known and (kind.name != "pid" or facts.outermost_pids)
            words = f"this user has as many {kind.name} namespaces as one may have"
        else:
            key, where = f"limit-outside-{kind.name}", "around this one"
            # Here there is no limit: it is one of those outside, unless it is the depth.
            alone_outside = here.isdigit() and int(here) >= _UNTOUCHED
            sure = known and alone_outside and not _may_be_depth(kind, facts)
            if not alone_outside:
                where = "here, or in a user namespace around this one"
            words = (
                f"the limit on {kind.name} namespaces is reached"
                f" {where if not alone_outside else 'in a user namespace ' + where}:"
                " each is charged to all of them"
            )
        fix = (
            f"end what holds {kind.name} namespaces (lsns --type {kind.name} lists them), or raise"
            f" the limit that is reached ({_sysctl(kind)})"
        )
        if sure:
            yield fault(key, words, evidence, fix, ADMINISTRATOR, _SOURCE)
        else:
            proof = f"{_read(kind, facts)[0]}, read outside of this user namespace"
            if facts.outermost:
                proof = f"lsns --type {kind.name}, as root: as many of this user's as the limit"
            yield likely(key, words, proof, evidence, fix, ADMINISTRATOR, _SOURCE)


def _may_be_depth(kind: NamespaceKind, facts: Facts) -> bool:
    return kind.name == "user" or (kind.name == "pid" and not facts.outermost_pids)


def _without_room(failure: Failure, facts: Facts, probes: Probes) -> list[NamespaceKind]:
    """Return the kinds of which there may be some, yet not one more."""
    if failure.errno not in _NO_ROOM:
        return []
    kinds = failure.kinds
    if failure.step == "newtime":  # clone(2) has made all the others
        kinds = [kind for kind in kinds if kind.name == "time"]
    elif CloneFlags.NEWTIME in failure.command.clone_flags:
        kinds = [kind for kind in kinds if kind.name != "time"]
    answers = {kind: probes.alone.get(_flags(kind, failure)) for kind in kinds}
    # All the others build on the user namespace.
    if any(answers[kind] in _NO_ROOM for kind in kinds if kind.name == "user"):
        kinds = [kind for kind in kinds if kind.name == "user"]
    left = [kind for kind in kinds if facts.sysctls.get(_sysctl(kind)) != "0"]
    refused = [kind for kind in left if answers[kind] in _NO_ROOM]
    if refused or len(left) < len(kinds):
        return refused
    return [kind for kind in left if answers[kind] is None]


def _flags(kind: NamespaceKind, failure: Failure) -> CloneFlags:
    return kind.flag | (CloneFlags.NEWUSER & failure.command.clone_flags)


def _alone(kind: NamespaceKind, failure: Failure, probes: Probes) -> tuple[tuple[str, str], ...]:
    """Return as evidence what asking for this kind alone has answered."""
    flags = _flags(kind, failure)
    answer = probes.alone.get(flags, 0)
    call = "unshare" if kind.name == "time" else "clone"
    return ((f"{call}({flags})", errno_name(answer)),) if answer in _NO_ROOM else ()


# -- PID namespaces that one has left ---------------------------------------------------


def unshared_pids(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of what nobody can make any more after unshare(CLONE_NEWPID)."""
    if failure.errno == errno.EINVAL and facts.own_children is False:
        yield fault(
            "unshared-pids",
            "this process has called unshare(CLONE_NEWPID), or has entered another PID namespace by"
            " setns: from then on the kernel lets it make neither a PID namespace nor a thread",
            seen(_elsewhere(facts)),
            "start from another process, or from a thread that has not called it; and never call"
            " unshare in this process: what is started gets namespaces of its own",
            YOU,
            "clone(2), EINVAL; pid_namespaces(7)",
        )


def dead_init(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of a PID namespace in which nothing can be born any more."""
    if facts.own_children is False and errno.ENOMEM in (failure.errno, probes.born):
        yield fault(
            "dead-init",
            "this process's children are born into another PID namespace, whose init (its first"
            " process) has died: no process can start in it any more",
            seen(_elsewhere(facts), ("clone() without any new namespace", "ENOMEM")),
            "start from a process that has not called unshare(CLONE_NEWPID) or setns; or keep the"
            " first process that was started afterwards alive",
            YOU,
            "pid_namespaces(7), The namespace init process",
        )


def unborn_init(facts: Facts) -> Cause:
    """Return why nothing is tried where the first child is to be the last one."""
    return fault(
        "unborn-init",
        "this process has called unshare(CLONE_NEWPID), and nobody has been born in that PID"
        " namespace yet: the next child is its init, with whose end the namespace ends, so nothing"
        " is tried here",
        seen(_elsewhere(facts)),
        "ask in a process that has not called unshare(CLONE_NEWPID); or keep a first process"
        " running in there, then ask again",
        YOU,
        "pid_namespaces(7), The namespace init process",
    )


def _elsewhere(facts: Facts) -> tuple[str, str]:
    found = "not there yet" if facts.unborn_init else "not the namespace of /proc/self/ns/pid"
    return "/proc/thread-self/ns/pid_for_children", found


# -- processes and memory -----------------------------------------------------------------


def memory(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of memory."""
    if failure.errno == errno.ENOMEM and facts.own_children is not False:
        yield likely(
            "memory",
            "memory is short",
            "free -m; memory.current and memory.max of this process's cgroup; the kernel's log",
            (),
            "end what uses it, or raise the cgroup's memory.max",
            YOU,
            "clone(2), ENOMEM",
        )


def tasks(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of limits on processes."""
    if errno.EAGAIN not in (failure.errno, probes.born):
        return
    proven = tuple(_limits_on_tasks(facts, probes))
    yield from proven
    if not proven:
        count, limit = probes.tasks or ("unknown", "none")
        yield likely(
            "user-tasks",
            "this user has as many processes and threads as allowed",
            "ulimit -u against the number of lines of: ps -L -u USER, as root of the machine",
            seen(
                ("RLIMIT_NPROC", limit),
                ("tasks of this user in /proc", count),
                ("pids.max of the cgroup", facts.task_limit or "no limit"),
            ),
            "end some, or raise the limit (ulimit -u)",
            YOU,
            "clone(2), EAGAIN; getrlimit(2), RLIMIT_NPROC",
        )


def _limits_on_tasks(facts: Facts, probes: Probes) -> Iterator[Cause]:
    if probes.tasks and probes.tasks[0] >= probes.tasks[1]:
        count, limit = probes.tasks
        yield fault(
            "user-tasks",
            "this user has as many processes and threads as allowed",
            (
                Evidence("RLIMIT_NPROC", str(limit)),
                Evidence("tasks of this user in /proc", str(count)),
            ),
            "end some, or raise the limit (ulimit -u)",
            YOU,
            "clone(2), EAGAIN; getrlimit(2), RLIMIT_NPROC",
        )
    where, _, found = facts.task_limit.rpartition(": ")
    used, _, most = found.partition(" of ")
    if used.isdigit() and most.isdigit() and int(used) >= int(most):
        yield fault(
            "cgroup-tasks",
            "this process's cgroup has as many tasks as it may",
            seen((where, found)),
            "end some, or raise the cgroup's pids.max",
            CONTAINER,
            "clone(2), EAGAIN; the kernel's documentation, cgroup-v2, PID",
        )


def descriptors(failure: Failure, facts: Facts, probes: Probes) -> Iterator[Cause]:
    """Speak of limits on open files."""
    if failure.errno == errno.EMFILE:
        yield fault(
            "descriptors",
            "this process has as many files open as it may",
            seen((failure.step, "EMFILE")),
            "close some, or raise the limit (ulimit -n)",
            YOU,
            "getrlimit(2), RLIMIT_NOFILE",
        )
    elif failure.errno == errno.ENFILE:
        yield fault(
            "descriptors-of-all",
            "the machine has as many files open as it may",
            seen((failure.step, "ENFILE")),
            "sysctl fs.file-max, raised",
            ADMINISTRATOR,
            "proc(5), /proc/sys/fs/file-max",
        )

"""Nothing left: limits, depths, PID namespaces that have ended."""

from __future__ import annotations

from errno import EAGAIN, EINVAL, EMFILE, ENOMEM, ENOSPC
from typing import Any

import circumstances as c
from doctor_case import FIRST_NAMESPACE, Case

from nsexplore.kinds import KINDS


def _net(key: str, **how: Any) -> dict[str, Any]:
    return {"key": key, "check": ("net", FIRST_NAMESPACE), "step": "clone", "errno": ENOSPC, **how}


LIMITS = [
    *(
        Case(
            f"no {kind.name} namespaces",
            (c.limit(kind.name),),
            f"limit-{kind.name}",
            (kind.name,) if kind.name == "user" else (kind.name, FIRST_NAMESPACE),
            "newtime" if kind.name == "time" else "clone",
            ENOSPC,
            ((f"/proc/sys/user/max_{kind.name}_namespaces", "0"),),
            f"sysctl user.max_{kind.name}_namespaces=",
            way={"user": "none", "cgroup": "garden", "time": "garden"}.get(kind.name, ""),
            helps=c.step(c.Stage.PROCESS, "set_limit", kind.name, 10000),
        )
        for kind in KINDS
    ),
    Case(
        "the only network namespace in use",
        (c.used_up("net"),),
        **_net("limit-outside-net", certainty="likely"),
        evidence=(("/proc/sys/user/max_net_namespaces", "1"), ("CLONE_NEWNET", "ENOSPC")),
        fix="user.max_net_namespaces",
        helps=c.step(c.Stage.PROCESS, "set_limit", "net", 2),
    ),
    Case(
        "a limit of the user namespace around",
        (c.limit_outside("net"),),
        **_net("limit-outside-net"),
        evidence=(("/proc/sys/user/max_net_namespaces", "2147483647"), ("CLONE_NEWNET", "ENOSPC")),
        fix="user.max_net_namespaces",
    ),
    Case(
        "a limit on user namespaces of the user namespace around",
        (c.limit_outside("user"),),
        "limit-outside-user",
        ("user",),
        "clone",
        ENOSPC,
        (("/proc/sys/user/max_user_namespaces", "2147483647"), ("CLONE_NEWUSER", "ENOSPC")),
        "user.max_user_namespaces",
        certainty="likely",
        faults=("too-deep", "limit-outside-user"),
        way="none",
    ),
    Case(
        "user namespaces nested 33 deep",
        (c.DEEP_USER,),
        "too-deep",
        ("user",),
        "clone",
        ENOSPC,
        (("/proc/self/ns/user", "not the machine's first"), ("CLONE_NEWUSER", "ENOSPC")),
        "less deep",
        certainty="likely",
        faults=("too-deep", "limit-outside-user"),
        way="none",
    ),
    Case(
        "PID namespaces nested 32 deep",
        (c.DEEP_PID,),
        "too-deep-pid",
        ("pid", "without one"),
        "clone",
        ENOSPC,
        (("NSpid in /proc/self/status", "33 PIDs"),),
        "less deep",
    ),
    Case(
        "PID namespaces nested 32 deep, under a /proc of the last one",
        (c.DEEP_PID, c.step(c.Stage.ROOT, "mount_own_proc")),
        "too-deep-pid",
        ("pid", "without one"),
        "clone",
        ENOSPC,
        (("/proc/self/ns/pid", "not the machine's first"), ("CLONE_NEWPID", "ENOSPC")),
        "less deep",
        certainty="likely",
        faults=("too-deep-pid", "limit-reached-pid"),
    ),
    Case(
        "RLIMIT_NPROC",
        (c.NO_TASKS, c.ORDINARY),
        "user-tasks",
        ("a process",),
        "clone",
        EAGAIN,
        (("RLIMIT_NPROC", "1"), ("tasks of this user in /proc", "")),
        "ulimit -u",
        helps=c.step(c.Stage.PROCESS, "allow_tasks"),
    ),
    Case(
        "the cgroup's pids.max",
        (c.NO_TASKS_IN_CGROUP,),
        "cgroup-tasks",
        ("a process",),
        "clone",
        EAGAIN,
        (("pids.max", "1 of 1"),),
        "pids.max",
        helps=c.step(c.Stage.PROCESS, "raise_cgroup"),
    ),
    Case(
        "pids.max of a cgroup around ours",
        (c.NO_TASKS_IN_CGROUP, c.step(c.Stage.FOLDERS, "enter_cgroup_below")),
        "cgroup-tasks",
        ("a process",),
        "clone",
        EAGAIN,
        (("pids.max", "1 of 1"),),
        "pids.max",
        helps=c.step(c.Stage.PROCESS, "raise_cgroup"),
    ),
    Case(
        "all descriptors in use",
        (c.NO_DESCRIPTORS,),
        "descriptors",
        ("a process",),
        "pipe",
        EMFILE,
        (("pipe", "EMFILE"),),
        "ulimit -n",
        helps=c.step(c.Stage.FILTER, "close_some"),
    ),
    Case(
        "a PID namespace whose init has died",
        (c.DEAD_INIT,),
        "dead-init",
        ("a process",),
        "clone",
        ENOMEM,
        (("pid_for_children", "not the namespace"), ("clone()", "ENOMEM")),
        "has not called unshare",
        faults=("dead-init", "unshared-pids"),
    ),
    Case(
        "a second unshare(CLONE_NEWPID)",
        (c.LIVE_INIT,),
        "unshared-pids",
        ("garden",),
        "clone",
        EINVAL,
        (("pid_for_children", "not the namespace"),),
        "never call unshare",
    ),
    Case(
        "a PID namespace in which nobody was born",
        (c.UNBORN_INIT,),
        "unborn-init",
        ("a process",),
        "",
        None,
        (("pid_for_children", "not there yet"),),
        "keep a first process running",
    ),
]

"""Which rules speak of which step, in the order in which the kernel asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from ..diagnosis import Cause, ranked
from ..facts import Facts
from ..probes import Probes
from . import clone, inside, limits, maps
from .ruling import Failure, Rule, unexplained

__all__ = ["causes_of"]

# In the order in which the kernel asks: copy_process() in kernel/fork.c, create_user_ns() in
# kernel/user_namespace.c, create_new_namespaces() in kernel/nsproxy.c.
_CLONE: Final[tuple[Rule, ...]] = (
    clone.filtered,
    clone.debian,
    limits.user_limit,
    limits.too_deep,
    clone.chrooted,
    clone.unmapped,
    clone.confined,
    clone.suspected,
    limits.tasks,
    clone.no_capability,
    limits.other_limits,
    limits.too_deep_pids,
    limits.used_up,
    limits.unshared_pids,
    clone.not_there,
    limits.dead_init,
    limits.descriptors,
    limits.memory,
)
_MAP: Final[tuple[Rule, ...]] = (
    limits.descriptors,
    maps.no_proc,
    maps.read_only_proc,
    maps.not_dumpable,
    maps.refused,
    maps.setgroups_denied,
    inside.restricted,
)
_HELPER: Final[tuple[Rule, ...]] = (
    maps.no_ranges,
    maps.no_helper,
    maps.no_new_privs,
    maps.no_privilege,
    maps.bounded,
    maps.not_as_in_passwd,
    maps.out_of_reach,
    maps.noted,
    maps.said_no,
)
_IDS: Final[tuple[Rule, ...]] = (inside.ids, inside.restricted)
_MOUNT: Final[tuple[Rule, ...]] = (
    inside.filtered_mount,
    inside.root_is_no_mount,
    inside.masked_proc,
    inside.read_only_proc,
    inside.denied_mount,
    inside.restricted,
)
_TIME: Final[tuple[Rule, ...]] = (
    inside.filtered_unshare,
    clone.no_capability,
    limits.other_limits,
    limits.used_up,
    clone.not_there,
    inside.restricted,
)

_BY_STEP: Final[dict[str, tuple[Rule, ...]]] = {
    "plan": (limits.descriptors,),
    "pipe": (limits.descriptors,),
    "devnull": (inside.no_dev_null, limits.descriptors),
    "files": (limits.descriptors,),
    "spawner": (clone.no_spawner,),
    "clone": _CLONE,
    "proc": _MAP,
    "uid_map": _MAP,
    "setgroups": _MAP,
    "gid_map": _MAP,
    "newuidmap": _HELPER,
    "newgidmap": _HELPER,
    "setgroups(0)": _IDS,
    "setgid": _IDS,
    "setuid": _IDS,
    "propagation": _MOUNT,
    "mount_proc": _MOUNT,
    "tmpfs": _MOUNT,
    "bind": _MOUNT,
    "newtime": _TIME,
    "hostname": (inside.restricted,),
    "loopback": (inside.restricted,),
    "/proc/1": (inside.hidden, maps.no_proc, limits.descriptors),
}


def causes_of(failure: Failure, facts: Facts, probes: Probes) -> tuple[Cause, ...]:
    """Return why a step failed: the proven first; at least one for a step that is known here.

    Parameters
    ----------
    failure : Failure
        The step, its errno, and the command that it belongs to.
    facts : Facts
        Of this process, or recorded elsewhere.
    probes : Probes
        The same.
    """
    rules = _BY_STEP.get(failure.step, ())
    found = ranked(_all(rule(failure, facts, probes) for rule in rules))
    return found if found or not rules else (unexplained(failure, facts),)


def _all(answers: Iterable[Iterable[Cause]]) -> Iterator[Cause]:
    for answer in answers:
        yield from answer

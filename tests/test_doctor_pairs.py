"""Several causes at once: all are found, and ranked.

Faults come before rules, rules before options; the proven before the likely; and
what blocks first, first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import circumstances as c
import pytest
import seccomp

from nsexplore import CloneFlags

pytestmark = pytest.mark.usefixtures("root")


@pytest.fixture(scope="module", autouse=True)
def _end_the_zygote() -> Iterator[None]:
    yield
    c.end()


FIRST_NAMESPACE = "in a new user namespace"
RESTRICT = c.filtered(seccomp.restrict_namespaces())
DOCKER = c.filtered(seccomp.docker())


@dataclass(frozen=True)
class Pair:
    """Causes made together.

    Attributes
    ----------
    name : str
    made : tuple of Circumstance
    faults : tuple of str
        All of them, by rank.
    check : tuple of str
        A check that more than one of them stands in the way of …
    causes : tuple of str
        … and which, by rank.
    """

    name: str
    made: tuple[c.Circumstance, ...]
    faults: tuple[str, ...]
    check: tuple[str, ...]
    causes: tuple[str, ...]


PAIRS = [
    Pair(
        "a filter, in a chroot",
        (RESTRICT, c.CHROOT, c.ORDINARY),
        ("seccomp-filter", "chroot"),
        ("user",),
        ("seccomp-filter", "chroot"),
    ),
    Pair(
        "Docker's filter, in a chroot, as root",
        (DOCKER, c.CHROOT, c.WITHOUT_SYS_ADMIN),
        ("seccomp-container", "chroot"),
        ("one ID",),
        ("seccomp-container", "chroot"),
    ),
    Pair(
        "a limit on user namespaces, in a chroot",
        (c.limit("user"), c.CHROOT),
        ("limit-user", "chroot", "root-is-no-mount"),
        ("user",),
        ("limit-user", "chroot"),
    ),
    Pair(
        "a limit on network namespaces, in a chroot",
        (c.limit("net"), c.CHROOT),
        ("chroot", "limit-net"),
        ("garden",),
        ("chroot", "limit-net"),
    ),
    Pair(
        "a limit, with an unmapped UID",
        (c.UNMAPPED_UID, c.step(c.Stage.LIMITS, "set_limit", "ipc", 0)),
        ("unmapped-uid", "limit-ipc"),
        ("ipc", FIRST_NAMESPACE),
        ("unmapped-uid", "limit-ipc"),
    ),
    Pair(
        "two limits",
        (c.limit("net"), c.limit("pid")),
        ("limit-pid", "limit-net"),
        ("garden",),
        ("limit-pid", "limit-net"),
    ),
    Pair(
        "a limit of 0 and one that is used up",
        (c.used_up("uts"), c.step(c.Stage.LIMITS, "set_limit", "cgroup", 0)),
        ("limit-cgroup", "limit-outside-uts"),
        ("uts", "without one"),
        ("limit-outside-uts",),
    ),
    Pair(
        "two limits outside",
        (c.limit_outside("net"), c.limit_outside("ipc")),
        ("limit-outside-net", "limit-outside-ipc"),
        ("none",),
        ("limit-outside-net", "limit-outside-ipc"),
    ),
    Pair(
        "a limit, without CAP_SYS_ADMIN",
        (c.limit("mnt"), c.WITHOUT_SYS_ADMIN),
        ("limit-mnt",),
        ("mnt", "without one"),
        ("limit-mnt", "no-cap-sys-admin"),
    ),
    Pair(
        "a filter under no_new_privs, with sub-IDs",
        (RESTRICT, c.NO_NEW_PRIVS, c.WITH_SUBIDS, c.ORDINARY),
        ("seccomp-filter", "no-new-privs"),
        ("none",),
        ("seccomp-filter", "no-cap-sys-admin"),
    ),
    Pair(
        "a filter for one kind, and a limit on another",
        (
            c.limit("net"),
            c.filtered(seccomp.restrict_namespaces(~CloneFlags.NEWUTS)),
        ),
        ("limit-net", "seccomp-filter"),
        ("garden",),
        ("seccomp-filter", "limit-net"),
    ),
    Pair(
        "no newuidmap, under no_new_privs",
        (c.WITH_SUBIDS, c.NO_HELPERS, c.NO_NEW_PRIVS, c.ORDINARY),
        ("no-newuidmap", "no-new-privs"),
        ("sub-IDs",),
        ("no-newuidmap", "no-new-privs"),
    ),
    Pair(
        "a malformed /etc/subuid, and newuidmap without its setuid bit",
        (
            c.etc({**c.SUBIDS, "subuid": "alice:100000:\n"}),
            c.HELPERS_WITHOUT_SETUID,
            c.ORDINARY,
        ),
        ("malformed-subids",),
        ("sub-IDs",),
        ("malformed-subids", "powerless-newuidmap", "powerless-newgidmap"),
    ),
    Pair(
        "not dumpable, with garden's map, as an ordinary user",
        (c.NOT_DUMPABLE, c.ORDINARY),
        ("not-dumpable",),
        ("garden",),
        ("not-dumpable", "map-rule-uid"),
    ),
    Pair(
        "a masked /proc with hidepid",
        (c.HIDEPID[2], c.MASKED_PROC, c.ORDINARY),
        ("masked-proc", "hidepid"),
        ("mount a new /proc",),
        ("masked-proc",),
    ),
    Pair(
        "no task left, in a chroot, without a capability",
        (c.NO_TASKS, c.CHROOT, c.ORDINARY),
        ("user-tasks", "chroot"),
        ("user",),
        ("chroot", "user-tasks"),
    ),
    Pair(
        "both IDs without a mapping, in a chroot",
        (c.UNMAPPED_BUT_65534, c.CHROOT),
        ("chroot", "unmapped-uid", "unmapped-gid", "root-is-no-mount"),
        ("user",),
        ("chroot", "unmapped-uid", "unmapped-gid"),
    ),
    Pair(
        "three at once: a limit, a filter, a chroot",
        (c.limit("user"), c.CHROOT, RESTRICT),
        ("seccomp-filter", "limit-user", "chroot"),
        ("user",),
        ("seccomp-filter", "limit-user", "chroot"),
    ),
]

each_pair = pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)


@each_pair
def test_all_that_stand_in_the_way_are_found(pair: Pair) -> None:
    """Whichever of them the kernel asks about first."""
    found = c.found(*pair.made)
    check = found.check(*pair.check)
    assert check.possible is False
    assert tuple(cause.key for cause in check.causes) == pair.causes
    assert tuple(found.faults()) == pair.faults


@each_pair
def test_what_weighs_most_comes_first(pair: Pair) -> None:
    """Faults, rules, options; among each the proven, then the likely; and none twice."""
    diagnosis = c.found(*pair.made).diagnosis
    kinds = ("fault", "rule", "option")
    for causes in (diagnosis.causes, *(check.causes for check in diagnosis.checks)):
        weights = [(kinds.index(cause.kind), cause.certainty == "likely") for cause in causes]
        assert all(one <= other for one, other in pairwise(weights)), causes
        keys = [cause.key for cause in causes]
        assert len(keys) == len(set(keys))

"""Refusals that cannot be made here: **recorded** ones, by their vendors or on others' machines.

No AppArmor, no SELinux, no Debian kernel is here. What they do is published: a log
line, an errno, a sysctl, a label (tests/recorded/refusals.json names each source).
It goes through the very code that judges what is read on this machine.
"""

from __future__ import annotations

import errno
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nsexplore import CloneFlags, IDMap, NamespacingExecer
from nsexplore.capabilities import CapabilitySet
from nsexplore.causes import Failure, causes_of
from nsexplore.command import Command
from nsexplore.diagnosis import Cause
from nsexplore.facts import Facts, facts_now
from nsexplore.kinds import KINDS
from nsexplore.probes import EXPECTED, Probes

REFUSALS = json.loads((Path(__file__).parent / "recorded" / "refusals.json").read_text())
ALL_IDS = IDMap([(0, 0, 2**32 - 1)])

ORDINARY: Facts = replace(
    facts_now(),
    euid=1000,
    egid=1000,
    uid_map=ALL_IDS,
    gid_map=ALL_IDS,
    unmapped=(),
    setgroups="allow",
    real=(1000, 1000),
    effective=CapabilitySet(0),
    bounding=CapabilitySet(2**41 - 1),
    no_new_privs=False,
    seccomp=0,
    kinds=frozenset(kind.name for kind in KINDS),
    outermost=True,
    own_children=True,
    unborn_init=False,
    outermost_pids=True,
    pid_levels=1,
    sysctls={},
    label="",
    root_is_mounted=True,
    proc="rw,rw",
    foreign_proc=False,
    dev_null=True,
    masked=(),
    subids=None,
    task_limit="",
)
"""An ordinary user of a healthy machine, with which nothing that is read here has to do."""

SILENT = Probes(0, dict(EXPECTED), dumpable=1, chrooted=None)
"""No filter; whether one is chrooted cannot be told without privilege."""

STARTS: dict[str, Command] = {
    "garden": NamespacingExecer(max_uid=65535).plan("/bin/true"),
    "one ID": replace(
        NamespacingExecer(id_map=IDMap.rootless(1000)).plan("/bin/true"),
        gid_mappings_enable_setgroups=False,
    ),
    "time": NamespacingExecer(clone_flags=CloneFlags.NEWUSER | CloneFlags.NEWTIME).plan(
        "/bin/true"
    ),
}


def judged(refusal: dict[str, Any], **changed: Any) -> tuple[Cause, ...]:
    """Return the causes of a recorded refusal; `changed` facts are as if it were otherwise."""
    facts = replace(
        ORDINARY,
        label=refusal["label"],
        sysctls=refusal["sysctls"],
        kinds=ORDINARY.kinds - {*refusal.get("without", ())},
    )
    number = getattr(errno, refusal["errno"])
    failure = Failure(STARTS[refusal["start"]], refusal["step"], number)
    return causes_of(failure, replace(facts, **changed), SILENT)


each_refusal = pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal["name"])


@each_refusal
def test_a_recorded_refusal_is_explained(refusal: dict[str, Any]) -> None:
    """Recorded, not made here: its cause is found, first, and as sure as the evidence allows."""
    causes = judged(refusal)
    assert causes[0].key == refusal["key"]
    assert causes[0].certainty == refusal["certainty"]
    assert causes[0].kind == "fault"
    assert refusal["fix"] in causes[0].fix
    assert causes[0].by
    assert causes[0].source


@each_refusal
def test_what_was_recorded_is_its_evidence(refusal: dict[str, Any]) -> None:
    """Recorded, not made here: the label, the sysctl, the missing kind that were read."""
    found = {one.where: one.found for one in judged(refusal)[0].evidence}
    for name, value in refusal["sysctls"].items():
        assert found[f"/proc/sys/{name.replace('.', '/')}"] == value
    for kind in refusal.get("without", ()):
        assert found[f"/proc/self/ns/{kind}"] == "not there"
    if refusal["certainty"] == "likely":
        assert found["/proc/self/attr/current"] == refusal["label"]


@pytest.mark.parametrize(
    "refusal",
    [one for one in REFUSALS if one["certainty"] == "likely" and one["log"]],
    ids=lambda refusal: refusal["name"],
)
def test_what_would_prove_a_likely_one_is_what_was_logged(refusal: dict[str, Any]) -> None:
    """Recorded, not made here: who looks for what the doctor says finds the recorded line."""
    proof = judged(refusal)[0].proof
    quoted = re.findall(r'\w+="\w+"', proof) or re.findall(r"user_namespace", proof)
    assert quoted
    assert any(all(word in line for word in quoted) for line in refusal["log"].splitlines())


def test_a_likely_one_never_hides_a_proven_one() -> None:
    """Recorded, not made here: Ubuntu's restriction and Debian's switch at once."""
    ubuntu = next(one for one in REFUSALS if one["key"] == "apparmor-userns")
    sysctls = {**ubuntu["sysctls"], "kernel.unprivileged_userns_clone": "0"}
    causes = judged({**ubuntu, "sysctls": sysctls})
    assert [cause.key for cause in causes] == ["userns-clone", "apparmor-userns"]
    assert [cause.certainty for cause in causes] == ["proven", "likely"]


@pytest.mark.parametrize(
    "label",
    ["", "unconfined", "unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023", "kernel"],
)
def test_a_module_that_lets_everything_be_is_not_blamed(label: str) -> None:
    """An unconfined process that is refused with EPERM: a chroot is likelier, and says so."""
    refusal = {
        "label": label,
        "sysctls": {},
        "start": "one ID",
        "step": "clone",
        "errno": "EPERM",
    }
    causes = judged(refusal)
    assert [(cause.key, cause.certainty) for cause in causes] == [("chroot", "likely")]


def test_who_has_the_capability_is_not_told_of_restrictions_for_others() -> None:
    """Recorded, not made here: neither Ubuntu's nor Debian's concerns root."""
    for refusal in REFUSALS:
        if refusal["key"] in ("apparmor-userns", "userns-clone"):
            causes = judged(refusal, effective=CapabilitySet(2**41 - 1), euid=0, egid=0)
            assert refusal["key"] not in [cause.key for cause in causes]


def test_debians_switch_asks_for_root_outside() -> None:
    """Recorded, not made here: all capabilities in a nested user namespace do not help."""
    refusal = next(one for one in REFUSALS if one["key"] == "userns-clone")
    every = CapabilitySet(2**41 - 1)
    causes = judged(refusal, effective=every, euid=0, egid=0, outermost=False)
    assert causes[0].key == "userns-clone"


def test_what_nothing_explains_is_said_to_be_unexplained() -> None:
    """With what was read, and where to look further; never without any cause."""
    refusal = {"label": "x (enforce)", "sysctls": {}, "start": "one ID", "step": "setuid"}
    (cause,) = judged({**refusal, "errno": "EIO"})
    assert (cause.key, cause.certainty) == ("unexplained", "likely")
    assert "journalctl -k" in cause.proof
    assert ("/proc/self/attr/current", "x (enforce)") in [
        (one.where, one.found) for one in cause.evidence
    ]


NET = CloneFlags.NEWUSER | CloneFlags.NEWNET


def without_room(number: int, facts: Facts, **alone: int) -> dict[str, str]:
    """Return what is said of a start for which there is no room, by key, with its certainty."""
    kinds = {flag.name: CloneFlags.NEWUSER | flag for flag in CloneFlags}
    tried = {kinds[name]: answer for name, answer in alone.items()}
    command = NamespacingExecer(clone_flags=NET, id_map=IDMap.rootless(1000)).plan("/bin/true")
    causes = causes_of(Failure(command, "clone", number), facts, replace(SILENT, alone=tried))
    return {cause.key: cause.certainty for cause in causes}


def test_a_limit_of_the_machine_itself_is_its_own() -> None:
    """Not made here, since it would be everybody's: no other limit is around the outermost one."""
    facts = replace(ORDINARY, sysctls={"user.max_net_namespaces": "5000"})
    found = without_room(errno.ENOSPC, facts, NEWUSER=0, NEWNET=errno.ENOSPC)
    assert found == {"limit-reached-net": "proven"}


def test_where_each_kind_has_not_been_tried_no_limit_is_proven() -> None:
    """Not made here: ENOSPC alone does not tell of which kind there are too many."""
    found = without_room(errno.ENOSPC, ORDINARY)
    assert found == {"limit-reached-user": "likely", "limit-reached-net": "likely"}


def test_the_errno_of_kernels_before_4_9_for_too_deep_a_user_namespace() -> None:
    """Recorded in user_namespaces(7), not made here: EUSERS instead of ENOSPC."""
    nested = replace(ORDINARY, outermost=False)
    found = without_room(errno.EUSERS, nested, NEWUSER=errno.EUSERS)
    assert found["too-deep"] == "likely"

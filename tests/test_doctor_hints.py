"""A start that fails says what the doctor says, and asks nobody anew what is known already."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from errno import EINVAL

import circumstances as c
import pytest
from doctor_cases import CASES, KILLS, Case

from nsexplore import IDMap, NamespacingExecer, NativeCommandRunner, StartError
from nsexplore.command import Credential
from nsexplore.diagnosis import Cause

pytestmark = pytest.mark.usefixtures("root")


@pytest.fixture(scope="module", autouse=True)
def _end_the_zygote() -> Iterator[None]:
    yield
    c.end()


DEADLY = c.filtered(KILLS)
STARTABLE = [case for case in CASES if DEADLY not in case.made and case.key != "descriptors"]
"""A start under a filter that kills is the end of the process that starts; and without a
descriptor there is not even a plan."""

each_case = pytest.mark.parametrize("case", STARTABLE, ids=lambda case: case.name)


def the_check(found: c.Found, way: str) -> str:
    """Return the name of the check that a start in this way is the same as."""
    refused = found.refused[way]
    if refused and refused.step == "devnull":
        return "a process"
    return "sub-IDs" if way == "one ID" and found.check("sub-IDs").possible else way


def sentence(cause: Cause) -> str:
    return cause.words if cause.certainty == "proven" else f"probably {cause.words}"


@each_case
def test_a_start_fails_where_the_doctor_says_so(case: Case) -> None:
    """At the same step with the same errno, and only there."""
    found = case.found()
    for way, refused in found.refused.items():
        check = found.check(the_check(found, way))
        if check.possible is None:  # it could not be tried: a start may do either
            continue
        assert check.possible == (refused is None)
        if refused:
            assert (refused.step, refused.errno) == (check.step, check.errno)


@each_case
def test_its_hint_is_the_doctors_finding(case: Case) -> None:
    """Every cause in the same words and the same order, with its fix and who may apply it."""
    found = case.found()
    for way, refused in found.refused.items():
        check = found.check(the_check(found, way))
        if refused is None or check.possible is None:
            continue
        at = 0
        for cause in check.causes:
            at = refused.hint.index(sentence(cause), at)
            assert refused.step == "plan" or cause.fix in refused.hint[at:]
            assert refused.step == "plan" or cause.by == "you" or cause.by in refused.hint[at:]
        assert refused.hint.count("also: ") == len(check.causes) - 1


@each_case
def test_nobody_is_asked_again_what_is_known(case: Case) -> None:
    """The doctor's throwaway child is asked once; neither a second round nor a start asks more."""
    asked = case.found().asked
    assert (
        asked.get("doctor", 0) <= 2
    )  # the second: what comes after the call that killed the first
    if case.key not in ("user-tasks", "cgroup-tasks", "dead-init"):  # there is none to ask there
        assert "again" not in asked
        assert "starts" not in asked


@pytest.mark.parametrize(
    ("name", "children"),
    [
        ("an ordinary user with garden's map", 1),
        ("Docker's filter, as an ordinary user", 1),
        ("chroot into a mount point, as an ordinary user", 1),
        # Each of the five kinds, and the user namespace, is tried alone.
        ("a limit of the user namespace around", 1 + 6 + 5),
    ],
)
def test_a_start_finds_out_by_itself_and_once(name: str, children: int) -> None:
    """Where the doctor was never asked, the first failures ask, and the second ones do not."""
    case = next(case for case in CASES if case.name == name)
    found = c.found(*case.made, starts_first=True)
    assert found.asked["first starts"] == children
    assert "second starts" not in found.asked


def test_a_start_under_an_unborn_pid_namespace_asks_nobody() -> None:
    """Whoever is asked would be its init, and the end of it."""
    case = next(case for case in CASES if case.key == "unborn-init")
    found = case.found()
    assert found.asked == {}
    for refused in found.refused.values():
        assert refused is not None
        assert "unshare(CLONE_NEWPID)" in refused.hint


def test_a_rule_that_only_a_command_of_ones_own_can_break() -> None:
    """What the doctor never tries, since it would be wrong everywhere, has its rule too."""
    plan = NamespacingExecer(id_map=IDMap([(0, os.geteuid(), 1)])).plan("/bin/true")
    with pytest.raises(StartError) as caught:
        NativeCommandRunner().start(replace(plan, credential=Credential(0, 5, groups=None)))
    assert (caught.value.step, caught.value.errno) == ("setgid", EINVAL)
    assert caught.value.hint == (
        "ID 5 has no mapping inside\n    what helps: a map with a line for ID 5 inside"
    )

"""The doctor: whatever keeps namespaces from being made is made, and found.

Each cause is made for real, in a throwaway process, by `circumstances`; what
cannot be made here is in test_doctor_recorded.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import circumstances
import pytest
from doctor_cases import CASES, Case

pytestmark = pytest.mark.usefixtures("root")


@pytest.fixture(scope="module", autouse=True)
def _end_the_zygote() -> Iterator[None]:
    yield
    circumstances.end()


each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@each_case
def test_a_cause_is_found_where_it_is_made(case: Case) -> None:
    """At the step and with the errno of what fails; of the right kind, as sure as one can be."""
    found = case.found()
    check = found.check(*case.check)
    assert not check.possible
    assert (check.step, check.errno) == (case.step, case.errno)
    assert case.key in [cause.key for cause in check.causes]
    cause = next(cause for cause in check.causes if cause.key == case.key)
    assert (cause.kind, cause.certainty) == (case.kind, case.certainty)
    assert bool(cause.proof) == (case.certainty == "likely")


@each_case
def test_its_evidence_is_what_was_read_or_tried(case: Case) -> None:
    """Where, and what was found there; and the rule's source is named."""
    cause = case.found().cause(case.key)
    for where, what in case.evidence:
        assert any(where in e.where and what in e.found for e in cause.evidence), cause.evidence
    assert cause.source
    assert cause.words[0].islower() or not cause.words[0].isalpha() or cause.words[:2].isupper()


@each_case
def test_nothing_else_is_blamed(case: Case) -> None:
    """The faults are those that were made, what blocks first, first; and what is left works."""
    found = case.found()
    assert found.faults() == case.expected_faults
    assert found.diagnosis.way == case.way
    assert found.diagnosis.ok == bool(case.way)


@each_case
def test_its_fix_says_what_helps_and_who_may(case: Case) -> None:
    """Both are named for everything that can be helped."""
    cause = case.found().cause(case.key)
    assert case.fix in cause.fix
    assert cause.by


@pytest.mark.parametrize("case", [case for case in CASES if case.helps], ids=lambda case: case.name)
def test_the_fix_really_helps(case: Case) -> None:
    """Once it is applied, that cause is gone, and nothing else has come instead."""
    after = case.found().after
    assert after is not None
    assert case.key not in [cause.key for cause in after.causes]
    assert after.faults == ()
    assert after.check(*case.check).possible

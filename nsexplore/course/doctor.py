"""Exercises of the notebook on the doctor."""

from __future__ import annotations

from typing import Any, Final

from ..diagnosis import Check, Diagnosis
from ..exercise import Exercise, brief, is_one

__all__ = ["EXERCISES"]


def _lacks_cgroup_alone(answer: Any) -> str:
    if isinstance(answer, Check):
        return "that is one check; the whole diagnosis is asked for"
    if not isinstance(answer, Diagnosis):
        return f"what diagnose() returns is asked for, a Diagnosis; this is {brief(answer)}"
    tried = [check for check in answer.checks if check.group == "namespaces"]
    refused = {check.name for check in tried if check.possible is False}
    if not refused:
        return "every kind could be made there; is the script at work before the doctor looks?"
    if refused != {"cgroup"}:
        return f"refused there: {', '.join(sorted(refused))}. Which limit is the one of cgroup?"
    if not answer.ok:
        return "no process can be started there at all"
    return ""


EXERCISES: Final = (
    Exercise(
        "doctor.1",
        "the name of an errno, as in errno(3)",
        is_one(
            "ENOSPC",
            {
                "EPERM": "that would be a matter of rights, and it is root in there",
                "ENOMEM": "that one comes where the init of a PID namespace is gone",
                "EINVAL": "nothing is wrong with what is asked for; it is too much of it",
                "EUSERS": "that was it until Linux 4.8, for user namespaces nested too deep",
                "EAGAIN": "that one comes from limits on processes; this limit has another one",
            },
            "section 3 meets it, beside the step that failed",
        ),
        "a limit of /proc/sys/user that is reached is ENOSPC, whoever asks, root included",
    ),
    Exercise(
        "doctor.2",
        "True or False",
        is_one(
            False,
            {
                True: "only one of the two reasons is gone: the first card of section 7 is still"
                " there. What does it say of user namespaces?",
            },
            "True or False?",
        ),
        "the other reason is still there, and one is enough: the kernel makes no user namespace"
        " for a process whose root folder was changed",
    ),
    Exercise(
        "doctor.3",
        "the Diagnosis that diagnose returns",
        _lacks_cgroup_alone,
        "each kind has a limit of its own below /proc/sys/user, and a default start needs no cgroup"
        " namespace",
    ),
)

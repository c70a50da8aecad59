"""A cause that is made, and what the doctor has to say of it."""

from __future__ import annotations

from dataclasses import dataclass
from errno import EPERM

import circumstances as c

FULL = "sub-IDs"
FIRST_NAMESPACE = "in a new user namespace"


@dataclass(frozen=True)
class Case:
    """A cause, how it is made, and what is to be found.

    Attributes
    ----------
    name : str
    made : tuple of Circumstance
    key : str
        Of the cause.
    check : tuple of str
        Which check fails because of it: its name, and how.
    step, errno
        Of that check.
    evidence : tuple of (str, str)
        Where it was read, and what is in there.
    fix : str
        What is in the words of the fix.
    kind, certainty : str
    faults : tuple of str
        All faults that are to be found, by rank; by default this one.
    way : str
        The best way that is left.
    helps : Circumstance
        What the fix says, where it can be done here; and what is possible then.
    """

    name: str
    made: tuple[c.Circumstance, ...]
    key: str
    check: tuple[str, ...]
    step: str
    errno: int | None
    evidence: tuple[tuple[str, str], ...]
    fix: str
    kind: str = "fault"
    certainty: str = "proven"
    faults: tuple[str, ...] | None = None
    way: str = ""
    helps: c.Circumstance = ()

    def found(self) -> c.Found:
        return c.found(*self.made, fix=self.helps)

    @property
    def expected_faults(self) -> list[str]:
        if self.faults is not None:
            return [*self.faults]
        return [self.key] if self.kind == "fault" else []


NO_USER_NAMESPACE = {"check": ("user",), "step": "clone", "errno": EPERM}
NO_SUB_IDS = {"check": (FULL,), "step": "newuidmap", "errno": None, "way": "one ID"}
MOUNTINFO = "/proc/self/mountinfo"
RULE = {"kind": "rule", "faults": ()}

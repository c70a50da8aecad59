"""What the doctor says: checks, the causes of a no, and the evidence for each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from ._renders import Renders
from .origin import Origin

__all__ = ["Brief", "Cause", "Check", "Diagnosis", "Evidence"]


@dataclass(frozen=True, slots=True)
class Evidence(Renders):
    """One thing that was read or tried.

    Attributes
    ----------
    where : str
        The file, field or call: ``"/proc/sys/user/max_net_namespaces"``.
    found : str
        What it said.
    """

    where: str
    found: str


@dataclass(frozen=True, slots=True)
class Cause(Renders):
    """One reason for a no.

    Attributes
    ----------
    key : str
        Its short name, which stays the same: ``"chroot"``, ``"seccomp"`` …
    words : str
        What is the case, in one sentence.
    certainty : {"proven", "likely"}
        Proven: the evidence admits nothing else.
    proof : str
        For a likely one: what would prove it. Else empty.
    evidence : tuple of Evidence
    fix : str
        What would really help; empty where nothing would.
    by : str
        Who may apply it: ``"you"``, ``"the administrator"`` …
    source : str
        Where the rule is written down.
    kind : {"fault", "rule", "option"}
        A *fault* stands in the way of what otherwise works for everybody and can be removed; a
        *rule* is how the kernel means it to be, and `fix` is another way to go; an
        *option* is something that was never set up here, and need not be.
    """

    key: str
    words: str
    certainty: Literal["proven", "likely"]
    proof: str
    evidence: tuple[Evidence, ...]
    fix: str
    by: str
    source: str
    kind: Literal["fault", "rule", "option"]


@dataclass(frozen=True, slots=True)
class Check(Renders):
    """One thing that was tried in a throwaway child.

    Attributes
    ----------
    group : str
        ``"start"``, ``"namespaces"``, ``"ID maps"`` or ``"afterwards"``.
    name : str
        What was tried: ``"uts"``, ``"garden"``, ``"mount /proc"`` …
    how : str
        In which way, where there is more than one: ``"in a new user namespace"``.
    possible : bool or None
        None: it could not even be tried, since nothing that it builds on works.
    step : str
        The step that failed, as in `Timeline`; empty where none did.
    errno : int or None
        What that step answered.
    causes : tuple of Cause
        Why not: the proven ones first, and in the order in which the kernel asks.
    """

    group: Literal["start", "namespaces", "ID maps", "afterwards"]
    name: str
    how: str
    possible: bool | None
    step: str = ""
    errno: int | None = None
    causes: tuple[Cause, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnosis(Renders):
    """What can be done here, now, by this process; where something cannot, exactly why.

    Attributes
    ----------
    system : str
        The kernel and the architecture.
    user : str
        Who asked.
    checks : tuple of Check
        All that was tried, in order.
    recorded : Origin or None
        Where and when, in a recording; None for one made here.
    """

    system: str
    user: str
    checks: tuple[Check, ...]
    recorded: Origin | None = field(default=None, compare=False, repr=False)

    @property
    def way(self) -> str:
        """The first ID map with which garden's namespaces can be made.

        ``"garden"``, ``"sub-IDs"``, ``"one ID"`` or ``"none"`` (no user namespace); empty
        where nothing can be started.
        """
        if any(c.group == "start" and not c.possible for c in self.checks):
            return ""
        ways = (c.name for c in self.checks if c.group == "ID maps" and c.possible)
        return next(ways, "")

    @property
    def ok(self) -> bool:
        """Whether the main job can be done: start a process in garden's namespaces."""
        return bool(self.way)

    @property
    def causes(self) -> tuple[Cause, ...]:
        """All that was found, each once: faults, then rules, then options; the proven first."""
        return ranked(cause for check in self.checks for cause in check.causes)

    @property
    def faults(self) -> tuple[Cause, ...]:
        """What there is to fix. Empty on a healthy machine, whoever asks."""
        return tuple(cause for cause in self.causes if cause.kind == "fault")

    @property
    def brief(self) -> Brief:
        """The same in three lines: what works, what does not and why, what to do."""
        return Brief(self)

    def check(self, name: str, how: str | None = None) -> Check:
        """Return the check of this name (and way); `KeyError` lists those there are."""
        for check in self.checks:
            if check.name == name and how in (None, check.how):
                return check
        known = ", ".join(f"{c.name} ({c.how})" if c.how else c.name for c in self.checks)
        raise KeyError(f"no check {name!r}; there are {known}")


@dataclass(frozen=True, slots=True)
class Brief(Renders):
    """A diagnosis that shows itself in three lines: what works, what does not, what to do.

    Attributes
    ----------
    whole : Diagnosis
    """

    whole: Diagnosis

    @property
    def recorded(self) -> Origin | None:
        """Where and when, in a recording; None for one made here."""
        return self.whole.recorded

    @property
    def reasons(self) -> tuple[Cause, ...]:
        """Why not all works: what there is to fix, else how the kernel means it to be.

        What was never set up here, and need not be, is none.
        """
        rules = tuple(cause for cause in self.whole.causes if cause.kind == "rule")
        return self.whole.faults or rules


_KINDS = ("fault", "rule", "option")


def ranked(causes: Iterable[Cause]) -> tuple[Cause, ...]:
    """Return each cause once, what weighs most first; the order given decides the rest."""
    once: dict[str, Cause] = {}
    for cause in causes:
        once.setdefault(cause.key, cause)
    return tuple(
        sorted(once.values(), key=lambda c: (_KINDS.index(c.kind), c.certainty == "likely"))
    )

"""What every rule of `nsexplore.causes` is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

from ..command import Command
from ..diagnosis import Cause, Evidence
from ..facts import Facts, errno_name
from ..flags import CloneFlags
from ..idmap import IDMap
from ..kinds import KINDS, NamespaceKind
from ..probes import Probes

__all__ = [
    "ADMINISTRATOR",
    "CONTAINER",
    "YOU",
    "Failure",
    "Rule",
    "fault",
    "likely",
    "lines",
    "rule",
    "seen",
    "unexplained",
]

YOU: Final = "you"
ADMINISTRATOR: Final = "the machine's administrator"
CONTAINER: Final = "whoever starts this container or service"


@dataclass(frozen=True, slots=True)
class Failure:
    """A step that failed.

    Attributes
    ----------
    command : Command
    step : str
        As in `Timeline`, or one of the doctor's trials.
    errno : int
    said : str
        What a helper program (newuidmap) wrote; or why the native part could not be loaded.
    """

    command: Command
    step: str
    errno: int
    said: str = ""

    @property
    def kinds(self) -> list[NamespaceKind]:
        """The kinds of namespace that were asked for."""
        return [kind for kind in KINDS if kind.flag in self.command.clone_flags]

    @property
    def new_user(self) -> bool:
        """Whether a new user namespace was asked for."""
        return CloneFlags.NEWUSER in self.command.clone_flags


Rule = Callable[[Failure, Facts, Probes], Iterable[Cause]]


def seen(*pairs: tuple[str, object]) -> tuple[Evidence, ...]:
    """Return evidence: where it was found, and what it was."""
    return tuple(Evidence(where, str(found)) for where, found in pairs)


def lines(known: IDMap) -> str:
    """Return an ID map in one line."""
    return ", ".join(map(str, known)) or "empty"


def fault(
    key: str, words: str, evidence: tuple[Evidence, ...], fix: str, by: str, source: str
) -> Cause:
    """Return what is proven, and can be removed."""
    return Cause(key, words, "proven", "", evidence, fix, by, source, "fault")


def rule(
    key: str, words: str, evidence: tuple[Evidence, ...], fix: str, by: str, source: str
) -> Cause:
    """Return what is proven, and as it should be; `fix` is another way."""
    return Cause(key, words, "proven", "", evidence, fix, by, source, "rule")


def likely(
    key: str,
    words: str,
    proof: str,
    evidence: tuple[Evidence, ...],
    fix: str,
    by: str,
    source: str,
    kind: Literal["fault", "rule", "option"] = "fault",
) -> Cause:
    """Return what may be the cause, and what would prove it."""
    return Cause(key, words, "likely", proof, evidence, fix, by, source, kind)


def unexplained(failure: Failure, facts: Facts) -> Cause:
    """Return what can be said where no rule knows the step to fail like this."""
    label = [("/proc/self/attr/current", facts.label)] if facts.label else []
    seccomp = [("Seccomp in /proc/self/status", facts.seccomp)] if facts.seccomp else []
    return likely(
        "unexplained",
        f"{failure.step} answered {errno_name(failure.errno)}, which no rule of the kernel that is"
        " known here explains: a security module, a sandbox or a kernel of a special kind may"
        " refuse it",
        "the kernel's log (journalctl -k, dmesg) has a line for most refusals by a security module",
        seen(*label, *seccomp),
        "",
        "",
        "",
    )

"""Answers of many hosts to one question: values by host, and why there is none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from .._renders import Renders
from .wire import Problem, Who

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Answer", "Answers"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Renders):
    """What one engine said.

    Attributes
    ----------
    engine : int
        Its number in the cluster.
    host : str
        Its host, as it is called in the tables.
    who : Who or None
        Who has answered; None where nobody has.
    value : object
        A Snapshot, a Diagnosis, a Completed or a ProcessView; None where there is none.
    problem : Problem or None
        Why there is none.
    seconds : float
        From the question to the answer.
    """

    engine: int
    host: str
    who: Who | None
    value: Any
    problem: Problem | None
    seconds: float


class Answers(Renders, Mapping[str, T], Generic[T]):
    """The answers of all hosts: a mapping from a host to its value, where there is one.

    Parameters
    ----------
    answers : iterable of Answer

    Attributes
    ----------
    answers : tuple of Answer
        All of them, in the order of the engines.
    of : type or None
        What the values are; None: who has answered is all that is asked for.
    """

    of: ClassVar[type | None] = None

    def __init__(self, answers: Iterable[Answer]) -> None:
        self.answers = tuple(sorted(answers, key=lambda answer: answer.engine))
        self._values: dict[str, T] = {a.host: a.value for a in self.answers if a.problem is None}

    def __getitem__(self, host: str) -> T:
        try:
            return self._values[host]
        except KeyError:
            problem = next((a.problem for a in self.answers if a.host == host), None)
            if problem is not None:
                raise KeyError(f"{host}: {problem.kind}: {problem.words}") from None
            known = ", ".join([*self._values][:20])
            raise KeyError(f"no host {host!r}; there are {known}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def hosts(self) -> pd.DataFrame:
        """One row a host that was asked: index ``host``.

        Columns ``engine``, ``ok`` (bool), ``error`` (the class of what went wrong), ``words``,
        ``seconds``, ``nsexplore`` (its version), ``python``, ``system``, ``boot_id``, ``pid``,
        ``uid``, ``effective`` (the effective capabilities as a mask).
        """
        from ..tables.hosts import hosts_of

        return hosts_of(self.answers)

    @property
    def failed(self) -> pd.DataFrame:
        """The rows of `hosts` without an answer."""
        hosts = self.hosts
        return hosts[~hosts["ok"]]

"""`fleet`: the calls of one machine, for all engines of an ipyparallel cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from .._renders import Renders
from ..arguments import Argument
from ..origin import encodable
from ..progress import Watching
from .answers import Answer, Answers
from .asking import Asking
from .gathered import Completions, Diagnoses, Snapshots, Views
from .questions import Questions, seconds_of
from .wire import Who

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Fleet", "fleet"]

TIMEOUT: Final = 30.0
"""Seconds for a host, where nothing else is said."""


def fleet(
    client: Any, *, every: bool = False, timeout: float = TIMEOUT, progress: Watching = None
) -> Fleet:
    """Return the hosts on which the engines of a cluster run, having asked each who it is.

    Parameters
    ----------
    client : ipyparallel.Client or a view of one
        Of a view, its targets alone.
    every : bool
        Ask every engine. By default, of several that see the same (one host, the same
        namespaces, UID and capabilities) the first one is asked.
    timeout : float
        Seconds that each host has for an answer, if a call does not say otherwise.
    progress : callable or False, optional
        As in `discover`: called with how many have answered and of how many. By default a bar
        shows where it takes over a second.

    Returns
    -------
    Fleet

    Raises
    ------
    TypeError
        It is no client, nor a view.

    Notes
    -----
    Engines need this package, in whichever version; text in JSON travels, no code and no
    pickles of ours. What ipyparallel itself sends, and who may send it, is up to the cluster:
    everybody who has its key may run anything on it, and an engine may send a client pickles.
    An engine that lies about where it runs can pass for another one's double; ``every=True`` asks
    both.

    Examples
    --------
    >>> import ipyparallel as ipp  # doctest: +SKIP
    >>> hosts = nx.fleet(ipp.Client())  # doctest: +SKIP
    >>> hosts.doctor().why_not("user")  # doctest: +SKIP
    """
    owner, engines = _engines_of(client)
    timeout = seconds_of(timeout)
    labels = {engine: f"engine {engine}" for engine in engines}
    asked: Asking[Answers[None]] = Asking(owner, labels, "who", {}, Answers, timeout, progress)
    return Fleet(owner, asked.gathered().answers, every=every, timeout=timeout, progress=progress)


class Fleet(Renders):
    """Hosts to which the same is asked; made by `fleet`.

    Every call asks all at once, waits for each no longer than `timeout`, and returns answers by
    host; those who have none are in ``.failed``, with the reason. ``asking.discover()`` and the
    like return at once: iterate over what they return for the answers as they come.

    Attributes
    ----------
    present : tuple of Answer
        What each engine said of itself.
    labels : dict of int to str
        The engines that are asked, and what their hosts are called in the tables: the host's
        name; with the number of the engine, where several have it.
    same : dict of int to int
        Engines that see what another one sees, which is asked in their place.
    """

    def __init__(
        self,
        client: Any,
        present: Iterable[Answer],
        *,
        every: bool = False,
        timeout: float = TIMEOUT,
        progress: Watching = None,
    ) -> None:
        self.timeout = timeout
        self._client = client
        self._progress = progress
        found = sorted(present, key=lambda answer: answer.engine)
        self.same = {} if every else _same(found)
        self.labels = _labels([a for a in found if a.engine not in self.same])
        self.present = tuple(
            Answer(a.engine, self.labels.get(a.engine, a.host), a.who, None, a.problem, a.seconds)
            for a in found
        )

    @property
    def hosts(self) -> pd.DataFrame:
        """One row a host; columns as of `Answers.hosts`. Engines that see the same are left out."""
        return Answers(a for a in self.present if a.engine in self.labels).hosts

    @property
    def versions(self) -> dict[str, list[str]]:
        """The versions of nsexplore that answer, and the hosts that have them."""
        found: dict[str, list[str]] = {}
        for answer in self.present:
            if answer.who is not None and answer.engine in self.labels:
                found.setdefault(answer.who.nsexplore, []).append(answer.host)
        return found

    # -- questions --------------------------------------------------------------------

    @property
    def asking(self) -> Questions:
        """The same questions without the waiting: each returns an `Asking`."""
        return Questions(self._client, self.labels, self.timeout, self._progress)

    def discover(self, *, timeout: float | None = None) -> Snapshots:
        """Return the namespaces and processes of every host.

        Parameters
        ----------
        timeout : float, optional
            Seconds for each host.
        """
        return self.asking.discover(timeout=timeout).gathered()

    def doctor(self, *, timeout: float | None = None) -> Diagnoses:
        """Return what every host allows, and why not the rest."""
        return self.asking.doctor(timeout=timeout).gathered()

    def inspect(self, pid: int | None = None, *, timeout: float | None = None) -> Views:
        """Return a process of every host, by its PID there; the engine itself by default."""
        return self.asking.inspect(pid, timeout=timeout).gathered()

    def run(
        self,
        bin_path: Argument,
        *args: Argument,
        input: str | None = None,
        timeout: float | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Argument | None = None,
        **how: Any,
    ) -> Completions:
        """Run a command in new namespaces on every host.

        Parameters
        ----------
        bin_path, *args, input, env, cwd
            As in `NamespacingExecer.run`; programs and folders are the host's.
        timeout : float, optional
            Seconds for the command on each host; then all that it has started is killed.
        **how
            Of `NamespacingExecer`: ``privileged``, ``max_uid``, ``id_map``, ``gid_map``,
            ``clone_flags``, ``propagation``, ``mount_proc``.

        Raises
        ------
        TypeError, ValueError
            Names the argument that does not fit; nothing was asked.
        """
        asking = self.asking.run(
            bin_path, *args, input=input, timeout=timeout, env=env, cwd=cwd, **how
        )
        return asking.gathered()


def _engines_of(client: Any) -> tuple[Any, list[int]]:
    owner = getattr(client, "client", client)
    if not hasattr(owner, "ids") or not hasattr(owner, "abort"):
        raise TypeError(
            f"client must be an ipyparallel Client or a view of one, not {type(client).__name__}"
        )
    targets = None if owner is client else getattr(client, "targets", None)
    if targets is None or targets == "all":
        return owner, list(owner.ids)
    return owner, [targets] if isinstance(targets, int) else list(targets)


def _same(present: Iterable[Answer]) -> dict[int, int]:
    first: dict[Any, int] = {}
    same = {}
    for answer in present:
        if answer.who is not None:
            leader = first.setdefault(_sees(answer.who), answer.engine)
            if leader != answer.engine:
                same[answer.engine] = leader
    return same


def _sees(who: Who) -> object:
    effective = None if who.effective is None else who.effective.mask
    return who.host, who.boot_id, who.uid, effective, tuple(who.here.items())


def _labels(present: Iterable[Answer]) -> dict[int, str]:
    """Return what hosts are called: no two the same, whatever they call themselves."""
    names = {a.engine: (_name(a.who) if a.who is not None else "") or a.host for a in present}
    count = Counter(names.values())
    labels: dict[int, str] = {}
    taken = {name for name in names.values() if count[name] == 1}
    for engine, name in names.items():
        label = name
        if count[name] > 1:
            label = f"{name}/{engine}"
            while label in taken:
                label += f"/{engine}"
            taken.add(label)
        labels[engine] = label
    return labels


def _name(who: Who) -> str:
    return encodable(who.host[:_LONGEST]).strip()


_LONGEST: Final = 64
"""Characters of a host's name: HOST_NAME_MAX of gethostname(2)."""

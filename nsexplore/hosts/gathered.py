"""What many hosts have answered, put together: tables, and questions across all of them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from ..diagnosis import Diagnosis
from ..process import Completed
from ..snapshot import Snapshot
from ..views import ProcessView
from .answers import Answers

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Completions", "Diagnoses", "HostNamespaceID", "Snapshots", "Views"]


class HostNamespaceID(NamedTuple):
    """What identifies a namespace among those of many hosts."""

    host: str
    boot_id: str
    dev: int
    ino: int


class Snapshots(Answers[Snapshot]):
    """The namespaces and processes of many hosts."""

    of = Snapshot

    @property
    def namespaces(self) -> pd.DataFrame:
        """As `Snapshot.namespaces`, with the levels ``host`` and ``row``; made once, yours."""
        return self._frames[0].copy()

    @property
    def processes(self) -> pd.DataFrame:
        """As `Snapshot.processes`, with the levels ``host`` and ``row``."""
        return self._frames[1].copy()

    @property
    def id_maps(self) -> pd.DataFrame:
        """As `Snapshot.id_maps`, with the levels ``host`` and ``row``."""
        return self._frames[2].copy()

    @cached_property
    def _frames(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        from ..tables import hosts

        return hosts.namespaces_of(self), hosts.processes_of(self), hosts.id_maps_of(self)

    @property
    def ids(self) -> dict[HostNamespaceID, str]:
        """Every namespace that was seen, and its kind."""
        return {
            HostNamespaceID(host, snapshot.boot_id, seen.id.dev, seen.id.ino): seen.kind
            for host, snapshot in self.items()
            for seen in snapshot.seen_namespaces
        }

    def overlaps(self) -> pd.DataFrame:
        """Return host IDs to which more than one user namespace maps, on one host or on several.

        Who shares files between two such hosts (NFS, a volume), shares them between the users
        in there as well. The IDs are as each host counts them; a user namespace whose parent
        is not seen does not count: the host's initial one, which has all IDs, and the one that an
        engine lives in itself.

        Returns
        -------
        pandas.DataFrame
            Columns ``map`` ("uid" or "gid"), ``host_id`` (the first), ``size``, ``namespaces``
            and ``hosts`` (how many), ``which`` (the first of the hosts, by name).
        """
        from ..tables import hosts

        return hosts.overlaps_of(self)

    def containers(self) -> pd.DataFrame:
        """Return the containers by host, as their processes' cgroups name them.

        Returns
        -------
        pandas.DataFrame
            Index ``host``, ``container``; columns ``processes`` (how many), ``pid`` (the lowest).
        """
        from ..tables import hosts

        return hosts.containers_of(self.processes)

    def kept_by_mounts(self) -> pd.DataFrame:
        """Return the rows of `namespaces` that nothing but a mount keeps alive."""
        from ..tables import hosts

        return hosts.kept_by_mounts_of(self.namespaces)


class Diagnoses(Answers[Diagnosis]):
    """What many hosts allow, and why not the rest."""

    of = Diagnosis

    @cached_property
    def _frame(self) -> pd.DataFrame:
        from ..tables import hosts

        return hosts.diagnoses_of(self)

    @property
    def frame(self) -> pd.DataFrame:
        """As `diagnosis_frame`, with the levels ``host`` and ``row``."""
        return self._frame.copy()

    def why_not(self, check: str = "user") -> pd.DataFrame:
        """Return why a thing cannot be done, the commonest cause first.

        Parameters
        ----------
        check : str
            What is tried: ``"user"``, ``"net"`` … (a new namespace of that kind), ``"garden"``,
            ``"sub-IDs"``, ``"mount /proc"`` … as in the ``check`` column of `frame`.

        Returns
        -------
        pandas.DataFrame
            Columns ``cause``, ``hosts`` (how many), ``which`` (the first of them, by name),
            ``words``, ``fix``.

        Raises
        ------
        ValueError
            Nothing of that name was tried; the message lists what was.
        """
        from ..tables import hosts

        return hosts.refusals_of(self._frame, check)


class Completions(Answers[Completed]):
    """What a command did on many hosts."""

    of = Completed

    @property
    def frame(self) -> pd.DataFrame:
        """Index ``host``; columns ``returncode``, ``stdout``, ``stderr``."""
        from ..tables import hosts

        return hosts.completions_of(self)


class Views(Answers[ProcessView]):
    """One process of each of many hosts."""

    of = ProcessView

    @property
    def namespaces(self) -> pd.DataFrame:
        """As `namespaces_frame`, compared with each engine's own; levels ``host`` and ``type``."""
        from ..tables import hosts

        return hosts.views_of(self)

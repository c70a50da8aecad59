"""Tables of many hosts: those of one, with a level for the host; and what they have in common."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby, islice
from typing import Any, Final, TypeAlias, TypeVar

import pandas as pd

from ..diagnosis import Diagnosis
from ..hosts.answers import Answer
from ..origin import encodable
from ..process import Completed
from ..snapshot import Snapshot
from ..views import ProcessView
from ._frame import make_frame
from .diagnosis import DIAGNOSIS, diagnosis_rows
from .processes import PROCESS_NAMESPACES, namespaces_frame
from .snapshot import ID_MAPS, NAMESPACES, PROCESSES, map_rows, namespace_rows, process_rows

__all__ = [
    "completions_of",
    "containers_of",
    "diagnoses_of",
    "hosts_of",
    "id_maps_of",
    "kept_by_mounts_of",
    "namespaces_of",
    "overlaps_of",
    "processes_of",
    "refusals_of",
    "views_of",
]

T = TypeVar("T")

_HOSTS: Final = {
    "host": "string",
    "engine": "int64",
    "ok": "bool",
    "error": "string",
    "words": "string",
    "seconds": "float64",
    "nsexplore": "string",
    "python": "string",
    "system": "string",
    "boot_id": "string",
    "pid": "Int64",
    "uid": "Int64",
    "effective": "UInt64",
}
_COMPLETIONS: Final = {
    "host": "string",
    "returncode": "int64",
    "stdout": "string",
    "stderr": "string",
}
_OVERLAPS: Final = {
    "map": "string",
    "host_id": "int64",
    "size": "int64",
    "namespaces": "int64",
    "hosts": "int64",
    "which": "string",
}
_REFUSALS: Final = {
    "cause": "string",
    "hosts": "int64",
    "which": "string",
    "words": "string",
    "fix": "string",
}

_NAMED: Final = 5
"""Hosts that are named where they are counted."""


def hosts_of(answers: Iterable[Answer]) -> pd.DataFrame:
    """Return the frame behind `Answers.hosts`."""
    return make_frame(map(_host, answers), _HOSTS).set_index("host")


def _host(answer: Answer) -> tuple[Any, ...]:
    who, problem = answer.who, answer.problem
    told: tuple[Any, ...] = (None,) * 7
    if who is not None:
        effective = None if who.effective is None else who.effective.mask
        told = (who.nsexplore, who.python, who.system, who.boot_id, who.pid, who.uid, effective)
    wrong = (None, None) if problem is None else (problem.kind, encodable(problem.words))
    return encodable(answer.host), answer.engine, problem is None, *wrong, answer.seconds, *told


# -- those of one, with a level for the host --------------------------------------------


def namespaces_of(snapshots: Mapping[str, Snapshot]) -> pd.DataFrame:
    """Return the frame behind `Snapshots.namespaces`."""
    return _together(snapshots, namespace_rows, NAMESPACES)


def processes_of(snapshots: Mapping[str, Snapshot]) -> pd.DataFrame:
    """Return the frame behind `Snapshots.processes`."""
    return _together(snapshots, process_rows, PROCESSES)


def id_maps_of(snapshots: Mapping[str, Snapshot]) -> pd.DataFrame:
    """Return the frame behind `Snapshots.id_maps`."""
    return _together(snapshots, map_rows, ID_MAPS)


def diagnoses_of(diagnoses: Mapping[str, Diagnosis]) -> pd.DataFrame:
    """Return the frame behind `Diagnoses.frame`."""
    return _together(diagnoses, diagnosis_rows, DIAGNOSIS)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the garbage collector from walking millions of cells, again and again, for cycles."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _together(
    values: Mapping[str, Any],
    rows_of: Callable[[Any], Iterable[Sequence[Any]]],
    dtypes: Mapping[str, str],
) -> pd.DataFrame:
    # One frame for all: a frame for each, put together, takes ten times as long. It has no mark
    # of a recording: what has travelled as one is an answer of now.
    index: list[tuple[str, int]] = []

    def rows() -> Iterator[Sequence[Any]]:
        for host, value in values.items():
            for number, row in enumerate(rows_of(value)):
                index.append((host, number))
                yield row

    with _uncollected():
        frame = make_frame(rows(), dtypes)
    names = [encodable(host) for host, _ in index]
    frame.index = pd.MultiIndex.from_arrays(
        [pd.array(names, dtype="string"), [number for _, number in index]], names=["host", "row"]
    )
    return frame


def completions_of(completions: Mapping[str, Completed]) -> pd.DataFrame:
    """Return the frame behind `Completions.frame`."""
    rows = (
        (encodable(host), done.returncode, encodable(done.stdout), encodable(done.stderr))
        for host, done in completions.items()
    )
    return make_frame(rows, _COMPLETIONS).set_index("host")


def views_of(views: Mapping[str, ProcessView]) -> pd.DataFrame:
    """Return the frame behind `Views.namespaces`."""
    frames = {encodable(host): namespaces_frame(view) for host, view in views.items()}
    if frames:
        return pd.concat(frames, names=["host"])
    levels = {"host": "string", "type": "string"}
    return make_frame((), levels | PROCESS_NAMESPACES).set_index([*levels])


# -- questions across hosts -----------------------------------------------------------------


def overlaps_of(snapshots: Mapping[str, Snapshot]) -> pd.DataFrame:
    """Return the frame behind `Snapshots.overlaps`."""
    ends: dict[str, list[_End]] = {"uid": [], "gid": []}
    for host, snapshot in snapshots.items():
        for seen in snapshot.seen_namespaces:
            if seen.namespace.parent is None:  # the initial one, or one whose parent is hidden
                continue
            for name, idmap in (("uid", seen.uid_map), ("gid", seen.gid_map)):
                for line in idmap or ():
                    last = line.host_id + line.size
                    ends[name].append((line.host_id, 1, host, seen.id.ino))
                    ends[name].append((last, -1, host, seen.id.ino))
    rows = (row for name, found in ends.items() for row in _shared(name, found))
    return make_frame(rows, _OVERLAPS)


_End: TypeAlias = tuple[int, int, str, int]
"""Where a line of a map begins (1) or is over (-1), and whose it is."""


def _shared(name: str, ends: list[_End]) -> Iterator[tuple[str, int, int, int, int, str]]:
    """Yield the stretches of IDs that belong to more than one namespace, from the lowest up."""
    inside: Counter[tuple[str, int]] = Counter()
    hosts: Counter[str] = Counter()  # beside it, or the whole would be quadratic
    first = 0
    for number, found in groupby(sorted(ends), key=lambda end: end[0]):
        changes: Counter[tuple[str, int]] = Counter()
        for _, change, host, ino in found:
            changes[host, ino] += change
        if not any(changes.values()):  # one line goes on where another is over
            continue
        if len(inside) > 1:
            which = _named(list(islice(hosts, _NAMED)), len(hosts))
            yield name, first, number - first, len(inside), len(hosts), which
        first = number
        for (host, ino), change in changes.items():
            _count(inside, (host, ino), change)
            _count(hosts, host, change)


def _count(counter: Counter[T], key: T, change: int) -> None:
    counter[key] += change
    if not counter[key]:
        del counter[key]


def containers_of(processes: pd.DataFrame) -> pd.DataFrame:
    """Return the frame behind `Snapshots.containers`."""
    named = processes[processes["container"].notna()]
    return named.groupby(["host", "container"]).agg(
        processes=pd.NamedAgg("pid", "size"), pid=pd.NamedAgg("pid", "min")
    )


def kept_by_mounts_of(namespaces: pd.DataFrame) -> pd.DataFrame:
    """Return the frame behind `Snapshots.kept_by_mounts`."""
    # That the kernel lists it keeps nothing alive.
    return namespaces[namespaces["found"].isin(["mount", "mount, kernel"])]


def refusals_of(diagnoses: pd.DataFrame, check: str) -> pd.DataFrame:
    """Return the frame behind `Diagnoses.why_not`."""
    tried = diagnoses[diagnoses["check"] == check]
    if tried.empty and not diagnoses.empty:
        known = ", ".join(diagnoses["check"].unique())
        raise ValueError(f"check={check!r} was not tried; what was: {known}")
    refused = tried[~tried["possible"].fillna(False) & tried["cause"].notna()]
    rows = []
    for cause, found in refused.groupby("cause", sort=False):
        hosts = list(dict.fromkeys(found.index.get_level_values("host")))
        first = found.iloc[0]
        which = _named(hosts[:_NAMED], len(hosts))
        rows.append((cause, len(hosts), which, first["words"], first["fix"]))
    rows.sort(key=lambda row: (-row[1], row[0]))
    return make_frame(rows, _REFUSALS)


def _named(hosts: Sequence[str], count: int) -> str:
    """Return the first of so many hosts by name."""
    more = count - len(hosts)
    return ", ".join(map(encodable, hosts)) + (f", … +{more}" if more > 0 else "")

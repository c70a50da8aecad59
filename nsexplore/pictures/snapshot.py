"""Pictures of a whole machine: its namespaces, what holds them, and what was hidden."""

from __future__ import annotations

from collections import Counter
from typing import Final

from ..containers import Container
from ..naming import namespace_name, pid_name
from ..snapshot import PLACES, SeenNamespace, SeenProcess, Sighting, Snapshot
from ..tree import rank
from . import view as _view
from ._escape import visible
from ._html import Html, code, escape, facts, join, muted, section, table, tag
from ._keeping import held, is_held_by_processes, process_name, sighting_words
from ._kinds import by_kind, kind_badge, sign_of
from ._plain import columns, indent
from ._plain import facts as plain_facts
from ._words import credential_rows, plural
from .idmap import maps_html, maps_text

__all__ = [
    "as_html",
    "as_text",
    "container_html",
    "container_text",
    "namespace_html",
    "namespace_text",
    "process_html",
    "process_text",
    "sighting_html",
    "sighting_text",
]

MOST: Final = 30
"""Rows that a table shows; `Snapshot.namespaces` has them all."""

_NOTES: Final = 12

_HELD: Final = "held by no process"
_OTHERS: Final = "in use beside this process's own"
_HEADER: Final = ("namespace", "processes", "the oldest", "UID", "owner", "container")


def as_text(snapshot: Snapshot) -> str:
    """Return what there is, what holds it where no process does, and what was hidden."""
    lines = [_headline(snapshot)]
    if counts := _counts(snapshot):
        lines.append("  " + "  ".join(f"{sign_of(kind)} {kind} {n}" for kind, n in counts))
    lonely, others = _lonely(snapshot), _others(snapshot)
    if lonely:
        shown = columns((_signed(n), held(n, snapshot)) for n in lonely[:MOST])
        lines += ["", f"{_HELD} ({len(lonely)})", *indent([*shown, *_rest(lonely)])]
    if others:
        wide = ((_signed(n), *_cells(n, snapshot)) for n in others[:MOST])
        shown = columns(wide, _HEADER, right="lrlrll")
        lines += ["", f"{_OTHERS} ({len(others)})", *indent([*shown, *_rest(others)])]
    if hidden := _hidden(snapshot):
        lines += ["", "not seen", *indent(hidden)]
    return "\n".join(lines)


def as_html(snapshot: Snapshot) -> Html:
    """Return what there is, what holds it where no process does, and what was hidden."""
    badges = [
        tag("span", kind_badge(kind), f" {n}", class_="nsx-nb") for kind, n in _counts(snapshot)
    ]
    parts = [
        section(
            tag("div", tag("b", _headline(snapshot)), class_="nsx-row"),
            tag("div", *badges, class_="nsx-row"),
        )
    ]
    lonely, others = _lonely(snapshot), _others(snapshot)
    if lonely:
        rows = [(_badge(n), escape(held(n, snapshot), 600)) for n in lonely[:MOST]]
        title = f"{_HELD} ({len(lonely)})"
        parts.append(section(table(title, ("namespace", "held by"), rows), *_more(lonely)))
    if others:
        wide = [(_badge(n), *map(code, _cells(n, snapshot))) for n in others[:MOST]]
        shown = table(f"{_OTHERS} ({len(others)})", _HEADER, wide, class_="nsx-t nsx-seen")
        parts.append(section(shown, *_more(others)))
    if hidden := _hidden(snapshot):
        said = (tag("p", escape(line, 1000), class_="nsx-p") for line in hidden)
        parts.append(section(*said, heading="not seen"))
    return join(parts)


def _headline(snapshot: Snapshot) -> str:
    containers = {p.container for p in snapshot.seen_processes if p.container}
    engines = [container for container in containers if container.engine != "systemd"]
    return " · ".join(
        [
            visible(snapshot.host, 64) or "a machine",
            plural(len(snapshot.seen_namespaces), "namespace"),
            _processes(len(snapshot.seen_processes)),
            *([plural(len(engines), "container")] if engines else []),
        ]
    )


def _processes(count: int) -> str:
    return "1 process" if count == 1 else f"{count} processes"


def _counts(snapshot: Snapshot) -> list[tuple[str, int]]:
    return by_kind(Counter(seen.kind for seen in snapshot.seen_namespaces))


def _lonely(snapshot: Snapshot) -> list[SeenNamespace]:
    return [n for n in _ordered(snapshot) if not is_held_by_processes(n, snapshot)]


def _others(snapshot: Snapshot) -> list[SeenNamespace]:
    """Return those with processes that are neither ours nor parents or owners of ours."""
    others = (n for n in _ordered(snapshot) if n.id not in snapshot.ours)
    return [n for n in others if is_held_by_processes(n, snapshot)]


def _ordered(snapshot: Snapshot) -> list[SeenNamespace]:
    return sorted(snapshot.seen_namespaces, key=lambda seen: rank(seen, snapshot))


def _cells(seen: SeenNamespace, snapshot: Snapshot) -> tuple[str | None, ...]:
    members = snapshot.members(seen.id)
    owner = seen.namespace.owner
    oldest = members[0] if members else None
    uid = oldest.credentials.euid if oldest and oldest.credentials else None
    container = oldest.container if oldest else None
    return (
        str(len(members)),
        process_name(oldest) if oldest else None,
        None if uid is None else str(uid),
        None if owner is None else namespace_name("user", owner),
        None if container is None else _container(container),
    )


def _rest(shown: list[SeenNamespace]) -> list[str]:
    hidden = len(shown) - MOST
    return [f"… +{hidden} more, all in .namespaces"] if hidden > 0 else []


def _more(shown: list[SeenNamespace]) -> list[Html]:
    return [tag("p", muted(line), class_="nsx-p") for line in _rest(shown)]


def _hidden(snapshot: Snapshot) -> list[str]:
    counts = [f"{visible(what)}: {count}" for what, count in snapshot.hidden.items() if count]
    said = [*counts, *(visible(note) for note in snapshot.notes)]
    missing = len(said) - _NOTES
    return said if missing <= 0 else [*said[:_NOTES], f"… +{missing} more, in .hidden and .notes"]


# -- one namespace --------------------------------------------------------------


def namespace_text(seen: SeenNamespace) -> str:
    """Return a namespace, where it was found, and its maps."""
    lines = [_view.namespace_text(seen.namespace), *indent(plain_facts(_netnsid(seen)))]
    lines += ["found", *indent(_found(seen))]
    return "\n".join([*lines, *maps_text(seen.uid_map, seen.gid_map, None)])


def namespace_html(seen: SeenNamespace) -> Html:
    """Return a namespace, where it was found, and its maps."""
    items = (tag("p", escape(line, 600), class_="nsx-p") for line in _found(seen))
    netnsid = [facts("Network namespace ID", rows) for rows in [_netnsid(seen)] if rows]
    return join(
        (
            _view.namespace_html(seen.namespace),
            section(*netnsid, *items, heading="found"),
            maps_html(seen.uid_map, seen.gid_map, None),
        )
    )


def _netnsid(seen: SeenNamespace) -> list[tuple[str, str]]:
    return [] if seen.netnsid is None else [("ID of it here", str(seen.netnsid))]


def _found(seen: SeenNamespace) -> list[str]:
    lines = [sighting_text(sighting) for sighting in seen.sightings[:MOST]]
    missing = len(seen.sightings) - MOST
    return [*lines, f"… +{missing} more, in .sightings"] if missing > 0 else lines or ["nowhere"]


def _signed(seen: SeenNamespace) -> str:
    return f"{sign_of(seen.kind)} {namespace_name(seen.kind, seen.namespace)}"


def _badge(seen: SeenNamespace) -> Html:
    return kind_badge(seen.kind, namespace_name(seen.kind, seen.namespace))


def sighting_text(sighting: Sighting) -> str:
    """Return one place where a namespace was found."""
    if sighting.place in ("children", "thread", "fd", "socket", "mount"):
        words = sighting_words(sighting)
        if sighting.place != "mount" or sighting.pid is None:
            return f"{sighting.place}: {words}"
        return f"{sighting.place}: {words}, seen by process {pid_name(sighting.pid)}"
    where = None if sighting.pid is None else f"process {pid_name(sighting.pid)}"
    rest = ", ".join(word for word in (where, sighting_words(sighting)) if word)
    return f"{sighting.place}: {rest or PLACES.get(sighting.place, '')}"


def sighting_html(sighting: Sighting) -> Html:
    """Return one place where a namespace was found."""
    meaning = PLACES.get(sighting.place, "")
    return section(tag("p", escape(sighting_text(sighting), 600), class_="nsx-p"), muted(meaning))


# -- one process ----------------------------------------------------------------


def process_text(process: SeenProcess) -> str:
    """Return a process in a few lines."""
    lines = [_process_head(process), *indent(plain_facts(_process(process)))]
    rows = ((f"{sign_of(kind)} {kind}", name) for kind, name in _namespaces(process))
    lines += ["namespaces", *indent(columns(rows) or ["none could be read"])]
    return "\n".join(lines)


def process_html(process: SeenProcess) -> Html:
    """Return a process: what it is, and its namespaces."""
    rows = [(name, tag("code", escape(value, 8192))) for name, value in _process(process)]
    badges = [kind_badge(kind, name) for kind, name in _namespaces(process)]
    shown = badges or [muted("namespaces: none could be read")]
    return section(
        tag("div", tag("b", _process_head(process)), class_="nsx-row"),
        facts("The process", rows),
        tag("div", *shown, class_="nsx-row"),
    )


def _process_head(process: SeenProcess) -> str:
    words = [f"process {pid_name(process.pid)} ({visible(process.comm, 64)})"]
    if len(process.nspid) > 1:
        words.append(f"{process.nspid[-1]} inside")
    return " · ".join(words)


def _process(process: SeenProcess) -> list[tuple[str, str]]:
    rows = [
        ("command", visible(process.command) or "none: a kernel thread or a zombie"),
        ("parent", pid_name(process.ppid)),
        ("threads", str(process.threads)),
    ]
    if process.credentials is not None:
        ids = credential_rows(process.credentials, None)
        rows += [(name, str(value)) for name, value, _ in ids]
    if process.effective is not None:
        rows.append(("effective", visible(str(process.effective))))
    if process.container is not None:
        rows.append(("container", _container(process.container)))
    return rows


def _namespaces(process: SeenProcess) -> list[tuple[str, str]]:
    return [
        (visible(kind, 20), namespace_name(visible(kind, 20), identity))
        for kind, identity in process.namespaces.items()
    ]


# -- a container ----------------------------------------------------------------


def _container(container: Container) -> str:
    # A name of 64 digits is told by its first 12, as the engines do.
    name = container.name[:12] if len(container.name) == 64 else container.name
    return visible(f"{container.engine}:{name}", 60)


def container_text(container: Container) -> str:
    """Return the engine and the name."""
    return f"{visible(container.engine, 40)}: {visible(container.name)}"


def container_html(container: Container) -> Html:
    """Return the engine and the name."""
    rows = [("engine", code(container.engine)), ("name", code(container.name))]
    return section(facts("What it belongs to", rows))

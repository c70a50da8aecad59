"""Pictures of a process at one moment, of a namespace, and of capabilities."""

from __future__ import annotations

from ..capabilities import Capabilities
from ..flags import CloneFlags
from ..kinds import KINDS, NamespaceKind
from ..naming import is_stable, namespace_name, number_name, pid_name
from ..views import Namespace, NamespaceID, ProcessView
from ._escape import visible
from ._html import Html, badge, code, escape, facts, join, muted, section, table, tag
from ._plain import columns, indent
from ._plain import facts as plain_facts
from ._words import capability_rows, credential_rows, listed, moment, unmapped, view_facts
from .idmap import maps_html, maps_text

__all__ = [
    "as_html",
    "as_text",
    "capabilities_html",
    "capabilities_text",
    "namespace_html",
    "namespace_text",
]

_CAPABILITIES_COUNT = "they count in its own user namespace and below, never outside"


def as_text(view: ProcessView, flags: CloneFlags | None = None) -> str:
    """Return the view as aligned text; `flags` tells new namespaces from shared ones."""
    lines = [
        _header(view),
        *indent(plain_facts([("seen", moment(view)), *view_facts(view)])),
        "namespaces",
        *indent(_namespaces_text(view, flags)),
    ]
    if view.credentials is not None:
        ids = credential_rows(view.credentials, view.inside)
        rows = columns(ids, ("", "outside", "inside"), right="lrr")
        lines += ["credentials", *indent([*rows, *unmapped(view)])]
    lines += maps_text(view.uid_map, view.gid_map, view.setgroups)
    if view.capabilities is not None:
        lines += capabilities_text(view.capabilities).splitlines()
    if view.unreadable:
        lines += ["not readable", *indent(plain_facts(_unreadable(view)))]
    return "\n".join(lines)


def as_html(view: ProcessView, flags: CloneFlags | None = None) -> Html:
    """Return the view as tables; `flags` tells new namespaces from shared ones."""
    head = tag("div", tag("b", _header(view)), muted(moment(view)), class_="nsx-row")
    rows = [(name, tag("code", escape(value, 8192))) for name, value in view_facts(view)]
    parts = [
        section(head, facts("The process", rows)),
        section(_namespaces_html(view, flags), _credentials_html(view), class_="nsx-flow"),
        maps_html(view.uid_map, view.gid_map, view.setgroups),
    ]
    if view.capabilities is not None:
        parts.append(capabilities_html(view.capabilities))
    if view.unreadable:
        reasons = [(name, escape(reason)) for name, reason in _unreadable(view)]
        parts.append(section(facts("Not readable", reasons), heading="not readable"))
    return join(parts)


def _header(view: ProcessView) -> str:
    words = [f"process {pid_name(view.pid)} ({visible(view.comm, 64)})", _state(view)]
    if len(view.nspid) > 1:
        words.append(f"{view.nspid[-1]} inside")
    return " · ".join(word for word in words if word)


def _state(view: ProcessView) -> str:
    # Whether it runs or has fallen asleep already is chance.
    return "" if is_stable() and view.state[:1] in "RSD" else visible(view.state, 40)


def _unreadable(view: ProcessView) -> list[tuple[str, str]]:
    # What one right would have opened is one row.
    names: dict[str, list[str]] = {}
    for name, reason in view.unreadable.items():
        names.setdefault(reason, []).append(name)
    rows = [(_together(n), visible(reason)) for reason, n in list(names.items())[:24]]
    hidden = len(names) - 24
    return rows if hidden <= 0 else [*rows, ("…", f"+{hidden}")]


def _together(names: list[str]) -> str:
    links = {f"ns/{kind.name}" for kind in KINDS}
    if links <= set(names):
        first = next(name for name in names if name in links)
        names = [
            "ns/* (all eight)" if name == first else name
            for name in names
            if name == first or name not in links
        ]
    return listed(names)


# -- namespaces -----------------------------------------------------------------


def _seen(view: ProcessView) -> list[tuple[NamespaceKind, Namespace]]:
    return [(kind, view.namespaces[kind.name]) for kind in KINDS if kind.name in view.namespaces]


def _user(identity: NamespaceID | None) -> str | None:
    return None if identity is None else namespace_name("user", identity)


def _parent(namespace: Namespace) -> str | None:
    parent = namespace.parent
    return None if parent is None else namespace_name(visible(namespace.kind, 20), parent)


def _name(namespace: Namespace) -> str:
    return visible(namespace_name(namespace.kind, namespace), 100)


def _word(kind: NamespaceKind, flags: CloneFlags | None) -> tuple[str, ...]:
    if flags is None:
        return ()
    return ("new" if kind.flag in flags else "shared",)


def _namespaces_text(view: ProcessView, flags: CloneFlags | None) -> list[str]:
    header = ("kind", "identity", *(() if flags is None else ("",)), "owner", "parent")
    rows = (
        (kind.name, _name(ns), *_word(kind, flags), _user(ns.owner), _parent(ns))
        for kind, ns in _seen(view)
    )
    return columns(rows, header) if view.namespaces else ["none could be read"]


def _namespaces_html(view: ProcessView, flags: CloneFlags | None) -> Html:
    header = ("kind", "identity", *(() if flags is None else ("",)), "owner", "parent")
    rows = []
    for kind, ns in _seen(view):
        new = flags is None or kind.flag in flags
        words = _word(kind, flags)
        rows.append(
            (
                badge(kind, kind.name, sign="✓" if words == ("new",) else ""),
                tag("code", _name(ns), class_="" if new else "nsx-mut"),
                *(tag("b", w) if new else muted(w) for w in words),
                code(_user(ns.owner)),
                code(_parent(ns)),
            )
        )
    if not rows:
        return tag("div", tag("div", "namespaces: none could be read", class_="nsx-h"))
    return tag("div", table("namespaces", header, rows, class_="nsx-t nsx-ns"))


def _credentials_html(view: ProcessView) -> Html:
    if view.credentials is None:
        return tag("div", tag("div", "credentials: not readable", class_="nsx-h"))
    ids = credential_rows(view.credentials, view.inside)
    rows = ((name, code(out), code(inside)) for name, out, inside in ids)
    shown = table("credentials", ("", "outside", "inside"), rows, class_="nsx-t nsx-n")
    return tag("div", shown, *(tag("p", n, class_="nsx-p nsx-mut") for n in unmapped(view)))


def namespace_text(namespace: Namespace) -> str:
    """Return one namespace in a few lines."""
    return "\n".join([_name(namespace), *indent(plain_facts(_details(namespace)))])


def namespace_html(namespace: Namespace) -> Html:
    """Return one namespace: its badge and what is known of it."""
    kind = next((k for k in KINDS if k.name == namespace.kind), None)
    name = visible(namespace.kind, 20)
    head = muted(name) if kind is None else badge(kind, name)
    rows = [(label, tag("code", value)) for label, value in _details(namespace)]
    link = tag("code", _name(namespace))
    return section(tag("div", head, link, class_="nsx-row"), facts("The namespace", rows))


def _details(namespace: Namespace) -> list[tuple[str, object]]:
    kind = next((k for k in KINDS if k.name == namespace.kind), None)
    unique = None if namespace.unique_id is None else number_name(namespace.unique_id)
    rows: list[tuple[str, object | None]] = [
        ("isolates", f"{kind.isolates}, {kind.man}" if kind else None),
        ("device", number_name(namespace.dev)),
        ("inode", number_name(namespace.ino)),
        ("owner", _user(namespace.owner)),
        ("parent", _parent(namespace)),
        ("created by", None if namespace.owner_uid is None else f"UID {namespace.owner_uid}"),
        ("unique ID", unique),
    ]
    return [(label, value) for label, value in rows if value is not None]


# -- capabilities ---------------------------------------------------------------


def capabilities_text(capabilities: Capabilities) -> str:
    """Return the five sets, summarised."""
    rows = [(name, value) for name, value in capability_rows(capabilities)]
    return "\n".join([f"capabilities: {_CAPABILITIES_COUNT}", *indent(plain_facts(rows))])


def capabilities_html(capabilities: Capabilities) -> Html:
    """Return the five sets, summarised."""
    rows = [(name, tag("code", escape(v, 4096))) for name, v in capability_rows(capabilities)]
    return section(
        facts("Capabilities", rows),
        heading=join((tag("span", "capabilities"), muted(f" · {_CAPABILITIES_COUNT}"))),
    )

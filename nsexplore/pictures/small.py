"""Pictures of the small values: kinds and identities of namespaces, IDs, capabilities."""

from __future__ import annotations

from textwrap import wrap

from ..capabilities import CapabilitySet
from ..idmap import IDMap, IDMapping
from ..kinds import Kinds, NamespaceKind
from ..naming import number_name
from ..views import Credentials, NamespaceID
from . import idmap
from ._html import Html, badge, code, escape, facts, section, table, tag
from ._kinds import kind_badge
from ._plain import columns, indent
from ._plain import facts as plain_facts
from ._words import credential_rows, listed

__all__ = [
    "capability_set_html",
    "capability_set_text",
    "credentials_html",
    "credentials_text",
    "id_html",
    "id_text",
    "kind_html",
    "kind_text",
    "kinds_html",
    "kinds_text",
    "mapping_html",
    "mapping_text",
]


def kind_text(kind: NamespaceKind) -> str:
    """Return a kind of namespace in a few lines."""
    return "\n".join([kind.name, *indent(plain_facts(_kind(kind)))])


def kind_html(kind: NamespaceKind) -> Html:
    """Return a kind of namespace: its badge and what it is."""
    rows = [(name, tag("code", value)) for name, value in _kind(kind)]
    head = tag("div", badge(kind, kind.name), class_="nsx-row")
    return section(head, facts("The kind of namespace", rows))


_COLUMNS = ("kind", "isolates", "flag", "since", "manual page")


def kinds_text(kinds: Kinds) -> str:
    """Return kinds of namespaces as a table, each with its sign."""
    rows = [(f"{k.sign} {k.name}", k.isolates, k.flag_name, _since(k), k.man) for k in kinds]
    return "\n".join(columns(rows, _COLUMNS))


def kinds_html(kinds: Kinds) -> Html:
    """Return kinds of namespaces as a table, each with its colour and sign."""
    rows = (
        (kind_badge(k.name), k.isolates, code(k.flag_name), _since(k), code(k.man)) for k in kinds
    )
    return section(table("kinds of namespaces", _COLUMNS, rows, class_="nsx-t nsx-kinds"))


def _since(kind: NamespaceKind) -> str:
    return f"Linux {kind.since}"


def _kind(kind: NamespaceKind) -> list[tuple[str, str]]:
    return [
        ("flag", f"{kind.flag_name} = {int(kind.flag):#010x}"),
        ("isolates", kind.isolates),
        ("since", _since(kind)),
        ("man", kind.man),
    ]


def id_text(identity: NamespaceID) -> str:
    """Return both numbers in one line."""
    device, inode = number_name(identity.dev), number_name(identity.ino)
    return f"namespace on device {device}, inode {inode}"


def id_html(identity: NamespaceID) -> Html:
    """Return both numbers."""
    numbers = (("device", identity.dev), ("inode", identity.ino))
    rows = [(name, code(number_name(number))) for name, number in numbers]
    return section(facts("The namespace", rows))


def mapping_text(mapping: IDMapping) -> str:
    """Return one line of a map as the map that it is alone."""
    return idmap.as_text(IDMap([mapping]))


def mapping_html(mapping: IDMapping) -> Html:
    """Return one line of a map as the map that it is alone."""
    return idmap.as_html(IDMap([mapping]))


def credentials_text(credentials: Credentials) -> str:
    """Return the IDs as a table; alike ones in one row."""
    rows = [row[:2] for row in credential_rows(credentials, None)]
    return "\n".join(["credentials", *indent(columns(rows, right="lr"))])


def credentials_html(credentials: Credentials) -> Html:
    """Return the IDs as a table; alike ones in one row."""
    rows = [(name, code(ids)) for name, ids, _ in credential_rows(credentials, None)]
    return section(facts("Credentials", rows), heading="credentials")


def capability_set_text(capabilities: CapabilitySet) -> str:
    """Return how many there are, and their names."""
    return "\n".join([_count(capabilities), *indent(wrap(_names(capabilities), 96))])


def capability_set_html(capabilities: CapabilitySet) -> Html:
    """Return how many there are, and their names."""
    names = _names(capabilities)
    return section(
        *([tag("code", escape(names, 8192))] if names else []), heading=_count(capabilities)
    )


def _count(capabilities: CapabilitySet) -> str:
    count = len(capabilities)
    return "1 capability" if count == 1 else f"{count or 'no'} capabilities"


def _names(capabilities: CapabilitySet) -> str:
    return listed(capabilities.names, 64)

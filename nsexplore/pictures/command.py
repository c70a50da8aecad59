"""Pictures of a command: what will be asked of the kernel."""

from __future__ import annotations

from ..command import Command
from ._escape import visible
from ._html import Html, badge, escape, facts, join, muted, section, tag
from ._plain import facts as plain_facts
from ._plain import indent
from ._words import PRIVILEGED, command_facts, kinds_by_set
from .idmap import maps_html, maps_text

__all__ = ["as_html", "as_text", "clone_html"]


def as_text(command: Command) -> str:
    """Return the command as aligned text."""
    new, shared = kinds_by_set(command)
    flags = " | ".join(kind.flag_name for kind in new) or "0"
    lines = [f"clone({flags}) = {_hex(command)}"]
    if command.lookup_error:
        lines.insert(0, f"CANNOT START: {visible(command.lookup_error, 1000)}")
    kinds = [
        ("new", " ".join(kind.name for kind in new) or "none"),
        ("shared", " ".join(kind.name for kind in shared) or "none"),
    ]
    lines += indent(plain_facts([*kinds, *command_facts(command)]))
    if command.privileged:
        lines.append(PRIVILEGED)
    lines += maps_text(command.uid_mappings, command.gid_mappings, _setgroups(command))
    return "\n".join(lines)


def as_html(command: Command) -> Html:
    """Return the command as badges, facts, maps and ribbons."""
    parts = [section(clone_html(command))]
    if command.lookup_error:
        sentence = join((tag("b", "Cannot start: "), escape(command.lookup_error, 1000)))
        parts.insert(0, section(tag("p", sentence, class_="nsx-p nsx-bad", role="alert")))
    if command.privileged:
        parts.append(section(tag("p", PRIVILEGED, class_="nsx-p nsx-warn")))
    parts.append(maps_html(command.uid_mappings, command.gid_mappings, _setgroups(command)))
    rows = [(name, tag("code", escape(value, 8192))) for name, value in command_facts(command)]
    parts.append(section(facts("What will be started, and how", rows)))
    return join(parts)


def clone_html(command: Command) -> Html:
    """Return the line ``clone( … ) = 0x7c020000``, each flag a badge."""
    new, shared = kinds_by_set(command)
    return tag(
        "div",
        muted("clone("),
        *(badge(kind, kind.flag_name, sign="✓") for kind in new),
        *(badge(kind, kind.flag_name, on=False) for kind in shared),
        tag("span", muted(") = "), tag("code", _hex(command)), class_="nsx-nb"),
        class_="nsx-row",
    )


def _hex(command: Command) -> str:
    return f"{int(command.clone_flags):#010x}"


def _setgroups(command: Command) -> str:
    return "allow" if command.gid_mappings_enable_setgroups else "deny"

"""Pictures of a command, what will be asked of the kernel, and of what plans it."""

from __future__ import annotations

from dataclasses import replace

from ..command import Command
from ..execer import NamespacingExecer
from ..flags import ALL_NAMESPACES, CloneFlags
from ..kinds import kind_of_name
from ._escape import visible
from ._html import Html, badge, escape, facts, folded, join, muted, section, tag
from ._plain import facts as plain_facts
from ._plain import indent
from ._words import PRIVILEGED, command_facts, executer_facts, kinds_by_set
from .idmap import maps_html, maps_text

__all__ = [
    "as_html",
    "as_text",
    "clone_html",
    "clone_text",
    "entered_html",
    "executer_html",
    "executer_text",
    "flags_html",
    "notes_html",
    "notes_text",
]


def as_text(command: Command) -> str:
    """Return the command as aligned text."""
    return "\n".join(_lines(command, command_facts(command)))


def as_html(command: Command) -> Html:
    """Return the command as badges, facts, maps and ribbons, and as a shell says it."""
    parts = _parts(command, "What will be started, and how", command_facts(command))
    return join([*parts, _shell_html(command)])


# -- flags ----------------------------------------------------------------------


def clone_text(flags: CloneFlags) -> str:
    """Return the line ``clone(CLONE_NEWPID | CLONE_NEWNET) = 0x60000000``."""
    names = [kind.flag_name for kind in kinds_by_set(flags)[0]]
    return f"clone({' | '.join([*names, *_others(flags)]) or '0'}) = {_hex(flags)}"


def clone_html(flags: CloneFlags) -> Html:
    """Return the line ``clone( … ) = 0x7c020000``, each flag a badge."""
    new, shared = kinds_by_set(flags)
    return tag(
        "div",
        muted("clone("),
        *(badge(kind, kind.flag_name, sign="✓") for kind in new),
        *(tag("code", other) for other in _others(flags)),
        *(badge(kind, kind.flag_name, on=False) for kind in shared),
        tag("span", muted(") = "), tag("code", _hex(flags)), class_="nsx-nb"),
        class_="nsx-row",
    )


def flags_html(flags: CloneFlags) -> Html:
    """Return bare flags."""
    return section(clone_html(flags))


def _hex(flags: CloneFlags) -> str:
    return f"{int(flags):#010x}"


def _others(flags: CloneFlags) -> list[str]:
    others = int(flags) & ~int(ALL_NAMESPACES)
    return [hex(others)] if others else []


# -- what plans commands --------------------------------------------------------

_EXECUTER = "NamespacingExecer · what every command of it gets"


def executer_text(executer: NamespacingExecer) -> str:
    """Return what any command of it would ask for, or why it can ask for none."""
    plan = _any_plan(executer)
    if isinstance(plan, Command):
        return "\n".join([_EXECUTER, *_lines(plan, executer_facts(plan))])
    flags = _flags(executer)
    lines = [_EXECUTER, f"CANNOT PLAN: {visible(plan)}", clone_text(flags)]
    return "\n".join([*lines, *([PRIVILEGED] if CloneFlags.NEWUSER not in flags else [])])


def executer_html(executer: NamespacingExecer) -> Html:
    """Return what any command of it would ask for, or why it can ask for none."""
    head = section(tag("b", _EXECUTER))
    plan = _any_plan(executer)
    if isinstance(plan, Command):
        return join((head, *_parts(plan, "What every command gets", executer_facts(plan))))
    flags = _flags(executer)
    warning = _privileged_html() if CloneFlags.NEWUSER not in flags else ""
    return join((head, _alarm("Cannot plan: ", plan), section(clone_html(flags)), warning))


def _any_plan(executer: NamespacingExecer) -> Command | str:
    try:
        # Whether there is such a program is no matter of the executer's.
        return replace(executer.plan("true"), lookup_error=None)
    except Exception as error:  # an extra file is any object with a fileno() of its own
        return str(error) or type(error).__name__


def _flags(executer: NamespacingExecer) -> CloneFlags:
    if executer.clone_flags is not None:
        return executer.clone_flags
    return CloneFlags.garden(privileged=executer.privileged)


# -- what they share ------------------------------------------------------------


def _lines(command: Command, rows: list[tuple[str, str]]) -> list[str]:
    new, shared = kinds_by_set(command.clone_flags)
    lines = [clone_text(command.clone_flags)]
    if command.lookup_error:
        lines.insert(0, f"CANNOT START: {visible(command.lookup_error, 1000)}")
    kinds = [
        ("new", " ".join(kind.name for kind in new) or "none"),
        ("shared", " ".join(k.name for k in shared if k.name not in command.enters) or "none"),
    ]
    lines += indent(plain_facts([*_entered(command), *kinds, *rows]))
    if command.privileged:
        lines.append(PRIVILEGED)
    lines += notes_text(command)
    return lines + maps_text(command.uid_mappings, command.gid_mappings, _setgroups(command))


def _parts(command: Command, caption: str, rows: list[tuple[str, str]]) -> list[Html]:
    parts = [section(clone_html(command.clone_flags))]
    parts += entered_html(command)
    if command.lookup_error:
        parts.insert(0, _alarm("Cannot start: ", command.lookup_error))
    if command.privileged:
        parts.append(_privileged_html())
    parts += notes_html(command)
    parts.append(maps_html(command.uid_mappings, command.gid_mappings, _setgroups(command)))
    rows = [*_entered(command), *rows]
    cells = [(name, tag("code", escape(value, 8192))) for name, value in rows]
    return [*parts, section(facts(caption, cells))]


def _shell_html(command: Command) -> Html:
    """Return the command line that does the same, to be unfolded."""
    if command.env:  # names only, as above
        command = replace(command, env=dict.fromkeys(command.env, "…"))
    shown = visible(command.as_shell(), 8192, keep="\n")
    lines = Html("\n".join(escape(line, len(line)) for line in shown.split("\n")))
    parts: list[object] = [tag("pre", lines, class_="nsx-pre", style="max-height:none")]
    if command.env:
        parts.append(tag("p", muted("… stands for a value: as_shell() has them"), class_="nsx-p"))
    return folded("in a shell", section(*parts))


def entered_html(command: Command) -> list[Html]:
    """Return the namespaces that are entered, in their order; none where there are none."""
    if not command.joins:
        return []
    badges = (badge(kind_of_name(kind), kind, sign="→") for kind in command.enters)
    return [section(tag("div", muted("setns("), *badges, muted(")"), class_="nsx-row"))]


def _entered(command: Command) -> list[tuple[str, str]]:
    """Return what leads to each namespace that is entered, in their order."""
    return [(f"enters {join.kind}", visible(join.source, 200)) for join in command.joins]


def notes_text(command: Command) -> list[str]:
    """Return in which way the command is less than it could be, a line each."""
    return [f"note: {visible(note, 1000)}" for note in command.notes]


def notes_html(command: Command) -> list[Html]:
    """Return the same as a section; none where there is nothing to say."""
    notes = [
        tag("p", join((tag("b", "Note: "), escape(note, 1000))), class_="nsx-p")
        for note in command.notes
    ]
    return [section(*notes)] if notes else []


def _alarm(what: str, why: str) -> Html:
    sentence = join((tag("b", what), escape(why, 1000)))
    return section(tag("p", sentence, class_="nsx-p nsx-bad", role="alert"))


def _privileged_html() -> Html:
    return section(tag("p", PRIVILEGED, class_="nsx-p nsx-warn"))


def _setgroups(command: Command) -> str:
    return "allow" if command.gid_mappings_enable_setgroups else "deny"

"""Pictures of a started process: running, completed, or stopped at a step of its start."""

from __future__ import annotations

from ..command import Command
from ..flags import CloneFlags
from ..naming import pid_name
from ..process import Completed, Process
from ..stepping import Step
from ..views import ProcessView
from . import timeline as _timeline
from . import view as _view
from ._escape import output, shell, visible
from ._html import Html, escape, folded, join, muted, section, tag
from ._plain import facts, indent
from ._words import PRIVILEGED, credential_rows, exit_status, kinds_by_set, moment
from .command import clone_html, entered_html, notes_html, notes_text

__all__ = [
    "completed_html",
    "completed_text",
    "history_html",
    "history_text",
    "process_html",
    "process_text",
    "step_html",
    "step_text",
]


# -- running --------------------------------------------------------------------


def process_text(process: Process) -> str:
    """Return whether it runs, what it is, and how it was born."""
    return "\n".join([_process_head(process), f"  {_args(process)}", *history_text(process)])


def process_html(process: Process) -> Html:
    """Return whether it runs, what it is, and how it was born."""
    head = tag("div", tag("b", _process_head(process)), class_="nsx-row")
    args = tag("code", escape(_args(process), 8192))
    return join((section(head, args), *history_html(process, open_=True)))


def _process_head(process: Process) -> str:
    if process.birth is None and not process.timeline:
        # A real start leaves at least its timeline.
        return f"process {pid_name(process.pid)} · recorded only: nothing was started"
    code = process.poll()
    state = "running" if code is None else f"ended: {exit_status(code)}"
    # A recorded one had its number where it ran; here it has none that means anything.
    pid = process.birth.pid if process.recorded and process.birth else process.pid
    return f"process {pid_name(pid)} · {state}"


# -- completed ------------------------------------------------------------------


def completed_text(done: Completed) -> str:
    """Return how it ended, what it wrote, and how it was born."""
    lines = [exit_status(done.returncode), f"  {_args(done)}"]
    for name, stream in _streams(done):
        if not stream:
            lines.append(f"{name}  (empty)")
        else:
            # Only "\n" ends a line here: every other separator is a visible escape by now.
            shown = output(stream, f".{name}").removesuffix("\n").split("\n")
            lines += [name, *(f"  {line}" for line in shown)]
    return "\n".join([*lines, *history_text(done)])


def completed_html(done: Completed) -> Html:
    """Return how it ended, what it wrote, and, folded, how it was born."""
    ok = done.returncode == 0
    word = f"{'✓' if ok else '✗'} {exit_status(done.returncode)}"
    head = tag(
        "div",
        tag("b", word, class_="nsx-ok" if ok else "nsx-bad"),
        tag("code", escape(_args(done), 8192)),
        class_="nsx-row",
    )
    streams = (_stream_html(name, stream) for name, stream in _streams(done))
    return join((section(head), section(*streams), *history_html(done)))


def _streams(done: Completed) -> tuple[tuple[str, str], ...]:
    return ("stdout", done.stdout), ("stderr", done.stderr)


def _stream_html(name: str, stream: str) -> Html:
    if not stream:
        return tag("p", muted(f"{name}: empty"), class_="nsx-p")
    shown = Html(_escape_output(output(stream, f".{name}")))
    return join((tag("div", name, class_="nsx-h"), tag("pre", shown, class_="nsx-pre")))


def _escape_output(shown: str) -> str:
    # `output` bounded it and left lines and tabs alone, which `escape` would not.
    return "\n".join(
        "\t".join(escape(cell, 65536) for cell in line.split("\t")) for line in shown.split("\n")
    )


# -- stopped --------------------------------------------------------------------


def step_text(step: Step) -> str:
    """Return where the start has stopped, and the process as it is there."""
    way = " > ".join(f"[{state}]" if here else state for state, here in _way(step))
    view, why = _look(step)
    seen = f"no view: {why}" if view is None else _view.as_text(view, _told_apart(step.command))
    lines = [f"step · {way}", f"  {shell(step.command.args)}", seen]
    return "\n".join([*lines, _timeline.headline(step.timeline)])


def step_html(step: Step) -> Html:
    """Return where the start has stopped, and the process as it is there."""
    way = [
        tag("li", state, class_="nsx-here" if here else None, aria_current="step" if here else None)
        for state, here in _way(step)
    ]
    view, why = _look(step)
    parts = [section(tag("ol", *way, class_="nsx-way", aria_label="Steps of the start"))]
    if view is None:
        parts.append(section(tag("p", muted(f"no view: {why}"), class_="nsx-p")))
    else:
        parts.append(_view.as_html(view, _told_apart(step.command)))
    return join((*parts, *_timeline_html(step)))


def _way(step: Step) -> list[tuple[str, bool]]:
    states = [*step.states]
    if step.state not in states:  # "ended"
        states.append(step.state)
    return [(visible(state, 40), state == step.state) for state in states]


def _look(step: Step) -> tuple[ProcessView | None, str]:
    try:
        return step.view(), ""
    except (OSError, ValueError, RuntimeError) as problem:
        # A step that has ended has nothing to look at: say so instead of failing to show.
        return None, visible(getattr(problem, "strerror", None) or problem)


# -- what they share ------------------------------------------------------------


def _args(started: Process | Completed) -> str:
    return shell(started.args)


def history_text(started: Process | Completed) -> list[str]:
    """Return how it was born: privileged or not, its birth, its timeline."""
    lines: list[str] = []
    if started.command.privileged:
        lines.append(PRIVILEGED)
    lines += notes_text(started.command)
    if started.birth is not None:
        lines += ["birth (all of it in .birth)", *indent(_birth(started.birth, started.command))]
    return [*lines, _timeline.headline(started.timeline)]


def _birth(birth: ProcessView, command: Command) -> list[str]:
    new, shared = kinds_by_set(command.clone_flags)
    rows = [("seen", moment(birth)), ("new", " ".join(kind.name for kind in new) or "none")]
    if command.joins:
        rows.append(("entered", " ".join(command.enters)))
    others = [kind.name for kind in shared if kind.name not in command.enters]
    rows.append(("shared", " ".join(others) or "none"))
    rows += [
        (name, f"{out} outside, {'not readable' if inside is None else inside} inside")
        for name, out, inside in credential_rows(birth.credentials, birth.inside)
        if out is not None and name != "groups"
    ]
    if len(birth.nspid) > 1:
        rows.append(("pid", f"{pid_name(birth.nspid[0])} outside, {birth.nspid[-1]} inside"))
    return facts(rows)


def _told_apart(command: Command) -> CloneFlags | None:
    # New or shared: neither is true of a namespace that was entered.
    return None if command.joins else command.clone_flags


def history_html(started: Process | Completed, *, open_: bool = False) -> list[Html]:
    """Return how it was born, folded: privileged or not, its birth, its timeline."""
    parts: list[Html] = []
    if started.command.privileged:
        parts.append(section(tag("p", PRIVILEGED, class_="nsx-p nsx-warn")))
    parts += notes_html(started.command)
    parts.append(section(clone_html(started.command.clone_flags)))
    parts += entered_html(started.command)
    if started.birth is not None:
        view = _view.as_html(started.birth, _told_apart(started.command))
        parts.append(folded("birth · just before execve", view, open_=open_))
    return [*parts, *_timeline_html(started)]


def _timeline_html(value: Process | Completed | Step) -> list[Html]:
    if not value.timeline.steps:
        return []
    summary = _timeline.headline(value.timeline)
    return [folded(summary, _timeline.as_html(value.timeline, below=True))]

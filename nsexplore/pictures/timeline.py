"""Pictures of a timeline: the steps of a start and how long each took."""

from __future__ import annotations

from typing import Final

from ..naming import is_stable
from ..timeline import Timeline, TimelineStep
from ._escape import visible
from ._html import Html, code, muted, section, table, tag
from ._plain import columns, indent
from ._words import duration, error, micros

__all__ = ["as_html", "as_text", "headline"]

SHOWN: Final = 100

_LANES: Final = "the parent's steps, then the child's; both work at the same time"


def headline(timeline: Timeline) -> str:
    """Return the whole in one line, such as ``timeline · 0.61 ms to execve``."""
    if not timeline.steps:
        return "timeline · no step was recorded"
    failed = next((step for step in timeline if step.errno), None)
    if failed is not None:
        name = visible(failed.name, 40)
        return f"timeline · {name} failed after {duration(timeline.total_us)}"
    last = visible(timeline.steps[-1].name, 40)
    if last != "execve":  # a start that is stopped
        return f"timeline · {duration(timeline.total_us)} so far"
    whole = f"timeline · {duration(timeline.total_us)} to {last}"
    # A start that nobody looks at does not stop: its time is the rest.
    held = sum(step.duration_us for step in timeline if step.name == "hold")
    return f"{whole}, {duration(held)} of it held to be looked at" if held else whole


def as_text(timeline: Timeline) -> str:
    """Return the steps as an aligned table; in stable mode without their times."""
    times = () if is_stable() else ("start", "duration")
    rows = (
        (s.name, s.by, *(micros(getattr(s, f"{t}_us")) for t in times), _result(s), _calls(s))
        for s in _lanes(timeline)
    )
    header = ("step", "by", *times, "result", "system calls")
    right = "ll" + "r" * len(times)
    lines = columns(rows, header, right=right) if timeline.steps else []
    return "\n".join([headline(timeline), *indent([*lines, *_notes(timeline)])])


def as_html(timeline: Timeline, *, below: bool = False) -> Html:
    """Return the steps with bars that stand where they happened; `below` its headline already."""
    total = timeline.total_us or 1.0
    rows = (
        (
            tag("code", s.name),
            muted(s.by),
            _bar(s, total),
            tag("span", micros(s.duration_us), class_="nsx-nb"),
            _result_html(s),
            code(_calls(s)),
        )
        for s in _lanes(timeline)
    )
    header = ("step", "by", "when", "duration", "result", "system calls")
    caption = tag("span", headline(timeline), class_="nsx-sr" if below else None)
    notes = (tag("p", line, class_="nsx-p nsx-mut") for line in _notes(timeline))
    return section(table(caption, header, rows, class_="nsx-t nsx-tl"), *notes)


def _lanes(timeline: Timeline) -> list[TimelineStep]:
    # Both work at the same time, so who is first differs from start to start: each has its
    # steps together, in order, and the bars say when.
    return sorted(timeline, key=lambda step: step.by == "child")[:SHOWN]


def _calls(step: TimelineStep) -> str:
    return ", ".join(call.strip() for call in step.syscall.split(","))


def _result(step: TimelineStep) -> str:
    return error(step.errno) if step.errno else "ok"


def _result_html(step: TimelineStep) -> Html:
    if step.errno:
        return tag("span", f"✗ {_result(step)}", class_="nsx-bad")
    return muted("ok")


def _bar(step: TimelineStep, total: float) -> Html:
    start = min(max(step.start_us / total * 100, 0.0), 100.0)
    width = min(max(step.duration_us / total * 100, 0.0), 100.0 - start)
    state = "nsx-fail" if step.errno else f"nsx-{step.by}" if step.by == "child" else ""
    bar = tag(
        "i", class_=f"nsx-bar {state}".rstrip(), style=f"left:{start:.2f}%;width:{width:.2f}%"
    )
    return tag("span", bar, class_="nsx-track", title=f"from {micros(step.start_us)}")


def _notes(timeline: Timeline) -> list[str]:
    hidden = len(timeline) - SHOWN
    notes = [] if hidden <= 0 else [f"… {hidden} more in .steps"]
    return [*notes, _LANES] if len({step.by for step in timeline}) > 1 else notes

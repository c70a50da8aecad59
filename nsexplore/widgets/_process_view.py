"""The process: its namespaces beside this notebook's own, who it is, its start, its children."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..inhabitants import Inhabitants
from ..kinds import KINDS
from ..naming import namespace_name, pid_name
from ..pictures import timeline as _timeline
from ..pictures._escape import shell, visible
from ..pictures._html import Html, badge, code, folded, join, muted, section, table, tag
from ..pictures._words import credential_rows, moment, unmapped
from ..pictures.idmap import maps_html
from ..pictures.view import capabilities_html
from ..views import NamespaceID, ProcessView
from ._output_view import OutputView
from ._parts import boxed, paragraph, picture, processes, show
from .history import own_namespaces
from .model import Model

__all__ = ["LifeView", "inside_html", "namespaces_html"]

_IDLE: Final = "Nothing was started yet. Run starts the command; Step starts it stop by stop."


class LifeView:
    """What is known of the latest process, live while it runs, and of its birth afterwards."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._head, self._way, self._namespaces, self._ids = (picture() for _ in range(4))
        self._inside, self._maps, self._rights, self._steps = (picture() for _ in range(4))
        left = boxed(self._namespaces, self._inside, class_="nsx-x-column")
        right = boxed(OutputView(model).widget, self._ids, class_="nsx-x-column")
        self._columns = boxed(left, right, class_="nsx-x-cols nsx-x-s")
        self.widget = boxed(
            *(self._head, self._way, self._columns),
            *(self._steps, self._maps, self._rights),
            class_="nsx-x-part",
        )
        model.observe(self._tell, ["state", "stop_at", "process", "inside", "failure"])
        model.observe(self._look, "view")
        model.observe(self._list, "inside")
        model.observe(self._time, "timeline")
        for draw in (self._tell, self._look, self._list, self._time):
            draw()

    def _tell(self, change: object = None) -> None:
        model = self._model
        self._columns.layout.display = "none" if model.asked is None else None
        if model.asked is None:
            show(self._head, section(paragraph(_IDLE, class_="nsx-mut", role="status")))
            return
        words = tag("b", " · ".join(_headline(model)), role="status")
        line = tag("code", shell(model.asked.args))
        show(self._head, section(tag("div", words, line, class_="nsx-row")))
        show(self._way, _way(model.stops, model.stop_at) if model.stop_at else "")

    def _look(self, change: object = None) -> None:
        view: ProcessView | None = self._model.view
        here = own_namespaces() if view is not None else {}
        show(self._namespaces, "" if view is None else namespaces_html(view, here))
        show(self._ids, "" if view is None else _credentials(view))
        maps = "" if view is None else maps_html(view.uid_map, view.gid_map, view.setgroups)
        show(self._maps, folded("its ID maps, as the kernel shows them", maps) if maps else "")
        rights = None if view is None else view.capabilities
        shown = "" if rights is None else folded("its capabilities", capabilities_html(rights))
        show(self._rights, shown)

    def _list(self, change: object = None) -> None:
        show(self._inside, inside_html(self._model.inside))

    def _time(self, change: object = None) -> None:
        found = self._model.timeline
        show(self._steps, _timeline.as_html(found) if found is not None and found.steps else "")


def _headline(model: Model) -> list[str]:
    if model.state == "stepping":
        return [f"a start, stopped at {model.stop_at}", "Step goes on, Stop ends it"]
    if model.process is None:
        return ["nothing was started" if model.failure else "the start was ended before execve"]
    words = [f"process {pid_name(model.process.pid)}"]
    if model.state == "running":
        count = len(model.inside.processes)
        return [*words, "running", *([f"{count} inside"] if count else [])]
    if model.history and model.history[-1].command is model.process.command:
        words.append(model.history[-1].ended)
    return [*words, "as it was at its birth"] if model.view is not None else words


def _way(stops: tuple[str, ...], stop_at: str) -> Html:
    steps = (
        tag("li", visible(stop, 40), class_="nsx-here" if here else None,
            aria_current="step" if here else None)
        for stop, here in ((stop, stop == stop_at) for stop in stops)
    )  # fmt: skip
    return section(tag("ol", *steps, class_="nsx-way", aria_label="Stops of the start"))


def namespaces_html(view: ProcessView, here: Mapping[str, NamespaceID]) -> Html:
    """Return a process's namespaces beside this process's own: new or shared, and whose."""
    rows = []
    for kind in KINDS:
        seen = view.namespaces.get(kind.name)
        own = here.get(kind.name)
        if seen is None:
            rows.append((badge(kind, f"{kind.sign} {kind.name}"), _name(kind.name, own),
                         muted("not readable"), "", ""))  # fmt: skip
            continue
        name, is_new = _name(kind.name, seen.id), own is not None and seen.id != own
        rows.append(
            (
                badge(kind, f"{kind.sign} {kind.name}"),
                _name(kind.name, own),
                tag("b", name) if is_new else tag("span", name, class_="nsx-mut"),
                tag("b", "✓ new") if is_new else muted("shared"),
                _name("user", seen.owner),
            )
        )
    header = ("namespace", "this notebook's", "the process's", "", "owner")
    return table(f"namespaces, {moment(view)}", header, rows, class_="nsx-t nsx-ns")


def _name(kind: str, identity: NamespaceID | None) -> Html:
    return code(None if identity is None else namespace_name(kind, identity).split(":", 1)[-1])


def _credentials(view: ProcessView) -> Html:
    if view.credentials is None:
        return paragraph("credentials: not readable", class_="nsx-mut")
    ids = credential_rows(view.credentials, view.inside)
    rows = ((name, code(out), code(inside)) for name, out, inside in ids)
    shown = table("credentials", ("", "outside", "inside"), rows, class_="nsx-t nsx-n")
    return join((shown, *(paragraph(line, class_="nsx-mut") for line in unmapped(view))))


def inside_html(found: Inhabitants) -> Html:
    """Return a process and its descendants as a tree; empty where there are none."""
    if not found.processes:
        return Html()
    rows = (
        (
            join((Html("&emsp;" * one.depth), "└ " if one.depth else "", code(one.comm))),
            code(pid_name(one.number)),
            code(one.pid_inside),
            muted(one.state),
        )
        for one in found.processes
    )
    header = ("name", "PID here", "PID inside", "state")
    shown = table(f"{processes(len(found.processes))} inside", header, rows)
    more = () if found.is_whole else (paragraph("… and more", class_="nsx-mut"),)
    return join((shown, *more))

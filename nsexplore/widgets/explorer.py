"""The explorer in a notebook: widgets over the model."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from importlib.resources import files
from platform import release
from typing import Any, Final

import ipywidgets as w
import traitlets

from ..inspecting import inspect
from ..kinds import KINDS
from ..pictures import _draw
from ..pictures._html import Html, join, muted, page, section, style, tag
from ..process import Completed
from ..runner import CommandRunner
from ._controls_view import ControlsView
from ._machine_view import MachineView
from ._parts import close_all, paragraph, picture
from ._plan_view import PlanView
from ._process_view import LifeView
from ._runs_view import RunsView
from .history import Run
from .model import Model

__all__ = ["Explorer", "explore"]

_VIEW: Final = "application/vnd.jupyter.widget-view+json"

_GONE: Final = "The kernel of this explorer is gone, and what it ran with it. Run its cell again."


class Explorer(Model):
    """An explorer that shows itself: all that a `Model` is, with widgets over it.

    Its traits and methods are the model's (``privileged``, ``max_uid``, ``command``,
    ``process``, ``history``, ``run()`` …): the widgets follow a script, and a script may
    observe what is clicked. Without a browser it shows its plan and its last run as text
    and HTML.
    """

    _is_building = False

    def __init__(self, command_runner: CommandRunner | None = None, **controls: Any) -> None:
        self._watching: list[tuple[Any, Any, Any]] = []
        self._widget: w.Widget | None = None
        self._machine: MachineView | None = None
        super().__init__(command_runner, **controls)

    def observe(self, handler: Any, names: Any = traitlets.All, type: Any = "change") -> None:
        """Call a handler when traits change; see `traitlets.HasTraits.observe`."""
        super().observe(handler, names, type)
        if self._is_building:  # the widgets' own: they go with the widgets
            self._watching.append((handler, names, type))

    def __repr__(self) -> str:
        return f"<Explorer: {self.state}, {len(self.history)} runs, command {self.command!r:.80}>"

    @property
    def widget(self) -> w.Widget:
        """The widgets, made when they are first asked for; to be put beside others."""
        if self._is_closed:
            raise RuntimeError("this explorer is closed: make a new one")
        if self._widget is None:
            self._is_building = True
            try:
                self._widget = self._build()
            finally:
                self._is_building = False
        return self._widget

    def _build(self) -> w.Widget:
        self._machine = MachineView()
        views = (ControlsView(self), PlanView(self), LifeView(self), RunsView(self), self._machine)
        box = w.VBox([picture(_style()), picture(_head()), *(view.widget for view in views)])
        return box.add_class("nsx").add_class("nsx-x")

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        """Return the widgets, and what stands for them where there are none."""
        shown: dict[str, Any] = {"text/plain": self._as_text(), "text/html": self._as_html()}
        if not self._is_closed:
            ours = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
            shown[_VIEW] = ours
        return shown

    def _as_text(self) -> str:
        parts = [f"{control}: {why}" for control, why in self.problems.items()]
        parts += [] if self.plan is None else [_draw.text(self.plan)]
        parts += [f"{run.name}\n{_draw.text(_completed(run))}" for run in self.history[-1:]]
        return "\n\n".join(parts)

    def _as_html(self) -> str:
        parts: list[Html] = [
            section(paragraph(tag("b", f"{control}: "), why, class_="nsx-bad", role="alert"))
            for control, why in self.problems.items()
        ]
        parts += [] if self.plan is None else [_draw.fragment(self.plan)]
        for run in self.history[-1:]:
            parts += [section(tag("b", run.name)), _draw.fragment(_completed(run))]
        return page(join(parts), "Explorer")

    def close(self) -> None:
        """End what runs, and take the widgets off the page; the history stays."""
        super().close()
        if self._widget is not None and self._machine is not None:
            for watching in self._watching:
                self.unobserve(*watching)
            self._watching = []
            self._machine.close()
            close_all([self._widget])
            self._widget = self._machine = None


def _completed(run: Run) -> Completed:
    return Completed(run.command, run.returncode, run.stdout, run.stderr, run.birth, run.timeline)


@cache
def _style() -> str:
    """Return the pictures' style sheet, ours, and the colours of the kinds."""
    own = files(__package__).joinpath("explorer.css").read_text(encoding="utf-8")
    kinds = "".join(f".nsx-x .nsx-x-{kind.name}{{--nsx-c:{kind.colour}}}" for kind in KINDS)
    return f"{style()}<style>{own}{kinds}</style>"


def _head() -> Html:
    """Return who asks, and of which kernel."""
    words = []
    with suppress(OSError):
        words = [f"kernel {release()}", f"you are UID {os.geteuid()}"]
        own = inspect(os.getpid()).capabilities
        words += [f"capabilities: {own.effective}"] if own is not None else []
    line = tag("div", tag("b", "nsexplore"), muted(" · ".join(words)), class_="nsx-row")
    return section(line, paragraph(_GONE, class_="nsx-warn nsx-x-gone", role="alert"))


def explore(**controls: Any) -> Explorer:
    """Return the explorer: flip *Privileged*, drag *MaxUID*, press *Run*, watch.

    Parameters
    ----------
    **controls
        Values to begin with: ``privileged``, ``max_uid``, ``id_map``, ``custom``,
        ``custom_groups``, ``namespaces``, ``command``, ``mount_proc``; and
        ``command_runner``, what really starts a command.

    Returns
    -------
    Explorer
        Shows itself in a notebook. Nothing is started but by *Run* and *Step*, or by its
        methods of these names.
    """
    return Explorer(**controls)

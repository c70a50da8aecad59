"""The explorer's controls, each with what is to say of it."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, Final

import ipywidgets as w

from ..diagnosing import doctor
from ..flags import CloneFlags
from ..idmap import MAX_UID_HIGH, MAX_UID_LOW
from ..kinds import KINDS, NamespaceKind
from ..pictures import html
from ._native import Range
from ._parts import Words, boxed, in_thread, paragraph, picture, show, tie
from ._rows_view import RowsView
from .model import Model

__all__ = ["ControlsView"]

_FREE: Final = {"description_width": "initial"}
_ID_MAPS: Final = (("Garden", "garden"), ("Rootless", "rootless"), ("Custom", "custom"))
STEPS: Final = 16
"""Places of the slider between a number and twice as much."""

_QUIET: Final = "If on, root inside is this machine's real root."


class ControlsView:
    """Everything that may be set, and the three buttons; nothing else starts a process."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._table = self._custom()
        self.widget = boxed(
            self._privileged(),
            boxed(*self._max_uid(), self._id_map()),
            Words(model, "max_uid", "id_map").widget,
            self._table,
            self._namespaces(),
            Words(model, "namespaces", "mount_proc").widget,
            boxed(self._command(), *self._buttons()),
            Words(model, "command", "run").widget,
            *self._doctor(),
            class_="nsx-x-s",
        )
        model.observe(self._show_table, "id_map")
        self._show_table()

    # -- the ID map -----------------------------------------------------------------

    def _privileged(self) -> w.Widget:
        toggle = w.Checkbox(description="Privileged", indent=False, style=_FREE)
        tie(self._model, "privileged", toggle)
        words = Words(self._model, "privileged", quiet=_QUIET).widget
        return boxed(toggle, words, class_="nsx-x-row nsx-x-privileged")

    def _max_uid(self) -> tuple[w.Widget, w.Widget]:
        """Return the box, which is exact, and the slider, which is coarse."""
        box = w.IntText(description="MaxUID", continuous_update=True, style=_FREE)
        box.add_class("nsx-x-number")
        words = f"MaxUID, from {MAX_UID_LOW} to {MAX_UID_HIGH} on a log scale"
        slider = Range(description=words, last=_place(MAX_UID_HIGH))
        slider.add_class("nsx-x-slider")

        def name(change: object = None) -> None:
            slider.words = str(self._model.max_uid)

        tie(self._model, "max_uid", box)
        tie(self._model, "max_uid", slider, shown=_place, meant=_nearest)
        self._model.observe(name, "max_uid")
        name()
        return box, slider

    def _id_map(self) -> w.Widget:
        choice = w.Dropdown(options=_ID_MAPS, description="ID map", style=_FREE)
        choice.add_class("nsx-x-choice")
        tie(self._model, "id_map", choice, meant=self._chosen)
        return choice

    def _chosen(self, name: str) -> str:
        if name == "custom" and not self._model.custom:
            self._model.fill_table()  # to edit what was planned, not to begin with nothing
        return name

    def _custom(self) -> w.Widget:
        model = self._model
        same = w.Checkbox(description="The same for groups", indent=False)
        groups = RowsView(model, "custom_groups", "groups").widget

        def tell(change: object = None) -> None:
            groups.layout.display = "none" if model.custom_groups is None else None

        tie(
            *(model, "custom_groups", same),
            shown=lambda rows: rows is None,
            meant=lambda on: None if on else model.custom,
        )
        model.observe(tell, "custom_groups")
        tell()
        return boxed(
            boxed(RowsView(model, "custom", "users").widget, groups),
            same,
            Words(model, "custom", "custom_groups").widget,
            class_="nsx-x-custom",
        )

    def _show_table(self, change: object = None) -> None:
        self._table.layout.display = None if self._model.id_map == "custom" else "none"

    # -- namespaces -----------------------------------------------------------------

    def _namespaces(self) -> w.Widget:
        fresh = w.Checkbox(description="Mount a fresh /proc", indent=False)
        tie(self._model, "mount_proc", fresh)
        heading = picture('<div class="nsx-h">Namespaces</div>')
        kinds = boxed(*map(self._kind, KINDS), fresh)
        return boxed(heading, kinds, class_="nsx-x-group")

    def _kind(self, kind: NamespaceKind) -> w.Widget:
        toggle = w.Checkbox(description=f"{kind.sign} {kind.name}", indent=False)
        toggle.add_class("nsx-x-kind").add_class(f"nsx-x-{kind.name}")
        meant = partial(_with, self._model, kind.flag)
        tie(
            *(self._model, "namespaces", toggle),
            shown=lambda flags: kind.flag in flags,
            meant=meant,
        )
        return toggle

    # -- acts -----------------------------------------------------------------------

    def _command(self) -> w.Widget:
        line = w.Text(description="Command", style=_FREE, continuous_update=True)
        line.add_class("nsx-x-command")
        tie(self._model, "command", line)
        return line

    def _buttons(self) -> tuple[w.Widget, ...]:
        model = self._model
        run = w.Button(description="Run", button_style="primary")
        step = w.Button(description="Step", tooltip="Start it stop by stop")
        stop = w.Button(description="Stop")
        for button, act in ((run, model.run), (step, model.step), (stop, model.stop)):
            button.on_click(lambda _, act=act: act())

        def enable(change: object = None) -> None:
            run.disabled = not model.can_run
            step.disabled = not (model.can_run or model.state == "stepping")
            stop.disabled = model.state not in ("running", "stepping")

        model.observe(enable, ["can_run", "state"])
        enable()
        return run, step, stop

    def _doctor(self) -> tuple[w.Widget, w.Widget]:
        """Return the offer to find out why this machine refused, and what was found."""
        ask = w.Button(description="Ask the doctor")
        found = picture()

        def answer(outcome: Any) -> None:
            is_error = isinstance(outcome, Exception)
            show(found, paragraph(outcome, class_="nsx-bad") if is_error else html(outcome))
            ask.disabled = False

        def asked(_: object) -> None:
            ask.disabled = True
            self._asking = in_thread(doctor, answer)

        def offer(change: object = None) -> None:
            ask.layout.display = None if self._model.offers_doctor else "none"
            if not self._model.offers_doctor:
                show(found, "")

        ask.on_click(asked)
        self._model.observe(offer, "offers_doctor")
        offer()
        return ask, found


def _place(number: int) -> int:
    """Return the slider's place for a number: on a log scale, from 0 on."""
    bounded = min(max(number, MAX_UID_LOW), MAX_UID_HIGH)
    return round(math.log2(bounded / MAX_UID_LOW) * STEPS)


def _nearest(place: int) -> int:
    return min(round(MAX_UID_LOW * 2 ** (place / STEPS)), MAX_UID_HIGH)


def _with(model: Model, flag: CloneFlags, on: bool) -> CloneFlags:
    flags: CloneFlags = model.namespaces
    return flags | flag if on else flags & ~flag

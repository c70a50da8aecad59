"""What Run will ask of the kernel, redrawn with every control."""

from __future__ import annotations

from typing import Final

import ipywidgets as w

from ..command import Command
from ..idmap import MAX_UID_HIGH, OVERFLOW_ID, IDMap
from ..pictures._escape import visible
from ..pictures._html import Html, code, facts, folded, join, muted, section, tag
from ..pictures._words import command_facts
from ..pictures.command import clone_html
from ..pictures.idmap import maps_html
from ..pictures.pointing import Pointed, pointed
from ._native import Pointer
from ._parts import boxed, paragraph, picture, show
from .model import Model

__all__ = ["PlanView", "landing"]

_NO_USER: Final = "No ID map: without a new user namespace every ID is the same inside and outside."


class PlanView:
    """The plan: clone flags, ID maps, where an ID lands, and what else is asked."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._flags, self._maps, self._rest, self._lands = (picture() for _ in range(4))
        self._asked = w.IntText(
            value=0,
            description="Where does ID",
            continuous_update=True,
            style={"description_width": "initial"},
        )
        self._asked.add_class("nsx-x-number")
        self._landing = boxed(self._asked, self._lands, class_="nsx-x-row nsx-x-s")
        self._pointed: Pointed | None = None
        pictures = boxed(self._maps, Pointer(self._point), class_="nsx-x-part nsx-x-pointed")
        self.widget = boxed(self._flags, pictures, self._landing, self._rest, class_="nsx-x-part")
        model.observe(self._draw, "plan")
        self._asked.observe(self._land, "value")
        self._draw()

    def _draw(self, change: object = None) -> None:
        plan: Command | None = self._model.plan
        self._landing.layout.display = "none" if plan is None else None
        if plan is None:
            why = paragraph("There is no plan as long as what is asked cannot be done.")
            show(self._flags, section(tag("div", why, class_="nsx-mut", role="status")))
            show(self._maps, "")
            show(self._rest, "")
            return
        show(self._flags, section(clone_html(plan.clone_flags)))
        show(self._rest, _rest(plan))
        self._land()

    def _land(self, change: object = None) -> None:
        """Say where the ID lands that is pointed at, else the one that was typed; and show it."""
        plan: Command | None = self._model.plan
        if plan is None:
            return
        typed = self._asked.value
        at = self._pointed or (Pointed("inside", typed) if 0 <= typed <= MAX_UID_HIGH else None)
        setgroups = "allow" if plan.gid_mappings_enable_setgroups else "deny"
        maps = maps_html(plan.uid_mappings, plan.gid_mappings, setgroups, at)
        show(self._maps, maps or section(paragraph(_NO_USER, class_="nsx-mut")))
        if self._pointed is None:
            show(self._lands, landing(plan, typed))
        else:
            show(self._lands, landing(plan, self._pointed.number, "At the pointer:"))

    def _point(self, place: tuple[int, float, float] | None) -> None:
        plan: Command | None = self._model.plan
        maps = [] if plan is None else _drawn(plan)
        if place is None or not 0 <= place[0] < len(maps):
            self._pointed = None
        else:
            self._pointed = pointed(maps[place[0]], *place[1:])
        self._land()


def _drawn(plan: Command) -> list[IDMap]:
    """Return the maps of which there are pictures, in their order."""
    users, groups = plan.uid_mappings, plan.gid_mappings
    return [idmap for idmap in (users, None if users == groups else groups) if idmap is not None]


def _rest(plan: Command) -> Html:
    # The pipes come with Run; the plan itself has none.
    rows = [row for row in command_facts(plan) if row[0] not in ("stdin", "stdout", "stderr")]
    cells = [(name, tag("code", visible(value, 8192))) for name, value in rows]
    return folded("what else is asked", section(facts("What else is asked", cells)))


def landing(plan: Command, number: int, lead: str = "land?") -> Html:
    """Return in words where an ID lands outside, and what one from outside shows as inside."""
    if not 0 <= number <= MAX_UID_HIGH:
        why = f"{lead} IDs are from 0 to {MAX_UID_HIGH}."
        return paragraph(why, class_="nsx-bad", role="alert")
    users, groups = plan.uid_mappings, plan.gid_mappings
    if users is None and groups is None:
        return paragraph(f"{lead} It is the same ID inside and outside.", role="status")
    if users == groups:
        return paragraph(f"{lead} ", _both(users or IDMap(), number), role="status")
    parts = (
        join((tag("b", f" {kind}: "), _both(idmap or IDMap(), number)))
        for kind, idmap in (("UID", users), ("GID", groups))
    )
    return paragraph(lead, *parts, role="status")


def _both(idmap: IDMap, number: int) -> Html:
    host, inside = idmap.to_host(number), idmap.to_container(number)
    there: tuple[object, ...] = ("host ", tag("b", code(host)), ".")
    if host is None:
        nothing = tag("b", "nothing outside", class_="nsx-bad")
        there = (nothing, ": no mapping, and no process inside can have it.")
    back: tuple[object, ...] = ("shows inside as ", tag("b", code(inside)), ".")
    if inside is None:
        shown = tag("b", code(OVERFLOW_ID))
        back = ("has no mapping and shows inside as ", shown, " (nobody).")
    number_ = code(number)
    return join((number_, " inside is ", *there, muted(" Host ", number_, " ", *back)))

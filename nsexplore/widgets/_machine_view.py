"""The whole machine, when somebody looks: its namespaces as a tree, and who is in one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from functools import partial
from typing import Any, Final

import ipywidgets as w

from ..discovering import discover
from ..naming import namespace_name, pid_name
from ..pictures import snapshot as _snapshot
from ..pictures import tree as _tree
from ..pictures._html import Html, code, join, section, table, tag
from ..pictures._keeping import command_of
from ..pictures._kinds import kind_badge, sign_of
from ..pictures._words import plural
from ..snapshot import SeenNamespace, Snapshot
from ._native import Choosable
from ._parts import boxed, in_thread, paragraph, picture, processes, show

__all__ = ["MachineView"]

_BADGE: Final = re.compile('<span class="nsx-k"[^>]*><span[^>]*>[^<]*</span>[^<]*</span>')

MOST: Final = 100
"""Processes of one namespace that are listed."""


class MachineView:
    """Nothing is looked at before somebody presses Look."""

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._task: asyncio.Task[None] | None = None
        self._look = w.Button(description="Look", tooltip="Look at all namespaces of this machine")
        self._look.on_click(self._looks)
        self._said = picture('<p class="nsx-p nsx-mut">All namespaces of this machine, now.</p>')
        self._choice = w.Select(
            description="Namespace", rows=6, value=None, style={"description_width": "initial"}
        )
        self._choice.add_class("nsx-x-namespaces")
        self._choice.observe(self._chosen, "value")
        self._choice.layout.display = "none"
        self._one, self._tree = picture("", "nsx-x-tall"), Choosable()
        self._tree.add_class("nsx-x-tall").add_class("nsx-x-tree")
        self._tree.layout.display = "none"
        self._tree.observe(self._pressed, "chosen")
        self.widget = boxed(
            boxed(boxed(self._look, self._said), self._choice, class_="nsx-x-s"),
            *(self._one, self._tree),
            class_="nsx-x-part",
        )

    def _looks(self, _: object) -> None:
        self._look.disabled = True
        show(self._said, paragraph("Looking …", class_="nsx-mut", role="status"))
        self._task = in_thread(partial(discover, progress=False), self._seen)

    def _seen(self, outcome: Any) -> None:
        self._look.disabled = False
        if isinstance(outcome, Exception):
            show(self._said, paragraph(outcome, class_="nsx-bad", role="alert"))
            return
        self._snapshot = outcome
        found = outcome.seen_namespaces
        words = f"{plural(len(found), 'namespace')}. Choose one to see who is in it."
        show(self._said, paragraph(words, class_="nsx-mut", role="status"))
        self._tree.markup = _with_buttons(_tree.as_html(outcome.tree()), found)
        self._tree.layout.display = None
        chosen = self._choice.value
        self._choice.options = [(_option(seen, outcome), seen.id) for seen in found]
        self._choice.value = chosen if outcome.namespace(chosen) else None
        self._choice.layout.display = None
        self._chosen()

    def _chosen(self, change: object = None) -> None:
        snapshot = self._snapshot
        seen = snapshot.namespace(self._choice.value) if snapshot is not None else None
        show(self._one, "" if seen is None or snapshot is None else _who(seen, snapshot))
        self._tree.chosen = "" if seen is None else _value(seen)

    def _pressed(self, change: Any) -> None:
        seen = self._snapshot.seen_namespaces if self._snapshot is not None else ()
        self._choice.value = next((one.id for one in seen if _value(one) == change.new), None)

    def close(self) -> None:
        """Wait for nothing any more."""
        if self._task is not None:
            self._task.cancel()


def _value(seen: SeenNamespace) -> str:
    return f"{seen.id.dev}:{seen.id.ino}"


def _with_buttons(markup: Html, found: Iterable[SeenNamespace]) -> str:
    """Return the tree with a button around the badge of each namespace."""
    buttons = {}
    for seen in found:
        name = namespace_name(seen.kind, seen.namespace)
        badge = kind_badge(seen.kind, name)
        words = {"value": _value(seen), "aria_label": f"Who is in {name}"}
        buttons[str(badge)] = tag("button", badge, type="button", **words)
    return _BADGE.sub(lambda badge: buttons.get(badge[0], badge[0]), markup)


def _option(seen: SeenNamespace, snapshot: Snapshot) -> str:
    name = namespace_name(seen.kind, seen.namespace)
    count = len(snapshot.members(seen.id))
    return f"{sign_of(seen.kind)} {name} · {processes(count)}"


def _who(seen: SeenNamespace, snapshot: Snapshot) -> Html:
    members = snapshot.members(seen.id)
    rows = (
        (
            code(pid_name(one.pid)),
            code(one.nspid[-1] if one.nspid else None),
            code(one.credentials.euid if one.credentials else None),
            code(command_of(one, 200)),
        )
        for one in members[:MOST]
    )
    header = ("PID", "PID inside", "UID", "command")
    hidden = len(members) - MOST
    more = () if hidden <= 0 else (paragraph(f"… +{hidden} more", class_="nsx-mut"),)
    shown = section(table(f"{processes(len(members))} in it", header, rows), *more)
    return join((_snapshot.namespace_html(seen), shown if members else ""))

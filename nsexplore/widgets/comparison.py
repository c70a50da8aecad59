"""Two runs side by side, with what differs marked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ..flags import CloneFlags
from ..idmap import IDMap
from ..kinds import KINDS
from ..pictures._escape import shell, visible
from ..pictures._html import Html, code, page, section, table, tag
from ..pictures._plain import columns, indent
from ..pictures._words import credential_rows, duration
from .history import Run

__all__ = ["Comparison", "Difference", "compare"]


WIDTH: Final = 56
"""Characters of a cell in text: two of them stand side by side."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that was looked at in both runs.

    Attributes
    ----------
    about : str
        ``"asked"``, ``"namespaces"``, ``"credentials"``, ``"capabilities"`` or ``"run"``.
    name : str
        What it is.
    a, b : str
        What it was in the one run and in the other; empty where there was none. The
        program's own words are among them: to be escaped.
    differs : bool
        The two are not the same; False for what is never the same, such as a duration.
    """

    about: str
    name: str
    a: str
    b: str
    differs: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs compared.

    Attributes
    ----------
    a, b : Run
    rows : tuple of Difference
        All that was looked at, alike or not, in the order in which it is told.
    """

    a: Run
    b: Run
    rows: tuple[Difference, ...]

    @property
    def differing(self) -> tuple[Difference, ...]:
        """The rows that differ."""
        return tuple(row for row in self.rows if row.differs)

    def __str__(self) -> str:
        lines = [f"{self.a.name} and {self.b.name}: {self._summary()}"]
        header = ("", "", f"#{self.a.number}", f"#{self.b.number}")
        cells = [
            (
                "*" if row.differs else " ",
                row.name,
                *(visible(v or "-", WIDTH) for v in (row.a, row.b)),
            )
            for row in self.rows
        ]
        return "\n".join([*lines, *indent(columns(cells, header)), "* differs"])

    def _summary(self) -> str:
        count = len(self.differing)
        return f"{count} difference{'' if count == 1 else 's'}" if count else "no difference"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Return ``text/plain`` and ``text/html``."""
        return {"text/plain": str(self), "text/html": page(self.as_html(), "Two runs compared")}

    def as_html(self) -> Html:
        """Return the comparison to be put into a page that has the style sheet already."""
        rows = [
            (row.name, *(_cell(value, row.differs) for value in (row.a, row.b)),
             tag("span", "≠ differs", class_="nsx-nb") if row.differs else "")
            for row in self.rows
        ]  # fmt: skip
        header = ("what", f"#{self.a.number}", f"#{self.b.number}", "")
        return section(table(f"{self.a.name} and {self.b.name}: {self._summary()}", header, rows))


def _cell(value: str, differs: bool) -> Html:
    return tag("strong", code(value)) if differs and value else code(value or None)


def compare(a: Run, b: Run) -> Comparison:
    """Compare two runs.

    Parameters
    ----------
    a, b : Run
        Of the same explorer or not.

    Returns
    -------
    Comparison
        ``.rows`` has all that was looked at, ``.differing`` what was not the same.
    """
    one, other = dict(_facts(a)), dict(_facts(b))
    rows = []
    for about, name in dict.fromkeys([*one, *other]):
        x, y = one.get((about, name), ""), other.get((about, name), "")
        # Measured: no two runs take the same time, and that says nothing.
        rows.append(Difference(about, name, x, y, x != y and name != "time to execve"))
    return Comparison(a, b, tuple(rows))


def _facts(run: Run) -> Iterator[tuple[tuple[str, str], str]]:
    for about, facts in (
        ("asked", _asked(run)),
        ("namespaces", _namespaces(run)),
        ("credentials", _credentials(run)),
        ("capabilities", _capabilities(run)),
        ("run", _course(run)),
    ):
        for name, value in facts:
            yield (about, name), value


def _asked(run: Run) -> Iterator[tuple[str, str]]:
    command = run.command
    yield "command", shell(command.args)
    for kind in KINDS:
        yield kind.flag_name, "set" if kind.flag in command.clone_flags else "not set"
    yield "users", _map(command.uid_mappings)
    yield "groups", _map(command.gid_mappings)
    if CloneFlags.NEWUSER in command.clone_flags:
        yield "setgroups", "allow" if command.gid_mappings_enable_setgroups else "deny"
    yield "a fresh /proc", "yes" if command.mount_proc else "no"


def _map(idmap: IDMap | None) -> str:
    if idmap is None:
        return "no map"
    lines = ", ".join(map(str, idmap[:8]))
    return lines + (f", … +{len(idmap) - 8} lines" if len(idmap) > 8 else "")


def _namespaces(run: Run) -> Iterator[tuple[str, str]]:
    """Inodes differ in any two runs: what tells is whether one was new, and whose it is."""
    view = run.birth
    own = None if view is None else view.namespaces.get("user")
    for kind in KINDS:
        seen = None if view is None else view.namespaces.get(kind.name)
        if seen is None:
            yield f"{kind.name} namespace", "not seen"
        elif seen.id == run.here.get(kind.name):
            yield f"{kind.name} namespace", "shared"
        elif kind.name == "user" or own is None or seen.owner is None:
            yield f"{kind.name} namespace", "new"
        elif own.id != run.here.get("user") and seen.owner == own.id:
            yield f"{kind.name} namespace", "new, owned by the new user namespace"
        else:
            yield f"{kind.name} namespace", "new, owned by this notebook's user namespace"


def _credentials(run: Run) -> Iterator[tuple[str, str]]:
    view = run.birth
    if view is None:
        return
    for name, outside, inside in credential_rows(view.credentials, view.inside):
        yield f"{name} outside", outside or "not seen"
        yield f"{name} inside", inside or "not seen"


def _capabilities(run: Run) -> Iterator[tuple[str, str]]:
    view = run.birth
    if view is None or view.capabilities is None:
        return
    own = view.namespaces.get("user")
    new = own is not None and own.id != run.here.get("user")
    where = "inside only" if new else "of this notebook's user namespace"
    for name in ("effective", "permitted", "inheritable", "bounding", "ambient"):
        found = getattr(view.capabilities, name)
        counts = name in ("effective", "permitted") and found.mask
        yield f"{name} capabilities", f"{found}, {where}" if counts else str(found)


def _course(run: Run) -> Iterator[tuple[str, str]]:
    for side in ("parent", "child"):  # the order between the two is chance
        names = [step.name for step in run.timeline if step.by == side]
        yield f"steps by the {side}", ", ".join(names)
    yield "time to execve", duration(run.timeline.total_us)
    yield "how it ended", run.ended
    for name, text, written in zip(
        ("stdout", "stderr"), (run.stdout, run.stderr), run.written, strict=True
    ):
        yield name, visible(text.rstrip("\n"), keep="\n") if text else ""
        yield f"bytes of {name}", str(written)

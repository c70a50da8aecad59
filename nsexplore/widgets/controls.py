"""What the explorer's controls say, and what comes of it: a plan, or why there is none.

Two kinds of no are kept apart. A *problem* is what the library refuses to ask for: there
is nothing to run then. A *warning* is what will probably be refused by the kernel: one may
run it all the same, and see the kernel's own answer.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal

from ..arguments import as_flags, as_text, check_maps, check_mounts
from ..command import Command
from ..errors import IDMapError, IDMapTypeError
from ..execer import NamespacingExecer
from ..flags import CloneFlags
from ..hints import hint_for
from ..idmap import IDMap, check_max_uid
from ..kinds import kind_of_name
from ..mapwriters import writer_now, writes_any_map
from ..pictures._words import PRIVILEGED
from ..runner import CommandRunner, NativeCommandRunner

__all__ = ["ID_MAPS", "Controls", "Row", "Verdict", "as_namespaces", "as_rows", "first_id_map"]

ID_MAPS: Final = ("garden", "rootless", "custom")

LONGEST_COMMAND: Final = 1 << 14
"""Characters of a command line: it is split anew with every key that is typed."""

Row = tuple[Any, ...]
"""One row of the table of a custom map as somebody typed it: three cells, if all is well."""

_NO_MAP: Final = "without a user namespace (NEWUSER) there is no ID map, and this says nothing"
_ENOENT: Final = 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """What comes of the controls.

    Attributes
    ----------
    plan : Command or None
        What will be asked of the kernel; None where the library refuses to ask it.
    problems, warnings, notes : mapping of str to str
        By control: what is refused; what the kernel will probably refuse; what else is
        worth knowing of the control as it stands.
    marked : (str, int) or None
        The row of the custom table that is wrong: ``"custom"`` or ``"custom_groups"``,
        and its number, counted from 0.
    """

    plan: Command | None
    execer: NamespacingExecer | None
    words: tuple[str, ...]
    problems: Mapping[str, str]
    warnings: Mapping[str, str]
    notes: Mapping[str, str]
    marked: tuple[str, int] | None


@dataclass(frozen=True, slots=True)
class Controls:
    """The values of all controls at one moment; see `nsexplore.widgets.model.Model`."""

    max_uid: int
    id_map: str
    custom: tuple[Row, ...]
    custom_groups: tuple[Row, ...] | None
    namespaces: CloneFlags
    command: str
    mount_proc: bool
    runner: CommandRunner = field(default_factory=NativeCommandRunner)

    def verdict(self) -> Verdict:
        """Return what comes of them. Spawns nothing."""
        return _Judge(self).verdict()


class _Judge:
    """Goes through the controls one by one, so that each no is put beside its own."""

    def __init__(self, controls: Controls) -> None:
        self.asked = controls
        self.problems: dict[str, str] = {}
        self.warnings: dict[str, str] = {}
        self.notes: dict[str, str] = {}
        self.marked: tuple[str, int] | None = None

    def verdict(self) -> Verdict:
        asked = self.asked
        self.try_("max_uid", lambda: check_max_uid(asked.max_uid))
        words = self.try_("command", lambda: _words(asked.command)) or ()
        self.try_(
            "mount_proc",
            lambda: check_mounts(asked.namespaces, "private", mount_proc=asked.mount_proc),
        )
        maps = self.maps()
        execer = plan = None
        if not self.problems:
            execer = self.try_("id_map", lambda: self.execer(maps))
        if execer is not None:
            plan = self.try_("id_map", lambda: execer.plan(*(words or ("",))))
        if plan is not None:
            self.judge_program(plan)
            self.judge_maps(plan)
            self.note_rest(plan)
        return Verdict(plan, execer, words, self.problems, self.warnings, self.notes, self.marked)

    def try_(self, control: str, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except (ValueError, TypeError, OSError) as error:
            self.problems[control] = str(error)
            return None

    def maps(self) -> tuple[IDMap, IDMap] | None:
        """Return a custom map for users and groups, if that is what is asked for."""
        asked = self.asked
        if CloneFlags.NEWUSER not in asked.namespaces:
            for control in ("max_uid", "id_map"):
                self.notes[control] = _NO_MAP
            return None
        if asked.id_map != "garden":
            said = "the table says it all" if asked.id_map == "custom" else "root inside is oneself"
            self.notes["max_uid"] = f"says nothing beside this ID map: {said}"
        if asked.id_map != "custom":
            return None
        users = self.table("custom", asked.custom, asked.namespaces)
        groups = users
        if asked.custom_groups is not None:
            groups = self.table("custom_groups", asked.custom_groups, asked.namespaces)
        return None if users is None or groups is None else (users, groups)

    def table(self, control: str, rows: tuple[Row, ...], flags: CloneFlags) -> IDMap | None:
        """Return the map that a table stands for; what is wrong with it marks the row."""
        lines = _lines(rows)
        try:
            found = IDMap([tuple(map(_cell, row)) for _, row in lines])  # type: ignore[misc]
            if control == "custom":
                check_maps(found, None, flags)
            else:
                check_maps(found, found, flags)
            return found
        except IDMapError as error:
            self.problems[control] = _unfinished(error, lines) or str(error)
            self.mark(control, error, lines)
            return None

    def mark(self, control: str, error: IDMapError, lines: list[tuple[int, Row]]) -> None:
        if error.line is not None and error.line <= len(lines):
            self.marked = self.marked or (control, lines[error.line - 1][0])

    def execer(self, maps: tuple[IDMap, IDMap] | None) -> NamespacingExecer:
        asked = self.asked
        users, groups = maps or (None, None)
        inside = CloneFlags.NEWUSER in asked.namespaces
        rootless = inside and asked.id_map == "rootless"
        return NamespacingExecer(
            asked.runner,
            privileged=not inside,
            max_uid=None if rootless else asked.max_uid,
            id_map="rootless" if rootless else users,
            gid_map=None if groups == users else groups,
            clone_flags=asked.namespaces,
            mount_proc=asked.mount_proc,
        )

    # -- what the plan says ---------------------------------------------------------

    def judge_program(self, plan: Command) -> None:
        """Say that the program is missing: where a lookup tells, it will not even be tried."""
        if plan.lookup_error is not None:
            self.problems["command"] = plan.lookup_error
            if not self.asked.command.strip():
                self.problems["command"] += ": name a program"
        elif not os.path.exists(plan.path):
            self.warnings["command"] = hint_for("execve", _ENOENT, plan)

    def judge_maps(self, plan: Command) -> None:
        """Say what the kernel will refuse this very process of the maps."""
        denied = not plan.gid_mappings_enable_setgroups
        kinds: tuple[tuple[Literal["uid", "gid"], IDMap | None, str | None], ...] = (
            ("uid", plan.uid_mappings, plan.newuidmap),
            ("gid", plan.gid_mappings, plan.newgidmap),
        )
        for kind, idmap, helper in kinds:
            if idmap is None or helper is not None:
                continue
            try:
                idmap.validate(kind=kind, writer=writer_now(kind, denied))
            except IDMapError as error:
                self.warn_of_map(kind, error)
                return
            except OSError:  # no /proc: nobody knows
                return

    def warn_of_map(self, kind: str, error: IDMapError) -> None:
        asked = self.asked
        if asked.id_map != "custom":
            self.warnings["id_map"] = str(error)
            if asked.id_map == "garden" and not _may_write_any():
                self.warnings["id_map"] += '; "rootless" is what an ordinary user may have'
            return
        own = kind == "gid" and asked.custom_groups is not None
        control, rows = ("custom_groups", asked.custom_groups) if own else ("custom", asked.custom)
        assert rows is not None
        self.warnings[control] = str(error)
        self.mark(control, error, _lines(rows))

    def note_rest(self, plan: Command) -> None:
        if plan.privileged:
            self.notes["privileged"] = PRIVILEGED
        if plan.notes:
            self.notes["id_map"] = "; ".join(plan.notes)


@lru_cache(maxsize=16)
def _words(command: str) -> tuple[str, ...]:
    """Return the words of a command line, as a shell splits it."""
    if len(command) > LONGEST_COMMAND:
        raise ValueError(
            f"a command line of {len(command)} characters is too long here: at most"
            f" {LONGEST_COMMAND}; put the script into a file"
        )
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        what = {"No closing quotation": "a quotation mark is not closed"}
        said = what.get(str(error), f"it cannot be split into words ({error})")
        raise ValueError(f"{said}: words are split and quoted as in a shell") from None
    for word in words:
        as_text("command", word)
        try:
            os.fsencode(word)
        except UnicodeEncodeError:
            raise ValueError("command: half of a character (a lone surrogate) is no text") from None
    return words


def _cell(cell: object) -> object:
    """Return a cell of a table: a number, where somebody typed one."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        text = cell.strip()
        digits = text.removeprefix("-")
        return int(text) if digits.isascii() and digits.isdigit() and len(text) < 20 else text
    return cell


def _lines(rows: tuple[Row, ...]) -> list[tuple[int, Row]]:
    """Return the rows in which there is something, each with its place in the table."""
    return [(at, row) for at, row in enumerate(rows) if any(_cell(cell) != "" for cell in row)]


def _unfinished(error: IDMapError, lines: list[tuple[int, Row]]) -> str:
    """Return plain words for a row that somebody has begun to fill in."""
    if not isinstance(error, IDMapTypeError) or error.line is None:
        return ""
    row = lines[error.line - 1][1]
    if any(_cell(cell) == "" for cell in row):
        return f"line {error.line} is not filled in yet: container_id, host_id and size"
    return ""


@lru_cache(maxsize=1)
def _may_write_any() -> bool:
    # A process that runs changes its capabilities but rarely: asked once.
    try:
        return writes_any_map()
    except OSError:
        return True


def first_id_map() -> str:
    """Return the ID map that the explorer begins with: one that may be written here."""
    return "garden" if _may_write_any() else "rootless"


def as_rows(value: Any) -> tuple[Row, ...]:
    """Return the rows of a table, whatever they hold: text, an `IDMap`, or rows of cells.

    Raises
    ------
    TypeError
        It is nothing of the kind.
    """
    if isinstance(value, str):
        return tuple(tuple(line.split()) for line in value.splitlines() if line.strip())
    if isinstance(value, IDMap):
        return tuple((m.container_id, m.host_id, m.size) for m in value)
    with suppress(TypeError):
        return tuple(
            tuple(row) if not isinstance(row, str | bytes) else (row,)
            for row in (
                (r.container_id, r.host_id, r.size) if hasattr(r, "host_id") else r for r in value
            )
        )
    raise TypeError(f"a table of rows (container_id, host_id, size), not {value!r}")


def as_namespaces(value: Any) -> CloneFlags:
    """Return the namespaces that are meant: `CloneFlags`, a number, or names of kinds.

    Raises
    ------
    TypeError, ValueError
        It is nothing of the kind.
    """
    if isinstance(value, str):
        value = [name.strip() for name in value.split(",") if name.strip()]
    if isinstance(value, Iterable) and not isinstance(value, int):
        flags = CloneFlags(0)
        for name in value:
            flags |= kind_of_name(name).flag if isinstance(name, str) else as_namespaces(name)
        return flags
    return as_flags(value, privileged=False)

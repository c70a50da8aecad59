"""A book of recorded starts, from which a runner shows what a machine refuses to start."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ._frozen import FrozenMapping
from ._renders import Renders
from .command import Command, Join
from .errors import StartError
from .idmap import IDMap
from .origin import Origin, printable
from .snapshot import Snapshot
from .timeline import Timeline
from .views import ProcessView

__all__ = ["Book", "Entry", "Failure", "Halt", "as_oneself", "asked"]


def asked(command: Command) -> Command:
    """Return what of a command makes it this very one, on any machine.

    That is its arguments, namespaces, maps, identity, mounts and folder. File
    descriptors, inodes, where PATH leads and who may write a map differ from machine to
    machine; and an environment holds secrets. Whoever maps nobody but himself asks
    for the same as anybody else who does, whatever his number is.
    """
    maps = (command.uid_mappings, command.gid_mappings)
    if hasattr(os, "geteuid") and maps == (
        IDMap.rootless(os.geteuid()),
        IDMap.rootless(os.getegid()),
    ):
        command = replace(
            command,
            uid_mappings=IDMap.rootless(0),
            gid_mappings=IDMap.rootless(0),
            gid_mappings_enable_setgroups=False,
        )
    return replace(
        command,
        path=command.args[0] if command.args else command.path,
        stdin=None,
        stdout=None,
        stderr=None,
        env=None,
        newuidmap=None,
        newgidmap=None,
        extra_files=(),
        detached=False,
        lookup_error=None,
        notes=(),
        birth=True,
        joins=tuple(Join(join.kind, 0, 0, "") for join in command.joins),
        search=(),
    )


def as_oneself(command: Command) -> Command:
    """Return a command as `asked` with whoever maps nobody but himself being oneself."""
    if not command.uid_mappings == command.gid_mappings == IDMap.rootless(0):
        return command
    return replace(
        command,
        uid_mappings=IDMap.rootless(os.geteuid()),
        gid_mappings=IDMap.rootless(os.getegid()),
    )


@dataclass(frozen=True, slots=True)
class Failure:
    """A `StartError` as it was raised; its attributes are the error's."""

    reason: str
    step: str
    errno: int | None = None
    hint: str = ""
    detail: str = ""

    @classmethod
    def of(cls, error: StartError) -> Failure:
        """Return what there is to keep of an error."""
        return cls(error.reason, error.step, error.errno, error.hint, error.detail)

    def error(self) -> StartError:
        """Return an error to raise again."""
        return StartError(
            printable(self.reason),
            step=printable(self.step),
            errno=self.errno,
            hint=printable(self.hint),
            detail=printable(self.detail),
        )


@dataclass(frozen=True, slots=True)
class Halt:
    """A process at one stop of a `Step`, and the steps that led there."""

    state: str
    view: ProcessView
    timeline: Timeline


@dataclass(frozen=True, slots=True)
class Entry:
    """What was seen of one command, started or stepped through.

    Attributes
    ----------
    command : Command
        As `asked`.
    birth : ProcessView or None
    timeline : Timeline
        Without a step: it was not started, or in vain.
    now : ProcessView or None
        The process as it ran; None where it ended by itself.
    returncode : int or None
        None where nobody has seen its end.
    stdout, stderr : str
        What it wrote, byte by byte: what is no UTF-8 is a lone surrogate.
    halts : tuple of Halt
        The stops that were looked at, in order.
    failure : Failure or None
        How its start failed.
    """

    command: Command
    birth: ProcessView | None = None
    timeline: Timeline = field(default=Timeline(()))
    now: ProcessView | None = None
    returncode: int | None = None
    stdout: str = ""
    stderr: str = ""
    halts: tuple[Halt, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Book(Renders):
    """Recorded starts, one entry a command.

    Attributes
    ----------
    entries : tuple of Entry
    snapshots : mapping of str to Snapshot
        By their labels (`ReplayingCommandRunner.discover`).
    recorded : Origin or None
        Where and when.
    """

    entries: tuple[Entry, ...]
    snapshots: Mapping[str, Snapshot] = FrozenMapping()
    recorded: Origin | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "snapshots", FrozenMapping(self.snapshots))

    @classmethod
    def of(
        cls, entries: Iterable[Entry], snapshots: Mapping[str, Snapshot] = FrozenMapping()
    ) -> Book:
        """Return a book of what was seen, in an order of its own; the last start of a kind counts.

        A command that was both started and stepped through has one entry.
        """
        found: dict[Command, Entry] = {}
        for new in entries:
            old = found.get(new.command)
            if old is None:
                found[new.command] = new
            elif new.halts:
                failure = new.failure or old.failure
                found[new.command] = replace(old, halts=new.halts, failure=failure)
            else:
                found[new.command] = replace(new, halts=old.halts)
        ordered = sorted(found.values(), key=lambda entry: repr(entry.command))
        return cls(tuple(ordered), FrozenMapping(snapshots))

    def find(self, command: Command, *, stepped: bool = False) -> Entry | None:
        """Return what was seen of a command when it was started, or stepped through."""
        wanted = asked(command)
        # Who may not write a map would have to deny setgroups; who recorded it could, and had not.
        allowing = replace(wanted, gid_mappings_enable_setgroups=True)
        by_command = {entry.command: entry for entry in self.entries}
        entry = by_command.get(wanted) or by_command.get(allowing)
        if entry is None:
            return None
        seen = entry.halts if stepped else entry.timeline.steps or entry.failure
        return entry if seen else None

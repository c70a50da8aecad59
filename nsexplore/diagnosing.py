"""`doctor`: what can be done here, now, by this process, found out by trying."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from .causes import Failure, causes_of
from .causes.limits import unborn_init
from .causes.ruling import YOU, lines, rule, seen
from .command import Command
from .descriptors import Descriptors
from .diagnosis import Cause, Check, Diagnosis
from .errors import IDMapError, StartError
from .execer import NamespacingExecer
from .facts import Facts, facts_now
from .flags import NO_NAMESPACES, CloneFlags
from .idmap import IDMap
from .kinds import KINDS
from .probes import Probes, deadly, each_alone, probes_for, probes_now, remember
from .procfs import read_text
from .spawning import Stop, advance, begin

if TYPE_CHECKING:
    from ._spawn import Spawn

__all__ = ["doctor"]

_AFTERWARDS: Final = {
    "mount a tmpfs": "tmpfs",
    "mount a folder again": "bind",
    "mount a new /proc": "proc",
    "bring lo up": "loopback",
    "set the hostname": "hostname",
}
"""What one does in new namespaces: in words, and the native trial of it."""

Group = Literal["start", "namespaces", "ID maps", "afterwards"]

_MOMENT: Final = 0.01
_MOMENTS: Final = 20
"""How often that moment is waited for, as long as nothing has come of it."""

_STEP_OF_TRIAL: Final = {"proc": "mount_proc"}


def doctor() -> Diagnosis:
    """Find out what this process can do with namespaces, and where it cannot, exactly why.

    Each thing is tried for real in a throwaway child, none of which ever
    executes a program. Takes some 50 ms; changes nothing, leaves nothing.

    Returns
    -------
    Diagnosis
        ``.ok``: a process can be started in new namespaces; ``.way``: with
        which ID map; ``.faults``: what there is to fix.

    Examples
    --------
    >>> diagnosis = doctor()
    >>> [cause.fix for cause in diagnosis.faults]  # doctest: +SKIP
    ['sysctl user.max_net_namespaces=10000']
    """
    facts = facts_now()
    probes = probes_now()
    with Descriptors() as files:
        nothing = None
        with suppress(OSError):  # what is always there, even where there is no /dev/null
            nothing = files.open(_end_of_nothing)
        return _Round(facts, probes, nothing).diagnosis()


def _end_of_nothing() -> int:
    nothing, writer = os.pipe()
    os.close(writer)
    return nothing


class _Round:
    """One round of checks, with the facts that explain a no.

    `nothing` is a file descriptor for the standard streams of what is tried; None is /dev/null.
    """

    def __init__(self, facts: Facts, probes: Probes, nothing: int | None) -> None:
        self.facts = facts
        self.probes = probes
        self.nothing = nothing
        self.alone: dict[CloneFlags, int] = {}
        self.patience: int = _MOMENTS
        self.inside = tuple(Check("afterwards", name, "", None) for name in _AFTERWARDS)
        self.inside_is_known = False

    def diagnosis(self) -> Diagnosis:
        start = self.start()
        if start.step == "spawner" and not self.facts.kinds:  # another system: that says it all
            return Diagnosis(self.facts.system, self.who(), (start, *self.inside))
        checks = (start, *self.kinds(), *self.ways(), *self.inside, self.others())
        return Diagnosis(self.facts.system, self.who(), checks)

    def who(self) -> str:
        can = self.facts.effective
        count = "capabilities unknown" if can is None else f"{len(can) or 'no'} capabilities"
        return f"UID {self.facts.euid}, GID {self.facts.egid}, {count}"

    # -- the groups -----------------------------------------------------------

    def start(self) -> Check:
        """Try a process as it is started by default, its standard streams on /dev/null."""
        return self.check("start", "a process", "", _bare(NO_NAMESPACES))

    def kinds(self) -> Iterator[Check]:
        user = CloneFlags.NEWUSER
        asked: list[tuple[str, str, CloneFlags]] = []
        for kind in KINDS:
            if kind.flag == user:
                asked.append((kind.name, "", user))
                continue
            asked.append((kind.name, "in a new user namespace", user | kind.flag))
            asked.append((kind.name, "without one", kind.flag))
        # All of them first: which of many is the culprit is seen from each alone.
        tried: dict[CloneFlags, Failure | None] = {}
        for _, _, flags in asked:
            tried[flags] = failure = self.attempt(self.quiet(_bare(flags)))
            self.alone[flags] = failure.errno if failure else 0
        self.probes = replace(self.probes, alone=self.alone)
        remember(self.probes)
        for name, how, flags in asked:
            yield self.result("namespaces", name, how, tried[flags])

    def ways(self) -> Iterator[Check]:
        """Try garden's namespaces with each ID map, the best one first."""
        yield self.garden()
        yield self.sub_ids()
        one = IDMap.rootless(self.facts.euid), IDMap.rootless(self.facts.egid)
        command = replace(_plan(id_map=one[0], gid_map=one[1]), gid_mappings_enable_setgroups=False)
        yield self.way("one ID", "root inside is oneself", command)
        yield self.way("none", "no user namespace: root inside is root", _plan(privileged=True))

    def garden(self) -> Check:
        name, how = "garden", "root inside is MaxUID"
        try:
            return self.way(name, how, _plan())
        except IDMapError as error:
            here = (("uid", self.facts.uid_map), ("gid", self.facts.gid_map))
            cause = rule(
                "too-few-ids",
                str(error),
                seen(*((f"/proc/self/{kind}_map", lines(known)) for kind, known in here if known)),
                "" if self.facts.unmapped else 'use id_map="rootless"',  # not for nobody either
                YOU,
                "garden-linux, NamespacingExecer",
            )
            return Check("ID maps", name, how, False, "plan", error.errno, (cause,))
        except OSError as error:  # our own map cannot be read
            failure = Failure(_bare(NO_NAMESPACES), "plan", error.errno or 0)
            return self.result("ID maps", name, how, failure)

    def sub_ids(self) -> Check:
        name, how = "sub-IDs", "root inside is oneself, the others from /etc/subuid"
        command = _plan(id_map="rootless")
        if command.uid_mappings is not None and len(command.uid_mappings) > 1:
            return self.way(name, how, command)
        # The plan has fallen back to one ID: the causes are those of newuidmap.
        failure = Failure(command, "newuidmap", 0)
        return Check("ID maps", name, how, False, "newuidmap", None, self.why(failure))

    def way(self, name: str, how: str, command: Command) -> Check:
        command = self.quiet(command)
        then = None if self.inside_is_known else self.look_inside
        return self.result("ID maps", name, how, self.attempt(command, then))

    def look_inside(self, spawn: Spawn, command: Command) -> None:
        """Try what one does in the namespaces of the first way that works."""
        from ._spawn import TRIALS

        self.inside_is_known = True
        checks: list[Check] = []
        for name, trial in _AFTERWARDS.items():
            if checks and checks[-1].errno is None and checks[-1].possible is False:
                checks.append(Check("afterwards", name, "", None))  # it was the child's end
                continue
            answer = spawn.attempt(TRIALS.index(trial))
            failure = None
            if answer is None or answer < 0:
                step = _STEP_OF_TRIAL.get(trial, trial)
                failure = Failure(command, step, -answer if answer else 0)
            checks.append(self.result("afterwards", name, "", failure))
        self.inside = tuple(checks)

    def others(self) -> Check:
        failure = None
        try:
            read_text("/proc/1/status")
        except OSError as error:
            failure = Failure(_bare(NO_NAMESPACES), "/proc/1", error.errno or 0)
        return self.result("afterwards", "see other users' processes", "", failure)

    # -- one check ------------------------------------------------------------

    def check(self, group: Group, name: str, how: str, command: Command) -> Check:
        return self.result(group, name, how, self.attempt(command))

    def attempt(
        self, command: Command, then: Callable[[Spawn, Command], None] | None = None
    ) -> Failure | None:
        """Start a command up to just before execve, do something with it, and end it."""
        if self.facts.unborn_init:
            return Failure(command, "", 0)
        if deadly(self.probes, command.clone_flags):  # and it would be this process
            return Failure(command, "clone", 0)
        failure = _try(command, then)
        while failure and failure.errno == errno.ENOSPC and self.may_find_room(command):
            failure = _try(command, then)
        if failure is None and CloneFlags.NEWNET in command.clone_flags:
            self.patience = _MOMENTS
        return failure

    def may_find_room(self, command: Command) -> bool:
        """Wait a moment, if there may be room then for what was tried.

        The kernel clears network namespaces away some 100 ms after their end, and counts
        them until then: also those of what has been tried here.
        """
        flags = command.clone_flags
        hopeless = any(self.alone.get(each) for each in each_alone(flags))
        none = self.facts.sysctls.get("user.max_net_namespaces") == "0"
        if CloneFlags.NEWNET not in flags or hopeless or none or not self.patience:
            return False
        self.patience -= 1
        time.sleep(_MOMENT)
        return True

    def result(self, group: Group, name: str, how: str, failure: Failure | None) -> Check:
        if failure is None:
            return Check(group, name, how, True)
        if not failure.step:
            return Check(group, name, how, None, causes=(unborn_init(self.facts),))
        number = failure.errno or None
        return Check(group, name, how, False, failure.step, number, self.why(failure))

    def why(self, failure: Failure) -> tuple[Cause, ...]:
        self.probes = probes_for(failure.errno, failure.command.clone_flags, self.probes)
        return causes_of(failure, self.facts, self.probes)

    def quiet(self, command: Command) -> Command:
        """Return a command whose standard streams are a file that is always there."""
        return replace(command, stdin=self.nothing, stdout=self.nothing, stderr=self.nothing)


def _try(command: Command, then: Callable[[Spawn, Command], None] | None) -> Failure | None:
    try:
        spawn = begin(command)
        try:
            failure = _hold(spawn, command)
            if failure is None and then is not None:
                then(spawn, command)
            return failure
        finally:
            spawn.abandon()
    except StartError as error:
        said = error.detail.rpartition("says: ")[2] if error.step.endswith("idmap") else ""
        if error.step == "spawner" and type(error.__cause__) is ImportError:
            said = str(error.__cause__)
        return Failure(command, error.step, error.errno or 0, said)


def _hold(spawn: Spawn, command: Command) -> Failure | None:
    if command.newuidmap or command.newgidmap:
        advance(spawn, command, Stop.RELEASED)
        return None
    # No StartError: its hint would ask what we are about to find out.
    failure = spawn.advance(Stop.RELEASED)
    if failure is None:
        return None
    from ._spawn import STEPS

    step, number, _signal = failure
    return Failure(command, STEPS[step][0], number)


def _bare(flags: CloneFlags) -> Command:
    """Return a command in new namespaces and nothing more: no map, no mounts."""
    return Command("/", ("nsexplore doctor",), clone_flags=flags, birth=False)


def _plan(**how: object) -> Command:
    execer = NamespacingExecer(**how)  # type: ignore[arg-type]
    return replace(execer.plan("/"), birth=False, lookup_error=None)

"""The explorer's controls as traits, and the plan that follows them."""

from __future__ import annotations

from typing import Any, Final

import traitlets

from ..flags import CloneFlags
from ..procfs import max_valid_id
from ..runner import CommandRunner, NativeCommandRunner
from .controls import ID_MAPS, Controls, Verdict, as_namespaces, as_rows, first_id_map

__all__ = ["CONTROLS", "Panel"]

CONTROLS: Final = (
    *("privileged", "max_uid", "id_map", "custom", "custom_groups"),
    *("namespaces", "command", "mount_proc"),
)


class Panel(traitlets.HasTraits):
    """The controls, kept consistent, and what comes of them; see `Model`."""

    privileged = traitlets.Bool(False)
    max_uid = traitlets.Int()
    id_map = traitlets.Enum(ID_MAPS)
    custom = traitlets.Any(())
    custom_groups = traitlets.Any(None, allow_none=True)
    namespaces = traitlets.Any(CloneFlags.garden(privileged=False))
    command = traitlets.Unicode("/bin/sh -c 'id; hostname'")
    mount_proc = traitlets.Bool(False)

    plan = traitlets.Any(None, allow_none=True, read_only=True)
    problems = traitlets.Dict(read_only=True)
    warnings = traitlets.Dict(read_only=True)
    notes = traitlets.Dict(read_only=True)
    marked = traitlets.Any(None, allow_none=True, read_only=True)
    can_run = traitlets.Bool(False, read_only=True)
    state = traitlets.Enum(("idle", "running", "stepping", "ended"), "idle", read_only=True)

    def __init__(self, command_runner: CommandRunner | None = None, **controls: Any) -> None:
        super().__init__()
        self._runner = command_runner or NativeCommandRunner()
        self._is_closed = False
        self._last_maps: tuple[Any, Any] = ((), None)
        self._act_words: dict[str, str] = {}
        self._replan()
        for name, value in controls.items():  # one after the other: the later one counts
            if name not in CONTROLS:
                known = ", ".join(CONTROLS)
                raise TypeError(f"{name!r} is no control of the explorer; there are {known}")
            setattr(self, name, value)
        self._replan()

    @traitlets.default("max_uid")
    def _default_max_uid(self) -> int:
        return max_valid_id()

    @traitlets.default("id_map")
    def _default_id_map(self) -> str:
        return first_id_map()

    @traitlets.validate("custom", "custom_groups")
    def _valid_table(self, proposal: Any) -> Any:
        if proposal.value is None and proposal.trait.name == "custom_groups":
            return None
        return _as_trait(as_rows, proposal)

    @traitlets.validate("namespaces")
    def _valid_namespaces(self, proposal: Any) -> Any:
        return _as_trait(as_namespaces, proposal)

    @traitlets.observe("privileged")
    def _privileged_changed(self, change: Any) -> None:
        flags = self.namespaces
        without = flags & ~CloneFlags.NEWUSER
        self.namespaces = without if self.privileged else flags | CloneFlags.NEWUSER

    @traitlets.observe("namespaces")
    def _namespaces_changed(self, change: Any) -> None:
        self.privileged = CloneFlags.NEWUSER not in self.namespaces

    @traitlets.observe(*CONTROLS[1:])
    def _control_changed(self, change: Any) -> None:
        self._act_words = {}
        self._replan()

    def fill_table(self) -> None:
        """Begin the table of a custom map with the map that was planned last, to edit that."""
        with self.hold_trait_notifications():
            self.custom, self.custom_groups = self._last_maps

    def _judge(self) -> Verdict:
        return Controls(
            self.max_uid,
            self.id_map,
            self.custom,
            self.custom_groups,
            self.namespaces,
            self.command,
            self.mount_proc,
            self._runner,
        ).verdict()

    def _replan(self) -> None:
        verdict = self._verdict = self._judge()
        if verdict.plan is not None and verdict.plan.uid_mappings is not None:
            users, groups = verdict.plan.uid_mappings, verdict.plan.gid_mappings
            same = groups == users or groups is None
            self._last_maps = as_rows(users), None if same else as_rows(groups)
        with self.hold_trait_notifications():
            self.set_trait("plan", verdict.plan)
            self.set_trait("warnings", dict(verdict.warnings))
            self.set_trait("notes", dict(verdict.notes))
            self.set_trait("marked", verdict.marked)
            self._tell()

    def _tell(self) -> None:
        """Bring `problems` and `can_run` in line with the verdict, the last act and the state."""
        idle = self.state in ("idle", "ended") and not self._is_closed
        verdict = self._verdict
        self.set_trait("problems", {**verdict.problems, **self._act_words})
        self.set_trait("can_run", idle and verdict.plan is not None and not verdict.problems)

    def _done(self, act: str) -> bool:
        if self._act_words.pop(act, None) is not None:
            self._tell()
        return True

    def _refuse(self, why: str, act: str = "run") -> bool:
        self._act_words = {**self._act_words, act: why}
        self._tell()
        return False


def _as_trait(convert: Any, proposal: Any) -> Any:
    try:
        return convert(proposal.value)
    except (TypeError, ValueError) as error:
        raise traitlets.TraitError(f"{proposal.trait.name}: {error}") from None

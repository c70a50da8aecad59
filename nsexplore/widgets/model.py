"""The explorer without its browser: controls, a plan, a process, and what was run.

Everything a person does with the widgets a script does with a `Model`: it sets the same
traits and calls the same methods, and is told the same. Nothing here knows of a browser.
"""

from __future__ import annotations

import os
import subprocess
from typing import Any, Final

from ..errors import StartError
from ..naming import pid_name
from ..recorder import REFUSALS
from ..stepping import Step
from .following import Follower

__all__ = ["Model"]

_PIPES: Final[dict[str, Any]] = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")}


class Model(Follower):
    """The state of an explorer: observable, and scriptable.

    **Controls** may be set at any time, by a widget or a script alike. A value that cannot
    be asked of the kernel (``max_uid = 1``) is taken and explained: nothing is raised,
    `problems` has the library's words under the control's name, `plan` is None and
    `can_run` False. Only what is no value for the control at all (``max_uid = "many"``)
    raises `traitlets.TraitError`, in a script as for any trait.

    **Acts** (`run`, `step` …) never raise, either: they return whether they were done, and
    if not, ``problems["run"]`` says why. A script that wants errors raised takes
    `NamespacingExecer`.

    What is not a control is read-only. Use a model from one thread, that of its event
    loop. In a notebook output comes in between cells, and while one awaits `ended`; a
    script without a loop calls `wait`.

    Parameters
    ----------
    command_runner : CommandRunner, optional
        What really starts a command; the native spawner by default.
    **controls
        Values to begin with.

    Attributes
    ----------
    privileged : bool
        No user namespace: root inside is then **this machine's real root**. Always the
        opposite of NEWUSER in `namespaces`: setting the one sets the other.
    max_uid : int
        Root inside is this ID outside, with the garden map; from 2 to 4294967294.
    id_map : {"garden", "rootless", "custom"}
    custom, custom_groups : tuple of rows
        The table of a custom map: rows of container_id, host_id and size, whatever they
        hold; text as in /proc/PID/uid_map or an `IDMap` will do, too. For groups None:
        the same as for users. `fill_table` fills it with the map that was planned last.
    namespaces : CloneFlags
        The kinds that will be new; names will do, too: ``"user,uts"``.
    command : str
        A command line; its words are split and quoted as in a shell.
    mount_proc : bool
        Mount a fresh /proc inside.
    plan : Command or None
        What Run will ask of the kernel, but for the pipes; anew with each control.
    problems : dict of str to str
        What is wrong, by control (`Controls`' names), or ``"run"``, ``"send"``,
        ``"output"``: why the last act was not done.
    warnings : dict of str to str
        By control: what the kernel will probably refuse. One may Run all the same.
    notes : dict of str to str
        By control: what it means as it stands.
    marked : (str, int) or None
        The row that is wrong, counted from 0, of ``"custom"`` or ``"custom_groups"``.
    can_run : bool
        There is a plan without a problem, and nothing runs.
    state : {"idle", "running", "stepping", "ended"}
    stop_at : str
        While stepping: the stop it is at, one of `stops`; else empty.
    stops : tuple of str
        Of the start that is stepped through.
    asked : Command or None
        What was asked of the kernel in the latest run.
    process : Process or None
        The latest. Its output is read here; what is kept of it, `read_output` returns, and
        what was left in the pipe (`Output.waits`) can be read from ``process.stdout``.
    view : ProcessView or None
        The latest look at it: at a stop, as it runs, and from its end on at its birth.
    inside : Inhabitants
        It and its descendants, while it runs.
    timeline : Timeline or None
    output : Output
        The end of what it wrote.
    history : tuple of Run
        The latest hundred, the newest last.
    failure : StartError or None
        Of the latest start; its words are ``problems["run"]``.
    offers_doctor : bool
        It was this machine that refused the latest start: `doctor` says why.
    """

    def run(self) -> bool:
        """Start the command; return whether it runs. ``problems["run"]`` says why not."""
        if not self._may_start():
            return False
        verdict = self._verdict
        assert verdict.execer is not None
        try:
            process = verdict.execer.start(*verdict.words, **_PIPES, text=False)
        except Exception as error:
            return self._failed(error)
        self._begin(process)
        return True

    def step(self) -> bool:
        """Begin a start and stop at its first stop, or go on to the next; the views follow.

        At the last stop, exec'd, the process runs, and there is nothing to step through.
        """
        if not self.stops:  # else "while model.step()" would never end
            self._catch_up()
        if self.state == "running":
            return self._refuse(f"{self._runs()}: there is no step after exec'd")
        if (self._stepping is None and not self._may_start()) or self._is_copy():
            return False
        try:
            if self._stepping is not None:
                self._stepping.next()
            else:
                verdict = self._verdict
                assert verdict.execer is not None
                step = verdict.execer.step(*verdict.words, **_PIPES, text=False)
                self._forget_last()
                self._stepping = step
                self.set_trait("stops", step.states)
        except Exception as error:
            return self._failed(error)
        self._show_stop(self._stepping)
        return True

    def finish(self) -> bool:
        """Go on to the end of a start that is stepped through; the process runs then."""
        if self._stepping is None:
            return self._refuse("nothing waits at a stop: Step begins a start")
        if self._is_copy():
            return False
        try:
            self._stepping.finish()
        except Exception as error:
            return self._failed(error)
        self._show_stop(self._stepping)
        return True

    def _is_copy(self) -> bool:
        if os.getpid() == self._owner:
            return False
        self._refuse("this is a forked copy of the process whose explorer it is: make a new one")
        return True

    def _may_start(self) -> bool:
        if self._is_copy():
            return False
        self._catch_up()
        if self._is_closed:
            return self._refuse("this explorer is closed: make a new one")
        if self.state == "running":
            return self._refuse(f"{self._runs()}: Stop ends it, or wait for its end")
        if self.state == "stepping":
            return self._refuse(f"a start waits at {self.stop_at}: Step goes on, Stop ends it")
        self._act_words = {}
        self._replan()  # PATH and the like may have changed since
        if self._verdict.problems:
            controls = ", ".join(self._verdict.problems)
            return self._refuse(f"what is asked cannot be done: see {controls}")
        return True

    def _runs(self) -> str:
        return f"process {pid_name(self.process.pid)} runs"

    def _show_stop(self, step: Step) -> None:
        if step.process is not None:
            self._stepping = None
            self._begin(step.process, is_stepped=True)
            return
        try:
            view = step.view()
        except OSError:  # killed meanwhile: the next step says so
            view = None
        with self.hold_trait_notifications():
            self.set_trait("asked", step.command)
            self.set_trait("view", view)
            self.set_trait("timeline", step.timeline)
            self.set_trait("stop_at", step.state)
            self.set_trait("state", "stepping")
            self._act_words = {}
            self._tell()

    def _failed(self, error: Exception) -> bool:
        """Put a start that failed into words; nothing of it is left."""
        timeline = None
        if self._stepping is not None:
            timeline = self._stepping.timeline
            self._stepping.close()
            self._stepping = None
        for kept in (error, error.__cause__, error.__context__):
            if kept is not None:
                kept.__traceback__ = None  # it would hold on to all the frames there were
        refused = isinstance(error, StartError) and error.step in REFUSALS
        with self.hold_trait_notifications():
            self._forget_last()
            self.set_trait("failure", error)
            self.set_trait("offers_doctor", refused)
            self.set_trait("timeline", timeline)
            self.set_trait("state", "ended")
            return self._refuse(str(error) or type(error).__name__)

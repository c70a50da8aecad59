"""garden-linux's `NamespacingExecer`: a command in new namespaces."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from . import arguments
from ._renders import Renders
from .arguments import Argument, Stream
from .command import Command, Credential, Propagation
from .errors import StartError
from .flags import CloneFlags
from .idmap import IDMap
from .lookup import look_path
from .process import Completed, Process
from .reaping import reap_later
from .rootless import NO_MAPS, Maps, custom_maps, garden_maps, rootless_maps
from .runner import CommandRunner, NativeCommandRunner, ending_on_error, start_unowned
from .stepping import Step
from .streams import Streams

__all__ = ["NamespacingExecer"]

_GARDEN_FLAGS = {mode: CloneFlags.garden(privileged=mode) for mode in (False, True)}


@dataclass(frozen=True)
class NamespacingExecer(Renders):
    """Start commands in new namespaces.

    As in garden-linux, a command gets new IPC, network, mount, UTS and PID
    namespaces and, unless `privileged`, a user namespace in which it is root.

    Parameters
    ----------
    command_runner : CommandRunner
        What really starts a command; the native spawner by default.
    extra_files : sequence of files or file descriptors
        They arrive in the child at fd 3, 4, … in order. No other fd above 2 is open there.
    privileged : bool
        No user namespace: root inside is then **this machine's real root**.
    max_uid : int, optional
        Root inside is this UID and GID outside; 1 to max_uid-1 stay
        themselves, and root inside may become any of them. From 2 to 4294967294.
        By default `max_valid_id`. Without a user namespace it says nothing, as in
        garden; nor beside an IDMap, which says it all.
    id_map : "rootless" or IDMap, optional
        Instead of garden's map of `max_uid`. ``"rootless"`` is what an ordinary
        user may do: root inside is oneself, or `max_uid` if it is one's own or in
        one's ranges of /etc/subuid and /etc/subgid. Those follow from 1 on, where
        there are any; without, setgroups is denied, and ``Command.notes`` says why.
        Where this process may not write a map itself, newuidmap and newgidmap do.
    gid_map : IDMap, optional
        For groups, where it is not the same as `id_map`.
    clone_flags : CloneFlags, optional
        Exactly these namespaces instead of garden's; all eight kinds can be
        made. Without NEWUSER, root inside is this machine's real root.
    propagation : {"private", "slave", "shared"} or None
        Of the mounts in a new mount namespace. "private" by default, as in
        unshare(1): on a machine with a shared ``/`` a mount made inside would
        appear outside. It does with "shared", and with None, which leaves
        things as they are, as garden does.
    mount_proc : bool
        Mount a fresh /proc inside.
    detached : bool
        Processes may outlive this one.

    Raises
    ------
    IDMapError, TypeError, ValueError
        The arguments do not fit; nothing was spawned.

    Examples
    --------
    >>> NamespacingExecer(max_uid=65535).plan("/bin/sleep", "60").uid_mappings[0]
    IDMapping(container_id=0, host_id=65535, size=1)
    """

    command_runner: CommandRunner = field(default_factory=NativeCommandRunner)
    extra_files: Sequence[Any] = ()
    privileged: bool = False
    max_uid: int | None = None
    id_map: Literal["rootless"] | IDMap | None = None
    gid_map: IDMap | None = None
    clone_flags: CloneFlags | None = None
    propagation: Propagation | None = "private"
    mount_proc: bool = False
    detached: bool = False

    def __post_init__(self) -> None:
        if not callable(getattr(self.command_runner, "start", None)):
            raise TypeError(
                f"command_runner={self.command_runner!r} has no start(); MaxUID goes in max_uid="
            )
        if not isinstance(self.privileged, bool):
            raise TypeError(f"privileged must be True or False, not {self.privileged!r}")
        object.__setattr__(self, "extra_files", tuple(self.extra_files))
        arguments.check_root(self.max_uid, rootless=self.id_map == "rootless")
        if self.clone_flags is not None:
            flags = arguments.as_flags(self.clone_flags, privileged=self.privileged)
            object.__setattr__(self, "clone_flags", flags)
        arguments.check_maps(self.id_map, self.gid_map, self._flags())
        arguments.check_mounts(self._flags(), self.propagation, mount_proc=self.mount_proc)

    # -- planning -----------------------------------------------------------

    def _flags(self) -> CloneFlags:
        if self.clone_flags is not None:
            return self.clone_flags
        return _GARDEN_FLAGS[self.privileged]

    def _maps(self) -> Maps:
        if CloneFlags.NEWUSER not in self._flags():
            return NO_MAPS
        if isinstance(self.id_map, IDMap):
            return custom_maps(self.id_map, self.gid_map or self.id_map)
        return self._garden_maps if self.id_map is None else rootless_maps(self.max_uid)

    @cached_property
    def _garden_maps(self) -> Maps:
        # Once for all starts: which IDs are valid does not change under a running process.
        return garden_maps(self.max_uid)

    def plan(
        self,
        bin_path: Argument,
        *args: Argument,
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
        env: Mapping[str, str] | None = None,
        cwd: Argument | None = None,
    ) -> Command:
        """Return what would be asked of the kernel. Spawns nothing, needs no privilege.

        Parameters
        ----------
        bin_path : str, bytes or path
            The program; a bare name is looked up in PATH, as Go does.
        *args : str, bytes or path
            Its arguments.
        stdin, stdout, stderr : file or int, optional
            Default is /dev/null.
        env : mapping, optional
            The whole environment; this process's by default.
        cwd : str or path, optional
            The working directory; this process's by default.

        Returns
        -------
        Command

        Raises
        ------
        TypeError, ValueError
            Names the argument that does not fit.
        """
        return self._plan(bin_path, args, stdin, stdout, stderr, env, cwd)

    def _plan(
        self,
        bin_path: Argument,
        args: tuple[Argument, ...],
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
        env: Mapping[str, str] | None = None,
        cwd: Argument | None = None,
        *,
        birth: bool = True,
    ) -> Command:
        name = arguments.as_text("bin_path", bin_path)
        path, lookup_error = look_path(name)
        flags, maps = self._flags(), self._maps()
        return Command(
            path=path,
            args=(name, *(arguments.as_text(f"args[{i}]", arg) for i, arg in enumerate(args))),
            stdin=arguments.as_file("stdin", stdin),
            stdout=arguments.as_file("stdout", stdout),
            stderr=arguments.as_file("stderr", stderr),
            env=None if env is None else arguments.as_environment(env),
            cwd=None if cwd is None else arguments.as_text("cwd", cwd),
            clone_flags=flags,
            uid_mappings=maps.uid,
            gid_mappings=maps.gid,
            gid_mappings_enable_setgroups=maps.setgroups,
            newuidmap=maps.newuidmap,
            newgidmap=maps.newgidmap,
            credential=None if maps.uid is None else Credential(0, 0),
            extra_files=tuple(
                arguments.as_descriptor(f"extra_files[{i}]", file)
                for i, file in enumerate(self.extra_files)
            ),
            propagation=self.propagation if CloneFlags.NEWNS in flags else None,
            mount_proc=self.mount_proc,
            detached=self.detached,
            lookup_error=lookup_error,
            notes=maps.notes,
            birth=birth,
        )

    # -- starting -----------------------------------------------------------

    def exec(self, bin_path: Argument, *args: Argument) -> int:
        """Start a command with stdio on /dev/null and return its PID: garden's own call.

        The process lives until its end or this process's. Its exit status can
        be had with ``os.waitpid(pid, 0)``; where nobody has asked within a
        second of its end, it is reaped.

        Raises
        ------
        StartError
            With the failed step, errno and a hint. Nothing is left behind.
        """
        command = self._plan(bin_path, args, birth=False)
        if type(self.command_runner) is NativeCommandRunner:  # no Process for a mere number
            return start_unowned(command)
        process = self._launch(command)
        spawn = getattr(process, "_spawn", None)  # another runner's process may be anything
        if spawn is not None:
            process._spawn = None
            reap_later(spawn)
        return process.pid

    def start(
        self,
        bin_path: Argument,
        *args: Argument,
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
        env: Mapping[str, str] | None = None,
        cwd: Argument | None = None,
        text: bool = True,
    ) -> Process:
        """Start a command and return its `Process`.

        Parameters
        ----------
        bin_path, *args, env, cwd
            As in `plan`.
        stdin, stdout, stderr : optional
            None is /dev/null; `subprocess.PIPE`, ``DEVNULL``, ``STDOUT``, a
            file descriptor or a file as there.
        text : bool
            Whether our ends of pipes speak text (UTF-8; undecodable bytes are
            replaced) or bytes.

        Raises
        ------
        StartError
            With the failed step, errno and a hint. Nothing is left behind.
        TypeError, ValueError
            Names the argument that does not fit; nothing was spawned.
        """
        streams, command = self._prepare(bin_path, args, stdin, stdout, stderr, env, cwd)
        try:
            with ending_on_error():  # an interrupt right after the launch
                process = self._launch(command)
                if isinstance(process, Process):
                    process._attach(streams, text=text)
                else:  # another runner's: it has our ends of no pipe
                    streams.close()
        except BaseException:
            streams.close()
            raise
        return process

    def step(
        self,
        bin_path: Argument,
        *args: Argument,
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
        env: Mapping[str, str] | None = None,
        cwd: Argument | None = None,
        text: bool = True,
    ) -> Step:
        """Start a command, stopped between the steps of its start; see `Step`.

        The native spawner does it, unless the `command_runner` has a way of its own: a
        ``step(command, streams, *, text)`` that returns a `Step`. As `start` else.
        """
        streams, command = self._prepare(bin_path, args, stdin, stdout, stderr, env, cwd)
        try:
            step = getattr(self.command_runner, "step", Step)
            stopped: Step = step(command, streams, text=text)
            return stopped
        except BaseException:
            streams.close()
            raise

    def run(
        self,
        bin_path: Argument,
        *args: Argument,
        input: str | bytes | None = None,
        timeout: float | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Argument | None = None,
    ) -> Completed:
        """Run a command to its end, capturing its output, always and as text.

        Parameters
        ----------
        input : str or bytes, optional
            What it reads from stdin; /dev/null by default.
        timeout : float, optional
            Seconds.

        Raises
        ------
        subprocess.TimeoutExpired
            Everything that was started is killed and reaped; the output so far
            is in its ``stdout`` and ``stderr``.
        StartError, TypeError, ValueError
            As in `start`.
        """
        arguments.deadline_of(timeout)  # a bad one is refused before anything is spawned
        if input is not None:
            input = arguments.as_input(input, text=True)
        pipe = subprocess.PIPE
        stdin = None if input is None else pipe
        with self.start(
            bin_path, *args, stdin=stdin, stdout=pipe, stderr=pipe, env=env, cwd=cwd
        ) as process:
            stdout, stderr = process.communicate(input, timeout)
            return Completed(
                process.command,
                process.wait(),
                stdout or "",
                stderr or "",
                process.birth,
                process.timeline,
            )

    def _prepare(
        self,
        bin_path: Argument,
        args: tuple[Argument, ...],
        stdin: Stream,
        stdout: Stream,
        stderr: Stream,
        env: Mapping[str, str] | None,
        cwd: Argument | None,
    ) -> tuple[Streams, Command]:
        streams = Streams.open(stdin, stdout, stderr)
        try:
            i, o, e = streams.child
            return streams, self._plan(bin_path, args, i, o, e, env, cwd)
        except BaseException:
            streams.close()
            raise

    def _launch(self, command: Command) -> Process:
        with ending_on_error():
            try:
                process = self.command_runner.start(command)
            except StartError:
                raise
            except Exception as error:
                number = error.errno if isinstance(error, OSError) else None
                raise StartError(
                    str(error),
                    errno=number,
                    step="runner",
                    detail=f"{type(self.command_runner).__name__}.start raised"
                    f" {type(error).__name__}",
                ) from error
            if not isinstance(getattr(process, "pid", None), int):
                raise StartError(
                    f"the command runner returned no process but {process!r}",
                    step="runner",
                    detail=f"{type(self.command_runner).__name__}.start",
                    hint="a CommandRunner's start(command) returns a Process",
                )
            return process

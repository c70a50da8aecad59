"""The native spawner (nsexplore/_csrc). Use `nsexplore.spawning`, which speaks in Commands."""

STEPS: tuple[tuple[str, str, bool], ...]
"""(name, system calls separated by commas, whether the child does it), by step number."""

TRIALS: tuple[str, ...]
"""What `Spawn.attempt` can do, by number (``enum spawn_trial``)."""

class Spawn:
    """One start. Dropping the object kills and reaps the process."""

    def __new__(
        cls,
        path: bytes,
        argv: tuple[bytes, ...],
        env: tuple[bytes, ...],
        cwd: bytes | None,
        namespaces: int,
        uid_map: bytes | None,
        gid_map: bytes | None,
        setgroups: bytes | None,
        credential: tuple[int, int, tuple[int, ...] | None] | None,
        files: tuple[int, ...],
        propagation: int,
        mount_proc: bool,
        detached: bool,
        /,
    ) -> Spawn: ...
    @property
    def pid(self) -> int:
        """PID in the caller's namespace, 0 for none."""
    @property
    def pidfd(self) -> int:
        """Owned by this object, -1 for none."""
    @property
    def reached(self) -> int:
        """The last stop reached (`nsexplore.spawning.Stop`)."""
    def advance(self, stop: int, /) -> tuple[int, int, int] | None:
        """Drive the start up to a stop; (step, errno, signal) where it failed."""
    def attempt(self, trial: int, argument: int = 0, /) -> int | None:
        """Have the process, held at RELEASED, try something: what the call returned, or -errno.

        None: the process did not survive it, and the start has ended.
        """
    def note(self, step: int, start_ns: int, end_ns: int, errno: int, /) -> None:
        """Record a step that Python did for this start (CLOCK_MONOTONIC)."""
    def abandon(self) -> None:
        """Kill and reap the process, close everything."""
    def disown(self) -> None:
        """Close the pidfd and let the process live."""
    def records(self) -> list[tuple[int, int, int, int]]:
        """(step, start_ns, end_ns, errno): the parent's, then the child's."""

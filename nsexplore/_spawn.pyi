"""The native spawner (nsexplore/_csrc). Use `nsexplore.spawning`, which speaks in Commands."""

STEPS: tuple[tuple[str, str, bool], ...]
"""(name, system calls separated by commas, whether the child does it), by step number."""

TRIALS: tuple[str, ...]
"""What `Spawn.attempt` can do, by number (``enum spawn_trial``)."""

def identify(path: str, dir_fd: int, /) -> tuple[int, int]:
    """Return device and inode of a file, without asking a file server: statx(2)."""

def getfd(pidfd: int, fd: int, /) -> int:
    """Return a copy of another process's file descriptor, close-on-exec: pidfd_getfd(2)."""

def listns(kinds: int, last_id: int, /) -> list[int]:
    """Return the unique IDs of some namespaces, those behind `last_id`: listns(2).

    `kinds` is a sum of ``CLONE_NEW*``, 0 for all. An empty list: there are no more.
    `OSError` with ENOSYS before Linux 6.19.
    """

def open_namespace(unique_id: int, kind: int = 0, inode: int = 0, /) -> int:
    """Return a descriptor, close-on-exec, of a namespace by its ID: open_by_handle_at(2).

    Linux 6.18 wants its `kind` (``CLONE_NEW*``) and `inode` too; 6.19 does without both.
    `OSError`: ESTALE, there is none; EPERM, not for this process; EBADF before Linux 6.18.
    """

class Spawn:
    """One start. Dropping the object kills and reaps the process."""

    def __new__(
        cls,
        paths: tuple[bytes, ...],
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
        joins: tuple[tuple[int, int], ...],
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
    @property
    def joining(self) -> int:
        """Which of the joins the process was last to enter."""
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

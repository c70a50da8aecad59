"""A runner that shows a recording where this machine refuses to start anything."""

from __future__ import annotations

import atexit
import os
import shlex
from collections.abc import Callable
from dataclasses import replace
from errno import errorcode
from typing import Final

from .book import Book, Entry, as_oneself
from .command import Command
from .discovering import discover
from .errors import StartError
from .naming import recorded_by
from .origin import Origin, printable
from .process import Process
from .recorder import REFUSALS, Recorder
from .recording import Recording, RecordingError
from .replayed import ReplayedProcess, ReplayedStep
from .runner import NativeCommandRunner
from .snapshot import Snapshot
from .spawning import begin
from .stepping import Step
from .streams import Streams

__all__ = ["ReplayingCommandRunner"]


class ReplayingCommandRunner:
    """Starts commands for real, and shows recordings of them where this machine refuses.

    The same notebook is live on one machine and can be read on any other: where
    a start is refused (not where it is the caller's own mistake), what was seen
    of this very command elsewhere is shown instead, marked ``recorded on …``
    in every picture and frame, and by a line that is printed at every start.
    What is sent to a recorded process is not looked at. `discover` does the same for
    what was started: what is seen of it on the machine, or was seen.

    Parameters
    ----------
    path : str or path
        The book of recordings. Not read before it is needed.
    record : bool, optional
        Start for real, and keep what is seen until `save`. By default, if the
        environment variable ``NSEXPLORE_RECORD`` is 1; then the end of this
        process saves it.
    notice : callable
        What is told of every replay: `print` by default.

    Examples
    --------
    >>> from nsexplore import NamespacingExecer
    >>> here = ReplayingCommandRunner("recordings/my-notebook.json")
    >>> NamespacingExecer(here, max_uid=65535).plan("/bin/true").args
    ('/bin/true',)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        record: bool | None = None,
        notice: Callable[[str], object] = print,
    ) -> None:
        self.path = os.path.abspath(path)  # the working directory may change
        self.notice = notice
        self._book: Book | None = None
        self._recorder: Recorder | None = None
        self._replays: bool | None = None  # None: nothing was started yet
        if record is None and os.environ.get("NSEXPLORE_RECORD") == "1":
            record = True
            atexit.register(self.save)
        if record:
            self._recorder = Recorder()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r}, record={self._recorder is not None})"

    @property
    def book(self) -> Book:
        """The recordings there are: while it records, those so far.

        Raises
        ------
        RecordingError
            The file is not there, or is no book.
        """
        if self._recorder is not None:
            return self._recorder.book()
        if self._book is None:
            value = Recording.load(self.path).value
            if not isinstance(value, Book):
                raise RecordingError(
                    f"{self.path!r} holds a {type(value).__name__}, not a book: load it with"
                    " Recording.load, and make a book with record=True"
                )
            self._book = value
        return self._book

    def save(self, note: str = "") -> None:
        """Write what was recorded to `path`, in place of what was there."""
        if self._recorder is None:
            raise ValueError("nothing was recorded: make the runner with record=True")
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        Recording.take(self.book, note).save(self.path)

    def start(self, command: Command) -> Process:
        """Start a command, or return a process that shows what was recorded of one.

        Raises
        ------
        StartError
            It was refused, and there is no recording; or this is what was recorded.
        """
        if self._recorder is not None:
            return self._recorder.start(command)
        try:
            _check_joins(command)
            return NativeCommandRunner().start(command)
        except StartError as error:
            entry = self._instead(error, command, stepped=False)
            return ReplayedProcess(command, entry)

    def step(self, command: Command, streams: Streams | None = None, *, text: bool = True) -> Step:
        """Start a command stopped between its steps, or return the recorded stops of one.

        A machine may refuse half-way: so a start up to just before execve is tried first.

        Raises
        ------
        StartError
            As `start`.
        """
        if self._recorder is not None:
            return self._recorder.step(command, streams, text=text)
        try:
            _check_joins(command)
            _try(command)
        except StartError as error:
            return ReplayedStep(command, self._instead(error, command, stepped=True), streams, text)
        return Step(command, streams, text=text)

    def discover(self, label: str) -> Snapshot:
        """Look for the namespaces of this process and its descendants.

        That is ``nsexplore.discover().of(os.getpid())``, live; where a start was replayed,
        which this machine then has not, what was seen elsewhere. The machine's name and
        the arguments of this process itself, a notebook's with folders of its user, are
        left out.

        Parameters
        ----------
        label : str
            Which of several recorded looks this is.

        Raises
        ------
        RecordingError
            There is no recorded look of that label.
        """
        if self._recorder is None and self._refused():
            return self._recorded_look(label)
        seen = _unnamed(discover().of(os.getpid()))
        if self._recorder is not None:
            self._recorder.snapshots[label] = seen
        return seen

    def _refused(self) -> bool:
        """Return whether starts are replayed here: if there was none, whether one would be."""
        if self._replays is None and os.path.exists(self.path):
            self._replays = any(map(_is_refused, self.book.entries))
        return bool(self._replays)

    def _recorded_look(self, label: str) -> Snapshot:
        if label not in self.book.snapshots:
            labels = ", ".join(printable(repr(known), 80) for known in self.book.snapshots)
            raise RecordingError(
                f"{self.path!r} has no look labelled {label!r}; there are {labels or 'none'}"
            )
        seen = self.book.snapshots[label]
        recorded_by(seen.here, next((p.pid for p in seen.seen_processes if not p.command), None))
        return seen

    def _instead(self, error: StartError, command: Command, *, stepped: bool) -> Entry:
        """Return the recording to show after an error; raise that one again if there is none."""
        refusal = _refusal(error, command)
        if refusal is None:
            raise error
        try:
            book = self.book
        except RecordingError as problem:
            refusal.add_note(f"No recording can be shown instead: {problem}")
            raise refusal from None
        # Only now: as long as all is live, what has our numbers is ours.
        recorded_by(book.recorded.reference if book.recorded else {})
        entry = book.find(command, stepped=stepped)
        if not command.birth:
            refusal.add_note(
                "exec() returns a mere PID, and a recorded one would be another process's here:"
                " use start() or run(), which can show a recording"
            )
            raise refusal
        if entry is None:
            refusal.add_note(f"No recording can be shown instead: {_contents(book, self.path)}")
            raise refusal
        self._tell(book.recorded, refusal)
        self._replays = True
        if entry.failure is not None and not stepped:
            recorded = entry.failure.error()
            recorded.add_note(str(book.recorded))
            raise recorded from None
        return entry

    def _tell(self, origin: Origin | None, refusal: StartError) -> None:
        assert origin is not None  # a book that was loaded has one
        number = refusal.errno
        why = refusal.reason if number is None else errorcode.get(number, f"errno {number}")
        if refusal.step != _ENTERS:
            why = f"this machine refuses, {refusal.step}: {why}"
        self.notice(f"{origin.mark} ({printable(origin.system)}): {why}")


def _unnamed(seen: Snapshot) -> Snapshot:
    own = os.getpid()
    return replace(
        seen,
        host="",
        seen_processes=tuple(
            replace(process, comm="python", command="") if process.pid == own else process
            for process in seen.seen_processes
        ),
    )


def _is_refused(entry: Entry) -> bool:
    if entry.command.joins:
        return False
    try:
        _try(as_oneself(entry.command))
    except StartError as error:
        return error.step in REFUSALS
    return False


def _try(command: Command) -> None:
    """Go through a start up to where its program would begin: a stop may be refused half-way."""
    with Step(command) as step:
        while step.state != "released":
            step.next()


_ENTERS: Final = "setns"


def _enters_recorded(command: Command) -> bool:
    return any(join.fd < 0 for join in command.joins)


def _check_joins(command: Command) -> None:
    """Refuse to enter a process that is recorded: what it was in is not here."""
    if _enters_recorded(command):
        raise StartError("the process that it enters is recorded, too", step=_ENTERS)


def _refusal(error: StartError, command: Command) -> StartError | None:
    """Return an error by which this machine refuses; None for one of the caller's own making."""
    if _enters_recorded(command):
        return error
    if error.step == "lookup":
        # Where nothing can be started at all, what is not installed is not what is wrong.
        try:
            begin(replace(command, lookup_error=None)).abandon()
        except StartError as first:
            error = first
    return error if error.step in REFUSALS else None


def _contents(book: Book, path: str) -> str:
    lines = [printable(f"  {shlex.join(entry.command.args)}", 120) for entry in book.entries[:20]]
    if hidden := len(book.entries) - len(lines):
        lines.append(f"  … {hidden} more")
    return "\n".join([f"this very command is not among those of {path!r}:", *lines])

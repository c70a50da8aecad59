"""A question on its way to engines: answers as they come, each with a time limit of its own."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Final, Generic, TypeVar

from ..codec import RecordingError
from ..progress import Progress, Watching
from ..recording import Recording
from .answers import Answer, Answers
from .wire import BEGUN, MIME, WORDS, Problem, Reply, read_reply, request

__all__ = ["Asking"]

A = TypeVar("A", bound=Answers[Any])

# The only code that is sent: one expression, which names nothing in the engine's namespace.
# What it imports must be there, in whichever version.
_CODE: Final = "__import__('nsexplore.hosts.engine', fromlist=['reply']).reply({!r})"

_AFTERWARDS: Final = 2.0
"""Seconds between the end of an engine's work and what it has published, which comes apart."""
_LOOKING: Final = 0.02
_TELLING: Final = 0.2


class Asking(Generic[A]):
    """A question that was sent to engines. Iterate over it for the answers as they come.

    Each engine has the same time, from the sending on; then it has not answered, and the others
    are none the worse for it. What is asked for but not answered is called off at the end of the
    time, by `cancel`, and by Ctrl-C while one waits: what has begun is interrupted, and what has
    not does not begin any more. An engine whose interrupt comes just as it is done passes it on to
    whatever it does next, as Jupyter's kernels do.

    Attributes
    ----------
    answers : dict of int to Answer
        Those so far, by the number of the engine.
    """

    def __init__(
        self,
        client: Any,
        labels: Mapping[int, str],
        question: str,
        arguments: Mapping[str, Any],
        gathered: type[A],
        timeout: float,
        progress: Watching = None,
    ) -> None:
        self.question = question
        self.labels = dict(labels)
        self.timeout = timeout
        self.answers: dict[int, Answer] = {}
        self._client = client
        self._gathered = gathered
        self._progress = progress
        self._came: SimpleQueue[int] = SimpleQueue()
        self._results: dict[int, Any] = {}
        self._done: dict[int, float] = {}  # those of which only the reply is still to come
        code = _CODE.format(request(question, arguments))
        self._sent = time.monotonic()
        try:
            for engine in self.labels:
                self._send(engine, code)
        except BaseException:  # Ctrl-C: nobody will ever have this to call it off
            self.cancel()
            raise

    def _send(self, engine: int, code: str) -> None:
        try:
            result = self._client[engine].execute(code, silent=True, block=False)
        except Exception as error:  # it has gone since the client was last told
            self._note(engine, problem=Problem(type(error).__name__, str(error)))
            return
        self._results[engine] = result
        result.add_done_callback(lambda _: self._came.put(engine))

    # -- waiting ----------------------------------------------------------------------

    def __iter__(self) -> Iterator[Answer]:
        """Yield each answer once, as it comes; one that does not come says so."""
        yield from list(self.answers.values())
        with Progress(self._progress, 1, "asking", " hosts") as watch:
            for _ in watch.round(range(len(self._results)), len(self.labels)):
                if not self._results:  # called off meanwhile
                    return
                yield self._next(watch)

    def _next(self, watch: Progress) -> Answer:
        try:
            return self._waited(watch)
        except BaseException:
            self.cancel()
            raise

    def _waited(self, watch: Progress) -> Answer:
        while True:
            watch.look()
            now = time.monotonic()
            for engine, until in self._done.items():
                if now >= until or _is_complete(self._results[engine]):
                    return self._read(engine)
            left = self._sent + self.timeout - now
            waiting = next((engine for engine in self._results if engine not in self._done), None)
            try:
                pause = min(left, _LOOKING if self._done else _TELLING)
                came = self._came.get(timeout=pause) if pause > 0 else self._came.get_nowait()
            except Empty:
                if left > 0:
                    continue
                if waiting is not None:
                    return self._give_up(waiting)
                time.sleep(_LOOKING)
                continue
            if came in self._results:
                self._done[came] = time.monotonic() + _AFTERWARDS

    def _give_up(self, engine: int) -> Answer:
        self._call_off([engine])
        words = f"no answer within {self.timeout:g} s: the engine is busy, stopped, or gone"
        return self._note(engine, problem=Problem("TimeoutError", words))

    def gathered(self) -> A:
        """Wait for all answers, or the end of the time, and return them together."""
        for _ in self:
            pass
        return self._gathered(self.answers.values())

    def cancel(self) -> None:
        """Call off what is not answered: engines that work on it are interrupted."""
        waiting = list(self._results)
        self._call_off(waiting)
        for engine in waiting:
            self._note(engine, problem=Problem("CancelledError", "it was called off"))

    def _call_off(self, engines: Sequence[int]) -> None:
        jobs = [job for engine in engines for job in self._results[engine].msg_ids]
        # What an engine works on may be somebody else's, and ours wait behind it.
        begun = [engine for engine in engines if _is_at_work(self._results[engine])]
        # Either may be refused: the engine is gone, or has nobody who passes signals on.
        with suppress(Exception):
            self._client.abort(jobs, block=False)
        if begun:
            with suppress(Exception):
                self._client.send_signal(signal.SIGINT, targets=begun, block=False)

    # -- reading ----------------------------------------------------------------------

    def _read(self, engine: int) -> Answer:
        result = self._results[engine]
        try:
            executed = result.get(0)
            if isinstance(executed, BaseException):
                raise executed
            reply = read_reply(_published(result, MIME))
            if reply.problem is not None:
                return self._note(engine, reply, _short(reply.problem))
            value = self._value(reply)
        except RecordingError as error:
            return self._note(engine, problem=_short(Problem("RecordingError", str(error))))
        except Exception as error:
            return self._note(engine, problem=_short(_of_engine(error)))
        return self._note(engine, reply, None, value)

    def _value(self, reply: Reply) -> Any:
        """Return what was asked for; what is something else is refused."""
        wanted = self._gathered.of
        if wanted is None:
            return None
        if not reply.recording:
            raise RecordingError(f"the reply to {self.question!r} has no recording")
        value = Recording.from_json(reply.recording).value
        if type(value) is not wanted:
            raise RecordingError(
                f"the reply to {self.question!r} is a {type(value).__name__},"
                f" not a {wanted.__name__}"
            )
        return value

    def _note(
        self,
        engine: int,
        reply: Reply | None = None,
        problem: Problem | None = None,
        value: Any = None,
    ) -> Answer:
        self._results.pop(engine, None)
        self._done.pop(engine, None)
        seconds = time.monotonic() - self._sent
        who = reply.who if reply else None
        answer = Answer(engine, self.labels[engine], who, value, problem, seconds)
        self.answers[engine] = answer
        return answer


def _published(result: Any, mime: str) -> object:
    """Return what the one engine of a result has published of a type, first; None if nothing."""
    for output in list(result["outputs"]):  # of a result that is still to come, too
        data = output.get("data") if isinstance(output, dict) else None
        if isinstance(data, dict) and mime in data:
            return data[mime]
    return None


def _is_at_work(result: Any) -> bool:
    # Not once it has replied: what it does then is somebody else's.
    return _published(result, BEGUN) is not None and _published(result, MIME) is None


def _is_complete(result: Any) -> bool:
    """Return whether of a result that is there nothing more will come."""
    if _published(result, MIME) is not None or result.wait_for_output(0):
        return True
    return not result.successful()


_NOT_THERE: Final = "nsexplore with many machines is not installed there: pip install nsexplore"


def _of_engine(error: BaseException) -> Problem:
    """Say what an engine's failure means."""
    name = getattr(error, "ename", None) or type(error).__name__
    words = str(getattr(error, "evalue", None) or error)
    if name in ("ModuleNotFoundError", "ImportError"):
        return Problem(str(name), f"{_NOT_THERE} ({words:.200})")
    return Problem(str(name), words)


def _short(problem: Problem) -> Problem:
    return Problem(problem.kind[:80], problem.words[:WORDS])

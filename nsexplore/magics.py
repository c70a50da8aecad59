"""``%%ns`` and ``%nsdoctor``, after ``%load_ext nsexplore``."""

from __future__ import annotations

import argparse
import codecs
import os
import re
import select
import shlex
import subprocess
import sys
import time
from pathlib import PurePath
from typing import Any, Final, NoReturn
from weakref import WeakKeyDictionary

from IPython.core.error import UsageError

from .diagnosis import Diagnosis
from .errors import IDMapError, StartError
from .pictures._escape import visible
from .pictures.cell import mimebundle
from .process import Completed, Process
from .recorder import REFUSALS
from .startoptions import (
    add_command,
    add_start_options,
    add_timeout,
    as_options,
    execer,
    words,
)
from .streams import CHUNK
from .widgets.output import KEPT, Excerpt, Output
from .widgets.streaming import TICK, Streaming

__all__ = ["load_ipython_extension", "unload_ipython_extension"]

BEGINNING: Final = 60 << 10
"""Bytes of a stream that are shown as they come."""

END: Final = 4 << 10
"""Bytes that are shown of what comes after those, once all has come."""

_EPILOG: Final = """\
The cell is the script. The interpreter gets it as an argument: by -c (shells, Python), -e
(perl, ruby, node, lua, Rscript) or -r (php); it may have arguments of its own before. Its
stdin is empty. It and everything that it started end with the cell, and with an interrupt
of it. The cell's result, _, is a Completed: _.returncode, _.stdout, _.birth, _.timeline

Output is shown as it is written, and control characters in it as escapes; of each stream
the first 60 KiB, and at the end the last 4 KiB. _ has up to 32 MiB of each; what goes
beyond is counted and dropped. Python keeps what it writes to a pipe until its end, unless
it is started as python3 -u.

examples:
  %%ns
  %%ns --max-uid 65535
  %%ns --rootless --namespaces user,uts bash -e
  %%ns --privileged --mount-proc --timeout 10
  %%ns -q --runner here python3 -u
"""


def load_ipython_extension(ipython: Any) -> None:
    """Add the magics to an IPython; called by ``%load_ext nsexplore``."""
    magics = _loaded[ipython] = _Magics(ipython)
    ipython.register_magic_function(magics.ns, "cell", "ns")
    ipython.register_magic_function(magics.nsdoctor, "line", "nsdoctor")
    ipython.display_formatter.mimebundle_formatter.for_type(Completed, magics.show)
    ipython.events.register("post_execute", magics.forget)


def unload_ipython_extension(ipython: Any) -> None:
    """Take the magics away again; called by ``%unload_ext nsexplore``."""
    magics = _loaded.pop(ipython)
    del ipython.magics_manager.magics["cell"]["ns"]
    del ipython.magics_manager.magics["line"]["nsdoctor"]
    ipython.display_formatter.mimebundle_formatter.pop(Completed)
    ipython.events.unregister("post_execute", magics.forget)


class _Magics:
    """The magics of one IPython."""

    def __init__(self, ipython: Any) -> None:
        self.ipython = ipython
        self._shown: Completed | None = None  # whose output this very cell has shown
        self._quiet = False

    def ns(self, line: str, cell: str) -> Completed | None:
        options = _parsed(line)
        if options.help:
            print(_parser().format_help())
            return None
        asked = execer(options, self._runner(options))
        try:
            process = asked.start(
                *_command(options, cell),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=False,
            )
        except (IDMapError, OSError) as error:
            _say_why(error)
            return None
        except ValueError as error:  # a NUL in the script, for instance
            options.error(as_options(str(error)))
        done = _followed(process, options.timeout)
        self._shown, self._quiet = done, options.quiet
        return done

    def nsdoctor(self, line: str) -> Diagnosis:
        """Find out what can be done here, and why not the rest: ``nsexplore.doctor()``."""
        if line.strip():
            raise UsageError("%nsdoctor takes no arguments")
        from .diagnosing import doctor

        return doctor()

    def show(self, done: Completed) -> dict[str, str]:
        """Return how a `Completed` is shown: without its output in the cell that has shown it."""
        if done is self._shown:
            return mimebundle(done, quiet=self._quiet)
        return done._repr_mimebundle_()

    def forget(self) -> None:
        """Show it in later cells as any other."""
        self._shown = None

    def _runner(self, options: argparse.Namespace) -> Any:
        if options.runner is None:
            return None
        if options.runner not in self.ipython.user_ns:
            options.error(f"--runner {options.runner}: there is no variable of this name")
        runner = self.ipython.user_ns[options.runner]
        if not callable(getattr(runner, "start", None)):
            kind = type(runner).__name__
            options.error(f"--runner {options.runner}: it has no start(), being of type {kind}")
        return runner


_loaded: Final[WeakKeyDictionary[Any, _Magics]] = WeakKeyDictionary()


# -- the line -------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:  # argparse's own ends this process
        raise UsageError(f"{message}\n{self.format_usage()}%%ns? tells more, with examples.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        usage="%%%%ns [OPTIONS] [INTERPRETER [ARGS]]",  # argparse halves the signs
        description="Run the cell's script in new namespaces, and see what the kernel gave it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument("-h", "--help", action="store_true", help="print this")
    parser.add_argument("-q", "--quiet", action="store_true", help="show no views below")
    parser.add_argument(
        "--runner",
        metavar="NAME",
        help="the variable whose start() starts it, such as a ReplayingCommandRunner",
    )
    add_timeout(parser)
    add_start_options(parser)
    add_command(parser, "INTERPRETER", "what runs the script (default: /bin/sh)")
    parser.set_defaults(error=parser.error)
    return parser


_Magics.ns.__doc__ = _parser().format_help()


def _parsed(line: str) -> argparse.Namespace:
    parser = _parser()
    try:
        options, unknown = parser.parse_known_args(shlex.split(line))
    except ValueError as error:
        parser.error(str(error))
    if unknown:
        parser.error(f"unknown option {unknown[0]}")
    return options


_OPTIONS: Final = dict.fromkeys(("Rscript", "lua", "node", "nodejs", "perl", "ruby"), "-e")
_OPTIONS["php"] = "-r"


def _command(options: argparse.Namespace, script: str) -> list[str]:
    """Return the interpreter with the script.

    As an argument, not by stdin: there, a ``cat`` in the script would read the rest of it;
    and a recording could not tell one script from the other.
    """
    interpreter, *arguments = words(options) or ["/bin/sh"]
    name = re.sub(r"[\d.]+$", "", PurePath(interpreter).name)
    return [interpreter, *arguments, _OPTIONS.get(name, "-c"), script.removesuffix("\n")]


# -- the run ----------------------------------------------------------------------


class _Interrupted(KeyboardInterrupt):
    """The cell was interrupted; the frames of this module tell nobody anything."""

    def _render_traceback_(self) -> list[str]:
        return ["KeyboardInterrupt: the process was killed, with everything in it"]


_Interrupted.__name__ = KeyboardInterrupt.__name__  # as a notebook's file calls it


def _followed(process: Process, timeout: float | None) -> Completed:
    """Show what a process writes until it has ended, and return what became of it."""
    with process:
        if process.recorded is not None and timeout is None:
            process.wait()  # one that a signal has ended runs until somebody waits for it
        watched = _Watched(process)
        try:
            try:
                watched.follow(timeout)
            except KeyboardInterrupt:
                watched.streaming.kill()
                watched.follow(None)  # to what it had written
                raise _Interrupted from None
            return watched.completed()
        finally:
            watched.streaming.close()


class _Watched:
    """A process whose output is re-printed while it is written."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.output = Output()
        self.echoes = _Echo("stdout"), _Echo("stderr")
        self.streaming = Streaming(
            process, on_output=self._print, on_look=self._nothing, on_end=self._nothing
        )

    def follow(self, timeout: float | None) -> None:
        """Wait for the end, and kill it if it does not come in time."""
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        while not self.streaming.has_ended:
            left = deadline - time.monotonic()
            if left <= 0:
                self.streaming.kill()
                _say(f"%%ns: killed after {timeout:g} s, as --timeout says")
                left = deadline = float("inf")
            if self.output.waits:
                self._drop()
                self.streaming.pump(0)
            else:
                self.streaming.pump(min(left, 1.0))

    def _nothing(self) -> None:
        pass

    def _print(self, output: Output) -> None:
        self.output = output
        for echo in self.echoes:
            echo.go_on(self.streaming.read_output(echo.name, BEGINNING))

    def _drop(self) -> None:
        """Read what is not kept any more, or else the process would wait for ever."""
        poller, full = select.poll(), {}
        for echo in self.echoes:
            if getattr(self.output, echo.name).state == "waits":
                fd = getattr(self.process, echo.name).fileno()
                full[fd] = echo
                poller.register(fd, select.POLLIN)
        end = time.monotonic() + TICK
        while (left := end - time.monotonic()) > 0 and (ready := poller.poll(left * 1000)):
            for fd, _ in ready:
                if data := os.read(fd, CHUNK):
                    full[fd].drop(data)
                else:
                    poller.unregister(fd)

    def completed(self) -> Completed:
        """Print the end of the output, and return what became of the process."""
        process = self.process
        kept = (
            echo.end(self.streaming.read_output(echo.name), getattr(self.output, echo.name))
            for echo in self.echoes
        )
        stdout, stderr = (data.decode("utf-8", "replace") for data in kept)
        return Completed(
            process.command, process.wait(), stdout, stderr, process.birth, process.timeline
        )


class _Echo:
    """Re-prints one stream: its beginning as it comes, and at last its end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._printed = 0
        self._dropped = 0
        self._dropped_last = b""

    def go_on(self, beginning: bytes) -> None:
        """Print what is new in the beginning of the stream."""
        new = beginning[self._printed :]
        if new:
            self._printed = len(beginning)  # first: printing may be interrupted
            self._print(self._decoder.decode(new))
            if self._printed == BEGINNING:
                _say(f"\n%%ns: {self.name}: of what follows, only the end is shown, at the end")

    def drop(self, data: bytes) -> None:
        """Count what is not kept."""
        self._dropped += len(data)
        self._dropped_last = (self._dropped_last + data)[-END:]

    def end(self, data: bytes, last: Excerpt) -> bytes:
        """Print the end of the stream; return what is kept of it."""
        total = last.total + self._dropped
        data, beyond = data[:KEPT], data[KEPT:]
        ending = (data[self._printed :] + self._dropped_last + beyond)[-END:]
        left_out = total - self._printed - len(ending)
        if left_out <= 0:
            self._print(self._decoder.decode(ending, final=True))
        else:
            ending = ending.partition(b"\n")[2] or ending
            left_out = total - self._printed - len(ending)
            where = f"_.{self.name} has them"
            if total > len(data):
                where = f"_.{self.name} has the first {len(data)} of {total}; the rest is dropped"
            _say(f"%%ns: {self.name}: {left_out} bytes are left out; {where}")
            self._print(ending.decode("utf-8", "replace"))
        if last.state == "cut":
            _say(f"%%ns: {self.name}: another process holds it open, and is not waited for")
        return data

    def _print(self, text: str) -> None:
        _write(self.name, visible(text, len(text), keep="\n\t"))


# -- words ------------------------------------------------------------------------


def _write(name: str, text: str) -> None:
    # Another one in each cell; and flushed, or else what is written to the other one
    # afterwards may be shown before.
    if text:
        stream = getattr(sys, name)
        stream.write(text)
        stream.flush()


def _say(text: str) -> None:
    _write("stderr", f"{text}\n")


def _say_why(error: IDMapError | OSError) -> None:
    """Say why nothing was started."""
    _say("\n".join([as_options(str(error)), *getattr(error, "__notes__", ())]))
    if isinstance(error, StartError) and error.step in REFUSALS:
        _say("%nsdoctor finds out what can be started here, and what would help.")

"""The command ``nsexplore``: run, enter, ls, plan, inspect, doctor, lab."""

from __future__ import annotations

import argparse
import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from .errors import IDMapError, StartError
from .execer import NamespacingExecer
from .foreground import Foreground
from .jsonable import jsonable
from .options import parser
from .pictures import text
from .pictures._words import PRIVILEGED, exit_status
from .startoptions import as_options
from .startoptions import execer as asked_execer
from .startoptions import words as command_words

if TYPE_CHECKING:
    from .process import Process
    from .snapshot import Snapshot

__all__ = ["main"]

# Exit codes as env(1), timeout(1) and the shell have them.
FAILED: Final = 1
USAGE: Final = 2
TIMED_OUT: Final = 124
NOT_STARTED: Final = 125
NOT_EXECUTABLE: Final = 126
NOT_FOUND: Final = 127
SIGNALLED: Final = 128


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of this process by default.

    Returns
    -------
    int
        The exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal need not speak UTF-8
            stream.reconfigure(errors="backslashreplace")
    options, unknown = parser().parse_known_args(argv)
    if unknown:  # said by the subcommand, whose usage tells more
        what = "unknown option" if unknown[0].startswith("-") else "one argument too many:"
        options.error(f"{what} {unknown[0]}")
    try:
        code: int = _ACTS[options.act](options)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:  # whoever read our stdout has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for the flush at exit
        return SIGNALLED + 13
    except KeyboardInterrupt:
        return SIGNALLED + 2
    return code


def _words(options: argparse.Namespace) -> list[str]:
    words = command_words(options)
    if not words:
        options.error("a command is missing: put it after --, such as: -- id")
    return words


# -- plan, inspect, doctor, lab -------------------------------------------------------


def _plan(options: argparse.Namespace) -> int:
    words, execer = _words(options), asked_execer(options)
    try:
        stdin, stdout, stderr = _own_files()
        command = execer.plan(*words, stdin=stdin, stdout=stdout, stderr=stderr)
    except IDMapError as error:
        return _fail(error, FAILED)
    if options.shell:
        if command.privileged:
            _say(PRIVILEGED)
        print(command.as_shell())
        return 0
    _print(options, command, "command")
    return 0


def _inspect(options: argparse.Namespace) -> int:
    from .inspecting import inspect

    try:
        view = inspect(options.pid)
    except ValueError as error:
        options.error(as_options(str(error)))
    except OSError as error:
        return _fail(error, FAILED)
    _print(options, view, "process")
    return 0


def _ls(options: argparse.Namespace) -> int:
    from .discovering import discover
    from .pictures.listing import listing, missing

    if options.tree and options.type:
        options.error("--type chooses lines of the list, and a tree needs all: give one of the two")
    try:
        snapshot = discover()
        if options.pid is not None:
            snapshot = snapshot.of(options.pid)
    except OSError as error:
        return _fail(error, FAILED)
    if options.json:
        _print_namespaces(snapshot, options.type)
    elif options.tree:
        print(text(snapshot.tree(options.tree)))
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        print(*listing(snapshot, options.type, width), sep="\n")
    for sentence in () if options.json else missing(snapshot):
        _say(f"nsexplore: {sentence}")
    return 0


def _print_namespaces(snapshot: Snapshot, kinds: Sequence[str]) -> None:
    frame = snapshot.namespaces
    rows = frame[frame["type"].isin(kinds)] if kinds else frame
    data = {"host": snapshot.host, "boot_id": snapshot.boot_id, "hidden": snapshot.hidden}
    namespaces = json.loads(rows.to_json(orient="records"))
    _print_json({**data, "notes": snapshot.notes, "namespaces": namespaces})


def _doctor(options: argparse.Namespace) -> int:
    from .diagnosing import doctor

    diagnosis = doctor()
    _print(options, diagnosis, "diagnosis")
    return 0 if diagnosis.ok else 1


def _lab(options: argparse.Namespace) -> int:
    from .lab import LabError, open_lab

    try:
        return open_lab(
            options.notebook,
            browser=not options.no_browser,
            port=options.port,
            voila=options.voila,
        )
    except LabError as error:
        return _fail(error, FAILED)


def _print(options: argparse.Namespace, value: Any, name: str) -> None:
    if options.json:
        _print_json({name: value})
    else:
        print(text(value))


def _print_json(data: dict[str, Any]) -> None:
    print(json.dumps({name: jsonable(value) for name, value in data.items()}, indent=2))


# -- run ----------------------------------------------------------------------


def _run(options: argparse.Namespace) -> int:
    words, execer = _words(options), asked_execer(options)
    return _recorded(options, lambda record: _start_and_wait(options, execer, words, record))


def _enter(options: argparse.Namespace) -> int:
    from .entering import inside

    if not options.command:  # what stands alone was taken for TARGET
        options.error("a command is missing, or TARGET before it: nsexplore enter 4711 -- id")
    words = _words(options)
    if words == options.command and words[0].startswith("-"):
        options.error(f"{words[0]} stands behind TARGET: options go before it")

    def start(record: dict[str, Any]) -> int:
        with inside(options.target, types=options.types) as execer:
            return _start_and_wait(options, execer, words, record)

    try:
        return _recorded(options, start)
    except ValueError as error:
        options.error(as_options(str(error)))
        raise  # it has ended


def _recorded(options: argparse.Namespace, start: Callable[[dict[str, Any]], int]) -> int:
    record: dict[str, Any] = {}
    try:
        code = start(record)
    except (OSError, IDMapError) as error:
        code = _fail(error, _not_started(error))
        record["error"] = _error(error)
    if options.json:
        _print_json(record)
    return code


def _start_and_wait(
    options: argparse.Namespace, execer: NamespacingExecer, words: list[str], record: dict[str, Any]
) -> int:
    stdin, stdout, stderr = _own_files()
    record["command"] = execer.plan(*words, stdin=stdin, stdout=stdout, stderr=stderr)
    if record["command"].lookup_error is None:
        _tell(options, "asked", record["command"])
    if options.json:
        stdout = stderr = subprocess.PIPE
    with execer.step(*words, stdin=stdin, stdout=stdout, stderr=stderr) as start:
        record["command"] = start.command
        while start.state != "released":
            start.next()
        with Foreground(start) as foreground:
            _tell(options, "given", start)
            if not options.json and not options.quiet and options.show:
                _say("--- the command's own output")
            try:
                process = start.finish()
            except StartError:
                if foreground.ended_by is None:
                    raise
                return SIGNALLED + foreground.ended_by
            record.update(pid=process.pid, birth=process.birth, timeline=process.timeline)
            timed_out = _wait(options, process, foreground, record)
        code = process.wait() if foreground.ended_by is None else -foreground.ended_by
    record.update(returncode=code, timed_out=timed_out)
    _tell(options, "timeline", process.timeline, exit_status(code))
    if timed_out:
        _say(f"nsexplore: killed after {options.timeout:g} s")
        return TIMED_OUT
    return code if code >= 0 else SIGNALLED - code


def _wait(
    options: argparse.Namespace, process: Process, foreground: Foreground, record: dict[str, Any]
) -> bool:
    """Wait for the end; return whether the time was over before."""
    try:
        if options.json:
            record["stdout"], record["stderr"] = process.communicate(timeout=options.timeout)
        else:
            process.wait(options.timeout)
    except subprocess.TimeoutExpired as error:
        record.update(stdout=error.output, stderr=error.stderr)
        foreground.end()
        process.close()
        return True
    return False


def _own_files() -> list[int | None]:
    # A stream that was closed when we were started is None: its number may be another file's.
    ours = (sys.__stdin__, sys.__stdout__, sys.__stderr__)
    return [None if stream is None else number for number, stream in enumerate(ours)]


def _tell(options: argparse.Namespace, name: str, value: Any, below: str = "") -> None:
    if options.json:
        return
    if name in options.show and not options.quiet:
        _say(f"{_HEADINGS[name]}\n{text(value)}\n{below}")
    elif name == "asked" and value.privileged:
        _say(PRIVILEGED)


_HEADINGS: Final = {
    "asked": "--- asked of the kernel",
    "given": "--- given by the kernel",
    "timeline": "--- how it was started, and how it ended",
}


def _not_started(error: Exception) -> int:
    if not isinstance(error, StartError):
        return NOT_STARTED
    if error.step == "lookup":
        return NOT_EXECUTABLE if "relative" in error.reason else NOT_FOUND
    if error.step == "execve" and error.errno is not None:
        return NOT_FOUND if error.errno == errno.ENOENT else NOT_EXECUTABLE
    return NOT_STARTED


def _error(error: Exception) -> dict[str, Any]:
    names = ("step", "errno", "hint")
    found = {name: getattr(error, name, None) for name in names}
    return {
        "message": as_options(str(error)),
        **found,
        "hint": as_options(found["hint"]) if found["hint"] else found["hint"],
    }


def _fail(error: Exception, code: int) -> int:
    message = str(error)
    if isinstance(error, OSError) and not isinstance(error, StartError):
        message = error.strerror or message  # without its number
    _say(f"nsexplore: {as_options(message)}")
    return code


def _say(text: str) -> None:
    if sys.stderr is None:  # closed; print() would turn to stdout
        return
    try:
        print(text, file=sys.stderr, flush=True)
    except BrokenPipeError:  # nobody reads the tables: no reason not to run the command
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  # until the end of this process


_ACTS: Final = {
    "run": _run,
    "enter": _enter,
    "ls": _ls,
    "plan": _plan,
    "inspect": _inspect,
    "doctor": _doctor,
    "lab": _lab,
}

"""What one asks of a start by options, on the command line and in a cell alike."""

from __future__ import annotations

import argparse
from typing import Final

from .execer import NamespacingExecer
from .flags import NO_NAMESPACES, CloneFlags
from .kinds import KINDS, kind_of_name
from .runner import CommandRunner, NativeCommandRunner

__all__ = [
    "add_command",
    "add_start_options",
    "add_timeout",
    "as_options",
    "execer",
    "namespaces",
    "words",
]


def add_start_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `execer` reads."""
    # --privileged goes with neither of the others, which go with each other.
    root = parser.add_argument_group("who is root inside")
    who, unmapped = root.add_mutually_exclusive_group(), root.add_mutually_exclusive_group()
    who.add_argument(
        "--max-uid",
        metavar="N",
        type=int,
        help="host ID N; 1 to N-1 stay themselves (default: the largest valid here)",
    )
    unmapped.add_argument(
        "--rootless",
        action="store_true",
        help="oneself, what an ordinary user may do; the ranges of /etc/subuid and /etc/subgid"
        " follow from 1 on. With --max-uid N, N, which must lie in one's ranges of both files",
    )
    privileged = who.add_argument(
        "--privileged",
        action="store_true",
        help="no user namespace: root inside is this machine's real root",
    )
    unmapped._group_actions.append(privileged)
    parser.add_argument(
        "--namespaces",
        metavar="KINDS",
        type=namespaces,
        help=f"exactly these, of {','.join(kind.name for kind in KINDS)}"
        " (default: user,pid,mnt,net,ipc,uts, without user if --privileged);"
        " without user, root inside is this machine's real root",
    )
    parser.add_argument(
        "--propagation",
        choices=("private", "slave", "shared", "unchanged"),
        default="private",
        help="of the mounts in a new mount namespace (default: private)",
    )
    parser.add_argument(
        "--mount-proc",
        action="store_true",
        help="mount a fresh /proc inside; without it ps shows this machine's",
    )


def add_timeout(parser: argparse.ArgumentParser) -> None:
    """Add the option that limits its time."""
    parser.add_argument("--timeout", metavar="S", type=_seconds, help="kill it after S seconds")


def add_command(
    parser: argparse.ArgumentParser, metavar: str = "-- CMD [ARGS]", text: str = "what to start"
) -> None:
    """Add what is to be started: all that follows, options of its own included."""
    parser.add_argument("command", metavar=metavar, nargs=argparse.REMAINDER, help=text)


def namespaces(text: str) -> CloneFlags:
    """Return the flags of kinds with commas between them."""
    flags = NO_NAMESPACES
    try:
        for name in text.split(","):
            flags |= kind_of_name(name.strip()).flag
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return flags


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds


def words(options: argparse.Namespace) -> list[str]:
    """Return the command that was given, without the dashes before it."""
    given: list[str] = options.command
    return given[1:] if given[:1] == ["--"] else given


def execer(options: argparse.Namespace, runner: CommandRunner | None = None) -> NamespacingExecer:
    """Return the execer that was asked for; what does not fit is ``options.error``."""
    try:
        return NamespacingExecer(
            runner if runner is not None else NativeCommandRunner(),
            privileged=options.privileged,
            max_uid=options.max_uid,
            id_map="rootless" if options.rootless else None,
            clone_flags=options.namespaces,
            propagation=None if options.propagation == "unchanged" else options.propagation,
            mount_proc=options.mount_proc,
        )
    except ValueError as error:
        options.error(as_options(str(error)))
        raise  # it has ended


# The library speaks of its parameters, the command line of its options.
_OPTIONS: Final = {
    "max_uid=": "--max-uid ",
    'id_map="rootless"': "--rootless",
    "privileged=True": "--privileged",
    "privileged=False, and NEWUSER among clone_flags where they are given": (
        "no --privileged, and user among --namespaces"
    ),
    "leave NEWUSER out of it": "leave user out of --namespaces",
    "mount_proc=True": "--mount-proc",
    'propagation="private"': "--propagation private",
    "target=": "PID ",
}


def as_options(message: str) -> str:
    """Return a message of the library's, with its parameters spelt as options."""
    for parameter, option in _OPTIONS.items():
        message = message.replace(parameter, option)
    return message

"""What ``nsexplore`` understands: its subcommands, options and help."""

from __future__ import annotations

import argparse
from typing import Final

from .kinds import KINDS
from .startoptions import add_command, add_start_options, add_timeout, namespaces

__all__ = ["parser"]

_TABLES: Final = ("asked", "given", "timeline")

_RUN_EPILOG: Final = """\
The command has this terminal's stdin, stdout and stderr. The tables go to
stderr, so that stdout is the command's alone:
  asked     what is asked of the kernel: clone flags, ID map, files, mounts
  given     what it gave: namespaces (new or shared), credentials, ID map,
            capabilities, read while the command waits just before execve
  timeline  the steps of the start, with their durations and results

exit code:
  the command's own; 128+N if signal N ended it (Ctrl-C: 130)
  2    wrong arguments
  124  --timeout was over, and the command was killed
  125  nsexplore could not start it (no privilege, for instance)
  126  the command was found but cannot be executed
  127  the command was not found

examples:
  nsexplore run -- id
  nsexplore run --rootless -- sh -c 'id; cat /proc/self/uid_map'
  nsexplore run --namespaces user,uts --quiet -- sh -c 'hostname inside; hostname'
  nsexplore run --json -- id | python -m json.tool
"""

_ENTER_EPILOG: Final = """\
TARGET is a PID, or the path of a namespace file: /proc/PID/ns/net, or a bind
mount of one such as /run/netns/blue. The command enters its namespaces and,
where a user namespace is among them, becomes root of that. With a mount
namespace, CMD is looked for in that one, and starts in its root folder.

The tables and exit codes are those of nsexplore run.

examples:
  nsexplore enter 4711 -- sh
  nsexplore enter --types net,uts 4711 -- ip address
  nsexplore enter -q /run/netns/blue -- ss -tln
"""

_LS_EPILOG: Final = """\
Looks where lsns(8) does, and at threads, file descriptors, sockets, bind
mounts, and at parents and owners in which no process is. Where no process is
in a namespace, what keeps it stands in parentheses in place of a command.
What this user may not read is counted on stderr. --json prints the columns of
nsexplore.discover().namespaces, a row a namespace.

examples:
  nsexplore ls
  nsexplore ls --type net,user
  nsexplore ls --tree
  nsexplore ls --tree pid --pid 4711
  nsexplore ls --json | python -m json.tool
"""

_PLAN_EPILOG: Final = """\
Nothing is started, and no privilege is needed.

examples:
  nsexplore plan --max-uid 65535 -- /bin/sleep 60
  nsexplore plan --shell --privileged -- /bin/sleep 60
"""

_INSPECT_EPILOG: Final = """\
examples:
  nsexplore inspect $$
  nsexplore inspect --json 1 | python -m json.tool
"""

_DOCTOR_EPILOG: Final = """\
Each thing is tried for real in a throwaway process, which executes nothing and
leaves nothing. [1] points to the reason below, with what was seen and what helps.

exit code:
  0  processes can be started in new namespaces here (the first lines say how)
  1  they cannot

examples:
  nsexplore doctor
  nsexplore doctor --json | python -m json.tool
"""

_LAB_EPILOG: Final = """\
A browser is opened where there is a screen; elsewhere the address to point
one at is printed. Ctrl-C ends the server with all its notebooks.

With --voila the notebook is a page for a class: outputs and controls without the
code. Whoever has the address gets a kernel of their own, run from top to bottom, and
so may do what you may. &theme=dark behind the address makes it dark.

examples:
  nsexplore lab
  nsexplore lab notebooks/01-first-namespaces.ipynb
  nsexplore lab --no-browser --port 8888
  nsexplore lab --voila notebooks/01-first-namespaces.ipynb
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser. Its result has ``act``, the subcommand, and ``error``, its complaint."""
    top = argparse.ArgumentParser(
        "nsexplore",
        description="Start a process in new Linux namespaces, and see what the kernel gave it.",
        epilog="nsexplore COMMAND --help tells more, with examples.",
        allow_abbrev=False,
    )
    top.add_argument("--version", action=_Version, nargs=0, help="print the version")
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, operands: str, text: str, epilog: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name,
            usage=f"nsexplore {name} [OPTIONS] {operands}".rstrip(),
            help=text[0].lower() + text[1:].removesuffix("."),
            description=text,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        sub.set_defaults(act=name, error=sub.error)
        return sub

    run = add("run", "-- CMD [ARGS]", "Run a command in new namespaces.", _RUN_EPILOG)
    _add_run_options(run)
    add_start_options(run)
    add_command(run)

    enter = add(
        "enter",
        "TARGET -- CMD [ARGS]",
        "Run a command in namespaces that are there already.",
        _ENTER_EPILOG,
    )
    _add_run_options(enter)
    enter.add_argument(
        "--types",
        metavar="KINDS",
        type=_kinds,
        help=f"only these, of {','.join(kind.name for kind in KINDS)} (default: all that"
        " TARGET has)",
    )
    enter.add_argument("target", metavar="TARGET", type=_target)
    add_command(enter)

    ls = add("ls", "", "List all namespaces of this machine, and what keeps them.", _LS_EPILOG)
    shape = ls.add_mutually_exclusive_group()
    _add_json(shape, "print one JSON object")
    shape.add_argument(
        "--tree",
        nargs="?",
        const="owner",
        choices=("owner", "user", "pid"),
        help="user namespaces with what each owns (owner, the default), user namespaces"
        " alone, or PID namespaces, as a tree",
    )
    ls.add_argument(
        "--type",
        metavar="KINDS",
        type=_kinds,
        default=(),
        help=f"only these, of {','.join(kind.name for kind in KINDS)}",
    )
    ls.add_argument(
        "--pid", metavar="PID", type=int, help="only those of this process and its descendants"
    )

    plan = add("plan", "-- CMD [ARGS]", "Show what would be asked of the kernel.", _PLAN_EPILOG)
    as_what = plan.add_mutually_exclusive_group()
    _add_json(as_what, "print one JSON object")
    as_what.add_argument(
        "--shell",
        action="store_true",
        help="print only the unshare command that does the same, to be pasted",
    )
    add_start_options(plan)
    add_command(plan)

    inspect = add("inspect", "PID", "Look at a process as it is now.", _INSPECT_EPILOG)
    _add_json(inspect, "print one JSON object")
    inspect.add_argument("pid", metavar="PID", type=int)

    doctor = add(
        "doctor", "", "Find out what can be done here, and why not the rest.", _DOCTOR_EPILOG
    )
    _add_json(doctor, "print one JSON object")

    lab = add("lab", "[NOTEBOOK]", "Open JupyterLab, or a notebook as a page.", _LAB_EPILOG)
    lab.add_argument("notebook", metavar="NOTEBOOK", nargs="?", help="the notebook to open")
    lab.add_argument(
        "--voila", action="store_true", help="show it as a page for a class, with Voilà"
    )
    lab.add_argument("--no-browser", action="store_true", help="print the address only")
    lab.add_argument("--port", metavar="N", type=int, default=0, help="(default: a free one)")
    return top


class _Version(argparse.Action):
    def __call__(self, *_: object) -> None:
        from importlib.metadata import version  # costs more than the rest of a plan

        print(f"nsexplore {version('nsexplore')}")
        raise SystemExit(0)


def _add_json(parser: argparse._ActionsContainer, text: str) -> None:
    parser.add_argument("--json", action="store_true", help=text)


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    _add_json(parser, "print one JSON object, the command's output in it, and no tables")
    tables = parser.add_mutually_exclusive_group()
    tables.add_argument("-q", "--quiet", action="store_true", help="print no tables")
    tables.add_argument(
        "--show",
        metavar="TABLES",
        type=_tables,
        default=_TABLES,
        help=f"which of them to print, such as {','.join(_TABLES[:2])} (default: all)",
    )
    add_timeout(parser)


def _target(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() else text


def _kinds(text: str) -> tuple[str, ...]:
    namespaces(text)
    return tuple(name.strip() for name in text.split(","))


def _tables(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, map(str.strip, text.split(","))))
    for name in names:
        if name not in _TABLES:
            raise argparse.ArgumentTypeError(
                f"{name!r} is no table; there are {', '.join(_TABLES)}"
            )
    return names

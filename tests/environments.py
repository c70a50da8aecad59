"""Run a command as somebody else, on a machine that is otherwise the same.

    python tests/environments.py ENVIRONMENT COMMAND [ARGUMENT ...]

Root runs it; the command is run with this checkout's path as working directory,
by the user that `ENVIRONMENTS` says:

- ``root``: as it is now;
- ``ordinary``: UID and GID 1000 without a name, a group, a capability or sub-IDs;
- ``subids``: the same with a login name and ranges in /etc/subuid and /etc/subgid;
- ``locked-down``: as in a pod of mybinder.org: no new privileges, Docker's seccomp filter.

Nothing of the machine changes. All that the user is shown otherwise stands in a
mount namespace that ends with the command: a copy of the checkout of its own, in
the same place, a home and a TMPDIR, the files in /etc that say who it is. And
where Python or the checkout lies below a folder that is closed to others, such
as root's home, that folder has another face, in which there is nothing else.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import seccomp

CHECKOUT = Path(__file__).resolve().parents[1]
USER_ID = 1000
NAME = "explorer"


@dataclass(frozen=True)
class Environment:
    """Who runs the command.

    Attributes
    ----------
    user : bool
        An ordinary user does.
    named : bool
        It has a login name.
    subids : tuple of str
        Its ranges in /etc/subuid and /etc/subgid.
    locked : bool
        It may not create namespaces, nor gain privileges.
    """

    user: bool = True
    named: bool = True
    subids: tuple[str, str] | None = None
    locked: bool = False


ENVIRONMENTS = {
    "root": Environment(user=False),
    "ordinary": Environment(named=False),
    # Two ranges that cannot be taken for each other.
    "subids": Environment(subids=("100000:65536", "200000:65536")),
    "locked-down": Environment(locked=True),
}


def main(argv: list[str]) -> int:
    """Run the command and return its exit status."""
    match argv:
        case [name, *command] if name in ENVIRONMENTS and command:
            pass
        case ["--inside", work, name, *command]:
            become(ENVIRONMENTS[name], name, Path(work), command)
        case _:
            print(f"usage: {sys.argv[0]} {'|'.join(ENVIRONMENTS)} COMMAND ...", file=sys.stderr)
            return 2
    if os.geteuid() != 0:
        print("Only root can become somebody else.", file=sys.stderr)
        return 2
    signal.signal(signal.SIGINT, lambda *_: None)  # for the command to decide upon
    # Not where TMPDIR says: that may be closed to others.
    work = tempfile.mkdtemp(prefix="nsexplore-", dir="/tmp")
    try:
        again = [sys.executable, __file__, "--inside", work, name, *command]
        status = subprocess.run(["unshare", "--mount", *again], check=False).returncode
    finally:
        os.rmdir(work)  # what was mounted there went with its namespace
    return status if status >= 0 else 128 - status


def become(environment: Environment, name: str, work: Path, command: list[str]) -> None:
    """Execute the command, in a mount namespace that is ours alone."""
    os.environ["NSEXPLORE_ENVIRONMENT"] = name
    os.chdir(CHECKOUT)
    if not environment.user:
        os.execvp(command[0], command)
    os.umask(0o022)
    mount("-t", "tmpfs", "-o", "mode=755", "nsexplore", work)
    home, temporary = work / "home", work / "tmp"
    for folder in (home, temporary):
        folder.mkdir()
        os.chown(folder, USER_ID, USER_ID)
    say_who(environment, work, home)
    open_ways(work, {CHECKOUT: copy_of_the_checkout(work / "checkout")})
    os.chdir(CHECKOUT)  # the user's own now
    for variable in [*os.environ]:
        if variable.startswith(("SUDO_", "XDG_")) or variable in ("USER", "LOGNAME"):
            del os.environ[variable]
    if environment.named:
        os.environ.update(USER=NAME, LOGNAME=NAME)
    path = [
        entry for entry in os.get_exec_path() if Path(entry).is_dir() and not any(closed(entry))
    ]
    os.environ.update(HOME=str(home), TMPDIR=str(temporary), PATH=os.pathsep.join(path))
    if environment.locked:
        seccomp.install(seccomp.docker())
    ids = (f"--reuid={USER_ID}", f"--regid={USER_ID}")
    os.execvp("setpriv", ["setpriv", *ids, "--clear-groups", "--inh-caps=-all", *command])


def say_who(environment: Environment, work: Path, home: Path) -> None:
    """Mount the files by which names, groups and sub-IDs are known."""
    entries = {"passwd": f"{USER_ID}:{USER_ID}::{home}:/bin/sh", "group": f"{USER_ID}:"}
    for file, entry in entries.items():
        lines = Path("/etc", file).read_text().splitlines(keepends=True)
        others = [line for line in lines if line.split(":")[2] != str(USER_ID)]
        own = f"{NAME}:x:{entry}\n" if environment.named else ""
        show(work / file, "".join(others) + own)
    for file, subids in zip(("subuid", "subgid"), environment.subids or ("", ""), strict=True):
        show(work / file, f"{NAME}:{subids}\n" if subids else "")


def show(file: Path, text: str) -> None:
    """Have /etc's file of this name read so."""
    file.write_text(text)
    target = Path("/etc", file.name)
    if text or target.exists():
        mount("--bind", file, target)


def copy_of_the_checkout(copy: Path) -> Path:
    """Return a copy that the user owns, with the virtual environment in it read-only."""
    venv = Path(sys.prefix)

    def left_out(folder: str, names: list[str]) -> list[str]:
        return [n for n in names if n.startswith(".") or Path(folder, n) == venv]

    shutil.copytree(CHECKOUT, copy, symlinks=True, ignore=left_out)
    subprocess.run(["chown", "-R", f"{USER_ID}:{USER_ID}", copy], check=True)
    if venv.is_relative_to(CHECKOUT):
        inside = copy / venv.relative_to(CHECKOUT)
        inside.mkdir(parents=True)
        mount("--bind", venv, inside)
        mount("-o", "remount,bind,ro", inside)
    return copy


def open_ways(work: Path, instead: dict[Path, Path]) -> None:
    """Let the user reach Python and the checkout; mount the folders that others stand in for."""
    needed = dict.fromkeys(
        spelling
        for path in (*instead, Path(sys.prefix), Path(sys.base_prefix))
        for spelling in (path.resolve(), path)
        if path in instead or not any(path.is_relative_to(other) for other in instead)
    )
    aside = {path: work / "aside" / str(n) for n, path in enumerate(needed)}
    for path, place in aside.items():
        place.mkdir(parents=True)
        mount("--rbind", instead.get(path, path), place)
    barriers = {path: next(closed(path), None) for path in needed}
    for barrier in set(filter(None, barriers.values())):
        mount("-t", "tmpfs", "-o", "mode=755", "nsexplore", barrier)
    for path in sorted(needed, key=lambda path: len(path.parts)):
        if barriers[path] or path in instead:
            path.mkdir(parents=True, exist_ok=True)
            mount("--rbind", aside[path], path)


def closed(path: str | Path) -> Iterator[Path]:
    """Yield the folders above a path that others may not enter, the topmost first."""
    for folder in reversed(Path(path).parents):
        if not folder.stat().st_mode & stat.S_IXOTH:
            yield folder


def mount(*words: str | Path) -> None:
    subprocess.run(["mount", *words], check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

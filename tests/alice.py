"""What a user does in the tests of rootless starts: run through `ordinary_user.in_place`.

Apart from them, so that the user's process does not load what only tests need.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from conftest import children, eventually, open_descriptors

import nsexplore as nx
import nsexplore._spawn  # here, while it may be read: an ordinary user may not enter root's home
import nsexplore.jsonable
import nsexplore.stepping
from nsexplore import maphelpers, subids
from nsexplore.cli import main

# So is what a picture reads at first.
nx.IDMap.garden(33)._repr_mimebundle_()

MAPS = "cat /proc/self/uid_map /proc/self/gid_map; cat /proc/self/setgroups"
ROOTLESS = nx.NamespacingExecer(id_map="rootless")
PR_SET_NO_NEW_PRIVS = 38
Lines = tuple[tuple[int, int, int], ...]


def leaving_nothing(name: str, *args: Any) -> Any:
    """Return what another function here returns, if it leaves no child and no descriptor."""
    before = open_descriptors()
    value = globals()[name](*args)
    assert eventually(lambda: not children()), f"children left: {children()}"
    left = {fd: path for fd, path in open_descriptors().items() if fd not in before}
    assert not left, f"descriptors left: {left}"
    return value


def see_maps(**execer: Any) -> tuple[list[list[int]], list[list[int]], str, tuple[str, ...]]:
    """Return both maps and setgroups as seen inside, and what the command notes."""
    done = nx.NamespacingExecer(**({"id_map": "rootless"} | execer)).run("/bin/sh", "-c", MAPS)
    assert done.returncode == 0, done.stderr
    command = done.command
    assert command.uid_mappings is not None
    assert command.gid_mappings is not None
    *lines, setgroups = done.stdout.splitlines()
    rows = [[*map(int, line.split())] for line in lines]
    uid, gid = rows[: len(command.uid_mappings)], rows[len(command.uid_mappings) :]
    assert uid == [[m.container_id, m.host_id, m.size] for m in command.uid_mappings]
    assert gid == [[m.container_id, m.host_id, m.size] for m in command.gid_mappings]
    assert setgroups == ("allow" if command.gid_mappings_enable_setgroups else "deny")
    return uid, gid, setgroups, command.notes


def be_refused(**execer: Any) -> dict[str, Any]:
    """Return what is said of a start that does not happen."""
    try:
        nx.NamespacingExecer(**execer).run("/bin/true")
    except (nx.StartError, nx.IDMapError) as error:
        names = ("step", "errno", "hint", "detail")
        return {"text": str(error), **{name: getattr(error, name, None) for name in names}}
    raise AssertionError("it started")


def use_ids() -> str:
    """Use the last ID of the full range in every way, and then the one beyond."""
    code = (
        "import os\n"
        "os.setgroups([1, 65536])\n"
        "os.chown('x', 33, 65536)\n"
        "os.setresgid(5, 5, 5)\n"
        "os.setresuid(65536, 65536, 65536)\n"
        "print(os.getgroups(), os.getresuid()[0], os.getresgid()[0], os.stat('x')[4:6])\n"
        "try: os.setuid(65537)\n"
        "except OSError as error: print(error.errno)\n"
    )
    script = f'mount -t tmpfs none /mnt && cd /mnt && touch x && exec python3 -c "{code}"'
    done = ROOTLESS.run("/bin/sh", "-c", script, env={"PATH": "/usr/bin:/bin"})
    return done.stdout + done.stderr


def see_maps_of_unshare() -> str:
    """Return both maps and setgroups under unshare(1)."""
    arguments = ["--map-users=100000,1,65536", "--map-groups=100000,1,65536"]
    return subprocess.run(
        ["unshare", "--map-root-user", *arguments, "/bin/sh", "-c", MAPS],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


def list_ranges() -> tuple[list[list[str]], list[list[str]]]:
    """Return shadow's list of alice's ranges, and ours."""
    theirs = subprocess.check_output(["getsubids", "alice"], text=True).splitlines()
    ours = [[str(r.start), str(r.count)] for r in subids.own().uids]
    return [line.split()[-2:] for line in theirs], ours


def start_nested() -> str:
    """Start a process from within a user namespace that has few IDs."""
    code = (
        "import nsexplore as nx\n"
        "done = nx.NamespacingExecer(id_map='rootless').run('/bin/cat', '/proc/self/uid_map')\n"
        "print(done.stdout.split(), *done.command.notes)\n"
    )
    outer = nx.NamespacingExecer(id_map=nx.IDMap([(0, 0, 1000), (1000, 100010, 5)]))
    done = outer.run(sys.executable, "-c", code)
    return done.stdout + done.stderr


def see_maps_without_new_privileges() -> Any:
    """Do it with no_new_privs."""
    ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return see_maps()


def look_for_newuidmap(path: str) -> str | None:
    """Return the path that a plan names, with this PATH."""
    os.environ["PATH"] = path
    return ROOTLESS.plan("/bin/true").newuidmap


def show_everywhere() -> dict[str, str]:
    """Return whatever shows a rootless command."""
    done = ROOTLESS.run("/bin/true")
    with ROOTLESS.start("/bin/true") as process:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(["run", "--rootless", "--", "/bin/true"])
        assert code == 0, err.getvalue()
        shown = {"run": err.getvalue()}
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            assert main(["plan", "--json", "--rootless", "--", "/bin/true"]) == 0
        shown["json"] = "\n".join(json.loads(out.getvalue())["command"]["notes"])
        values = {"plan": done.command, "execer": ROOTLESS, "completed": done, "process": process}
        for name, value in values.items():
            bundle = value._repr_mimebundle_()
            shown |= {f"{name} text": bundle["text/plain"], f"{name} html": bundle["text/html"]}
    return shown


def see_maps_of_max_uid(max_uid: int) -> Any:
    """Do it with a MaxUID."""
    return see_maps(max_uid=max_uid)


def ask_for_max_uid(max_uid: int) -> dict[str, Any]:
    """Be refused one."""
    return be_refused(id_map="rootless", max_uid=max_uid)


def call_command_line(*arguments: str) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    return code, out.getvalue(), err.getvalue()


def see_custom_maps(lines: Lines, gid: Lines = ()) -> Any:
    """Do it with maps of one's own choice."""
    return see_maps(id_map=nx.IDMap(lines), gid_map=nx.IDMap(gid) if gid else None)


def ask_for_custom_maps(lines: Lines, gid: Lines) -> dict[str, Any]:
    """Be refused them."""
    return be_refused(id_map=nx.IDMap(lines), gid_map=nx.IDMap(gid))


def plan_writers(lines: Lines, gid: Lines) -> tuple[str | None, str | None, bool]:
    """Return who is to write the maps, and setgroups."""
    execer = nx.NamespacingExecer(id_map=nx.IDMap(lines), gid_map=nx.IDMap(gid))
    command = execer.plan("/bin/true")
    return command.newuidmap, command.newgidmap, command.gid_mappings_enable_setgroups


def mix_writers() -> Any:
    """Have newuidmap write one map, and write the other oneself; then the other way round."""
    sub, own = ((0, 100000, 5),), ((0, 1000, 1),)
    return see_custom_maps(sub, own), see_custom_maps(own, sub)


def ask_for_garden() -> dict[str, Any]:
    """Be refused garden's map."""
    return be_refused(max_uid=65535)


def plan_notes(lines: Lines) -> tuple[str, ...]:
    """Return what a plan notes."""
    return nx.NamespacingExecer(id_map=nx.IDMap(lines)).plan("/bin/true").notes


def stop_everywhere() -> list[tuple[str, str, str, str]]:
    """Return each stop, with both maps and setgroups there."""
    seen = []
    with ROOTLESS.step("/bin/sleep", "60") as step:
        while True:
            view = step.view()
            maps = (" ".join(str(m).split()) for m in (view.uid_map, view.gid_map))
            seen.append((step.state, *maps, str(view.setgroups)))
            if step.state == "exec'd":
                return seen
            step.next()


def time_a_start() -> list[tuple[str, str, str, float, int]]:
    """Return the parent's steps."""
    timeline = ROOTLESS.run("/bin/true").timeline
    return [(s.name, s.by, s.syscall, s.duration_us, s.errno) for s in timeline if s.by == "parent"]


def be_failed() -> dict[str, Any]:
    """Be refused the rootless maps."""
    return be_refused(id_map="rootless")


def ask_for_others_ids() -> tuple[str, str, list[tuple[str, int]]]:
    """Have newuidmap write what it must not."""
    with ROOTLESS.step("/bin/true") as step:
        command = replace(step.command, uid_mappings=nx.IDMap([(0, 5, 5)]))
    with nx.stepping.Step(command) as step:
        try:
            step.finish()
        except nx.StartError as error:
            steps = [(s.name, s.errno) for s in step.timeline if s.by == "parent"]
            return error.step, str(error), steps[-1:]
    raise AssertionError("it started")


def wait_in_vain() -> dict[str, Any]:
    """Be refused by a helper that hangs."""
    maphelpers.TIMEOUT = 0.3
    return be_refused(id_map="rootless")


def be_interrupted(hangs: str) -> bool:
    """Return whether Ctrl-C ends a helper that hangs as this command."""

    def interrupt() -> None:
        assert eventually(lambda: _runs(hangs))
        os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=interrupt).start()
    try:
        ROOTLESS.run("/bin/true")
    except KeyboardInterrupt:
        return not _runs(hangs)
    return False


def _runs(command: str) -> bool:
    """Return whether such a process is there."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has just ended
            if path.read_text().replace("\0", " ").startswith(command):
                return True
    return False


def lose_the_child() -> tuple[str, str]:
    """Have it killed while it waits for its maps."""
    with ROOTLESS.step("/bin/true") as step:
        # At the first stop it may still be on its way to where it waits.
        assert eventually(lambda: step.view().state.startswith("S"))
        os.kill(step.pid, signal.SIGKILL)
        os.waitid(os.P_PIDFD, step.pidfd, os.WEXITED | os.WNOWAIT)
        try:
            step.finish()
        except nx.StartError as error:
            return error.step, str(error)
    raise AssertionError("it went on")


def start_in_threads(count: int) -> list[Any]:
    """Do it in some threads at once."""
    results: list[Any] = []

    def work() -> None:
        try:
            results.append(see_maps())
        except BaseException as error:
            results.append(repr(error))

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def start_beside_another_root() -> tuple[list[tuple[str | None, int | None]], list[list[int]]]:
    """Start while a process with another host ID as root waits for its execve; then again."""
    outcomes: list[tuple[str | None, int | None]] = []
    with nx.NamespacingExecer(id_map="rootless", max_uid=100000).step("/bin/sleep", "60") as step:
        while step.state != "released":
            step.next()
        try:
            ROOTLESS.run("/bin/true")
        except nx.StartError as error:
            outcomes.append((error.step, error.errno))
        step.finish()
        return outcomes, see_maps()[0]


def start_among_other_roots(starts: int) -> list[str]:
    """Map one ID again and again while another thread starts roots of another host ID."""
    others = nx.NamespacingExecer(id_map="rootless", max_uid=100000)
    one = nx.NamespacingExecer(id_map=nx.IDMap.rootless())
    failures: list[str] = []

    def work(execer: nx.NamespacingExecer, count: int) -> None:
        for _ in range(count):
            try:
                execer.run("/bin/true")
            except nx.StartError as error:
                failures.append(str(error))

    threads = [
        threading.Thread(target=work, args=(others, starts // 5)),
        threading.Thread(target=work, args=(one, starts)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures

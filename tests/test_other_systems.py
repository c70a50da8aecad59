"""On a system that is not Linux plans, pictures and recordings work; a start says why not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# Takes away from Python what it does not have on Windows (and partly not on macOS), and
# then uses the package. What is imported at top level anywhere would fail here.
SCRIPT = """
import os, signal, select, shlex, sys

import pandas  # itself works there, but asks what system this is

sys.platform = "win32"

for name in ("O_CLOEXEC O_DIRECTORY O_PATH O_NONBLOCK P_PIDFD WEXITED WNOHANG WNOWAIT geteuid"
             " getuid getegid getgid killpg memfd_create pidfd_open pipe2 pread register_at_fork"
             " setns sysconf unshare waitid").split():
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGKILL", "SIGHUP", "pidfd_send_signal", "pthread_sigmask"):
    delattr(signal, name)
for name in ("poll", "epoll", "PIPE_BUF"):
    delattr(select, name)
for name in ("fcntl", "grp", "pwd", "resource", "termios", "nsexplore._spawn"):
    sys.modules[name] = None

import nsexplore as nx

real_exists = os.path.exists
os.path.exists = lambda path: not str(path).startswith("/proc") and real_exists(path)
os.path.lexists = os.path.exists

command = nx.NamespacingExecer(max_uid=65535).plan("/bin/sleep", "60")
assert command.uid_mappings == nx.IDMap.garden(65535)
assert "CLONE_NEWUSER" in str(command)
assert "<svg" in command._repr_mimebundle_()["text/html"]
assert list(nx.id_map_frame(command).columns) == ["map", "container_id", "host_id", "size"]
for call in (nx.NamespacingExecer(max_uid=33).exec, nx.NamespacingExecer(max_uid=33).step):
    try:
        call("/bin/true")
    except nx.StartError as error:
        assert error.step == "spawner", error
        assert "the native spawner is missing" in str(error)
        assert "feature of Linux" in error.hint, error.hint
    else:
        raise AssertionError("it started")
try:
    nx.inspect(1)
except OSError as error:
    assert "Linux" in str(error)

diagnosis = nx.doctor()
assert not diagnosis.ok
assert {cause.key for cause in diagnosis.check("a process").causes} == {"no-linux"}
assert "feature of Linux" in str(diagnosis)

import subprocess

from nsexplore import tables
from nsexplore.recording import Recording
from nsexplore.replaying import ReplayingCommandRunner

MARK = "recorded on "


def look(value):
    assert MARK in str(value)
    assert MARK in value._repr_mimebundle_()["text/html"]


recording = Recording.load(sys.argv[1])
look(recording)
entry = next(e for e in recording.value.entries if e.command.args == ("id",) and e.birth)
for value in (entry.birth, entry.timeline):
    look(value)
    taken = Recording.take(value) if value is entry.birth else recording
    assert Recording.from_json(taken.to_json()) == taken
assert MARK in tables.namespaces_frame(entry.birth).to_html()
assert Recording.take(entry.birth).system.startswith("Linux")  # where it was seen

said = []
runner = ReplayingCommandRunner(sys.argv[1], notice=said.append)
execer = nx.NamespacingExecer(runner, max_uid=65535)
done = execer.run("id")
look(done)
assert done.stdout.startswith("uid=0(root)") and done.returncode == 0
os.environ["PATH"] = ""  # what is not installed is not why it does not start
assert execer.run("id").birth == done.birth
with execer.start("/bin/sleep", "60", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
    look(process)
    look(nx.inspect(process))
    frames = [nx.clone_flags_frame, nx.id_map_frame, nx.namespaces_frame, nx.timeline_frame]
    for frame in [*frames, tables.capabilities_frame]:
        assert MARK in frame(process).to_string()
    process.terminate()
    assert process.poll() is None
    process.kill()
assert process.returncode == -9
with execer.step("/bin/sleep", "60") as step:
    while step.state != "exec'd":
        look(step)
        step.next()
try:
    execer.run("/bin/no-such-program")
except nx.StartError as error:
    assert error.step == "execve"
try:
    execer.run("id", "-u")
except nx.StartError as error:
    assert error.step == "spawner" and "No recording" in error.__notes__[0]
assert len(said) == 5
assert all(line.endswith("refuses, spawner: the native spawner is missing") for line in said)
"""

BOOK = Path(__file__).parent.parent / "notebooks" / "recordings" / "01-first-namespaces.json"


def test_plans_pictures_and_recordings_work_where_nothing_can_be_started() -> None:
    """Without what only Linux (or only Unix) has, nothing breaks before a start is asked for."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, BOOK],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr

"""On a system that is not Linux the words, plans and pictures work, and a start says why not."""

from __future__ import annotations

import subprocess
import sys

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
"""


def test_plans_and_pictures_work_where_nothing_can_be_started() -> None:
    """Without what only Linux (or only Unix) has, nothing breaks before a start is asked for."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr

"""A process that starts commands and answers with what happened, one JSON line each.

``starter.py STATE`` first puts itself into a state (see `put_on`), so that one
can see what a child inherits of it, and greets with its own namespaces and
session. It then reads jobs from stdin, as the program in oracle/main.go does,
and starts them through `NamespacingExecer`. ``starter.py STATE PROGRAM`` becomes
that program instead: the same state, another starter.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from contextlib import ExitStack, suppress
from typing import Any

from nsexplore import NamespacingExecer, StartError
from nsexplore.lookup import look_path


def put_on(state: dict[str, Any]) -> None:
    """Become what the state says: whatever a child may inherit."""
    # Go raises the soft limit on files to the hard one; here there is nothing to raise.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for name, value in state.get("limits", {}).items():
        limit = getattr(resource, name)
        resource.setrlimit(limit, (value, resource.getrlimit(limit)[1]))
    for number in state.get("ignored", ()):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, state.get("blocked", ()))
    for fd, path in enumerate(state.get("files", ()), start=3):
        if (opened := os.open(path, os.O_RDWR)) != fd:
            os.dup2(opened, fd, inheritable=False)
            os.close(opened)
    if "stray" in state:
        os.dup2(os.open(os.devnull, os.O_RDONLY), state["stray"])
    if "umask" in state:
        os.umask(state["umask"])
    if "nice" in state:
        os.nice(state["nice"])
    if "groups" in state:
        os.setgroups(state["groups"])
    if "oom_score_adj" in state:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write(state["oom_score_adj"])
    if "cwd" in state:
        os.chdir(state["cwd"])


def greet() -> None:
    """Say what the child's view is to be compared with."""
    ids = {}
    with suppress(FileNotFoundError):  # the /proc that is mounted may be another's
        for kind in os.listdir("/proc/self/ns"):
            found = os.stat(f"/proc/self/ns/{kind}")
            ids[kind] = f"{found.st_dev}:{found.st_ino}"
    print(json.dumps({"namespaces": ids, "sid": os.getsid(0)}), flush=True)


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Do one job, as `run` in oracle/main.go does."""
    if job["PATH"] is None:
        os.environ.pop("PATH", None)
    else:
        os.environ["PATH"] = job["PATH"]
    if job.get("only_look"):
        path, error = look_path(job["args"][0])
        return {"path": path, "error": error or ""}
    try:
        return {"error": "", **start(job)}
    except (StartError, ValueError) as error:
        return {"error": str(error), "type": type(error).__name__}


def start(job: dict[str, Any]) -> dict[str, Any]:
    # Either by their numbers here, the three streams first, or files of its own.
    stdin, stdout, stderr, *extra = job.get("fds", (None, None, None))
    with ExitStack() as stack:
        for wanted in job.get("extra_files", ()):
            mode = "wb" if wanted.get("write") else "rb"
            file = stack.enter_context(open(wanted["path"], mode))
            if wanted.get("closed"):
                file.close()
            extra.append(file)
        executer = NamespacingExecer(
            extra_files=extra,
            privileged=job["privileged"],
            **{"max_uid": job.get("max_uid"), **job.get("options", {})},
        )
        if job.get("how") == "exec":
            pid = executer.exec(*job["args"])
            return {"pid": pid, "status": os.waitpid(pid, 0)[1]}
        streams = {"stdin": stdin, "stdout": stdout, "stderr": stderr}
        process = stack.enter_context(executer.start(*job["args"], cwd=job.get("cwd"), **streams))
        return {"pid": process.pid, "status": process.wait()}


def main() -> None:
    state, *other = sys.argv[1:]
    put_on(json.loads(state))
    greet()
    if other:
        # Python ignores these two, which is nothing of the state's.
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        os.execv(other[0], other)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()

"""A process that starts commands when a test tells it to, through a socket.

Run as ``python served.py FD``. Each request is a JSON object on one message; so
is each answer. It speaks through recvfrom(2) and sendto(2), which the spawner
does not use, so that a tracer's count of the spawner's calls starts at zero.
"""

from __future__ import annotations

import ctypes
import dataclasses
import json
import os
import signal
import socket
import sys
import threading
from contextlib import ExitStack
from typing import Any

from held_by_us import children, descriptors, memory

import nsexplore as nx
import nsexplore.diagnosing  # what is looked up when needed: before memory is counted
import nsexplore.rootless
from nsexplore.entering import inside
from nsexplore.stepping import Step

PR_GET_DUMPABLE, PR_SET_DUMPABLE, PR_SET_PTRACER = 3, 4, 0x59616D61
libc = ctypes.CDLL(None, use_errno=True)

# Calls that change nothing, to move a tracer's count of this process's calls.
HARMLESS = {
    "read": lambda: libc.read(-1, None, 0),
    "write": lambda: libc.write(-1, None, 0),
    "close": lambda: libc.close(-1),
    "fcntl": lambda: libc.fcntl(-1, 1),
    "prctl": lambda: libc.prctl(-1, 0, 0, 0, 0),
    "openat": lambda: libc.open(b"", 0),
    "setpgid": lambda: libc.setpgid(-1, -1),
    "rt_sigprocmask": lambda: libc.pthread_sigmask(0, None, None),
    "rt_sigaction": lambda: libc.sigaction(signal.SIGUSR1, None, ctypes.create_string_buffer(256)),
}


def state() -> dict[str, Any]:
    """Return what a start must leave as it was."""
    return {
        "children": children(),
        "descriptors": descriptors(),
        "dumpable": libc.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0),
        "mask": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "threads": len(os.listdir("/proc/self/task")),
        "virtual memory": memory("VmSize") % 1024,  # Python's own arenas have 1 MiB each
    }


def start(request: dict[str, Any]) -> dict[str, Any]:
    """Start one command between two markers; say how that went."""
    for name, times in request.get("harmless", {}).items():
        for _ in range(times):
            HARMLESS[name]()
    options = {"clone_flags": request.get("clone_flags"), **request.get("execer", {})}
    for name in ("id_map", "gid_map"):
        if isinstance(options.get(name), list):
            options[name] = nx.IDMap(options[name])
    with ExitStack() as stack:
        if "enter" in request:
            execer: nx.NamespacingExecer = stack.enter_context(inside(request["enter"]))
        else:
            execer = nx.NamespacingExecer(extra_files=request.get("extra_files", ()), **options)
        return _start(request, execer)


def _start(request: dict[str, Any], execer: nx.NamespacingExecer) -> dict[str, Any]:
    command = dataclasses.replace(
        execer.plan(*request["argv"], cwd=request.get("cwd")), birth=request.get("birth", True)
    )
    answer: dict[str, Any] = {"error": None}
    process = step = None
    libc.access(b"/marker/begin", 0)
    try:
        if request.get("step"):
            step = Step(command)
            process = step.finish()
        else:
            process = execer.command_runner.start(command)
    except nx.StartError as error:
        answer["error"] = {"step": error.step, "errno": error.errno, "text": str(error)}
    finally:
        libc.access(b"/marker/end", 0)
    timeline = process.timeline if process else step.timeline if step else ()
    answer["timeline"] = [dataclasses.asdict(each) for each in timeline]
    if process is not None:
        answer["pid"] = process.pid
        answer["returncode"] = process.wait() if request.get("wait") else None
        process.close()
    return answer


def start_in_a_thread(request: dict[str, Any]) -> dict[str, Any]:
    answers: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: answers.append(start(request)))
    thread.start()
    thread.join()
    return answers[0]


def become_ordinary() -> dict[str, Any]:
    """Go on as UID and GID 65534; the change must not make us another's to look at."""
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    return {}


def serve(channel: socket.socket) -> None:
    while message := channel.recv(1 << 16):
        request = json.loads(message)
        if request["do"] == "state":
            answer = state()
        elif request["do"] == "become ordinary":
            answer = become_ordinary()
        elif request.get("thread"):
            answer = start_in_a_thread(request)
        else:
            answer = start(request)
        channel.sendall(json.dumps(answer).encode())


if __name__ == "__main__":
    # The first error loads what it needs to explain itself.
    nsexplore.hints.hint_for("clone", 1, nx.NamespacingExecer(privileged=True).plan("id"))
    libc.prctl(PR_SET_PTRACER, ctypes.c_ulong(-1), 0, 0, 0)  # where Yama is, strace is no parent
    serve(socket.socket(fileno=int(sys.argv[1])))

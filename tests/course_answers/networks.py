"""Answers to the exercises on networks: the right ones as the kernel gives them."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

import nsexplore as nx
from nsexplore.timeline import Timeline

Kind = nx.CloneFlags
OWN_IDS = {"id_map": nx.IDMap.rootless(), "gid_map": nx.IDMap.rootless(os.getegid())}
LAN_FLAGS = Kind.NEWUSER | Kind.NEWNET
LAN = nx.NamespacingExecer(clone_flags=LAN_FLAGS, **OWN_IDS)

UNTOUCHED = """
import socket

with socket.create_server(("", 8080)) as server, socket.socket() as client:
    print(client.connect_ex(("127.0.0.1", 8080)))
"""

CONNECT = """
import socket, sys

try:
    socket.create_connection((sys.argv[1], 8080), timeout=5)
except OSError as error:
    print(f"{sys.argv[1]}: {error.strerror}")
"""

# What is made in one network, and asked for in another that is new, in all else the same.
NOT_SHARED = """
import ctypes, os, pathlib, socket, subprocess

setting = pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


def taken(family, address):
    try:
        socket.socket(family).bind(address)
    except OSError:
        return True
    return False


def listens(address):
    return socket.socket(socket.AF_UNIX).connect_ex(address) == 0


def seen():
    return {
        "hostname": socket.gethostname() == "garden",
        "ports": taken(socket.AF_INET, ("", 8080)),
        "routes": b"192.0.2.0/24" in subprocess.check_output(["ip", "route"]),
        "abstract sockets": listens("\\0course"),
        "socket files": listens("/mnt/course"),
        "sysctls of net.ipv4": setting.read_text().strip() == "80",
        "process IDs": pathlib.Path(f"/proc/{first}/comm").exists(),
    }


first = os.getpid()
socket.sethostname("garden")
setting.write_text("80")
for words in ["link set lo up", "route add 192.0.2.0/24 dev lo"]:
    subprocess.check_call(["ip", *words.split()])
subprocess.check_call("mount -t tmpfs tmpfs /mnt".split())
listeners = [socket.create_server(("", 8080))]
for name in ["\\0course", "/mnt/course"]:
    listeners.append(socket.socket(socket.AF_UNIX))
    listeners[-1].bind(name)
    listeners[-1].listen()

assert all(seen().values()), seen()
if not os.fork():
    assert ctypes.CDLL(None).unshare(0x40000000) == 0  # CLONE_NEWNET
    print(*(word for word, found in seen().items() if not found), sep="\\n", flush=True)
    os._exit(0)
os.wait()
"""


def _run(execer: nx.NamespacingExecer, program: str) -> str:
    done = execer.run(sys.executable, "-IS", "-c", program)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _errno() -> object:
    return errno.errorcode[int(_run(LAN, UNTOUCHED))]


def _not_shared() -> object:
    flags = Kind.NEWUSER | Kind.NEWNET | Kind.NEWNS | Kind.NEWUTS
    return set(_run(nx.NamespacingExecer(clone_flags=flags, **OWN_IDS), NOT_SHARED).splitlines())


def _plan() -> object:
    words = ("ip", "link", "set", "lo", "up")
    done = LAN.run(*words)
    assert done.returncode == 0, done.stderr
    return LAN.plan(*words)


def _refused() -> object:
    script = f"ip address add 192.0.2.1 dev lo; ip link set lo up; {ASK}"
    return LAN.run("sh", "-c", script, env={**os.environ, "CONNECT": CONNECT})


ASK = f'"{sys.executable}" -IS -c "$CONNECT" 192.0.2.1'

RIGHT: dict[str, Callable[[], object]] = {
    "networks.1": _errno,
    "networks.2": _not_shared,
    "networks.3": _plan,
    "networks.4": _refused,
}


def _ended(
    stdout: str, flags: nx.CloneFlags = LAN_FLAGS, args: tuple[str, ...] = ("sh",)
) -> nx.Completed:
    """Return what a command would have ended with: judged as if it had been run."""
    plan = nx.NamespacingExecer(clone_flags=flags, **OWN_IDS).plan(*args)
    return nx.Completed(plan, 0, stdout, "", None, Timeline(()))


UP = ("ip", "link", "set", "lo", "up")
GARDEN = Kind.garden(privileged=False)

ALSO_RIGHT: dict[str, list[object]] = {
    "networks.1": ["enetunreach"],
    "networks.2": [["Ports", "routes", "abstract sockets", "sysctls"]],
    "networks.3": [
        LAN.plan("ip", "link", "set", "dev", "lo", "up"),
        LAN.plan("ip", "link", "set", "up", "dev", "lo"),
        LAN.plan("/sbin/ip", "link", "set", "up", "lo"),
    ],
}

WRONG: dict[str, list[object]] = {
    "networks.1": ["ECONNREFUSED", "EPERM", "ETIMEDOUT", "EHOSTUNREACH", "EINVAL", 101, None],
    "networks.2": [
        {"ports", "routes", "hostname"},
        {"ports", "routes", "abstract sockets", "sysctls of net.ipv4", "socket files"},
        ["ports", "process IDs"],
        {"ports"},
        {"ports", "cables"},
        "ports",
        4,
    ],
    "networks.3": [
        nx.NamespacingExecer(clone_flags=Kind.NEWUSER, **OWN_IDS).plan(*UP),
        nx.NamespacingExecer(privileged=True, clone_flags=Kind.NEWNET).plan(*UP),
        nx.NamespacingExecer(clone_flags=GARDEN, **OWN_IDS).plan(*UP),
        nx.NamespacingExecer(clone_flags=LAN_FLAGS, id_map=nx.IDMap.garden(65535)).plan(*UP),
        LAN.plan("ip", "link"),
        LAN,
        "ip link set lo up",
    ],
    "networks.4": [
        _ended("192.0.2.1: Network is unreachable\n"),
        _ended("Connection refused\n"),
        _ended("192.0.2.1: answers 'I am here'\n"),
        _ended("192.0.2.1: Connection refused\n", Kind.NEWUSER),
        _ended(
            "192.0.2.1: Connection refused\n",
            args=("sh", "-c", "echo '192.0.2.1: Connection refused'"),
        ),
        "Connection refused",
        None,
    ],
}

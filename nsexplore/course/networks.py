"""Exercises of the notebook on networks."""

from __future__ import annotations

import os
from typing import Any, Final

from ..command import Command
from ..exercise import Exercise, brief, is_one, is_set
from ..flags import CloneFlags
from ..process import Completed
from .printing import prints_only

__all__ = ["EXERCISES"]


def _brings_up_lo(answer: Any) -> str:
    if not isinstance(answer, Command):
        return f"a plan is asked for, what plan(…) of an execer returns; this is {brief(answer)}"
    if not _sets_lo_up(answer.args):
        return 'the command to plan is "ip", "link", "set", "lo", "up", each a string of its own'
    flags = answer.clone_flags
    if CloneFlags.NEWNET not in flags:
        return "this would be the network outside, and who owns that one? (section 10)"
    if CloneFlags.NEWUSER not in flags:
        return "root may do that; for an ordinary user, clone(2) says EPERM (section 1)"
    if flags != CloneFlags.NEWNET | CloneFlags.NEWUSER:
        return "it works, but fewer kinds do: which ones does `ip link` have no use for?"
    lines = answer.uid_mappings.mappings if answer.uid_mappings else ()
    if (1, 1) in [(line.container_id, line.host_id) for line in lines]:
        return "the kinds are right; but garden's ID map is root's to write, so use own_ids"
    return ""


def _sets_lo_up(args: tuple[str, ...]) -> bool:
    """Return whether it is that command, in any of its spellings: ip-link(8)."""
    program, *words = (*map(os.path.basename, args[:1]), *args[1:]) or ("",)
    device = sorted(word for word in words[2:] if word != "dev")
    return (program, words[:2], device) == ("ip", ["link", "set"], ["lo", "up"])


def _has_the_address(answer: Any) -> str:
    if not isinstance(answer, Completed):
        return f"what run(…) of an execer returns is asked for; this is {brief(answer)}"
    if CloneFlags.NEWNET not in answer.command.clone_flags:
        return "this ran in the network outside: use an execer that makes a new one, such as lan"
    if prints_only(answer.command):
        return "those are words of your own; nobody in there has tried to connect"
    last = answer.stdout.strip().rpartition("\n")[2]
    if not last.startswith("192.0.2.1: "):
        return 'its last line is not that of: "$PYTHON" -IS -c "$CONNECT" 192.0.2.1'
    if "unreachable" in last:
        return (
            "still no way there. Who could answer, in a network all by itself? Give somebody in it"
            " this address (section 6), and look at what is down"
        )
    if not last.endswith("Connection refused"):
        return "somebody answers, but not that nobody listens: is there a server, or a firewall?"
    return ""


_SHORT: Final = {
    "sysctls": "sysctls of net.ipv4",
    "sysctl": "sysctls of net.ipv4",
    "net.ipv4": "sysctls of net.ipv4",
    "pids": "process ids",
}

EXERCISES: Final = (
    Exercise(
        "networks.1",
        "the name of an errno, such as 'EPERM'",
        is_one(
            "ENETUNREACH",
            {
                "ECONNREFUSED": "that is what the kernel at the other end answers when nobody"
                " listens. Does the call get as far as that?",
                "EPERM": "nobody forbids it, everybody may try to connect",
                "EACCES": "nobody forbids it, everybody may try to connect",
                "ETIMEDOUT": "a packet would have to be sent, to wait for its answer in vain",
                "EHOSTUNREACH": "close: that is said where there is a route, and nobody at its end",
            },
            "section 3 shows it in words; errno(3) and Python's errno module have the names",
        ),
        "without an address on lo there is no route to 127.0.0.1, whoever listens there",
    ),
    Exercise(
        "networks.2",
        "a set of words from the list",
        is_set(
            frozenset({"ports", "routes", "abstract sockets", "sysctls of net.ipv4"}),
            {
                "hostname": "that is the UTS namespace's",
                "socket files": "a socket with a file name is found by its file, so by what is"
                " mounted (section 8)",
                "process ids": "they are the PID namespace's; a process can be seen by others of"
                " another network",
            },
            "all of these belong there, and there are more: go through the sections once again",
            spelled=lambda word: _SHORT.get(word, word),
        ),
        "these are the network's own; the rest belongs to UTS, mount and PID namespaces",
    ),
    Exercise(
        "networks.3",
        "a Command, which is what plan() returns",
        _brings_up_lo,
        "the new user namespace makes an ordinary user root, and it owns the network that is made"
        " along with it",
    ),
    Exercise(
        "networks.4",
        "a Completed, which is what run() returns",
        _has_the_address,
        "an address is wherever an interface has it. In a network of your own you may have any,"
        " and nobody outside will notice",
    ),
)

"""Seccomp filters with which tests lock themselves, or what they start, down.

A filter is bytes: build it where there is a compiler, install it anywhere.

>>> seccomp.install(seccomp.docker())
>>> seccomp.install(seccomp.restrict_namespaces(allowed=CloneFlags.NEWUSER))
>>> seccomp.install(seccomp.answers({"keyctl": errno.EPERM, "clone3": errno.ENOSYS}))

It binds every thread of the process, and whatever is started from then on, for
good. The numbers of the system calls are the compiler's, of the headers for the
machine that this runs on (x86_64 or aarch64).
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import re
import socket
import struct
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from errno import ENOSYS, EPERM

from nsexplore import CloneFlags

HEADERS = (
    "sys/syscall.h",
    "linux/audit.h",
    "linux/filter.h",
    "linux/sched.h",
    "linux/seccomp.h",
    "sys/prctl.h",
)
ARCHITECTURES = {"x86_64": "AUDIT_ARCH_X86_64", "aarch64": "AUDIT_ARCH_AARCH64"}

# struct seccomp_data: the call's number, the architecture, where it came from, six arguments.
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16

# What Docker's default profile does not allow with the capabilities that Docker gives by
# default: moby/profiles, seccomp/default.json, which is a list of what it does allow.
DOCKER_DENIES = """
    acct add_key bpf clock_settime delete_module fanotify_init finit_module fsconfig fsmount
    fsopen fspick get_mempolicy init_module io_uring_enter io_uring_register io_uring_setup ioperm
    iopl kcmp kexec_file_load kexec_load keyctl lookup_dcookie mbind migrate_pages mount
    mount_setattr move_mount move_pages nfsservctl open_by_handle_at open_tree perf_event_open
    pidfd_getfd pivot_root process_madvise quotactl quotactl_fd reboot request_key set_mempolicy
    set_mempolicy_home_node setdomainname sethostname setns settimeofday swapoff swapon sysfs syslog
    umount2 unshare uselib userfaultfd ustat vhangup
""".split()
# clone's mask there. A new time namespace's bit is not in it: in clone it is part of a signal.
DOCKER_CLONE = (
    CloneFlags.NEWNS
    | CloneFlags.NEWCGROUP
    | CloneFlags.NEWUTS
    | CloneFlags.NEWIPC
    | CloneFlags.NEWUSER
    | CloneFlags.NEWPID
    | CloneFlags.NEWNET
)
DOCKER_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)


@dataclass(frozen=True)
class Rule:
    """What a call is answered with; the first rule that fits decides.

    Attributes
    ----------
    call : str
        The system call's name. One that this architecture has not is passed over.
    errno : int or None
        What it fails with; None lets it through.
    argument : int
        Which argument is looked at, if any: its lower 32 bits.
    mask, equals : int or None
        The rule is for an argument with any bit of the mask, or for one that equals this.
    """

    call: str
    errno: int | None
    argument: int = 0
    mask: int | None = None
    equals: int | None = None


def docker() -> bytes:
    """Return Docker's default filter, as it is for a container without added capabilities.

    What is newer than the list is answered as runc does: ENOSYS.
    """
    return assemble(
        [
            Rule("clone", EPERM, mask=DOCKER_CLONE),
            Rule("clone3", ENOSYS),  # its flags lie in memory, where no filter can look
            Rule("socket", EPERM, equals=socket.AF_ALG),
            Rule("socket", EPERM, equals=socket.AF_VSOCK),
            *(Rule("personality", None, equals=value) for value in DOCKER_PERSONALITIES),
            Rule("personality", EPERM),
            *(Rule(call, EPERM) for call in DOCKER_DENIES),
        ],
        newer=ENOSYS,
    )


def restrict_namespaces(allowed: int = 0) -> bytes:
    """Return systemd's filter for RestrictNamespaces=, with the kinds that stay allowed."""
    kinds = DOCKER_CLONE & ~allowed
    return assemble(
        [
            Rule("clone", EPERM, mask=kinds),
            Rule("clone3", ENOSYS),
            Rule("unshare", EPERM, mask=kinds),
            # With 0 it takes any kind; systemd allows a kind that is named, if all are not denied.
            Rule("setns", EPERM, argument=1, mask=kinds),
            Rule("setns", EPERM, argument=1, equals=0),
            *([] if allowed else [Rule("setns", EPERM)]),
        ]
    )


def answers(errnos: Mapping[str, int]) -> bytes:
    """Return the filter by which these calls fail, each with its errno."""
    if unknown := [call for call in errnos if number(call) is None]:
        raise ValueError(f"no such system call on {platform.machine()}: {', '.join(unknown)}")
    return assemble(Rule(call, errno) for call, errno in errnos.items())


def install(program: bytes, *, no_new_privs: bool = True) -> None:
    """Put a filter on this process, all of its threads, and whatever it starts.

    Without `no_new_privs`, which also makes set-user-ID programs ordinary ones,
    only CAP_SYS_ADMIN may do so.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if no_new_privs and libc.prctl(value("PR_SET_NO_NEW_PRIVS"), 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")
    instructions = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: how many instructions, and where they are.
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions))
    call = number("seccomp")
    assert call is not None
    failed = libc.syscall(
        *(ctypes.c_long(call), value("SECCOMP_SET_MODE_FILTER")),
        *(value("SECCOMP_FILTER_FLAG_TSYNC"), header),
    )
    if failed:
        # With TSYNC a positive number is the thread that has another filter.
        reason = os.strerror(ctypes.get_errno()) if failed < 0 else f"thread {failed} differs"
        raise OSError(ctypes.get_errno(), f"seccomp: {reason}")


def assemble(rules: Iterable[Rule], newer: int | None = None) -> bytes:
    """Return the program for the rules; `newer` answers calls that the headers do not know."""
    number_is = functools.partial(_jump, "BPF_JEQ")
    program = [
        _load(ARCHITECTURE),
        # A 32-bit program on a 64-bit kernel numbers its calls otherwise.
        *(number_is(value(ARCHITECTURES[platform.machine()]), 1, 0), _answer(EPERM)),
        _load(NUMBER),
    ]
    for rule in rules:
        if (call := number(rule.call)) is not None:
            body = _test(rule)
            program += [number_is(call, 0, len(body)), *body]
    if newer is not None:
        newest = max(found for name in _macros() if (found := _number(name)) is not None)
        program += [_jump("BPF_JGT", newest, 0, 1), _answer(newer)]
    return b"".join([*program, _answer(None)])


def _test(rule: Rule) -> list[bytes]:
    """Return what is done once the number fits; where the argument does not, the number is back."""
    if rule.mask is None and rule.equals is None:
        return [_answer(rule.errno)]
    how, what = ("BPF_JEQ", rule.equals) if rule.mask is None else ("BPF_JSET", rule.mask)
    assert what is not None
    return [
        _load(ARGUMENTS + 8 * rule.argument),
        _jump(how, what, 0, 1),
        _answer(rule.errno),
        _load(NUMBER),
    ]


def _instruction(code: int, k: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("@HBBI", code, yes, no, k)  # struct sock_filter


def _load(offset: int) -> bytes:
    return _instruction(value("BPF_LD") | value("BPF_W") | value("BPF_ABS"), offset)


def _jump(how: str, k: int, yes: int, no: int) -> bytes:
    return _instruction(value("BPF_JMP") | value(how) | value("BPF_K"), k, yes, no)


def _answer(errno: int | None) -> bytes:
    what = value("SECCOMP_RET_ALLOW") if errno is None else value("SECCOMP_RET_ERRNO") | errno
    return _instruction(value("BPF_RET") | value("BPF_K"), what)


def number(call: str) -> int | None:
    """Return a system call's number, or None where this architecture has it not."""
    return _number(f"__NR_{call}")


def value(name: str) -> int:
    """Return what a macro of the headers stands for."""
    expression = _macros()[name]
    known = re.sub(r"\b[A-Za-z_]\w*", lambda found: str(value(found[0])), expression)
    return int(eval(re.sub(r"(?i)(?<=[0-9a-f])[ul]+\b", "", known), {"__builtins__": {}}))


def _number(macro: str) -> int | None:
    # The headers' own words for "how many" begin like a call: __NR_syscalls.
    known = macro.startswith("__NR_") and macro != "__NR_syscalls" and macro in _macros()
    return value(macro) if known else None


@functools.cache
def _macros() -> dict[str, str]:
    """Return the macros of the headers, each with what it is defined as."""
    lines = subprocess.run(
        ["gcc", "-E", "-dM", "-x", "c", "-"],
        input="".join(f"#include <{header}>\n" for header in HEADERS),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return dict(re.findall(r"^#define (\w+) (.+)$", lines, re.MULTILINE))

"""The namespace flags of clone(2), in the kernel's own spelling."""

from __future__ import annotations

from enum import IntFlag
from typing import Final

from ._renders import Renders

__all__ = ["CloneFlags"]


class CloneFlags(Renders, IntFlag):
    """The eight ``CLONE_NEW*`` flags (include/uapi/linux/sched.h).

    Written as numbers of our own, so that they exist on every system. Each
    also answers to its full name: ``CloneFlags.CLONE_NEWNET is
    CloneFlags.NEWNET``.

    clone(2) does not take NEWTIME: the child asks for it by unshare(2). The program itself is
    in the new time namespace since Linux 6.2, where execve(2) enters it; before, only the
    processes that it starts are (time_namespaces(7)).

    Examples
    --------
    >>> print(CloneFlags.NEWPID | CloneFlags.NEWNET)
    CLONE_NEWPID|CLONE_NEWNET
    >>> hex(CloneFlags.garden(privileged=True))
    '0x6c020000'
    """

    NEWTIME = 0x00000080
    NEWNS = 0x00020000
    NEWCGROUP = 0x02000000
    NEWUTS = 0x04000000
    NEWIPC = 0x08000000
    NEWUSER = 0x10000000
    NEWPID = 0x20000000
    NEWNET = 0x40000000

    CLONE_NEWTIME = NEWTIME
    CLONE_NEWNS = NEWNS
    CLONE_NEWCGROUP = NEWCGROUP
    CLONE_NEWUTS = NEWUTS
    CLONE_NEWIPC = NEWIPC
    CLONE_NEWUSER = NEWUSER
    CLONE_NEWPID = NEWPID
    CLONE_NEWNET = NEWNET

    @classmethod
    def garden(cls, *, privileged: bool) -> CloneFlags:
        """Return what garden-linux asks for: five kinds, and NEWUSER unless privileged."""
        five = cls.NEWIPC | cls.NEWNET | cls.NEWNS | cls.NEWUTS | cls.NEWPID
        return five if privileged else five | cls.NEWUSER

    def __str__(self) -> str:
        names = [f"CLONE_{flag.name}" for flag in type(self) if flag in self]
        if rest := int(self) & ~int(ALL_NAMESPACES):
            names.append(hex(rest))
        return "|".join(names) or "0"


NO_NAMESPACES: Final = CloneFlags(0)

ALL_NAMESPACES: Final = CloneFlags(sum(CloneFlags))
"""Every flag at once: whatever else an integer carries is no namespace flag."""

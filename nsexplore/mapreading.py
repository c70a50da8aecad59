"""Reading the ID maps of a user namespace in which no process is."""

from __future__ import annotations

from .command import Command, Join
from .interrupts import held
from .procfs import number_in_proc, read_text
from .spawning import Stop, advance, begin

__all__ = ["maps_inside"]


def maps_inside(*joins: Join) -> tuple[str, str, str]:
    """Return uid_map, gid_map and setgroups of the user namespace that is entered last.

    They are files of a process, so there has to be one: it is held where it has just
    entered, executes nothing, and ends.

    Parameters
    ----------
    *joins : Join
        What to enter; their descriptors are open.

    Raises
    ------
    StartError
        It may not be entered, or nothing can be started here.
    OSError
        There is no /proc.
    """
    command = Command("/", ("/",), joins=joins)
    with held():
        spawn = begin(command)
        try:
            advance(spawn, command, Stop.CLONED)
            number = number_in_proc(spawn.pidfd)
            names = ("uid_map", "gid_map", "setgroups")
            uid_map, gid_map, setgroups = (read_text(f"/proc/{number}/{name}") for name in names)
            return uid_map, gid_map, setgroups
        finally:
            spawn.abandon()

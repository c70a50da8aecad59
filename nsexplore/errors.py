"""The errors of this package. Each inherits the builtin one would catch."""

from __future__ import annotations

import errno as errnos
import os

__all__ = ["IDMapError", "IDMapTypeError", "StartError", "go_reason"]


class IDMapError(ValueError):
    """An ID map, or a value that makes one, which the kernel would refuse.

    Attributes
    ----------
    errno : int or None
        What the kernel would answer (``EINVAL`` or ``EPERM``). ``EINVAL`` too for
        what is no 32-bit number, although the kernel would take one that is too
        large modulo 2**32, in silence.
    line : int or None
        The offending line of the map, counted from 1; None: the map as a whole.
    rule : str
        The kernel's rule, in words.
    """

    def __init__(
        self, message: str, *, errno: int | None = None, line: int | None = None, rule: str = ""
    ) -> None:
        super().__init__(message)
        self.errno = errno
        self.line = line
        self.rule = rule or message


class IDMapTypeError(IDMapError, TypeError):
    """A value that is not even an integer where an ID or a MaxUID belongs."""


def go_reason(number: int) -> str:
    """Return the text of an errno as Go spells it.

    That is strerror(3) with a small first letter, unless that letter begins an
    abbreviation (``RFS specific error``).
    """
    if number == errnos.ESTALE:
        return "stale NFS file handle"  # the C library has since dropped the NFS
    if number not in errnos.errorcode:
        return f"errno {number}"
    text = os.strerror(number)
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


class StartError(OSError):
    """A process that could not be started.

    The first line of ``str(error)`` is garden-linux's own text; the step, its
    cause and a hint follow.

    Attributes
    ----------
    errno : int or None
        The errno of the step that failed, None where no system call failed.
    step : str
        The step: ``"lookup"``, ``"clone"``, ``"uid_map"``, ``"chdir"``,
        ``"execve"`` … (the names of `Timeline`), or ``"runner"``.
    reason : str
        What Go would have said, such as ``fork/exec /bin/x: permission denied``.
    hint : str
        The likely cause and what to do; may be empty.
    """

    def __init__(
        self, reason: str, *, step: str, errno: int | None = None, hint: str = "", detail: str = ""
    ) -> None:
        super().__init__(errno, reason)
        self.errno = errno
        self.step = step
        self.reason = reason
        self.hint = hint
        self.detail = detail

    def __str__(self) -> str:
        lines = [f"system: failed to start the supplied command: {self.reason}"]
        failed = f"  step: {self.step}"
        if self.detail:
            failed += f", {self.detail}"
        if self.errno is not None:
            failed += f": {_errno_name(self.errno)}, {os.strerror(self.errno)}"
        lines.append(failed)
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        # OSError's own pickling passes (errno, strerror) to __init__, which ours does not take.
        # The dictionary brings along what was added later: notes.
        fields = (self.reason, self.step, self.errno, self.hint, self.detail)
        return (_rebuild, fields, self.__dict__)


def _rebuild(reason: str, step: str, errno: int | None, hint: str, detail: str) -> StartError:
    return StartError(reason, step=step, errno=errno, hint=hint, detail=detail)


def _errno_name(number: int) -> str:
    return errnos.errorcode.get(number, f"errno {number}")

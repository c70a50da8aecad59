"""The errors: what they say, what they carry, and that they travel whole."""

from __future__ import annotations

import copy
import errno
import pickle
import sys
from collections.abc import Callable
from typing import Any

import pytest

from nsexplore.errors import IDMapError, IDMapTypeError, StartError, go_reason

PREFIX = "system: failed to start the supplied command: "

TRAVELS: list[Callable[[Any], Any]] = [
    copy.copy,
    copy.deepcopy,
    *(
        lambda error, protocol=protocol: pickle.loads(pickle.dumps(error, protocol))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    ),
]


def start_errors() -> list[StartError]:
    """Return one of each sort: with and without an errno, a hint, a detail."""
    return [
        StartError("fork/exec /bin/x: no such file or directory", step="execve", errno=2),
        StartError('exec: "x": executable file not found in $PATH', step="lookup"),
        StartError(
            "fork/exec /bin/true: operation not permitted",
            step="uid_map",
            errno=errno.EPERM,
            hint="an ordinary user may map one ID only",
            detail='wrote "0 65535 1"',
        ),
        StartError("the runner set no process", step="runner", hint="return a Process"),
    ]


@pytest.mark.parametrize("error", start_errors(), ids=lambda error: error.step)
def test_the_first_line_is_the_seeds_own_text(error: StartError) -> None:
    """Prefix and reason as garden-linux prints them; ours comes on the lines below."""
    first, *rest = str(error).split("\n")
    assert first == PREFIX + error.reason
    assert rest[0].startswith(f"  step: {error.step}")


def test_the_lines_below_name_the_step_the_errno_and_the_remedy() -> None:
    """Symbol and words of the errno, what was being done, and the hint last."""
    _first, step, hint = str(start_errors()[2]).split("\n")
    assert step.startswith('  step: uid_map, wrote "0 65535 1"')
    assert "EPERM" in step
    assert "Operation not permitted" in step
    assert hint == "  hint: an ordinary user may map one ID only"


def test_without_errno_or_hint_nothing_is_made_up() -> None:
    """A lookup fails without a system call: there is no errno to name and no empty hint."""
    error = start_errors()[1]
    assert str(error) == f"{PREFIX}{error.reason}\n  step: lookup"
    assert error.errno is None
    assert error.hint == ""


def test_an_errno_that_has_no_name_is_shown_as_a_number() -> None:
    """A kernel newer than Python's table does not break the message."""
    assert "errno 4095" in str(StartError("x", step="clone", errno=4095))


def test_a_start_error_is_the_oserror_one_would_catch() -> None:
    """It has errno and strerror as any OSError, beside step, reason and hint."""
    error = start_errors()[2]
    assert isinstance(error, OSError)
    assert (error.errno, error.strerror) == (errno.EPERM, error.reason)
    assert (error.step, error.hint) == ("uid_map", "an ordinary user may map one ID only")
    assert error.filename is None


@pytest.mark.parametrize("travel", TRAVELS)
@pytest.mark.parametrize("error", start_errors(), ids=lambda error: error.step)
def test_a_start_error_is_pickled_and_copied_whole(
    error: StartError, travel: Callable[[StartError], StartError]
) -> None:
    """To another process and back (ipyparallel), with its notes."""
    error.add_note("in cell 7")
    back = travel(error)
    assert type(back) is StartError
    assert str(back) == str(error)
    assert back.args == error.args
    for name in ("errno", "step", "reason", "hint", "detail", "strerror", "__notes__"):
        assert getattr(back, name) == getattr(error, name)


@pytest.mark.parametrize("travel", TRAVELS)
@pytest.mark.parametrize("kind", [IDMapError, IDMapTypeError])
def test_an_id_map_error_is_pickled_and_copied_whole(
    kind: type[IDMapError], travel: Callable[[IDMapError], IDMapError]
) -> None:
    """Its errno, line and rule come along."""
    back = travel(kind("line 2 is wrong", errno=errno.EPERM, line=2, rule="wrong"))
    assert type(back) is kind
    assert (str(back), back.errno, back.line, back.rule) == (
        "line 2 is wrong",
        errno.EPERM,
        2,
        "wrong",
    )


def test_an_id_map_error_is_the_builtin_one_would_catch() -> None:
    """A ValueError always; a TypeError too where the value has the wrong type."""
    assert issubclass(IDMapError, ValueError)
    assert not issubclass(IDMapError, TypeError)
    assert issubclass(IDMapTypeError, IDMapError)
    assert issubclass(IDMapTypeError, TypeError)


def test_the_rule_of_an_id_map_error_is_never_empty() -> None:
    """Where there is no shorter wording, the message itself is the rule."""
    assert IDMapError("no").rule == "no"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOENT, "no such file or directory"),
        (errno.EACCES, "permission denied"),
        (errno.EPERM, "operation not permitted"),
        (errno.EINVAL, "invalid argument"),
        (errno.ENOEXEC, "exec format error"),
        (errno.E2BIG, "argument list too long"),
        (errno.ETXTBSY, "text file busy"),
        (errno.ENOSPC, "no space left on device"),
    ],
)
def test_a_reason_is_spelled_as_go_spells_it(number: int, text: str) -> None:
    """The causes one meets when a process does not start."""
    assert go_reason(number) == text


@pytest.mark.skipif(sys.platform != "linux", reason="Go's texts are those of Linux here")
def test_abbreviations_keep_their_capitals_as_in_go() -> None:
    """Only a first letter that begins a word becomes small."""
    assert go_reason(errno.ERFKILL) == "operation not possible due to RF-kill"
    assert go_reason(errno.EREMOTEIO) == "remote I/O error"
    assert go_reason(errno.EDOTDOT) == "RFS specific error"
    assert go_reason(errno.ESTALE) == "stale NFS file handle"


def test_an_unknown_errno_reads_as_in_go() -> None:
    """Go has no words for it, and says its number."""
    assert go_reason(4095) == "errno 4095"

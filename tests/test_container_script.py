"""The script that builds a container: pasted into a shell by mistake, it does nothing."""

from __future__ import annotations

import subprocess

import nbformat
import pytest
from course_answers.container import NOTEBOOK, build

pytestmark = [pytest.mark.needs("root"), pytest.mark.usefixtures("root", "leaves_nothing")]

# What would go wrong goes wrong in here. Root in it is the machine's, and the shell is PID 1: so
# half of the guard is passed already.
APART = "unshare --mount --uts --net --ipc --pid --fork --kill-child --mount-proc --".split()
SEEN = "cat /proc/self/mountinfo; uname -n; stat -c %i / /usr /mnt; ls -A /mnt; ip link"


def as_written() -> str:
    """Return the script with all that a reader may select along with it."""
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    return next(str(cell.source) for cell in cells if cell.source.startswith("BUILD = "))


def before_and_after(shell: list[str], text: str) -> list[str]:
    """Paste a text into a shell that is apart; return what there was, and what there is then."""
    look = f"\necho '<<<'; {SEEN}; echo '>>>'\n"
    done = subprocess.run(
        [*APART, *shell],
        input=f"{look}{text}{look}",
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
        text=True,
        timeout=30,
    )
    return [seen.partition(">>>")[0] for seen in done.stdout.split("<<<")[1:]]


shells = pytest.mark.parametrize(
    "shell",
    [["dash", "-i"], ["bash", "--norc", "-i"], ["sh", "-c", "bash --norc -i; true"]],
    ids=["dash", "bash", "bash, not as PID 1"],
)


@shells
@pytest.mark.parametrize("text", [build, as_written], ids=["its value", "its cell"])
def test_pasted_by_root_it_does_nothing(shell: list[str], text: object) -> None:
    """No mount, no file, no name is another, and the shell goes on."""
    assert callable(text)
    before, after = before_and_after(shell, text())
    assert after == before
    assert " / / " in before


@shells
def test_its_guard_is_what_keeps_it_from_that(shell: list[str]) -> None:
    """Without it, the same would be found to have changed something."""
    script = build()
    guard = "[ $$ = 1 ] && [ $(stat --format=%u /) = 65534 ] && "
    assert script.count(guard) == 1
    _, *after = before_and_after(shell, script.replace(guard, ""))
    assert not after or " - tmpfs box " in after[0]

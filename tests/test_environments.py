"""The environment that the tests run in is what it says, and making one changes nothing."""

from __future__ import annotations

import ctypes
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import seccomp
from conftest import ENVIRONMENT, LACKING
from environments import CHECKOUT, ENVIRONMENTS, NAME, USER_ID
from test_seccomp import answer_to

from nsexplore.capabilities import CAPABILITY_NAMES

HERE = ENVIRONMENTS.get(ENVIRONMENT)
PR_GET_DUMPABLE = 3


@pytest.fixture(autouse=True)
def named(request: pytest.FixtureRequest) -> None:
    """In CI it always is: there this skip is a failure."""
    if HERE is None:
        pytest.skip("NSEXPLORE_ENVIRONMENT does not say in which environment this is")


def status() -> dict[str, list[str]]:
    lines = (line.partition(":") for line in Path("/proc/self/status").read_text().splitlines())
    return {name: rest.split() for name, _, rest in lines}


def capabilities(which: str) -> set[str]:
    mask = int(status()[f"Cap{which}"][0], 16)
    return {name for bit, name in enumerate(CAPABILITY_NAMES) if mask >> bit & 1}


def test_we_are_who_it_says() -> None:
    """All four UIDs and GIDs, no group and no capability beyond the bounding set, dumpable."""
    assert HERE is not None
    own = str(USER_ID if HERE.user else 0)
    assert status()["Uid"] == status()["Gid"] == [own] * 4
    if HERE.user:
        assert status()["Groups"] == []
        assert [capabilities(which) for which in ("Inh", "Prm", "Eff", "Amb")] == [set()] * 4
        assert capabilities("Bnd") >= {"CAP_SETUID", "CAP_SETGID"}
    else:
        assert capabilities("Eff") >= {"CAP_SYS_ADMIN", "CAP_SETUID", "CAP_SETGID", "CAP_SETFCAP"}
    assert ctypes.CDLL(None).prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1


def test_the_user_has_a_name_where_it_says_so() -> None:
    """Without one there is no entry in /etc/passwd, and nothing in the environment."""
    assert HERE is not None
    if HERE.user:
        names = [entry.pw_name for entry in pwd.getpwall() if entry.pw_uid == USER_ID]
        assert names == [NAME] * HERE.named
        assert os.environ.get("USER") == (NAME if HERE.named else None)


def test_user_namespaces_can_be_made_or_not() -> None:
    """Asked of util-linux: where they are lacking, it is EPERM."""
    done = subprocess.run(["unshare", "--user", "true"], capture_output=True, text=True)
    if "user namespaces" in LACKING[ENVIRONMENT]:
        assert "unshare failed: Operation not permitted" in done.stderr
    else:
        assert (done.returncode, done.stderr) == (0, "")


def test_newuidmap_gives_the_ranges_of_the_files_or_refuses() -> None:
    """The map that util-linux gets is our own ID and the range; others get none."""
    assert HERE is not None
    if not HERE.user:
        return  # root needs no range, and may have one
    script = "cat /proc/self/uid_map; echo; cat /proc/self/gid_map"
    done = subprocess.run(
        ["unshare", "--user", "--map-auto", "--map-root-user", "sh", "-c", script],
        capture_output=True,
        text=True,
    )
    if HERE.subids is None:
        assert (done.returncode != 0, done.stdout) == (True, "")
        return
    assert done.stderr == ""
    for text, range_ in zip(done.stdout.split("\n\n"), HERE.subids, strict=True):
        own, ours = (line.split() for line in text.splitlines())
        assert own == ["0", str(USER_ID), "1"]
        assert ours[1] == range_.partition(":")[0]


def test_it_is_locked_down_or_not() -> None:
    """No new privileges, and Docker's answers, even to what is harmless."""
    assert HERE is not None
    assert status()["NoNewPrivs"] == [str(int(HERE.locked))]
    if HERE.locked:
        assert status()["Seccomp"] == ["2"]
        assert answer_to("unshare", seccomp.value("CLONE_FILES")) == "EPERM"
        assert answer_to("clone3", 0, 0) == "ENOSYS"
        assert answer_to("mount", 0, 0, 0, 0, 0) == "EPERM"


def test_the_checkout_and_the_home_are_our_own() -> None:
    """They can be written to; but for root, what is installed cannot."""
    assert HERE is not None
    assert Path.cwd() == CHECKOUT
    for folder in (CHECKOUT, Path.home(), Path(os.environ.get("TMPDIR", "/tmp"))):
        assert os.access(folder, os.W_OK), folder
    assert os.access(sys.prefix, os.W_OK) == (not HERE.user)


# -- the tool ---------------------------------------------------------------


def environment(*words: str) -> subprocess.CompletedProcess[str]:
    tool = str(CHECKOUT / "tests" / "environments.py")
    return subprocess.run([sys.executable, tool, *words], capture_output=True, text=True)


@pytest.fixture
def unchanged() -> Iterator[None]:
    """Mounts and the checkout are afterwards as they were."""

    def look() -> tuple[str, list[str], int]:
        mounts = Path("/proc/self/mountinfo").read_text()
        return mounts, sorted(os.listdir(CHECKOUT)), CHECKOUT.stat().st_uid

    before = look()
    yield
    assert look() == before


@pytest.mark.needs("root")
@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("name", [name for name in ENVIRONMENTS if name != "root"])
def test_the_exit_status_is_the_commands_and_nothing_else_is_left(name: str) -> None:
    """One of its own, or 128 and the signal; its files and its home were its own."""
    done = environment(name, "sh", "-c", "echo ~; touch mine ~/mine; exit 7")
    home = Path(done.stdout.strip())
    assert (done.stderr, done.returncode) == ("", 7)
    assert home.name == "home"
    assert not home.parent.exists()
    assert environment(name, "sh", "-c", "kill -TERM $$").returncode == 128 + 15


@pytest.mark.parametrize("words", [(), ("ordinary",), ("nobody", "true")])
def test_wrong_words_are_told_the_right_ones(words: tuple[str, ...]) -> None:
    """No command, or an environment that there is not."""
    done = environment(*words)
    assert done.returncode == 2
    assert "|".join(ENVIRONMENTS) in done.stderr


def test_only_root_may_become_somebody_else() -> None:
    """Anybody else is told so."""
    if HERE is not None and HERE.user:
        done = environment("ordinary", "true")
        assert (done.returncode, done.stderr) == (2, "Only root can become somebody else.\n")

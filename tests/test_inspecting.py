"""What `inspect` says of a process is what the kernel says."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from drivers.whoever import OWN_MAP, UNMAPPED

import nsexplore as nx
from nsexplore.procfs import number_in_proc, parse_status, read_text

pytestmark = pytest.mark.usefixtures("leaves_nothing")

EIGHT = [kind.name for kind in nx.KINDS]


def status_of(pid: int) -> dict[str, str]:
    text = Path(f"/proc/{pid}/status").read_text()
    return {name: value.strip() for name, _, value in (x.partition(":") for x in text.split("\n"))}


def test_this_process_sees_itself() -> None:
    """Links, identities, maps, credentials and capabilities, as /proc has them."""
    view = nx.inspect(os.getpid())
    assert list(view.namespaces) == EIGHT
    for kind, namespace in view.namespaces.items():
        status = os.stat(f"/proc/self/ns/{kind}")
        assert (namespace.dev, namespace.ino) == (status.st_dev, status.st_ino)
        assert namespace.link == os.readlink(f"/proc/self/ns/{kind}")
    assert str(view.uid_map) == Path("/proc/self/uid_map").read_text()
    assert view.setgroups == "allow"
    assert view.credentials is not None
    assert (view.credentials.uid, view.credentials.groups) == (os.getuid(), tuple(os.getgroups()))
    assert view.inside == view.credentials
    assert view.capabilities is not None
    assert view.capabilities.effective.mask == int(status_of(os.getpid())["CapEff"], 16)
    assert view.nspid[-1] == os.getpid()
    assert view.ppid == os.getppid()
    assert view.no_new_privs == bool(int(status_of(os.getpid())["NoNewPrivs"]))
    assert view.unreadable == {}


@pytest.mark.needs("user namespaces")
def test_a_child_in_new_namespaces_shows_who_owns_them() -> None:
    """NS_GET_USERNS, NS_GET_PARENT and NS_GET_OWNER_UID agree with who made what."""
    here = nx.inspect(os.getpid())
    with nx.NamespacingExecer(**OWN_MAP).start("/bin/sleep", "60") as process:
        view = nx.inspect(process)
    own = here.namespaces["user"].id
    user = view.namespaces["user"]
    assert (user.owner, user.parent, user.owner_uid) == (own, own, os.geteuid())
    assert view.namespaces["pid"].parent == here.namespaces["pid"].id
    for kind in ("pid", "mnt", "net", "ipc", "uts"):
        assert view.namespaces[kind].owner == user.id
        assert view.namespaces[kind].id != here.namespaces[kind].id
    for kind in ("cgroup", "time"):
        assert view.namespaces[kind] == here.namespaces[kind]


@pytest.mark.needs("root")
def test_in_privileged_mode_the_machine_s_user_namespace_owns_what_is_new() -> None:
    """Which is why root inside is the machine's real root."""
    here = nx.inspect(os.getpid())
    with nx.NamespacingExecer(privileged=True).start("/bin/sleep", "60") as process:
        view = nx.inspect(process.pid)
    assert view.namespaces["user"] == here.namespaces["user"]
    assert view.namespaces["net"].owner == here.namespaces["user"].id
    assert view.inside == view.credentials


def test_unique_ids_are_there_where_the_kernel_has_them() -> None:
    """NS_GET_ID: since Linux 6.18, and then for every kind and no two alike."""
    ids = [namespace.unique_id for namespace in nx.inspect(os.getpid()).namespaces.values()]
    release = tuple(int(part) for part in os.uname().release.split(".")[:2])
    if release >= (6, 18):
        assert None not in ids
        assert len(set(ids)) == len(EIGHT)
    else:
        assert set(ids) <= {None, *(found for found in ids if found)}


def test_a_name_that_wants_to_be_markup_arrives_as_it_is_and_is_shown_harmless() -> None:
    """Newlines, parentheses, brackets and undecodable bytes in comm."""
    name = b"a)\n<b>\xff\x1b["
    script = (
        "import ctypes, sys, time\n"
        f"ctypes.CDLL(None).prctl(15, {name!r}, 0, 0, 0)\n"
        "print(flush=True); time.sleep(60)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, "<script>alert(1)</script>"], stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        view = nx.inspect(child.pid)
        assert view.comm == "a)\n<b>\\xff\x1b["
        shown = view._repr_mimebundle_()
        assert "<b>\\xff" not in shown["text/html"]
        assert "<script>" not in shown["text/html"]
        assert "\x1b" not in shown["text/html"] + shown["text/plain"]
    finally:
        child.kill()
        child.communicate()


def test_a_zombie_is_seen_with_what_is_left_of_it() -> None:
    """Its namespaces are gone, and the view says so instead of failing."""
    child = subprocess.Popen(["/bin/true"])
    try:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        view = nx.inspect(child.pid)
        assert view.state.startswith("Z")
        assert view.cmdline == ()
        assert "ns/net" in view.unreadable
    finally:
        child.wait()


def test_a_thread_is_said_to_be_one() -> None:
    """Its number is taken, but it is no process's."""
    ready, done = threading.Event(), threading.Event()
    numbers: list[int] = []

    def run() -> None:
        numbers.append(threading.get_native_id())
        ready.set()
        done.wait()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait()
    try:
        with pytest.raises(ProcessLookupError, match="is a thread"):
            nx.inspect(numbers[0])
    finally:
        done.set()
        thread.join()


def test_an_ended_process_of_ours_points_to_its_birth_view() -> None:
    """The Process is there, its namespaces are not."""
    process = nx.NamespacingExecer(**UNMAPPED).start("/bin/true")
    process.wait()
    with pytest.raises(ProcessLookupError, match="birth"):
        nx.inspect(process)
    assert process.birth is not None
    assert process.birth.moment == "birth"


def test_the_number_behind_a_pidfd_is_the_mounted_proc_s() -> None:
    """And an ended process has none."""
    child = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
    fd = os.pidfd_open(child.pid)
    try:
        assert number_in_proc(fd) == child.pid
        child.communicate()
        with pytest.raises(ProcessLookupError, match="has ended"):
            number_in_proc(fd)
    finally:
        os.close(fd)


def test_what_is_read_is_bounded_and_always_decodes(tmp_path: Path) -> None:
    """A file of any length and any bytes."""
    file = tmp_path / "cmdline"
    file.write_bytes(b"\xff" * 1_000_000)
    assert read_text(str(file), limit=10) == "\\xff" * 10


def test_a_broken_status_is_read_as_far_as_it_goes() -> None:
    """Lines without a colon, twice the same name, nothing at all."""
    assert parse_status("Name:\ta\nnonsense\nName:\tb\n\0\nUid:") == {"Name": "a", "Uid": ""}
    assert parse_status("") == {}

"""Many machines, on a real cluster whose engines live in namespaces of their own."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hosts_cluster
import ipyparallel as ipp
import psutil
import pytest
from conftest import TerminalText, eventually
from drivers.whoever import BARE, IS_ROOT
from hosts_cluster import HOSTS, PLAIN, Cluster, Host
from making_snapshots import EVIL

import nsexplore as nx
from nsexplore.hosts import HostNamespaceID

cluster = hosts_cluster.cluster
needs_root = pytest.mark.needs("root")

KEEPER, TWIN, MAPPED, USER, LOCKED, OLDER, BARE_HOST, OTHER_TWIN = range(8)
NAMES = ["keeper", "twin/1", "mapped", "user", "locked", "older", "twin/7"]
"""Of those that can answer, by the number of the engine."""


@pytest.fixture(scope="module")
def fleet(cluster: Cluster) -> nx.Fleet:
    """All engines that the fixture has started, and none that a test has added."""
    count = len(HOSTS if IS_ROOT else PLAIN)
    return only(cluster, *range(count), timeout=20)


def good(fleet: nx.Fleet) -> list[str]:
    """Return the hosts that can answer."""
    return [a.host for a in fleet.present if a.problem is None]


def only(cluster: Cluster, *engines: int, **options: Any) -> nx.Fleet:
    return nx.fleet(cluster.client[list(engines)], every=True, **options)


# -- who is there ---------------------------------------------------------------


@needs_root
def test_each_engine_says_who_it_is(fleet: nx.Fleet) -> None:
    """By the hostname of its namespaces, told apart where two have one; what cannot, says why."""
    hosts = fleet.hosts
    assert [*hosts.index[hosts["ok"]]] == NAMES
    assert hosts["boot_id"].nunique() == 1
    assert hosts["uid"].dropna().to_list() == [0, 0, 0, 1000, 0, 0, 0]
    assert hosts.loc["twin/1", "pid"] == hosts.loc["twin/7", "pid"] == 1
    (bare,) = hosts.index[~hosts["ok"]]
    assert bare == f"engine {BARE_HOST}"
    assert hosts.loc[bare, "error"] == "ModuleNotFoundError"
    assert "pip install" in hosts.loc[bare, "words"]


@needs_root
def test_versions_that_differ_are_said(fleet: nx.Fleet) -> None:
    """In the picture, with the hosts that have each."""
    assert fleet.versions["0.0.9"] == ["older"]
    assert "versions of nsexplore differ" in str(fleet)
    assert "0.0.9 on older" in str(fleet)


def test_engines_that_see_the_same_are_asked_once(cluster: Cluster) -> None:
    """Whoever shares a host, its namespaces and the rights; every=True asks each."""
    again, another = cluster.start(*PLAIN[:2])
    try:
        view = cluster.client[[again, another]]
        assert nx.fleet(view).same == {another: again}
        assert len(nx.fleet(view, every=True).labels) == 2
    finally:
        for engine in (again, another):
            end(cluster, engine)


def end(cluster: Cluster, engine: int) -> None:
    process = cluster.engines.pop(engine)
    process.kill()
    process.wait()


@needs_root
def test_each_engine_has_a_network_of_its_own(cluster: Cluster, fleet: nx.Fleet) -> None:
    """With nothing but lo: there is one way out, to the controller."""
    networks = fleet.inspect().namespaces.xs("net", level="type")["inode"]
    numbers = dict(zip(NAMES, (*range(BARE_HOST), OTHER_TWIN), strict=True))
    pids = {host: cluster.engines[number].pid for host, number in numbers.items()}
    assert networks.to_dict() == {
        host: os.stat(f"/proc/{pid}/ns/net").st_ino for host, pid in pids.items()
    }
    assert networks.nunique() == len(NAMES)
    assert os.stat("/proc/self/ns/net").st_ino not in [*networks]
    interfaces = fleet.run("sed", "-n", "s/:.*//p", "/proc/net/dev", **BARE)
    assert {*interfaces.frame["stdout"].str.strip()} == {"lo"}


# -- questions ------------------------------------------------------------------


@needs_root
def test_a_namespace_is_known_by_host_boot_and_inode(cluster: Cluster, fleet: nx.Fleet) -> None:
    """As it is seen from outside of the engine's own namespaces."""
    machines = fleet.discover()
    assert [*machines] == NAMES, machines.failed["words"].to_list()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    for engine, host in ((KEEPER, "keeper"), (TWIN, "twin/1"), (OTHER_TWIN, "twin/7")):
        seen = os.stat(f"/proc/{cluster.engines[engine].pid}/ns/uts")
        assert machines.ids[HostNamespaceID(host, boot, seen.st_dev, seen.st_ino)] == "uts"
        rows = machines.namespaces.loc[host]
        assert seen.st_ino in [*rows["inode"]]
    assert set(machines.processes.loc["twin/1", "pid"]) >= {1}
    assert machines.id_maps.index.names == ["host", "row"]


@needs_root
def test_what_only_a_mount_keeps_is_found_where_it_is(fleet: nx.Fleet) -> None:
    """In the mount namespace of one engine, which others do not see into."""
    kept = fleet.discover().kept_by_mounts()
    mine = kept[kept.index.get_level_values("host") == "keeper"]
    assert [*mine["type"]] == ["net"]
    assert "twin/1" not in kept.index.get_level_values("host")


@needs_root
def test_the_doctor_counts_who_may_not_and_why(fleet: nx.Fleet) -> None:
    """The one behind the filter is named, with its cause."""
    diagnoses = fleet.doctor()
    why = diagnoses.why_not("user")
    assert why["hosts"].sum() == 1
    assert why["which"][0] == "locked"
    assert "seccomp" in why["words"][0]
    assert [*diagnoses] == NAMES
    with pytest.raises(ValueError, match="was not tried"):
        diagnoses.why_not("nonsense")


@needs_root
def test_a_command_runs_on_every_host(fleet: nx.Fleet) -> None:
    """In new namespaces there; who may not make them says so in its row."""
    done = fleet.run("hostname", privileged=True, clone_flags=nx.CloneFlags.NEWIPC)
    names = {"keeper": "keeper", "twin/1": "twin", "mapped": "mapped", "older": "older"}
    assert done.frame["stdout"].str.strip().to_dict() == names | {"twin/7": "twin"}
    assert set(done.failed.loc[["user", "locked"], "error"]) == {"StartError"}
    with pytest.raises(KeyError, match="StartError"):
        done["user"]


def test_an_error_there_is_a_row(fleet: nx.Fleet) -> None:
    """Of each host, and what does not fit at all is refused here, asking nobody."""
    done = fleet.run("/no/such/program", **BARE)
    assert not done
    assert set(done.failed.loc[good(fleet), "error"]) == {"StartError"}
    assert "no such file" in done.failed.loc[good(fleet)[0], "words"]
    with pytest.raises(TypeError):
        fleet.run("true", no_such_option=1)
    with pytest.raises(ValueError, match="timeout"):
        fleet.run("true", timeout=-1)


def test_a_command_gets_its_input_and_environment(fleet: nx.Fleet) -> None:
    """As `run` here does."""
    done = fleet.run(
        "sh",
        "-c",
        "cat; echo $WORD",
        input="in\n",
        env={"WORD": "é", "PATH": "/bin:/usr/bin"},
        **BARE,
    )
    assert {*done.frame["stdout"]} == {"in\né\n"}
    assert len(done) == len(good(fleet))


def test_a_process_of_each_host_is_looked_at(fleet: nx.Fleet) -> None:
    """The engine itself, where no PID is given."""
    views = fleet.inspect()
    pids = {a.host: a.who.pid for a in fleet.present if a.who is not None}
    assert {host: view.pid for host, view in views.items()} == pids
    assert views.namespaces.index.names == ["host", "type"]
    gone = fleet.inspect(2**22 - 1)
    assert not gone
    assert len(gone.failed) == len(fleet.labels)


# -- one that does not answer ------------------------------------------------------


@contextmanager
def stopped(cluster: Cluster, fleet: nx.Fleet, engine: int) -> Iterator[None]:
    """Stop an engine for a while."""
    pid = cluster.engines[engine].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_stopped_engine_holds_up_nobody(cluster: Cluster, fleet: nx.Fleet) -> None:
    """The others' answers come before the end of its time; then it has a row of its own."""
    with stopped(cluster, fleet, 1):
        asking = fleet.asking.run("true", **BARE)
        asking.timeout = 1.5
        came = [*asking]
    assert came[-1].engine == 1
    assert came[-1].problem.kind == "TimeoutError"
    assert sum(answer.problem is None for answer in came) == len(good(fleet)) - 1
    assert len(fleet.run("true", **BARE)) == len(good(fleet))


def test_what_was_called_off_does_not_run_later(cluster: Cluster, tmp_path: Path) -> None:
    """A stopped engine that goes on leaves it out, whichever it reads first."""
    fleet = only(cluster, 1)
    for number in range(4):
        file = tmp_path / str(number)
        with stopped(cluster, fleet, 1):
            asking = fleet.asking.run("touch", str(file), **BARE)
            asking.timeout = 0.2
            assert asking.gathered().failed["error"].to_list() == ["TimeoutError"]
        assert len(fleet.run("true", **BARE)) == 1  # it is served after the other
        assert not file.exists()


def test_the_work_of_somebody_else_is_not_interrupted(cluster: Cluster, tmp_path: Path) -> None:
    """What waits behind it is called off, and never runs."""
    fleet, file = only(cluster, 1), tmp_path / "ran"
    words = "__import__('time').sleep(1.5); print('whole')"
    theirs = cluster.client[1].execute(words, silent=True, block=False)
    asking = fleet.asking.run("touch", str(file), **BARE)
    asking.timeout = 0.3
    assert asking.gathered().failed["error"].to_list() == ["TimeoutError"]
    theirs.get(10)
    theirs.wait_for_output(5)
    assert theirs.stdout == "whole\n"
    assert len(fleet.run("true", **BARE)) == 1
    assert not file.exists()


def test_cancel_interrupts_what_has_begun(cluster: Cluster, tmp_path: Path) -> None:
    """The command ends, and the engine is there for the next question."""
    fleet, file = only(cluster, 1), tmp_path / "began"
    asking = fleet.asking.run(
        "sh", "-c", f"echo $$ > {file}.new; mv {file}.new {file}; exec sleep 60", **BARE
    )
    assert eventually(file.exists, 10)
    pid = int(file.read_text())
    asking.cancel()
    assert asking.gathered().failed["error"].to_list() == ["CancelledError"]
    assert len(fleet.run("true", timeout=10, **BARE)) == 1
    if os.geteuid() != 0:  # the engine counts PIDs as we do
        assert not Path(f"/proc/{pid}").exists()


def test_ctrl_c_calls_off_and_raises(cluster: Cluster) -> None:
    """While one waits, as of any call."""
    fleet = only(cluster, 1)
    asking = fleet.asking.run("sleep", "60", timeout=50, **BARE)
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        asking.gathered()
    assert [a.problem.kind for a in asking.answers.values()] == ["CancelledError"]
    assert len(fleet.run("true", timeout=10, **BARE)) == 1


def test_an_engine_that_is_killed_is_a_row(cluster: Cluster, tmp_path: Path) -> None:
    """In the middle of its work; and it is one where it is asked again."""
    (doomed,) = cluster.start(Host("", BARE, uid=os.getuid()))
    fleet, file = only(cluster, 1, doomed), tmp_path / "began"
    asking = fleet.asking.run("sh", "-c", f"touch {file}; exec sleep 3", **BARE)
    assert eventually(file.exists, 10)
    scan = fleet.asking.discover()  # it waits behind the command, and dies with it
    os.kill(cluster.engines[doomed].pid, signal.SIGKILL)
    end(cluster, doomed)
    for asked in (asking, scan):
        answers = asked.gathered()
        assert len(answers) == 1
        assert answers.failed["error"].to_list() == ["EngineError"]
    assert eventually(lambda: doomed not in cluster.client.ids, 10)
    again = fleet.run("true", **BARE)
    assert len(again) == 1
    assert again.failed["engine"].to_list() == [doomed]


# -- one that lies -----------------------------------------------------------------

ANOTHER = "Recording.take(inspect(os.getpid())).to_json()"
HOSTILE = {
    "no text": ("5", "no text"),
    "no JSON": ("'{'", "JSON"),
    "nested": ("'[' * 10**6", "deep"),
    "huge": ("'x' * (21 << 20)", "larger"),
    "another schema": ('\'{"schema": "other"}\'', "not what"),
    "newer": ("good.replace('\"version\": 1', '\"version\": 2', 1)", "install the same"),
    "another kind": (f"as_text(Reply(who(), {ANOTHER}))", "ProcessView"),
    "nothing": ("as_text(Reply(who()))", "no recording"),
    "broken recording": ("as_text(Reply(who(), '{}'))", "recording"),
    "endless words": ("as_text(Reply(who(), '', Problem('E' * 9999, 'x' * 10**6)))", "xxx"),
}
PATCH = """
import nsexplore.hosts.engine as _engine
_engine._answer = _engine.answer
def _hostile(text, _engine=_engine):
    good = _engine._answer(text)
    return eval({!r}, dict(vars(_engine), good=good))
_engine.answer = _hostile
del _hostile, _engine
"""
RESTORE = "import nsexplore.hosts.engine as _e; _e.answer = _e._answer; del _e"


@pytest.mark.parametrize("how", HOSTILE)
def test_a_hostile_reply_is_a_row_and_no_more(cluster: Cluster, fleet: nx.Fleet, how: str) -> None:
    """Whatever it is; the others have answered."""
    reply, words = HOSTILE[how]
    cluster.client[1].execute(PATCH.format(reply), silent=True, block=True)
    try:
        done = fleet.run("true", **BARE)
    finally:
        cluster.client[1].execute(RESTORE, silent=True, block=True)
    assert len(done) == len(good(fleet)) - 1
    problem = next(a.problem for a in done.answers if a.engine == 1)
    assert words in problem.words
    assert len(problem.kind) <= 80
    assert len(problem.words) <= 4000
    assert str(done)
    assert done._repr_mimebundle_()


def test_the_first_of_many_replies_counts(cluster: Cluster, fleet: nx.Fleet) -> None:
    """And what else an engine publishes is passed over."""
    spam = (
        "[__import__('IPython').display.publish_display_data({'text/plain': 'x', MIME: 'lies'})"
        " for _ in range(20)] and good"
    )
    cluster.client[1].execute(PATCH.format(spam), silent=True, block=True)
    try:
        done = fleet.run("true", **BARE)
    finally:
        cluster.client[1].execute(RESTORE, silent=True, block=True)
    assert [a.engine for a in done.answers if a.problem and a.engine != BARE_HOST] == [1]


def test_one_that_never_publishes_is_waited_for_beside_the_others(
    cluster: Cluster, fleet: nx.Fleet
) -> None:
    """It says that it is done, and nothing of what was asked."""
    silence = "_engine.reply = lambda text: None"
    back = "__import__('importlib').reload(_engine)"
    head = "import nsexplore.hosts.engine as _engine; "
    cluster.client[1].execute(f"{head}{silence}; del _engine", silent=True, block=True)
    try:
        done = fleet.run("true", **BARE)
    finally:
        cluster.client[1].execute(f"{head}{back}; del _engine", silent=True, block=True)
    assert len(done) == len(good(fleet)) - 1
    assert "published no reply" in next(a.problem.words for a in done.answers if a.engine == 1)


def test_a_host_may_call_itself_anything(cluster: Cluster) -> None:
    """It is shown as it is written, never as what it does to a terminal or a page."""
    change = f"as_text(Reply(__import__('dataclasses').replace(who(), host={EVIL!r})))"
    cluster.client[1].execute(PATCH.format(change), silent=True, block=True)
    try:
        fleet = only(cluster, 0, 1)
    finally:
        cluster.client[1].execute(RESTORE, silent=True, block=True)
    shown = fleet._repr_mimebundle_()
    assert "\x1b" not in shown["text/plain"]
    assert "<script>" not in shown["text/html"]
    fleet.hosts.to_csv().encode("utf-8")
    assert len(fleet.run("true", **BARE)) == 2


# -- manners -----------------------------------------------------------------------


def test_nothing_of_a_question_stays(cluster: Cluster, fleet: nx.Fleet) -> None:
    """No name on the engine, not even `_`; no result in the client."""
    view = cluster.client[1]
    view.execute("_ = 'mine'; x = 1", silent=True, block=True)
    names = "print(sorted(globals()), _, len(In), len(Out))"

    def there() -> str:
        result = view.execute(names, silent=True, block=True)
        result.wait_for_output(5)
        return str(result.stdout)

    client = cluster.client

    def held() -> set[str]:
        return {*client.results, *client.outstanding, *client._futures}

    before, others = there(), held()  # what was called off before may still be on its way
    assert "mine" in before
    fleet.discover()
    fleet.run("true", **BARE)
    assert there() == before
    assert eventually(lambda: held() <= others), held() - others
    assert set(client.metadata) <= {"submitted", *others}  # one entry of ipyparallel's own


def test_progress_is_told(cluster: Cluster, fleet: nx.Fleet) -> None:
    """To a function, up to the last."""
    told: list[tuple[int, int]] = []
    again = nx.fleet(cluster.client, every=True, progress=lambda *done: told.append(done))
    assert told[-1] == (len(again.labels), len(again.labels))
    told.clear()
    again.run("true", **BARE)
    assert told[-1] == (len(again.labels), len(again.labels))


def test_a_bar_shows_while_one_holds_its_answer_back(
    cluster: Cluster, fleet: nx.Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a second, of tqdm's, with how many have answered; it goes when all is over."""
    terminal = TerminalText()
    monkeypatch.setattr(sys, "stderr", terminal)
    hosts = only(cluster, 0, 1)
    assert terminal.getvalue() == ""
    with stopped(cluster, fleet, 1):
        asking = hosts.asking.run("true", **BARE)
        asking.timeout = 1.5
        assert len(asking.gathered()) == 1
    assert "1/2" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r")


def test_views_say_who_is_asked(cluster: Cluster) -> None:
    """Their targets; a balanced view has none of its own, and means all."""
    assert [*nx.fleet(cluster.client[1]).labels] == [1]
    assert [*nx.fleet(cluster.client[[0, 1]], every=True).labels] == [0, 1]
    balanced = nx.fleet(cluster.client.load_balanced_view(), every=True)
    assert [*balanced.labels] == cluster.client.ids


def test_a_view_without_engines_is_a_fleet_without_hosts(cluster: Cluster) -> None:
    """Every question has its empty tables."""
    view = cluster.client[[0]]
    view.targets = []
    fleet = nx.fleet(view)
    assert str(fleet).startswith("fleet of 0 hosts")
    machines = fleet.discover()
    assert machines.namespaces.empty
    assert machines.overlaps().empty
    assert machines.containers().empty
    assert machines.kept_by_mounts().empty
    assert fleet.doctor().why_not().empty
    assert fleet.run("true").frame.empty
    namespaces = fleet.inspect().namespaces
    assert namespaces.empty
    some = only(cluster, 0).inspect().namespaces
    assert namespaces.index.names == some.index.names
    assert namespaces.dtypes.to_dict() == some.dtypes.to_dict()


def test_a_closed_client_is_a_row_for_each(cluster: Cluster) -> None:
    """With ipyparallel's own words, and nothing hangs."""
    client = ipp.Client(str(cluster.file))
    assert eventually(lambda: len(client.ids) >= 3)
    client.close(linger=0)
    fleet = nx.fleet(client)
    assert len(fleet.hosts) >= 3
    assert set(fleet.hosts["error"]) <= {"OSError", "RuntimeError"}


def test_everything_stays_on_loopback(cluster: Cluster, fleet: nx.Fleet) -> None:
    """All sockets of the controller, of each engine, of what they have started, and of us."""
    pids = [os.getpid(), cluster.controller.pid, *(p.pid for p in cluster.engines.values())]
    count = 0
    for root in map(psutil.Process, pids):
        for process in [root, *root.children(recursive=True)]:
            for socket in process.net_connections("inet"):
                for end_ in filter(None, (socket.laddr, socket.raddr)):
                    assert end_.ip == "127.0.0.1", (process, socket)
                    count += 1
    assert count > len(pids)


def test_eight_engines_run_for_root(cluster: Cluster) -> None:
    """What is shown here is shown on a real cluster."""
    assert len(cluster.engines) == (8 if IS_ROOT else len(PLAIN))

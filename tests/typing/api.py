"""The public API as a type checker sees it. Checked by mypy, never run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal, assert_type

import pandas as pd

import nsexplore as nx


def words() -> None:
    flags = nx.CloneFlags.NEWUSER | nx.CloneFlags.NEWPID
    assert_type(flags, nx.CloneFlags)
    assert_type(nx.CloneFlags.garden(privileged=True), nx.CloneFlags)
    id_map = nx.IDMap([nx.IDMapping(0, 65535, 1), (1, 1, 65534)])
    assert_type(nx.IDMap.garden(65535), nx.IDMap)
    assert_type(nx.IDMap.rootless(), nx.IDMap)
    assert_type(nx.IDMap.parse("0 1000 1"), nx.IDMap)
    assert_type(id_map.to_host(0), int | None)
    assert_type(id_map.to_container(65535), int | None)
    assert_type(id_map[0], nx.IDMapping)
    assert_type([line.size for line in id_map], list[int])
    assert_type(nx.UID_MAPPING_RANGE, Literal[65536])
    assert_type(nx.max_valid_id(), int)
    assert_type([kind.flag for kind in nx.KINDS], list[nx.CloneFlags])


def acts() -> Iterator[int]:
    execer = nx.NamespacingExecer(
        nx.NativeCommandRunner(),
        extra_files=(0, sys.stderr),
        max_uid=65535,
        clone_flags=nx.CloneFlags.garden(privileged=False),
        propagation=None,
        mount_proc=False,
        detached=False,
    )
    nx.NamespacingExecer(id_map="rootless")
    nx.NamespacingExecer(id_map=nx.IDMap.garden(33), gid_map=nx.IDMap.garden(34))
    nx.NamespacingExecer(id_map="rootful")  # type: ignore[arg-type]
    nx.NamespacingExecer(max_uid="33")  # type: ignore[arg-type]
    command = execer.plan("/bin/sleep", b"60", stdin=None, env={"A": "b"}, cwd="/")
    assert_type(command, nx.Command)
    assert_type(command.as_shell(), str)
    assert_type(command.uid_mappings, nx.IDMap | None)
    assert_type(command.credential, nx.Credential | None)
    assert_type(execer.exec("/bin/true"), int)
    with execer.start("/bin/cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert_type(process, nx.Process)
        assert_type(process.poll(), int | None)
        assert_type(process.wait(timeout=1.0), int)
        assert_type(process.birth, nx.ProcessView | None)
        yield process.pid
    done = execer.run("/bin/id", input="text", timeout=1.0)
    assert_type(done, nx.Completed)
    assert_type(done.stdout, str)
    assert_type([step.duration_us for step in done.timeline], list[float])
    with execer.step("/bin/true") as step:
        assert_type(step, nx.Step)
        assert_type(step.next(), str)
        assert_type(step.view(), nx.ProcessView)
        assert_type(step.finish(), nx.Process)
    view = nx.inspect(process)
    assert_type(view, nx.ProcessView)
    namespace = view.namespaces["net"]
    assert_type(namespace, nx.Namespace)
    assert_type(namespace.owner, nx.NamespaceID | None)
    try:
        execer.exec("/no/such/program")
    except nx.StartError as error:
        assert_type(error.step, str)
        assert_type(error.errno, int | None)
        assert_type(error.hint, str)


class Mine:
    """Whatever has this method is a runner."""

    def start(self, command: nx.Command) -> nx.Process:
        return nx.Process(command, 1)


def runners() -> None:
    mine: nx.CommandRunner = Mine()
    recording: nx.CommandRunner = nx.RecordingCommandRunner(pid=12)
    nx.NamespacingExecer(mine)
    nx.NamespacingExecer(recording)
    nx.NamespacingExecer(object())  # type: ignore[arg-type]


def tables(process: nx.Process) -> None:
    assert_type(nx.clone_flags_frame(process), pd.DataFrame)
    assert_type(nx.id_map_frame(nx.IDMap.garden(33)), pd.DataFrame)
    assert_type(nx.namespaces_frame(process.pid, reference=1), pd.DataFrame)
    assert_type(nx.timeline_frame(process), pd.DataFrame)


def doctoring() -> None:
    diagnosis = nx.doctor()
    assert_type(diagnosis, nx.Diagnosis)
    assert_type(diagnosis.ok, bool)
    assert_type([cause.fix for cause in diagnosis.faults], list[str])
    assert_type(diagnosis.check("net").possible, bool | None)
    assert_type(nx.diagnosis_frame(diagnosis), pd.DataFrame)


def recordings(done: nx.Completed) -> None:
    recording = nx.Recording.take(done, note="my laptop")
    recording.save("done.json")
    assert_type(nx.Recording.load("done.json"), nx.Recording)
    here = nx.ReplayingCommandRunner("book.json")
    assert_type(nx.NamespacingExecer(here).run("id"), nx.Completed)
    try:
        nx.Recording.from_json("")
    except nx.RecordingError as error:
        assert_type(error, nx.RecordingError)


def comparable() -> None:
    nx.stable()
    nx.stable(on=False)


def machine(process: nx.Process) -> None:
    snapshot = nx.discover(progress=False)
    assert_type(snapshot, nx.Snapshot)
    assert_type(snapshot.namespaces, pd.DataFrame)
    assert_type(snapshot.of(process, new=True), nx.Snapshot)
    assert_type(snapshot.diff(nx.discover()), pd.DataFrame)
    assert_type(snapshot.tree("pid"), nx.Tree)
    assert_type(nx.enter(process, "id", "-u", types="net"), nx.Completed)
    with nx.forward(process, 8888) as forwarding:
        assert_type(forwarding, nx.Forwarding)
        assert_type(forwarding.ports, tuple[int, ...])
    assert_type(nx.who_owns("/etc", process), pd.DataFrame)
    assert_type(nx.why_denied(process, "CAP_NET_ADMIN"), pd.DataFrame)
    with suppress(nx.CannotTellError):
        assert_type(nx.translate(0, process, "here"), nx.Translation)


def exploring() -> None:
    explorer = nx.explore(max_uid=65535)
    assert_type(explorer, nx.Explorer)
    assert_type(explorer.run(), bool)


def exercises() -> None:
    def judge(answer: object) -> str:
        return "" if answer == 8 else "count them"

    verdict = nx.check(nx.Exercise("mine.1", "a number", judge, "there are eight"), 8)
    assert_type(verdict, nx.Verdict)
    assert_type(nx.check("uts.1").right, bool | None)
    nx.Exercise("mine.2", "a number", len, "")  # type: ignore[arg-type]


def many_machines(client: object) -> None:
    hosts = nx.fleet(client, timeout=5)
    assert_type(hosts, nx.Fleet)
    snapshots = hosts.discover()
    assert_type(snapshots["one"], nx.Snapshot)
    assert_type(snapshots.namespaces, pd.DataFrame)
    assert_type(hosts.run("id", max_uid=65535)["one"].returncode, int)
    for answer in hosts.asking.doctor():
        assert_type(answer.seconds, float)

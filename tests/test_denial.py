"""`why_denied`: which user namespace decides, and by which rule."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
from snapshots import FULL, INITIAL, identity, made_up, process, snapshot_of, user

from nsexplore.capabilities import CAPABILITY_NAMES, CapabilitySet
from nsexplore.denial import held_in, verdicts
from nsexplore.idmap import IDMap
from nsexplore.kinds import KINDS
from nsexplore.operations import MACHINE, OPERATIONS
from nsexplore.snapshot import SeenNamespace, Snapshot
from nsexplore.views import Credentials, Namespace

pd = pytest.importorskip("pandas")
why_denied = pytest.importorskip("nsexplore.tables.rights").why_denied

A, B, C = 4026532001, 4026532002, 4026532003
NET, UTS = 4026532101, 4026532102
ALL = CapabilitySet((1 << len(CAPABILITY_NAMES)) - 1)
NONE = CapabilitySet(0)

DTYPES = {
    "operation": "string",
    "capability": "string",
    "kind": "string",
    "resource": "Int64",
    "owner": "Int64",
    "member_of": "Int64",
    "has_there": "boolean",
    "allowed": "boolean",
    "why": "string",
    "source": "string",
}


def owned(kind: str, inode: int, owner: int | None) -> SeenNamespace:
    return SeenNamespace(
        Namespace(kind, 4, inode, owner=None if owner is None else identity(owner))
    )


def credentials(uid: int) -> Credentials:
    return Credentials(uid, uid, uid, uid, uid, uid, uid, uid)


def family(*, here: int = INITIAL, net: int | None = INITIAL, **of_7: Any) -> Snapshot:
    """B lies in A, C beside them; user 1000 made A. Process 7 is in A and has a UTS of A's."""
    changes = {"credentials": credentials(0), "effective": ALL} | of_7
    tree = [
        user(A, INITIAL, owner_uid=1000),
        user(B, A, owner_uid=1000),
        user(C, INITIAL, owner_uid=1000),
    ]
    if here == INITIAL:
        tree.insert(0, user(INITIAL, uid_map=FULL, gid_map=FULL))
    else:  # the kernel tells nothing of what is above
        tree = [user(here, owner_uid=1000), *(one for one in tree if one.namespace.parent)]
        tree = [one for n, one in enumerate(tree) if n == 0 or one.id.ino == B]
    return made_up(
        [*tree, owned("uts", UTS, A), owned("net", NET, net)],
        [process(7, {"user": A, "uts": UTS, "net": NET}, **changes)],
        {"user": here},
    )


def judged(snapshot: Snapshot, what: str, pid: int = 7) -> tuple[bool | None, str]:
    (verdict,) = verdicts(snapshot, pid, what)
    return verdict.allowed, verdict.why


def moved(snapshot: Snapshot, inode: int | None, **changes: Any) -> Snapshot:
    """Put process 7 into another user namespace."""
    (seen,) = snapshot.seen_processes
    namespaces = {k: v for k, v in seen.namespaces.items() if k != "user"}
    if inode is not None:
        namespaces["user"] = identity(inode)
    return replace(snapshot, seen_processes=(replace(seen, namespaces=namespaces, **changes),))


# -- the rules -------------------------------------------------------------------------


def test_a_capability_counts_in_ones_own_user_namespace():
    """The owner of the resource is the process's own: its effective set decides."""
    assert judged(family(), "set the hostname")[0] is True
    allowed, why = judged(family(effective=NONE), "set the hostname")
    assert allowed is False
    assert f"user:[{A}] owns uts:[{UTS}]; CAP_SYS_ADMIN is not in its effective set" in why


def test_a_capability_counts_below():
    """Who has it in an ancestor has it in the descendants."""
    allowed, why = judged(moved(family(), INITIAL), "set the hostname")
    assert allowed is True
    assert f"an ancestor of user:[{A}]" in why


@pytest.mark.parametrize("elsewhere", [B, C])
def test_a_capability_counts_nowhere_else(elsewhere):
    """Neither in the parent nor beside, whatever is in the effective set."""
    allowed, why = judged(moved(family(), elsewhere), "set the hostname")
    assert allowed is False
    assert f"is asked for in user:[{A}], and it is a member of user:[{elsewhere}]" in why


def test_the_owner_of_a_child_has_everything_there():
    """An effective UID that made the user namespace, from its parent: without capabilities."""
    in_parent = moved(family(effective=NONE), INITIAL, credentials=credentials(1000))
    allowed, why = judged(in_parent, "set the hostname")
    assert allowed is True
    assert f"its effective UID 1000 owns user:[{A}]" in why
    other = moved(family(effective=NONE), INITIAL, credentials=credentials(1001))
    assert judged(other, "set the hostname")[0] is False


def test_the_owner_of_a_child_has_everything_below_it_too():
    """The rule is applied on the way up, so it counts for the child's descendants."""
    snapshot = moved(family(effective=NONE), INITIAL, credentials=credentials(1000))
    ruling = held_in(snapshot, snapshot.seen_processes[0], "CAP_KILL", identity(B))
    assert ruling.held is True
    assert f"user:[{A}], an ancestor of user:[{B}]" in ruling.why


def test_the_owner_rule_is_for_members_of_the_parent_only():
    """The same UID in another user namespace than the parent owns nothing there."""
    snapshot = moved(family(effective=NONE), C, credentials=credentials(1000))
    assert judged(snapshot, "set the hostname")[0] is False


def test_what_no_namespace_isolates_is_asked_of_the_initial_one():
    """A full set inside a user namespace does not make device nodes."""
    allowed, why = judged(family(), "make a device node")
    assert allowed is False
    assert why.startswith("no namespace isolates it")
    assert judged(moved(family(), INITIAL), "make a device node")[0] is True
    (verdict,) = verdicts(family(), 7, "mknod")
    assert (verdict.kind, verdict.resource) == (MACHINE, None)
    assert verdict.owner == identity(INITIAL)


# -- what cannot be told ---------------------------------------------------------------


def test_what_was_not_read_is_not_guessed():
    """No user namespace, no effective set, no owner, no such namespace: no verdict."""
    assert judged(moved(family(), None), "set the hostname")[0] is None
    assert judged(family(effective=None), "set the hostname")[0] is None
    assert judged(family(net=None), "open a raw socket")[0] is None
    assert judged(family(net=C + 10), "open a raw socket")[0] is None  # owned by one not seen
    assert judged(family(), "set clock offsets")[0] is None  # its time namespace was not read


def test_who_owns_the_child_must_be_known_for_the_owners_rule():
    """An unknown creator leaves it open, but for who has the capability anyway."""
    tree = family().seen_namespaces
    unknown = tuple(replace(one, namespace=replace(one.namespace, owner_uid=None)) for one in tree)
    without = moved(family(effective=NONE), INITIAL)
    assert judged(replace(without, seen_namespaces=unknown), "set the hostname")[0] is None
    with_all = moved(family(), INITIAL)
    assert judged(replace(with_all, seen_namespaces=unknown), "set the hostname")[0] is True


def test_two_users_without_a_number_are_not_taken_for_one():
    """65534 may stand for anybody where not every ID has a number."""
    small = user(INITIAL, uid_map=IDMap([(0, 0, 1000)]), gid_map=FULL)
    snapshot = moved(family(effective=NONE), INITIAL, credentials=credentials(65534))
    tree = tuple(
        small
        if one.id.ino == INITIAL
        else replace(one, namespace=replace(one.namespace, owner_uid=65534))
        for one in snapshot.seen_namespaces
    )
    assert judged(replace(snapshot, seen_namespaces=tree), "set the hostname")[0] is None
    whole = (user(INITIAL, uid_map=FULL), *tree[1:])
    assert judged(replace(snapshot, seen_namespaces=whole), "set the hostname")[0] is True


def test_from_inside_what_is_out_of_sight_is_not_ones_own():
    """In a container, a namespace whose owner the kernel does not tell belongs to one above."""
    snapshot = family(here=A, net=None)
    allowed, why = judged(snapshot, "open a raw socket")
    assert allowed is False
    assert "out of sight" in why
    assert judged(snapshot, "set the hostname")[0] is True
    assert judged(snapshot, "load a module")[0] is False


# -- what is asked for -----------------------------------------------------------------


def test_all_that_an_operation_needs_decides():
    """One capability of two is not enough: each has a row, and allowed is of both."""
    found = verdicts(family(), 7, "mount sysfs")  # its mount namespace was not read
    assert [(verdict.kind, verdict.held) for verdict in found] == [("mnt", None), ("net", False)]
    assert {verdict.allowed for verdict in found} == {False}
    uts = {verdict.allowed for verdict in verdicts(family(), 7, "mount a tmpfs")}
    assert uts == {None}


def test_a_capability_is_judged_over_all_it_may_be_about():
    """By its name, with or without CAP_: each kind of the table, one's own, and the machine."""
    for name in ("CAP_NET_ADMIN", "net_admin", " Cap_Net_Admin "):
        frame = why_denied(7, name, snapshot=family())
        assert frame.kind.to_list() == ["user", "net", MACHINE]
        assert frame.has_there.to_list() == [True, False, False]
        assert frame.operation.isna().all()


def test_an_operation_is_found_by_its_system_call():
    """Case and spaces do not matter; a call finds all that are made by it."""
    assert {v.operation for v in verdicts(family(), 7, "SetHostname")} == {"set the hostname"}
    assert {v.operation for v in verdicts(family(), 7, " Set  the hostname")} == {
        "set the hostname"
    }
    assert len({v.operation for v in verdicts(family(), 7, "mount")}) == 7
    assert [v.operation for v in verdicts(family(), 7, "chown")] == ["change a file's owner"]


def test_an_unknown_operation_is_answered_with_those_there_are():
    """The nearest come first, and none is left out."""
    with pytest.raises(ValueError, match="no operation that is known") as caught:
        verdicts(family(), 7, "set hostnam")
    words = str(caught.value)
    assert words.index("'set the hostname'") < min(
        words.index(repr(o.name)) for o in OPERATIONS if o.name != "set the hostname"
    )
    with pytest.raises(TypeError, match="what=7"):
        verdicts(family(), 7, 7)
    with pytest.raises(ProcessLookupError, match="process 8"):
        verdicts(family(), 8)


def test_the_table_is_sound():
    """Names are unique, capabilities and kinds are ones that exist, sources are man pages."""
    kinds = {kind.name for kind in KINDS} | {MACHINE}
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)
    for operation in OPERATIONS:
        assert verdicts(family(), 7, operation.name)[0].operation == operation.name
        assert operation.source.endswith(")")
        for need in operation.needs:
            assert need.capability in CAPABILITY_NAMES
            assert need.kind in kinds


def test_the_table_of_all_operations():
    """One row a need, with stable columns, for this process too."""
    frame = why_denied(os.getpid(), snapshot=snapshot_of())
    assert frame.dtypes.astype(str).to_dict() == DTYPES
    assert set(frame.operation) == {operation.name for operation in OPERATIONS}
    assert len(frame) == sum(max(len(o.needs), 1) for o in OPERATIONS)
    own = os.stat("/proc/self/ns/user").st_ino
    assert set(frame.member_of) == {own}
    free = frame[frame.operation == "make a user namespace"].iloc[0]
    assert free.allowed
    assert pd.isna(free.has_there)

"""Why root is denied: who owns the resource, and what one may there. Pure, on a snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .idmap import MAX_UID_HIGH, OVERFLOW_ID
from .locating import INITIAL_USER, below_here, initial_user, process_in
from .naming import namespace_name
from .operations import MACHINE, OPERATIONS, Need, Operation, capability_name, needs_of, sought
from .snapshot import SeenProcess, Snapshot
from .views import NamespaceID

__all__ = ["Ruling", "Verdict", "held_in", "verdicts"]


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether a process has a capability in a user namespace, and by which rule.

    Attributes
    ----------
    held : bool or None
        None: it cannot be told from what was seen.
    why : str
        The rule in words.
    """

    held: bool | None
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules of capabilities say of one operation, of which this is one need.

    Attributes
    ----------
    operation : str or None
        None: a capability was asked for, whatever it is needed for.
    capability : str or None
        None: no capability is needed.
    kind : str
        Of the resource: a kind of namespace, or ``"machine"``: no namespace isolates it.
    resource : NamespaceID or None
        The process's namespace of this kind.
    owner : NamespaceID or None
        The user namespace in which the capability is asked for.
    member_of : NamespaceID or None
        The process's user namespace.
    held : bool or None
        Whether it has the capability there; None: cannot be told, or none is needed.
    allowed : bool or None
        Whether it has everything that the operation needs.
    why : str
        The rule in words.
    source : str
        Where it is written.
    """

    operation: str | None
    capability: str | None
    kind: str
    resource: NamespaceID | None
    owner: NamespaceID | None
    member_of: NamespaceID | None
    held: bool | None
    allowed: bool | None
    why: str
    source: str


def verdicts(snapshot: Snapshot, target: object, what: str | None = None) -> tuple[Verdict, ...]:
    """Tell what a process may do, one verdict for each capability that it needs.

    Parameters
    ----------
    snapshot : Snapshot
    target : object
        A PID, or what has one.
    what : str, optional
        The name of an operation or of its system call; or of a capability: then over each
        resource that it may be about. By default all operations.

    Raises
    ------
    TypeError, ValueError
        `target` is no PID, `what` nothing that is known: lists what is.
    ProcessLookupError
        The snapshot does not have the process.
    """
    process = process_in(snapshot, target)
    if what is not None and not isinstance(what, str):
        raise TypeError(f"what={what!r} is not the name of an operation or a capability")
    capability = None if what is None else capability_name(what)
    if capability is not None:
        return tuple(_of_capability(snapshot, process, capability))
    operations = OPERATIONS if what is None else sought(what)
    return tuple(v for operation in operations for v in _of(snapshot, process, operation))


def _of(snapshot: Snapshot, process: SeenProcess, operation: Operation) -> Iterator[Verdict]:
    member = process.namespaces.get("user")
    if not operation.needs:
        why = _also(f"no capability is asked for to {operation.name}", operation)
        yield Verdict(
            operation.name, None, "user", member, member, member, None, True, why, operation.source
        )
    judged = [_judge(snapshot, process, need) for need in operation.needs]
    allowed = _all(ruling.held for _resource, _owner, ruling in judged)
    for need, (resource, owner, ruling) in zip(operation.needs, judged, strict=True):
        yield Verdict(
            operation.name,
            need.capability,
            need.kind,
            resource,
            owner,
            member,
            ruling.held,
            allowed,
            _also(ruling.why, operation),
            operation.source,
        )


def _of_capability(snapshot: Snapshot, process: SeenProcess, capability: str) -> Iterator[Verdict]:
    for need in needs_of(capability):
        resource, owner, ruling = _judge(snapshot, process, need)
        member = process.namespaces.get("user")
        yield Verdict(
            None,
            capability,
            need.kind,
            resource,
            owner,
            member,
            ruling.held,
            ruling.held,
            ruling.why,
            "capabilities(7)",
        )


def _all(held: Iterable[bool | None]) -> bool | None:
    found = set(held)
    return False if False in found else None if None in found else True


def _also(why: str, operation: Operation) -> str:
    return f"{why}; {operation.also}" if operation.also else why


def _judge(
    snapshot: Snapshot, process: SeenProcess, need: Need
) -> tuple[NamespaceID | None, NamespaceID | None, Ruling]:
    """Return the resource, the user namespace in which the capability is asked for, the ruling."""
    if need.kind == MACHINE:
        owner = initial_user(snapshot)
        ruling = held_in(snapshot, process, need.capability, owner)
        return None, owner, Ruling(ruling.held, f"no namespace isolates it; {ruling.why}")
    resource = process.namespaces.get(need.kind)
    if resource is None:
        why = f"which {need.kind} namespace it is in could not be read"
        return None, None, Ruling(None, why)
    if need.kind == "user":
        return resource, resource, held_in(snapshot, process, need.capability, resource)
    link, seen = namespace_name(need.kind, resource), snapshot.namespace(resource)
    if seen is None:
        return resource, None, Ruling(None, f"who owns {link} could not be read")
    if seen.namespace.owner is None:
        return resource, None, _unseen_owner(snapshot, process, link)
    owner = seen.namespace.owner
    ruling = held_in(snapshot, process, need.capability, owner)
    return resource, owner, Ruling(ruling.held, f"{_link(owner)} owns {link}; {ruling.why}")


def _unseen_owner(snapshot: Snapshot, process: SeenProcess, link: str) -> Ruling:
    """Judge where the kernel has not told who owns a namespace.

    It tells whoever asks from the owner itself or above it (NS_GET_USERNS). From the
    initial user namespace that is always so: there, it is something else that failed.
    """
    here = snapshot.here.get("user")
    inside = below_here(snapshot, process.namespaces.get("user"))
    if here is None or here.ino == INITIAL_USER or not inside:
        return Ruling(None, f"who owns {link} could not be read")
    return Ruling(
        False,
        f"{link} belongs to a user namespace out of sight, so to none that is"
        f" {_link(here)} or below it; capabilities count in one's own user namespace and below it",
    )


def held_in(
    snapshot: Snapshot, process: SeenProcess, capability: str, where: NamespaceID
) -> Ruling:
    """Tell whether a process has a capability in a user namespace: the kernel's cap_capable().

    Going up from that namespace, the first rule that fits decides: (1) it is the process's
    own, and the capability is in its effective set; (2) the process is in the parent, and
    its effective UID owns it.
    """
    member, here = process.namespaces.get("user"), snapshot.here.get("user")
    if member is None:
        return Ruling(None, "which user namespace it is in could not be read")
    top: NamespaceID = where
    at: NamespaceID | None = where
    passed: set[NamespaceID] = set()
    while at is not None and at not in passed:  # a recording may go in circles
        if at == member:
            return _in_own(process, capability, where)
        if (ruling := _as_owner(snapshot, process, capability, at, where)) is not None:
            return ruling
        passed.add(at)
        top, seen = at, snapshot.namespace(at)
        at = None if seen is None else seen.namespace.parent
    if top.ino == INITIAL_USER or (top == here and below_here(snapshot, member)):
        return Ruling(
            False,
            f"{capability} is asked for in {_link(where)}, and it is a member of"
            f" {_link(member)}: capabilities count in one's own user namespace and below it,"
            " nowhere else",
        )
    return Ruling(None, f"whether {_link(where)} is below {_link(member)} could not be read")


def _in_own(process: SeenProcess, capability: str, where: NamespaceID) -> Ruling:
    member = process.namespaces["user"]
    place = "its own user namespace"
    if where != member:
        place = f"its own user namespace, {_link(member)}, an ancestor of {_link(where)}"
    if process.effective is None:
        return Ruling(None, f"its effective capabilities, in {place}, could not be read")
    if capability in process.effective:
        return Ruling(True, f"it has {capability} in its effective set, in {place}")
    return Ruling(False, f"{capability} is not in its effective set, in {place}")


def _as_owner(
    snapshot: Snapshot,
    process: SeenProcess,
    capability: str,
    at: NamespaceID,
    where: NamespaceID,
) -> Ruling | None:
    """Apply the rule of the owner; None where it does not fit, or need not be asked."""
    seen, credentials = snapshot.namespace(at), process.credentials
    if seen is None or seen.namespace.parent != process.namespaces["user"]:
        return None
    euid = None if credentials is None else credentials.euid
    owner = seen.namespace.owner_uid
    if euid is None or owner is None or (owner == OVERFLOW_ID and not _knows_all(snapshot)):
        if process.effective is not None and capability in process.effective:
            return None  # it has it by the other rule, whoever the owner is
        if None not in (euid, owner) and euid != owner:
            return None
        return Ruling(None, f"whether its effective UID owns {_link(at)} could not be read")
    if owner != euid:
        return None
    below = "" if at == where else f", an ancestor of {_link(where)}"
    return Ruling(
        True,
        f"its effective UID {euid} owns {_link(at)}{below}, a child of its own user namespace:"
        " so it has all capabilities there",
    )


def _knows_all(snapshot: Snapshot) -> bool:
    """Return whether every ID has a number where the snapshot was taken."""
    seen = snapshot.namespace(snapshot.here.get("user"))
    id_map = None if seen is None else seen.uid_map
    return id_map is not None and sum(line.size for line in id_map) >= MAX_UID_HIGH


def _link(identity: NamespaceID) -> str:
    return namespace_name("user", identity)

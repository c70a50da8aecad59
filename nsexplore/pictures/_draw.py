"""Which value is drawn by what: the only table of its kind.

A value is known by its class, or by one of the classes it derives from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ..book import Book
from ..capabilities import Capabilities, CapabilitySet
from ..command import Command
from ..containers import Container
from ..diagnosis import Brief, Cause, Check, Diagnosis, Evidence
from ..execer import NamespacingExecer
from ..exercise import Verdict
from ..flags import CloneFlags
from ..hosts import Answer, Answers, Fleet
from ..idmap import IDMap, IDMapping
from ..kinds import Kinds, NamespaceKind
from ..process import Completed, Process
from ..recording import Recording
from ..snapshot import SeenNamespace, SeenProcess, Sighting, Snapshot
from ..stepping import Step
from ..timeline import Timeline
from ..translation import Translation
from ..tree import Tree
from ..views import Credentials, Namespace, NamespaceID, ProcessView
from . import (
    command,
    diagnosis,
    hosts,
    idmap,
    process,
    recording,
    small,
    snapshot,
    timeline,
    translation,
    tree,
    verdict,
    view,
)
from ._escape import visible
from ._html import Html, join, page

__all__ = ["fragment", "html", "mimebundle", "text"]


class _Picture(NamedTuple):
    as_text: Callable[[Any], str]
    as_html: Callable[[Any], Html]
    label: str


# fmt: off
_PICTURES: Final[dict[type, _Picture]] = {
    CloneFlags: _Picture(command.clone_text, command.flags_html, "Clone flags"),
    NamespaceKind: _Picture(small.kind_text, small.kind_html, "Kind of namespace"),
    Kinds: _Picture(small.kinds_text, small.kinds_html, "Kinds of namespaces"),
    IDMapping: _Picture(small.mapping_text, small.mapping_html, "Line of an ID map"),
    IDMap: _Picture(idmap.as_text, idmap.as_html, "ID map"),
    NamespaceID: _Picture(small.id_text, small.id_html, "Identity of a namespace"),
    Namespace: _Picture(view.namespace_text, view.namespace_html, "Namespace"),
    Credentials: _Picture(small.credentials_text, small.credentials_html, "Credentials"),
    CapabilitySet: _Picture(small.capability_set_text, small.capability_set_html, "Capability set"),
    Capabilities: _Picture(view.capabilities_text, view.capabilities_html, "Capabilities"),
    ProcessView: _Picture(view.as_text, view.as_html, "Process"),
    NamespacingExecer: _Picture(command.executer_text, command.executer_html, "NamespacingExecer"),
    Command: _Picture(command.as_text, command.as_html, "Command"),
    Timeline: _Picture(timeline.as_text, timeline.as_html, "Timeline"),
    Process: _Picture(process.process_text, process.process_html, "Process"),
    Completed: _Picture(process.completed_text, process.completed_html, "Completed process"),
    Diagnosis: _Picture(diagnosis.as_text, diagnosis.as_html, "What the doctor found"),
    Brief: _Picture(diagnosis.brief_text, diagnosis.brief_html, "The doctor, in three lines"),
    Check: _Picture(diagnosis.check_text, diagnosis.check_html, "Check"),
    Cause: _Picture(diagnosis.cause_text, diagnosis.cause_html, "Cause"),
    Evidence: _Picture(diagnosis.evidence_text, diagnosis.evidence_html, "Evidence"),
    Snapshot: _Picture(snapshot.as_text, snapshot.as_html, "Snapshot of a machine"),
    SeenNamespace: _Picture(snapshot.namespace_text, snapshot.namespace_html, "Namespace"),
    SeenProcess: _Picture(snapshot.process_text, snapshot.process_html, "Process"),
    Sighting: _Picture(snapshot.sighting_text, snapshot.sighting_html, "Where it was found"),
    Container: _Picture(snapshot.container_text, snapshot.container_html, "Container"),
    Tree: _Picture(tree.as_text, tree.as_html, "Tree of namespaces"),
    Translation: _Picture(translation.as_text, translation.as_html, "Translation of an ID"),
    Step: _Picture(process.step_text, process.step_html, "Stopped start"),
    Verdict: _Picture(verdict.as_text, verdict.as_html, "Answer to an exercise"),
    Fleet: _Picture(hosts.fleet_text, hosts.fleet_html, "Fleet of hosts"),
    Answers: _Picture(hosts.answers_text, hosts.answers_html, "Answers of hosts"),
    Answer: _Picture(hosts.answer_text, hosts.answer_html, "Answer of a host"),
    Book: _Picture(recording.book_text, recording.book_html, "Book of recordings"),
    Recording: _Picture(lambda r: text(r.value), lambda r: fragment(r.value), "Recording"),
}
# fmt: on


def mimebundle(value: object) -> dict[str, str]:
    """Return what a notebook shows: ``text/plain`` and ``text/html``.

    Raises
    ------
    TypeError
        For a value that has no picture.
    """
    return {"text/plain": text(value), "text/html": html(value)}


def text(value: object) -> str:
    """Return a value as plain aligned text, without colours: what ``print`` shows.

    Raises
    ------
    TypeError
        For a value that has no picture.
    """
    drawn = _picture(value).as_text(value)
    origin = getattr(value, "recorded", None)
    if origin is not None:
        drawn = f"{recording.banner_text(origin)}\n{drawn}"
    # HTML escapes whatever is not marked as markup; for text, this is the last gate.
    return "\n".join(visible(line, len(line), keep="\t") for line in drawn.split("\n"))


def html(value: object) -> str:
    """Return a value as HTML that stands alone: no script, nothing from elsewhere.

    Raises
    ------
    TypeError
        For a value that has no picture.
    """
    return page(fragment(value), _picture(value).label)


def fragment(value: object) -> Html:
    """Return a value as HTML to be put into a page that has the style sheet already."""
    drawn = _picture(value).as_html(value)
    origin = getattr(value, "recorded", None)
    return drawn if origin is None else join((recording.banner_html(origin), drawn))


def _picture(value: object) -> _Picture:
    for cls in type(value).__mro__:
        if cls in _PICTURES:
            return _PICTURES[cls]
    known = ", ".join(cls.__name__ for cls in _PICTURES)
    raise TypeError(f"{type(value).__name__!r} has no picture; there are some of {known}")

"""What travels between a notebook and its engines: text in JSON, and nothing else.

A request names a question and its arguments. A reply says who answers, and has a recording of
what was seen, in the recordings' own schema, or the error. Neither side runs the other's code,
so that versions may differ; which one answered is in the reply.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, get_type_hints

from .._frozen import FrozenMapping
from ..capabilities import CapabilitySet
from ..codec import RecordingError, decode_attributes, dumps, encode, loads
from ..views import NamespaceID

__all__ = [
    "BEGUN",
    "MIME",
    "WORDS",
    "Problem",
    "Reply",
    "Who",
    "as_text",
    "read_reply",
    "read_request",
    "request",
    "sent_at",
]

MIME: Final = "application/vnd.nsexplore.reply+json"
BEGUN: Final = "application/vnd.nsexplore.begun+json"
"""Published before an engine works on a request: from then on it may be interrupted."""

SCHEMA: Final = "nsexplore-fleet"
VERSION: Final = 1

WORDS: Final = 4000
"""Characters of an error's words."""
MOST: Final = 20 << 20
"""Characters of a reply that is read; a recording has up to 16 MiB."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who answers.

    Attributes
    ----------
    host : str
        The machine's name in the UTS namespace of the engine.
    boot_id : str
        Engines with the same one run on one kernel.
    nsexplore, python, system : str
        Versions, and the machine: ``"Linux 6.18.5 x86_64"``.
    pid : int
        The engine's, as it counts itself.
    uid : int
        The engine's effective UID.
    effective : CapabilitySet or None
        Its capabilities.
    here : mapping of str to NamespaceID
        Its namespaces.
    """

    host: str
    boot_id: str
    nsexplore: str
    python: str
    system: str
    pid: int
    uid: int
    effective: CapabilitySet | None
    here: Mapping[str, NamespaceID] = FrozenMapping()


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no answer.

    Attributes
    ----------
    kind : str
        The error's class: ``"StartError"``, ``"TimeoutError"``.
    words : str
        Its message.
    """

    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What an engine says: who it is, and a recording or a problem.

    Attributes
    ----------
    who : Who
    recording : str
        In JSON; empty where there is none.
    problem : Problem or None
    """

    who: Who
    recording: str = ""
    problem: Problem | None = None


def request(question: str, arguments: Mapping[str, Any]) -> str:
    """Return a request as text.

    Raises
    ------
    TypeError, ValueError
        An argument cannot be said in JSON.
    """
    return dumps(
        {
            "schema": SCHEMA,
            "version": VERSION,
            "sent": time.time(),
            "question": question,
            "arguments": dict(arguments),
        }
    )


def read_request(text: str) -> tuple[str, dict[str, Any]]:
    """Return the question and its arguments.

    Raises
    ------
    ValueError
        It is none, or of a newer version.
    """
    data = _open(text)
    question, arguments = data.get("question"), data.get("arguments")
    if not isinstance(question, str) or not isinstance(arguments, dict):
        raise RecordingError("the request names no question, or no arguments")
    return question, arguments


def sent_at(text: str) -> float:
    """Return when a request was sent, in seconds by the clock of whoever asks; 0 if unknown."""
    try:
        sent = loads(text).get("sent")
    except (AttributeError, ValueError):
        return 0.0
    return float(sent) if isinstance(sent, int | float) else 0.0


def as_text(reply: Reply) -> str:
    """Return a reply as text."""
    return dumps({"schema": SCHEMA, "version": VERSION, **encode(reply)})


def read_reply(text: object) -> Reply:
    """Return what an engine has said.

    Raises
    ------
    RecordingError
        It is no reply, too large, or of a newer version.
    """
    if text is None:
        raise RecordingError("the engine has published no reply")
    if not isinstance(text, str):
        raise RecordingError(f"the reply is no text but {type(text).__name__}")
    if len(text) > MOST:
        raise RecordingError(f"the reply is larger than {MOST >> 20} MiB")
    data = _open(text)
    hints = get_type_hints(Reply)
    shape = {field.name: (hints[field.name], field.default) for field in fields(Reply)}
    return Reply(**decode_attributes(shape, data, ""))


def _open(text: str) -> dict[str, Any]:
    data = loads(text)
    if not isinstance(data, dict) or data.pop("schema", None) != SCHEMA:
        raise RecordingError("this is not what nsexplore's engines and notebooks say to each other")
    version = data.pop("version", None)
    if version != VERSION:
        raise RecordingError(
            f"it speaks version {version!r:.20} of the schema, and this side version {VERSION}:"
            " install the same nsexplore on both"
        )
    return data

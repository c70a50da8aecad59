"""`Recording`: what was seen on one machine, to be looked at on any other."""

from __future__ import annotations

import os
import platform
import re
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from datetime import UTC, datetime
from reprlib import repr as shown
from typing import Any, Final

from ._frozen import FrozenMapping
from ._renders import Renders
from .book import Book
from .codec import RecordingError, Shape, decode_attributes, dumps, encode, loads
from .command import Command
from .diagnosis import Diagnosis
from .inspecting import inspect
from .origin import Origin
from .process import Completed
from .snapshot import Snapshot
from .views import Namespace, ProcessView

__all__ = ["Recording", "RecordingError", "system_name"]

SCHEMA: Final = "nsexplore-recording"
VERSION: Final = 1

MOST: Final = 16 << 20
"""Bytes of a file that is read; a view has some 5 thousand."""

_TOO_LARGE: Final = f"larger than {MOST >> 20} MiB"

_KINDS: Final[dict[str, type]] = {
    "completed": Completed,
    "process": ProcessView,
    "diagnosis": Diagnosis,
    "snapshot": Snapshot,
    "book": Book,
}
"""What can be recorded."""

_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"

_HEADER: Final[Shape] = {
    "recorded_on": (str, MISSING),
    "system": (str, MISSING),
    "note": (str, ""),
    "reference": (Mapping[str, Namespace], FrozenMapping()),
    "value": (Completed, MISSING),  # or another of the kinds
}

_ANEW: Final = "The file is incomplete, or was changed, or is none of nsexplore's: get it anew"


@dataclass(frozen=True)
class Recording(Renders):
    """What was seen on one machine, marked with where and when wherever it is shown.

    It is saved as JSON and can be mailed: an environment (``env=`` of a start),
    where the tokens and passwords are, is left out. All else is kept as it was
    seen, arguments and outputs included; in a snapshot those of every process of the machine.

    Attributes
    ----------
    value : Completed, ProcessView, Diagnosis, Snapshot or Book
        What was seen; equal to what was given, but for a command's ``env``.
    recorded_on : str
        ISO 8601, in UTC: ``"2026-11-23T18:10:00Z"``.
    system : str
        The machine: ``"Linux 6.18.5 x86_64"``.
    note : str
        Words of one's own.
    reference : mapping of str to Namespace
        The namespaces of the process that recorded it: what `namespaces_frame`
        compares with.

    Examples
    --------
    >>> from nsexplore import IDMap, ProcessView
    >>> view = ProcessView(7, "now", "sh", (), "", 1, (7,), {}, IDMap(), None, None, None, None,
    ...                    None, None, None, {})
    >>> recording = Recording.take(view, "my laptop")
    >>> Recording.from_json(recording.to_json()) == recording
    True
    """

    value: Completed | ProcessView | Diagnosis | Snapshot | Book
    recorded_on: str
    system: str
    note: str = ""
    reference: Mapping[str, Namespace] = field(default=FrozenMapping(), repr=False)

    def __post_init__(self) -> None:
        if type(self.value) not in _KINDS.values():
            known = ", ".join(kind.__name__ for kind in _KINDS.values())
            raise TypeError(f"value must be one of {known}, not {type(self.value).__name__}")
        try:
            datetime.strptime(self.recorded_on, _TIME)
        except (TypeError, ValueError):
            example = "2026-11-23T18:10:00Z"
            raise RecordingError(
                f"recorded_on is {self.recorded_on!r}, not a time such as {example}"
            ) from None
        object.__setattr__(self, "reference", FrozenMapping(self.reference))
        origin = Origin(self.recorded_on, self.system, self.note, self.reference)
        object.__setattr__(self, "value", _marked(self.value, origin))

    @classmethod
    def take(
        cls, value: Completed | ProcessView | Diagnosis | Snapshot | Book, note: str = ""
    ) -> Recording:
        """Record a value here and now.

        What is shown from a recording itself keeps its own place and time.
        """
        old: Origin | None = getattr(value, "recorded", None)
        if old is not None:
            return cls(value, old.recorded_on, old.system, note or old.note, old.reference)
        reference: Mapping[str, Namespace] = {}
        with suppress(OSError):  # no /proc
            reference = inspect(os.getpid()).namespaces
        return cls(value, datetime.now(UTC).strftime(_TIME), system_name(), note, reference)

    # -- text ---------------------------------------------------------------

    def to_json(self) -> str:
        """Return it as text, which `from_json` reads back exactly.

        Raises
        ------
        RecordingError
            The value could not be read back: made by hand, it has a number or a
            string that no kernel hands out.
        """
        kind = next(name for name, cls in _KINDS.items() if type(self.value) is cls)
        try:
            data = {name: encode(getattr(self, name)) for name in _HEADER}
            text = dumps({"schema": SCHEMA, "version": VERSION, "kind": kind, **data})
            body = decode_attributes(_shape(kind), loads(dumps(data)), "")
        except (TypeError, ValueError) as error:
            raise RecordingError(f"the value cannot be recorded: {error}") from None
        if Recording(**body) != self:
            raise RecordingError("the value cannot be recorded: it would not be read back as it is")
        if len(text) >= MOST:
            raise RecordingError(f"the value cannot be recorded: {len(text)} bytes, {_TOO_LARGE}")
        return f"{text}\n"

    @classmethod
    def from_json(cls, text: str) -> Recording:
        """Read what `to_json` returned.

        Raises
        ------
        RecordingError
            Says what is wrong, where, and what to do.
        """
        try:
            return cls._parse(text)
        except RecordingError as error:
            raise RecordingError(f"the text: {error}") from None

    @classmethod
    def _parse(cls, text: str) -> Recording:
        try:
            data = loads(text)
            if not isinstance(data, dict) or data.pop("schema", None) != SCHEMA:
                raise RecordingError(f'is no recording: it lacks "schema": "{SCHEMA}"')
            version, kind = data.pop("version", None), data.pop("kind", None)
            if type(version) is not int or version < 1:
                raise RecordingError(f"version is {shown(version)}, which there never was")
            if version <= VERSION:
                if not isinstance(kind, str) or kind not in _KINDS:
                    raise RecordingError(f"kind is {shown(kind)}, not one of {', '.join(_KINDS)}")
                return cls(**decode_attributes(_shape(kind), data, ""))
        except RecordingError as error:
            raise RecordingError(f"{error}. {_ANEW}") from None
        raise RecordingError(
            f"was made by a newer nsexplore (schema {version}; this one reads up to {VERSION}):"
            " upgrade, python -m pip install --upgrade nsexplore"
        )

    # -- files --------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file: wholly, or not at all.

        Raises
        ------
        RecordingError
            As `to_json`.
        OSError
            The file cannot be written; one that was there is as it was.
        """
        text = self.to_json()
        target = os.path.realpath(path)  # a link stays one
        beside = os.path.join(os.path.dirname(target), f".recording-{secrets.token_hex(8)}")
        try:
            with open(beside, "x", encoding="ascii", newline="\n") as file:
                file.write(text)
            os.replace(beside, target)
        except BaseException as error:
            with suppress(OSError):
                os.unlink(beside)
            if isinstance(error, OSError):
                error.filename, error.filename2 = os.fspath(path), None
            raise

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Recording:
        """Read a file.

        Raises
        ------
        RecordingError
            Names the file, says what is wrong, where, and what to do.
        """
        try:
            return cls._parse(_text(path))
        except RecordingError as error:
            raise RecordingError(f"{os.fspath(path)!r} {error}") from None


def _shape(kind: str) -> Shape:
    return {**_HEADER, "value": (_KINDS[kind], MISSING)}


def _text(path: str | os.PathLike[str]) -> str:
    try:
        # Looked at first: opening a FIFO would wait for its writer.
        if not stat.S_ISREG(os.stat(path).st_mode):
            what = "a folder" if os.path.isdir(path) else "no regular file"
            raise RecordingError(f"is {what}: name the file of a recording")
        with open(path, "rb") as file:
            data = file.read(MOST + 1)
    except RecordingError:
        raise
    except ValueError as error:
        raise RecordingError(f"is no path: {error}") from None
    except FileNotFoundError:
        raise RecordingError(f"is not there (seen from {os.getcwd()!r})") from None
    except OSError as error:
        raise RecordingError(f"cannot be read: {error.strerror}") from None
    if len(data) > MOST:
        raise RecordingError(f"is {_TOO_LARGE}: no recording")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise RecordingError(f"is no text (UTF-8). {_ANEW}") from None


def system_name() -> str:
    """Return the kernel, its version and the architecture: ``"Linux 6.18.5 x86_64"``."""
    system = platform.uname()
    # Up to the first letter: what follows is whose build it is.
    release = re.match(r"[\d.]*\d|", system.release)
    return " ".join(filter(None, (system.system, release and release[0], system.machine)))


def _marked(value: Any, origin: Origin) -> Any:
    """Return a value that knows its origin in all of its parts, without any environment."""
    if isinstance(value, tuple):
        return tuple(_marked(item, origin) for item in value)
    if isinstance(value, FrozenMapping):
        marked = {key: _marked(item, origin) for key, item in value.items()}
        return value if all(marked[key] is value[key] for key in value) else FrozenMapping(marked)
    if isinstance(value, Snapshot):  # of its many parts none is ever shown alone as a view is
        return replace(value, recorded=origin)
    if not is_dataclass(value) or isinstance(value, type | Origin):
        return value
    if isinstance(value, Command):
        return value if value.env is None else replace(value, env=None)
    names = [field.name for field in fields(value)]
    changes = {name: _marked(getattr(value, name), origin) for name in names}
    if "recorded" in changes:
        changes["recorded"] = origin
    elif all(changes[name] is getattr(value, name) for name in names):
        return value
    return replace(value, **changes)

"""Names of the package that are looked up when somebody first asks for them.

What they need (pandas above all) costs more than the rest of an import.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .diagnosing import doctor
    from .diagnosis import Diagnosis
    from .naming import stable
    from .recording import Recording, RecordingError
    from .replaying import ReplayingCommandRunner
    from .tables import (
        clone_flags_frame,
        diagnosis_frame,
        id_map_frame,
        namespaces_frame,
        timeline_frame,
    )

__all__ = [
    "Diagnosis",
    "Recording",
    "RecordingError",
    "ReplayingCommandRunner",
    "clone_flags_frame",
    "diagnosis_frame",
    "doctor",
    "id_map_frame",
    "namespaces_frame",
    "stable",
    "timeline_frame",
]

_HOMES: Final = {
    "Diagnosis": "diagnosis",
    "Recording": "recording",
    "RecordingError": "recording",
    "ReplayingCommandRunner": "replaying",
    "clone_flags_frame": "tables",
    "diagnosis_frame": "tables",
    "doctor": "diagnosing",
    "id_map_frame": "tables",
    "namespaces_frame": "tables",
    "stable": "naming",
    "timeline_frame": "tables",
}


def load(name: str) -> Any:
    """Return a public name of the package: its ``__getattr__``."""
    if name not in _HOMES:
        raise AttributeError(f"module {__package__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __package__), name)

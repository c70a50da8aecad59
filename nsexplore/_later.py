"""Names of the package that are looked up when somebody first asks for them.

What they need (pandas above all) costs more than the rest of an import.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .checking import check
    from .diagnosing import doctor
    from .diagnosis import Diagnosis
    from .discovering import discover
    from .entering import enter
    from .exercise import Exercise, Verdict
    from .forwarding import Forwarding, forward
    from .hosts import Fleet, fleet
    from .locating import CannotTellError
    from .naming import stable
    from .recording import Recording, RecordingError
    from .replaying import ReplayingCommandRunner
    from .snapshot import Snapshot
    from .tables import (
        clone_flags_frame,
        diagnosis_frame,
        id_map_frame,
        namespaces_frame,
        timeline_frame,
        who_owns,
        why_denied,
    )
    from .translating import translate
    from .translation import Translation
    from .tree import Tree
    from .widgets import Explorer, explore

__all__ = [
    "CannotTellError",
    "Diagnosis",
    "Exercise",
    "Explorer",
    "Fleet",
    "Forwarding",
    "Recording",
    "RecordingError",
    "ReplayingCommandRunner",
    "Snapshot",
    "Translation",
    "Tree",
    "Verdict",
    "check",
    "clone_flags_frame",
    "diagnosis_frame",
    "discover",
    "doctor",
    "enter",
    "explore",
    "fleet",
    "forward",
    "id_map_frame",
    "namespaces_frame",
    "stable",
    "timeline_frame",
    "translate",
    "who_owns",
    "why_denied",
]

_HOMES: Final = {
    "CannotTellError": "locating",
    "Diagnosis": "diagnosis",
    "Exercise": "exercise",
    "Explorer": "widgets",
    "Fleet": "hosts",
    "Forwarding": "forwarding",
    "Recording": "recording",
    "RecordingError": "recording",
    "ReplayingCommandRunner": "replaying",
    "Snapshot": "snapshot",
    "Translation": "translation",
    "Tree": "tree",
    "Verdict": "exercise",
    "check": "checking",
    "clone_flags_frame": "tables",
    "diagnosis_frame": "tables",
    "discover": "discovering",
    "doctor": "diagnosing",
    "enter": "entering",
    "explore": "widgets",
    "fleet": "hosts",
    "forward": "forwarding",
    "id_map_frame": "tables",
    "load_ipython_extension": "magics",
    "namespaces_frame": "tables",
    "stable": "naming",
    "timeline_frame": "tables",
    "translate": "translating",
    "unload_ipython_extension": "magics",
    "who_owns": "tables",
    "why_denied": "tables",
}


def load(name: str) -> Any:
    """Return a public name of the package: its ``__getattr__``."""
    if name not in _HOMES:
        raise AttributeError(f"module {__package__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __package__), name)

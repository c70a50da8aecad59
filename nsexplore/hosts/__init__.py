"""Many machines: the same questions to all engines of an ipyparallel cluster."""

from __future__ import annotations

from .answers import Answer, Answers
from .asking import Asking
from .fleets import Fleet, fleet
from .gathered import Completions, Diagnoses, HostNamespaceID, Snapshots, Views

__all__ = [
    "Answer",
    "Answers",
    "Asking",
    "Completions",
    "Diagnoses",
    "Fleet",
    "HostNamespaceID",
    "Snapshots",
    "Views",
    "fleet",
]

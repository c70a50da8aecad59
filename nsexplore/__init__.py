"""Start a process in fresh Linux namespaces, and see exactly what the kernel gave it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _later
from .command import Command, Credential
from .errors import IDMapError, StartError
from .execer import NamespacingExecer
from .flags import CloneFlags
from .idmap import UID_MAPPING_RANGE, IDMap, IDMapping
from .inspecting import inspect
from .kinds import KINDS
from .process import Completed, Process
from .procfs import max_valid_id
from .runner import CommandRunner, NativeCommandRunner, RecordingCommandRunner
from .stepping import Step
from .views import Namespace, NamespaceID, ProcessView

if TYPE_CHECKING:
    from ._later import *

# fmt: off
__all__ = [
    "KINDS", "UID_MAPPING_RANGE", "CannotTellError", "CloneFlags", "Command", "CommandRunner",
    "Completed", "Credential", "Diagnosis", "Exercise", "Explorer", "Fleet", "Forwarding",
    "IDMap", "IDMapError", "IDMapping", "Namespace", "NamespaceID", "NamespacingExecer",
    "NativeCommandRunner", "Process", "ProcessView", "Recording", "RecordingCommandRunner",
    "RecordingError", "ReplayingCommandRunner", "Snapshot", "StartError", "Step", "Translation",
    "Tree", "Verdict", "check", "clone_flags_frame", "diagnosis_frame", "discover", "doctor",
    "enter", "explore", "fleet", "forward", "id_map_frame", "inspect", "max_valid_id",
    "namespaces_frame", "stable", "timeline_frame", "translate", "who_owns", "why_denied",
]
# fmt: on

__getattr__ = _later.load

"""Values as pandas DataFrames.

The one place that imports pandas; the package imports it on first use.
Every frame has the same columns and dtypes whatever it is made from, an empty
one too. Numbers that may be missing are ``Int64`` (``UInt64`` for the kernel's
64-bit namespace IDs), text is ``string``, and a missing value is ``<NA>``. A
frame of what was recorded says so above its columns.
"""

from __future__ import annotations

from .diagnosis import diagnosis_frame
from .processes import (
    capabilities_frame,
    clone_flags_frame,
    id_map_frame,
    namespaces_frame,
    timeline_frame,
)
from .rights import who_owns, why_denied

__all__ = [
    "capabilities_frame",
    "clone_flags_frame",
    "diagnosis_frame",
    "id_map_frame",
    "namespaces_frame",
    "timeline_frame",
    "who_owns",
    "why_denied",
]

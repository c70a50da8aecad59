"""From a failed step to its causes: the kernel's rules, looked up in the facts.

A rule speaks up wherever the facts show that it refuses this step, whether or
not something else refused it first: so causes that lie behind one another are
all found. None ever speaks of a step that works.
"""

from __future__ import annotations

from .ruling import Failure
from .steps import causes_of

__all__ = ["Failure", "causes_of"]

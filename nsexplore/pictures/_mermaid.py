"""Mermaid, as far as the pictures need it: text that JupyterLab draws by itself."""

from __future__ import annotations

import re
from typing import Any, Final

from ._escape import visible

__all__ = ["Mermaid", "label"]


class Mermaid(str):
    """A diagram in Mermaid's language: a str that a notebook shows as a drawing."""

    __slots__ = ()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return ``text/vnd.mermaid``, which JupyterLab draws, and the same as text."""
        return {"text/vnd.mermaid": str(self), "text/plain": str(self)}


# All but what means nothing in Mermaid, in HTML or in Markdown. Words that its
# grammar, or a search in the whole text, stumbles over lose their first letter.
_UNSAFE: Final = re.compile(
    r"[^\w .,:/()\[\]…·+-]|_|(?<!\w)[-+](?= )|(?<=\d)\.(?= )"
    r"|(?:end|style|class|click|graph|flowchart|subgraph|default|call|href)",
    re.IGNORECASE,
)


def label(text: str, limit: int) -> str:
    """Return any text as (a line of) a label in double quotes: bounded, and read as itself."""
    return _UNSAFE.sub(lambda m: f"#{ord(m[0][0])};{m[0][1:]}", visible(text, limit))

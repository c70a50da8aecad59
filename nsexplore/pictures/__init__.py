"""Values as text, HTML and SVG, in one look.

Every string that another process chose is escaped and bounded. Nothing here
needs JavaScript, and nothing is loaded from elsewhere.
"""

from __future__ import annotations

from ._draw import html, mimebundle, text
from .ribbon import id_map_svg

__all__ = ["html", "id_map_svg", "mimebundle", "text"]

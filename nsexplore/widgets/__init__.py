"""The explorer: what `nsexplore.explore` shows, over a model that needs no browser.

Only `explore` and `Explorer` need ipywidgets, and load it when somebody asks for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .explorer import Explorer, explore

__all__ = ["Explorer", "explore"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import explorer

    return getattr(explorer, name)

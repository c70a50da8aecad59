"""The explorer: what `nsexplore.explore` shows, over a model that needs no browser."""

from __future__ import annotations

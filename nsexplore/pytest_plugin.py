"""A pytest plugin: one's own notebooks about namespaces as tests, in one line.

``pytest -p nsexplore.pytest_plugin --nbval my-notebook.ipynb`` runs every cell
and compares every output with the saved one, up to the inodes, PIDs and
durations that no two runs share. It is asked for by name and not registered
for every run of pytest: other notebooks are none of its business.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

__all__ = ["SANITIZER"]

SANITIZER: Final = Path(__file__).with_name("nbval_sanitize.cfg")
"""The rules, as a file for ``--nbval-sanitize-with``."""


@pytest.hookimpl(trylast=True)  # nbval moves its deprecated options to the new ones first
def pytest_configure(config: pytest.Config) -> None:
    """Let nbval compare with `SANITIZER`, unless it was given rules of one's own."""
    if not config.pluginmanager.hasplugin("nbval"):
        raise pytest.UsageError("nsexplore.pytest_plugin needs nbval: pip install 'nsexplore[lab]'")
    option = config.option
    if (option.nbval or option.nbval_lax) and option.nbval_sanitize_with is None:
        option.nbval_sanitize_with = str(SANITIZER)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say which rules nbval compares with."""
    used: str | None = config.option.nbval_sanitize_with
    return None if used is None else f"nbval: outputs are compared after {used}"

"""A pytest plugin: one's own notebooks about namespaces as tests, in one line.

``pytest --nbval-namespaces my-notebook.ipynb`` runs every cell and compares every
output with the saved one, up to the inodes, PIDs and durations that no two runs
share. The option, `nsexplore.pytest_option`, asks for this plugin; so does
``-p nsexplore.pytest_plugin`` beside ``--nbval``. It is not there otherwise: other
notebooks are none of its business.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

__all__ = ["SANITIZER", "check_for_nbval"]

SANITIZER: Final = Path(__file__).with_name("nbval_sanitize.cfg")
"""The rules, as a file for ``--nbval-sanitize-with``."""


def check_for_nbval(config: pytest.Config) -> None:
    """Raise `pytest.UsageError`, with the remedy, without nbval."""
    if not config.pluginmanager.hasplugin("nbval"):
        raise pytest.UsageError("this needs nbval: pip install 'nsexplore[lab]'")


@pytest.hookimpl(trylast=True)  # nbval moves its deprecated options to the new ones first
def pytest_configure(config: pytest.Config) -> None:
    """Let nbval compare with `SANITIZER`, unless it was given rules of one's own."""
    check_for_nbval(config)
    option = config.option
    if (option.nbval or option.nbval_lax) and option.nbval_sanitize_with is None:
        option.nbval_sanitize_with = str(SANITIZER)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say which rules nbval compares with."""
    used: str | None = config.option.nbval_sanitize_with
    return None if used is None else f"nbval: outputs are compared after {used}"

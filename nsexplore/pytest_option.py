"""What pytest loads of this package by itself: one option, and nothing else until it is given.

``pytest --nbval-namespaces my-notebook.ipynb`` is ``pytest --nbval`` with the rules of
`nsexplore.pytest_plugin`. This module is imported by every run of pytest in an
environment that has nsexplore, whatever is tested there: it stays small, and without
the option it does nothing.
"""

from __future__ import annotations

import pytest

__all__: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the option, beside nbval's own."""
    parser.getgroup("nbval").addoption(
        "--nbval-namespaces",
        action="store_true",
        help="Run Jupyter notebooks about namespaces: --nbval, and outputs are compared by the"
        " rules of nsexplore, which know inodes, PIDs and durations",
    )


@pytest.hookimpl(trylast=True)  # nbval moves its deprecated options to the new ones first
def pytest_configure(config: pytest.Config) -> None:
    """Where it was given, ask nbval to compare, and the plugin to say how."""
    if not config.option.nbval_namespaces:
        return
    from . import pytest_plugin

    pytest_plugin.check_for_nbval(config)
    if not config.option.nbval_lax:
        config.option.nbval = True
    if not config.pluginmanager.is_registered(pytest_plugin):
        config.pluginmanager.register(pytest_plugin, pytest_plugin.__name__)

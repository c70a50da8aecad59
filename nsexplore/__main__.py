"""The command ``nsexplore``, and ``python -m nsexplore``."""

from __future__ import annotations

import signal
import sys

__all__ = ["run"]


def run() -> int:
    """Run the command line; Ctrl-C while it is being loaded ends it without a word."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .cli import main

    signal.signal(signal.SIGINT, before)
    return main()


if __name__ == "__main__":
    sys.exit(run())

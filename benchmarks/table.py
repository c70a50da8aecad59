"""What every benchmark here ends in: one Markdown table, with its bounds; and how it is asked."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True)
class Row:
    """One line of the table: ratios by round, and the bound on their median."""

    what: str
    ours: str
    peer: str = ""
    peers: str = ""
    ratios: Sequence[float] = ()
    best: Sequence[float] = ()
    bound: float | None = None

    @property
    def missed(self) -> bool:
        """Whether there is a bound, and it does not hold."""
        return self.bound is not None and median(self.ratios) > self.bound

    def __str__(self) -> str:
        ratio = best = bound = met = ""
        if self.ratios:
            low, middle, high = quantiles(self.ratios, n=4)
            ratio = f"{middle:.2f} ({low:.2f} to {high:.2f})"
            best = f"{median(self.best):.2f}"
        if self.bound is not None:
            bound, met = f"≤ {self.bound:g}", "no" if self.missed else "yes"
        cells = (self.what, self.ours, self.peer, self.peers, ratio, best, bound, met)
        return f"| {' | '.join(cells)} |"


def options_of(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that all of them have."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n")[0])
    parser.add_argument("--fast", action="store_true", help="fewer rounds")
    parser.add_argument("--check", action="store_true", help="fail where a bound is missed")
    return parser


def tell(rows: Sequence[Row], options: argparse.Namespace) -> None:
    """Print the table; with ``--check``, exit with 1 where a bound is missed."""
    print("| what | takes | peer | takes | ratio (quartiles) | at best | bound | met |")
    print("|---|---:|---|---:|---|---:|---:|---|")
    print(*rows, sep="\n")
    if options.check and any(row.missed for row in rows):
        sys.exit(1)

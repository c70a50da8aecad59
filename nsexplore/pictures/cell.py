"""What is shown below a cell whose script has run: how it ended, and its views, folded.

What the script wrote is not in it: the cell has shown that while it ran.
"""

from __future__ import annotations

from ..process import Completed
from ._escape import visible
from ._html import Html, folded, join, page, section, tag
from ._words import PRIVILEGED, exit_status
from .command import as_html
from .process import history_html, history_text
from .recording import banner_html, banner_text

__all__ = ["mimebundle"]


def mimebundle(done: Completed, *, quiet: bool = False) -> dict[str, str]:
    """Return ``text/plain`` and ``text/html``; `quiet` says only how it ended."""
    label = "Completed process"
    return {"text/plain": _as_text(done, quiet), "text/html": page(_as_html(done, quiet), label)}


def _as_text(done: Completed, quiet: bool) -> str:
    lines = [exit_status(done.returncode)]
    if done.recorded is not None:
        lines.insert(0, banner_text(done.recorded))
    if not quiet:
        lines += history_text(done)
    elif done.command.privileged:
        lines.append(PRIVILEGED)
    return "\n".join(visible(line, len(line), keep="\t") for line in lines)


def _as_html(done: Completed, quiet: bool) -> Html:
    ok = done.returncode == 0
    word = f"{'✓' if ok else '✗'} {exit_status(done.returncode)}"
    parts = [section(tag("b", word, class_="nsx-ok" if ok else "nsx-bad"))]
    if done.recorded is not None:
        parts.insert(0, banner_html(done.recorded))
    if not quiet:
        plan = folded("plan · what was asked of the kernel", as_html(done.command))
        parts += [plan, *history_html(done)]
    elif done.command.privileged:
        parts.append(section(tag("p", PRIVILEGED, class_="nsx-p nsx-warn")))
    return join(parts)

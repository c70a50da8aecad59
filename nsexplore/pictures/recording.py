"""Pictures of recordings: the mark that they carry, and a book of them."""

from __future__ import annotations

from ..book import Book, Entry
from ..origin import Origin
from ._escape import shell
from ._html import Html, escape, section, table, tag
from ._plain import columns, indent
from ._words import exit_status, kinds_by_set, plural

__all__ = ["banner_html", "banner_text", "book_html", "book_text"]

SHOWN = 100

_SIGN = "◉"
"""No colour says it alone."""

_HEADER = ("command", "new", "recorded")


def banner_text(origin: Origin) -> str:
    """Return the line above everything that is not of here and now."""
    return f"{_SIGN} {origin}"


def banner_html(origin: Origin) -> Html:
    """Return the bar above everything that is not of here and now."""
    words = tag("b", origin.mark), escape(str(origin).removeprefix(origin.mark), 1024)
    sign = tag("span", _SIGN, aria_hidden="true")
    return section(tag("p", sign, " ", *words, class_="nsx-p"), class_="nsx-rec")


def book_text(book: Book) -> str:
    """Return what starts the book has, one a line."""
    return "\n".join([_count(book), *indent(columns(map(_row, book.entries[:SHOWN]), _HEADER))])


def book_html(book: Book) -> Html:
    """Return what starts the book has, as a table."""
    rows = ((tag("code", args), new, seen) for args, new, seen in map(_row, book.entries[:SHOWN]))
    return section(table(_count(book), _HEADER, rows))


def _count(book: Book) -> str:
    count = len(book.entries)
    more = f", of which {SHOWN} are shown" if count > SHOWN else ""
    return f"{plural(count, 'recorded command')}{more}"


def _row(entry: Entry) -> tuple[str, str, str]:
    new, _ = kinds_by_set(entry.command.clone_flags)
    seen = []
    if entry.timeline.steps:
        ended = "ran on" if entry.returncode is None else exit_status(entry.returncode)
        seen.append(f"started: {ended}")
    if entry.halts:
        seen.append(f"stepped: {plural(len(entry.halts), 'stop')}")
    if entry.failure is not None:
        seen.append(f"failed: {entry.failure.step}")
    return shell(entry.command.args, 100), " ".join(kind.name for kind in new), ", ".join(seen)

"""The course as pages that can be read without running it: ``python docs/make_site.py [FOLDER]``.

Every notebook becomes a page with the outputs that are saved in it. The pages have one
style sheet of their own, follow the light or dark mode of who reads them, and load
nothing from elsewhere; nothing is needed from a network to make or to read them.
"""

from __future__ import annotations

import argparse
import html
import re
import shutil
from pathlib import Path

import nbformat
from nbconvert.exporters import HTMLExporter
from pygments.formatters import HtmlFormatter

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
STYLE = Path(__file__).with_name("site.css")
INDEX = "00-index"

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="stylesheet" href="site.css">
</head>
<body>
<nav>{links}</nav>
<main>{body}</main>
<nav>{links}</nav>
</body>
</html>
"""


def make(folder: Path) -> list[Path]:
    """Write all pages into a folder, in place of what is there, and return them."""
    notebooks = sorted(NOTEBOOKS.glob("*.ipynb"))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "site.css").write_text(STYLE.read_text(encoding="utf-8") + code_colours())
    titles = {path.stem: title_of(path) for path in notebooks}
    pages = []
    for path in notebooks:
        page = folder / page_of(path.stem)
        links, body = navigation(path.stem, titles), body_of(path)
        title = html.escape(titles[path.stem])
        page.write_text(PAGE.format(title=title, links=links, body=body), encoding="utf-8")
        pages.append(page)
    return pages


def page_of(stem: str) -> str:
    """Return the name of a notebook's page; the index is what a server shows by itself."""
    return "index.html" if stem == INDEX else f"{stem}.html"


def title_of(path: Path) -> str:
    """Return a notebook's first heading."""
    first: str = nbformat.read(path, as_version=4).cells[0].source
    return first.splitlines()[0].lstrip("# ")


def navigation(stem: str, titles: dict[str, str]) -> str:
    """Return links to the page before, to the index and to the page after."""
    stems = [*titles]
    at = stems.index(stem)
    before, after = stems[max(at - 1, 0)], stems[min(at + 1, len(stems) - 1)]
    marks = {before: "← {}", after: "{} →"} | ({INDEX: "{}"} if INDEX not in (before, stem) else {})
    shown = sorted((s for s in marks if s != stem), key=lambda s: (s != before, s == after))
    return " ".join(
        f'<a href="{page_of(s)}">{html.escape(marks[s].format(titles[s]))}</a>' for s in shown
    )


def body_of(path: Path) -> str:
    """Return a notebook's cells and outputs; links between notebooks lead to their pages."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            # Drawing a diagram takes a script; its source says the same.
            output.get("data", {}).pop("text/vnd.mermaid", None)
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    exporter = HTMLExporter(template_name="basic", anchor_link_text="")
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    body, _ = exporter.from_notebook_node(notebook)
    return re.sub(
        r'href="([\w-]+)\.ipynb(#[^"]*)?"',
        lambda found: f'href="{page_of(found[1])}{found[2] or ""}"',
        body,
    )


def code_colours() -> str:
    """Return the colours of code, for light and for dark."""
    light = HtmlFormatter(style="default").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    return f"\n{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "site")
    target = parser.parse_args().folder
    print(f"{len(make(target))} pages; begin with {target / 'index.html'}")

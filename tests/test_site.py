"""The course as pages: made and read without any network, with links that lead somewhere."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import notebook_tool
import pytest
from checkout import ROOT

import nsexplore as nx

NOTEBOOKS = sorted(notebook_tool.NOTEBOOKS.glob("*.ipynb"))


def words(markup: str) -> str:
    """Return what is read: nbconvert writes the attributes of a tag in another order."""
    without = re.sub(r"(?s)<style>.*?</style>|<[^>]*>", " ", markup)
    return " ".join(html.unescape(without).split())


class Page(HTMLParser):
    """What a page refers to, by the element that does."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.refers: list[tuple[str, str]] = []
        self.ids: set[str] = set()
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids |= {value for name, value in attrs if name == "id" and value}
        for name, value in attrs:
            if name in ("src", "href", "srcset", "data", "poster", "action") and value:
                self.refers.append((tag, value))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Page]:
    """Make it where there is no network at all: in a new network namespace, whose lo is down."""
    folder = tmp_path_factory.mktemp("site") / "pages"
    flags = nx.CloneFlags.NEWUSER | nx.CloneFlags.NEWNET
    offline = nx.NamespacingExecer(id_map="rootless", clone_flags=flags)
    done = offline.run(sys.executable, str(ROOT / "docs" / "make_site.py"), str(folder))
    assert done.returncode == 0, done.stderr
    return {path.name: Page(path) for path in folder.glob("*.html")}


@pytest.mark.needs("user namespaces")
def test_every_notebook_has_a_page_with_its_outputs(site: dict[str, Page]) -> None:
    """All of its outputs that are drawn; the index is the page that a server shows first."""
    expected = {"index.html" if p.stem == "00-index" else f"{p.stem}.html" for p in NOTEBOOKS}
    assert set(site) == expected
    for path in NOTEBOOKS:
        page = site["index.html" if path.stem == "00-index" else f"{path.stem}.html"]
        cells = nbformat.read(path, as_version=4).cells
        shown = words(page.text)
        outputs = [output for cell in cells for output in cell.get("outputs", ())]
        pictures = [o.data["text/html"] for o in outputs if "text/html" in o.get("data", {})]
        assert [picture for picture in pictures if words(picture) not in shown] == []


@pytest.mark.needs("user namespaces")
def test_a_page_loads_nothing_from_elsewhere_and_no_script(site: dict[str, Page]) -> None:
    """Its style sheet is its own; only links, which one follows by hand, lead away."""
    for name, page in site.items():
        loaded = [where for tag, where in page.refers if tag != "a"]
        assert set(loaded) == {"site.css"}, name
        assert "<script" not in page.text, name
        for word in ("@import", "url("):
            assert word not in page.text, name


@pytest.mark.needs("user namespaces")
def test_every_link_between_pages_leads_to_one(site: dict[str, Page]) -> None:
    """To its heading, too; and each page but the ends leads back, home and on."""
    for name, page in site.items():
        for tag, where in page.refers:
            parts = urlsplit(where)
            if tag != "a" or parts.scheme:
                continue
            target = site[parts.path] if parts.path else page
            fragment = parts.fragment  # a browser tries it as it is, then decoded
            found = {fragment, unquote(fragment)} & target.ids
            assert not fragment or found, (name, where)
    pages = [
        site["index.html"],
        *(page for name, page in sorted(site.items()) if name[0].isdigit()),
    ]
    names = ["index.html", *sorted(name for name in site if name[0].isdigit())]
    for before, page, after in zip(names, pages[1:], names[2:], strict=False):
        assert {before, after, "index.html"} <= {where for _, where in page.refers}


def test_a_page_follows_light_and_dark() -> None:
    """As the reader has it, for text, code and pictures alike."""
    style = (ROOT / "docs" / "site.css").read_text()
    assert "prefers-color-scheme: dark" in style


def test_the_makefile_makes_it() -> None:
    """One command."""
    done = subprocess.run(
        ["make", "-n", "site"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "docs/make_site.py" in done.stdout

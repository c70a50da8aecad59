"""Notebooks as a reader meets them: in JupyterLab, in a real browser."""

from __future__ import annotations

import shutil
from pathlib import Path

import in_browser
import nbformat
import notebook_tool
import pytest
from drivers.whoever import IS_ROOT
from in_browser import go_dark, photograph, run_all
from playwright.sync_api import Page, expect

env, lab, page = in_browser.env, in_browser.lab, in_browser.page


@pytest.fixture
def notebook(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of a notebook without outputs: what shows afterwards comes from this run."""
    original = notebook_tool.NOTEBOOKS / f"{request.param}.ipynb"
    content = nbformat.read(original, as_version=4)
    for cell in content.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    path = tmp_path / "notebooks" / original.name
    shutil.copytree(original.parent / "recordings", path.parent / "recordings")
    nbformat.write(content, path)
    return path


@pytest.mark.usefixtures("leaves_nothing")
@pytest.mark.parametrize("notebook", ["01-first-namespaces"], indirect=True)
def test_a_reader_runs_the_first_notebook(page: Page, lab: str, notebook: Path) -> None:
    """One menu entry runs every cell without an error; both themes; nothing runs afterwards."""
    run_all(page, lab, notebook)
    outputs = page.locator(".jp-OutputArea-output")
    words = (
        "uid=0(root) gid=0(root)",
        "root inside is this machine's real root",
        "root inside is host 65535",
        "system: failed to start the supplied command",
    )
    for text in words if IS_ROOT else ("root inside is host 65535",):
        expect(outputs.get_by_text(text).locator("visible=true").first).to_be_visible()
    badge = page.locator(".nsx-k", has_text="✓ CLONE_NEWUSER").first
    expect(badge).to_be_visible()
    assert badge.evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(69, 90, 115)"
    photograph(page, notebook, "light")
    page.locator("summary", has_text="birth").click()
    page.locator("summary", has_text="timeline").click()
    expect(page.get_by_text("at its birth").locator("visible=true")).to_be_visible()
    photograph(page, notebook, "light-open")
    paper = "e => getComputedStyle(e).backgroundColor"
    # JupyterLab puts every code element into a grey box; in a picture, none is wanted.
    assert page.locator(".nsx code").first.evaluate(paper) == "rgba(0, 0, 0, 0)"
    go_dark(page)
    photograph(page, notebook, "dark")


@pytest.mark.usefixtures("leaves_nothing")
@pytest.mark.parametrize("notebook", ["09-the-whole-machine"], indirect=True)
def test_a_reader_sees_the_whole_machine(page: Page, lab: str, notebook: Path) -> None:
    """Trees with all their namespaces, and the diagram, which JupyterLab draws by itself."""
    run_all(page, lab, notebook)
    photograph(page, notebook, "light")
    trees = page.locator(".nsx", has_text="only its children")
    expect(trees.first).to_be_visible()
    expect(trees.first.locator("li")).to_have_count(8 + 18)  # the legend, and the namespaces
    diagram = page.locator(".jp-RenderedMermaid")
    expect(diagram.locator("img, svg").first).to_be_visible(timeout=20_000)
    expect(diagram.locator(".jp-mod-error, .jp-RenderedMermaid-Details pre")).to_have_count(0)
    go_dark(page)
    photograph(page, notebook, "dark")

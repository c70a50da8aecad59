"""The explorer as somebody meets it: in JupyterLab, in a real browser."""

from __future__ import annotations

import contextlib
import re
import shlex
from pathlib import Path

import in_browser
import nbformat
import pytest
from conftest import eventually
from drivers.whoever import IS_ROOT
from in_browser import (
    ARTIFACTS,
    TOKEN,
    choose,
    free_port,
    go_dark,
    jupyter_options,
    run_all,
    serving,
)
from jupyter_apart import still_running
from playwright.sync_api import Locator, Page, expect

env, lab, page = in_browser.env, in_browser.lab, in_browser.page

pytestmark = [pytest.mark.usefixtures("leaves_nothing")]

SLOW = "echo first; sleep 1; echo '<b>second</b>'; sleep 300.25"


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """A notebook that shows an explorer, and nothing else."""
    show = "import nsexplore as nx\nnx.explore(max_uid=65535, id_map='garden')"
    path = tmp_path / "notebooks" / "explorer.ipynb"
    path.parent.mkdir()
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)"}}
    cells = [nbformat.v4.new_code_cell(show)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
    return path


def say(field: Locator, text: str) -> None:
    """Replace what a field says, by the keyboard."""
    field.fill(text)
    field.press("Tab")


def button(explorer: Locator, name: str) -> Locator:
    return explorer.get_by_role("button", name=name, exact=True)


def shoot(explorer: Locator, name: str) -> None:
    """Take a picture of the explorer, to be looked at."""
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    explorer.screenshot(path=ARTIFACTS / f"explorer-{name}.png")


def cut_off(explorer: Locator) -> list[str]:
    """Return what of it sticks out of it, or out of something that does not scroll."""
    found: list[str] = explorer.evaluate(
        """root => {
            const edge = root.getBoundingClientRect().right + 1;
            const scrolls = e => e !== root
                && (/auto|scroll/.test(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
            return [...root.querySelectorAll("*")]
                .filter(e => e.getBoundingClientRect().right > edge && !scrolls(e))
                .map(e => `${e.tagName}.${e.getAttribute("class")}: ${e.textContent.slice(0, 40)}`);
        }"""
    )
    return found


def nameless(explorer: Locator) -> list[str]:
    """Return the controls of which a screen reader could not say what they are."""
    found: list[str] = explorer.evaluate(
        """root => [...root.querySelectorAll("input, select, button")]
            .filter(e => ![...(e.labels ?? [])].some(label => label.textContent.trim()))
            .filter(e => !e.textContent.trim() && !e.title && !e.ariaLabel)
            .map(e => e.outerHTML)"""
    )
    return found


@pytest.mark.needs("root")
def test_somebody_flips_drags_runs_and_compares(
    page: Page, lab: str, notebook: Path, env: dict[str, str]
) -> None:
    """Each control shows in the plan; runs show their output, stop, and are compared."""
    assert IS_ROOT
    page.set_viewport_size({"width": 1500, "height": 5200})
    run_all(page, lab, notebook)
    x = page.locator(".nsx-x")
    expect(x).to_be_visible()
    badge = x.locator(".nsx-k", has_text="CLONE_NEWUSER")
    expect(badge).to_have_text("✓ CLONE_NEWUSER")
    number = x.get_by_role("spinbutton", name="MaxUID")
    expect(number).to_have_value("65535")  # however coarse the slider is
    shoot(x, "light-plan")

    maps = x.locator("table", has_text="container_id")
    x.get_by_label("Privileged").press("Space")
    expect(badge).to_have_class("nsx-k nsx-off")
    expect(maps).to_have_count(0)
    expect(x.get_by_text("root inside is this machine's real root").first).to_be_visible()
    shoot(x, "light-privileged")
    x.get_by_label("Privileged").uncheck()
    expect(maps).to_have_count(1)

    say(number, "70000")
    expect(maps.locator("tr", has_text="70000").first).to_be_visible()
    say(number, "1")
    expect(x.get_by_role("alert").first).to_be_visible()
    expect(button(x, "Run")).to_be_disabled()
    shoot(x, "light-problem")
    say(number, "65535")
    slider = x.get_by_role("slider")
    expect(slider).to_have_attribute("aria-valuetext", "65535")
    slider.focus()
    slider.press("Home")
    expect(number).to_have_value("2")
    slider.press("End")
    expect(number).to_have_value("4294967294")
    expect(slider).to_have_attribute("aria-valuetext", "4294967294")
    expect(
        x.locator("svg").get_by_text("root inside is host 4294967294", exact=True)
    ).to_be_visible()
    say(number, "65535")
    point(page, x)

    say(x.get_by_label("Command"), "/usr/bin/id")
    button(x, "Run").press("Enter")
    stdout = x.locator(".nsx-x-scroll").first
    expect(stdout).to_contain_text("uid=0(root) gid=0(root)")
    expect(x.get_by_text("exit status 0").first).to_be_visible()
    shoot(x, "light-run")
    shoot_for_readme(page, x)

    say(x.get_by_label("Command"), shlex.join(["/bin/sh", "-c", SLOW]))
    button(x, "Run").click()
    expect(stdout).to_have_text("first")
    expect(stdout).to_have_text("first\n<b>second</b>")
    expect(x.get_by_text("2 processes inside").first).to_be_visible()
    shoot(x, "light-running")
    assert any("300.25" in words for words in still_running(env).values())
    button(x, "Stop").click()
    expect(x.get_by_text("by Stop").first).to_be_visible()
    assert eventually(
        lambda: not any("sleep 300.25" in words for words in still_running(env).values())
    )

    talk(x)
    x.get_by_label("Privileged").check()
    button(x, "Step").click()
    expect(x.locator(".nsx-here")).to_have_text("cloned")
    shoot(x, "light-step")
    button(x, "Stop").click()
    say(x.get_by_label("Command"), "/usr/bin/id")
    button(x, "Run").click()
    compared = x.locator("table", has_text="≠ differs")
    row = compared.get_by_role("row", name=re.compile("^user namespace"))
    expect(row).to_have_text(re.compile("new.*shared.*differs"))
    button(x, "Look").click()
    expect(x.locator(".nsx-tree").first).to_be_visible(timeout=20_000)
    x.get_by_label("Namespace", exact=True).select_option(index=0)
    expect(x.get_by_text(re.compile("process(es)? in it$"))).to_be_visible()
    choose_in_tree = x.get_by_role("button", name=re.compile(r"^Who is in time:\[")).first
    choose_in_tree.press("Enter")
    expect(choose_in_tree).to_have_attribute("aria-pressed", "true")
    expect(x.locator(".nsx-x-tall").first).to_contain_text("time:[")
    expect(x.locator("[aria-pressed=true]")).to_have_count(1)
    shoot(x, "light")
    x.get_by_label("Privileged").uncheck()
    x.get_by_label("ID map", exact=True).select_option("Custom")
    cell = x.locator(".nsx-x-maprow").last.get_by_role("textbox").first
    say(cell, "0")
    expect(x.locator(".nsx-x-marked")).to_have_count(1)
    expect(button(x, "Run")).to_be_disabled()
    shoot(x, "light-custom")
    assert nameless(x) == []
    say(cell, "1")
    say(x.get_by_label("Command"), "/bin/sleep 300.5")  # the end of the kernel ends it
    button(x, "Run").click()
    expect(button(x, "Stop")).to_be_enabled()
    go_dark(page)
    shoot(x, "dark")
    page.set_viewport_size({"width": 800, "height": 5000})
    shoot(x, "narrow")
    assert cut_off(x) == []


def point(page: Page, x: Locator) -> None:
    """Point at IDs in the ribbons: each half is an axis, and the way of the ID is marked."""
    ribbons = x.locator("svg.nsx-svg").first
    ends = x.locator(".nsx-mark circle")
    said = x.get_by_text("At the pointer:")
    expect(x.get_by_text("land?")).to_have_text(re.compile("^land\\? 0 inside is host 65535"))
    at = ribbons.bounding_box()
    assert at is not None
    page.mouse.move(at["x"] + 0.5 * at["width"], at["y"] + 0.2 * at["height"])
    expect(said).to_have_text(re.compile(r"At the pointer: (\d+) inside is host \1\."))
    expect(ends).to_have_count(2)
    page.mouse.move(at["x"] + 0.97 * at["width"], at["y"] + 0.9 * at["height"])
    expect(said).to_contain_text("has no mapping and shows inside as 65534")
    expect(ends).to_have_count(1)
    shoot(x, "light-pointed")
    page.mouse.move(at["x"], at["y"] - 60)
    expect(said).to_have_count(0)
    expect(ends).to_have_count(2)


def shoot_for_readme(page: Page, x: Locator) -> None:
    """Take what ``make pictures`` puts into the README: from the controls to the namespaces."""
    page.mouse.move(0, 0)
    button(x, "Run").blur()
    top = x.locator(".nsx-x-s").first.bounding_box()
    end = x.locator("table", has_text="cgroup").first.bounding_box()
    assert top is not None
    assert end is not None
    clip = {**top, "height": end["y"] + end["height"] + 12 - top["y"]}
    page.screenshot(path=ARTIFACTS / "explorer-readme.png", clip=clip)


def talk(x: Locator) -> None:
    """Send a process two lines as one does in a terminal: each by Enter, all of it at once."""
    say(x.get_by_label("Command"), "/bin/cat")
    stdin = x.get_by_label("stdin", exact=True)
    expect(stdin).to_be_disabled()
    button(x, "Run").click()
    expect(stdin).to_be_enabled()
    for line in ("hello <b>", "and again"):
        stdin.press_sequentially(line)
        stdin.press("Enter")
        expect(stdin).to_have_value("")
    expect(x.locator(".nsx-x-scroll").first).to_have_text("hello <b>\nand again")
    button(x, "End of input").click()
    expect(x.get_by_text("exit status 0").first).to_be_visible()
    expect(stdin).to_be_disabled()


@pytest.mark.needs("root")
def test_kernel_restarts_below_an_explorer(
    page: Page, lab: str, notebook: Path, env: dict[str, str]
) -> None:
    """Its process goes with its kernel, the page stays calm, and the cell makes a new one."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_viewport_size({"width": 1500, "height": 3000})
    run_all(page, lab, notebook)
    x = page.locator(".nsx-x")
    gone = x.get_by_text("The kernel of this explorer is gone")
    say(x.get_by_label("Command"), "/bin/sleep 300.75")
    button(x, "Run").click()
    expect(button(x, "Stop")).to_be_enabled()
    expect(gone).to_be_hidden()
    assert any("300.75" in words for words in still_running(env).values())

    choose(page, "Kernel", "Restart Kernel…")
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    assert eventually(lambda: not any("300.75" in w for w in still_running(env).values()))
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=20_000)
    expect(gone).to_be_visible()
    shoot(x, "light-kernel-gone")
    x.get_by_label("Privileged").press("Space")  # nobody hears it
    so_far = len(errors)
    page.wait_for_timeout(1500)
    assert errors[so_far:] == []
    expect(page.get_by_role("dialog")).to_have_count(0)

    choose(page, "Run", "Run All Cells")
    expect(x.get_by_text("Nothing was started yet")).to_be_visible(timeout=20_000)
    say(x.get_by_label("Command"), "/usr/bin/id")
    button(x, "Run").click()
    expect(x.locator(".nsx-x-scroll").first).to_contain_text("uid=0(root) gid=0(root)")


def short_path(x: Locator) -> None:
    """Flip, break, mend and run."""
    expect(x).to_be_visible(timeout=30_000)
    badge = x.locator(".nsx-k", has_text="CLONE_NEWUSER")
    expect(badge).to_have_text("✓ CLONE_NEWUSER")
    x.get_by_label("Privileged").check()
    expect(badge).to_have_text("CLONE_NEWUSER")
    x.get_by_label("Privileged").uncheck()
    number = x.get_by_role("spinbutton", name="MaxUID")
    say(number, "1")
    expect(x.get_by_role("alert").first).to_be_visible()
    expect(button(x, "Run")).to_be_disabled()
    expect(x.get_by_role("slider", name="MaxUID")).to_have_value("0")
    say(number, "70000")
    button(x, "Run").click()
    expect(x.locator(".nsx-x-scroll").first).to_contain_text("uid=0(root) gid=0(root)")
    talk(x)
    assert cut_off(x) == []


@pytest.mark.needs("root")
def test_in_notebook_7(page: Page, notebook: Path, env: dict[str, str], tmp_path: Path) -> None:
    """The same, on its page of one notebook."""
    page.set_viewport_size({"width": 1200, "height": 2600})
    with serving("notebook", jupyter_options(notebook), env, tmp_path) as address:
        page.goto(f"{address}/notebooks/{notebook.name}?token={TOKEN}")
        expect(page.locator(".jp-CodeCell")).to_have_count(1, timeout=20_000)
        expect(page.locator("[data-status='idle']").first).to_be_attached(timeout=20_000)
        prompt = page.locator(".jp-InputArea-prompt").first
        for _ in range(5):  # before its kernel is there, Notebook 7 takes the click for nothing
            choose(page, "Run", "Run All Cells")
            with contextlib.suppress(AssertionError):
                expect(prompt).not_to_have_text("[ ]:", timeout=3000)
                break
        short_path(page.locator(".nsx-x"))
        shoot(page.locator(".nsx-x"), "notebook-7")
        # At 200 % a window of 1200 pixels has as many of the page's own.
        page.set_viewport_size({"width": 600, "height": 5000})
        shoot(page.locator(".nsx-x"), "zoomed")
        assert cut_off(page.locator(".nsx-x")) == []


@pytest.mark.needs("root")
def test_in_voila(page: Page, notebook: Path, env: dict[str, str], tmp_path: Path) -> None:
    """The same, as a page for a class, without the cell."""
    page.set_viewport_size({"width": 1200, "height": 2600})
    options = {"Voila.ip": "127.0.0.1", "port": free_port()}
    where = {"answering": "voila/static/voila.js"}
    with serving("voila", options, env, tmp_path, str(notebook), **where) as address:
        page.goto(address)
        short_path(page.locator(".nsx-x"))
        shoot(page.locator(".nsx-x"), "voila")

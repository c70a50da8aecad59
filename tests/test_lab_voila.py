"""``nsexplore lab --voila``: a notebook as a page for a class."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPCookieProcessor, ProxyHandler, build_opener

import nbformat
import pytest
from conftest import eventually
from jupyter_apart import apart, still_running

from nsexplore.cli import main

pytestmark = pytest.mark.usefixtures("leaves_nothing")

SOURCES = [
    "import os, nsexplore as nx\nprint('by', 6 * 7, 'in', os.getcwd())",
    "nx.NamespacingExecer(max_uid=65535).plan('/bin/sleep', '60')",
    "import sys\nprint('said to', 'stderr', file=sys.stderr)",
    "nx.NamespacingExecer(max_uid=1)",
]


@pytest.fixture
def env(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of all that is started here; afterwards nothing of it runs any more."""
    env = apart(tmp_path / "jupyter")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        env.pop(name, None)
    yield env
    assert eventually(lambda: not still_running(env)), still_running(env)


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """A notebook in a folder below the working directory, without outputs."""
    path = tmp_path / "a class" / "the page.ipynb"
    path.parent.mkdir()
    cells = [nbformat.v4.new_code_cell(source) for source in SOURCES]
    spec = {"kernelspec": {"name": "python3", "display_name": "Python", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=spec), path)
    return path


@pytest.fixture
def voila(env: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return what starts the command; what it has started is ended."""
    started: list[subprocess.Popen[str]] = []

    def start(*operands: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "nsexplore", "lab", "--voila", *operands],
            env=env,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=30)


def address_of(process: subprocess.Popen[str]) -> str:
    """Wait for the address; the words around it are JupyterLab's, but for the name."""
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(9)]
    assert lines[0].startswith("Voilà is running."), lines
    port = urlsplit(lines[2].strip()).port
    assert f"ssh -L {port}:127.0.0.1:{port} " in lines[6]
    return lines[2].strip()


def page(address: str) -> str:
    """Fetch a page as a browser does that keeps cookies."""
    directly = build_opener(ProxyHandler({}), HTTPCookieProcessor())
    with directly.open(address, timeout=60) as answer:
        text: str = answer.read().decode()
        return text


def test_page_is_the_notebook_run_and_ctrl_c_ends_it_with_its_kernels(
    voila: Callable[..., subprocess.Popen[str]], notebook: Path, env: dict[str, str]
):
    """Outputs, pictures, errors, no code, for whoever has the token, in the notebook's folder."""
    process = voila(str(notebook.relative_to(notebook.parents[1])))
    address = address_of(process)
    assert not [line for line in still_running(env).values() if "ipykernel" in line]
    shown = page(address)
    assert f"by 42 in {notebook.parent}" in shown
    assert "CLONE_NEWUSER" in shown  # drawn by the browser, from what is in the page
    assert "os.getcwd" not in shown
    assert "said to stderr" in shown
    assert "max_uid=1 is not from 2 to 4294967294" in shown
    bare, token = address.split("?token=")
    login = page(bare)
    assert 'type="password"' in login
    assert "by 42" not in login
    lines = still_running(env).values()
    assert [line for line in lines if "ipykernel" in line]
    assert not [line for line in lines if token in line]
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert eventually(lambda: not still_running(env)), still_running(env)
    with pytest.raises(URLError):
        page(address)


def test_without_a_notebook_all_of_the_folder_are_served(
    voila: Callable[..., subprocess.Popen[str]], notebook: Path
):
    """As a list; its pages need the token, too."""
    bare, token = address_of(voila()).split("?token=")
    listed = f"{bare}voila/api/contents/a%20class"
    found = json.loads(page(f"{listed}?token={token}"))
    assert [entry["name"] for entry in found["content"]] == [notebook.name]
    rendered = page(f"{bare}voila/render/a%20class/the%20page.ipynb?token={token}")
    assert f"by 42 in {notebook.parent}" in rendered
    with pytest.raises(HTTPError, match="403"):
        page(listed)


def test_token_of_the_users_own_configuration_is_no_riddle(
    voila: Callable[..., subprocess.Popen[str]], notebook: Path, env: dict[str, str]
):
    """One sentence, and the way to start it by hand."""
    folder = Path(env["JUPYTER_CONFIG_DIR"])
    folder.mkdir(parents=True)
    (folder / "voila.json").write_text(json.dumps({"Voila": {"token": "my own"}}))
    process = voila(str(notebook))
    assert process.wait(60) == 1
    assert process.stderr is not None
    said = process.stderr.read()
    assert "nsexplore: Voilà does not accept our token" in said
    assert "start it by: voila" in said


def test_without_voila_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """One line, no traceback; JupyterLab alone is not enough."""
    found = sys.modules["importlib.util"].find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "voila" else found(name)
    )
    assert main(["lab", "--voila"]) == 1
    said = capsys.readouterr().err
    assert said == (
        'nsexplore: Voilà is not installed here: python -m pip install "nsexplore[lab]"\n'
    )


def test_what_is_no_notebook_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """Before anything is started."""
    assert main(["lab", "--voila", "no-such.ipynb"]) == 1
    assert "there is no notebook 'no-such.ipynb'" in capsys.readouterr().err
    text = tmp_path / "text.md"
    text.touch()
    assert main(["lab", "--voila", os.fspath(text)]) == 1
    assert "Voilà shows notebooks (.ipynb)" in capsys.readouterr().err

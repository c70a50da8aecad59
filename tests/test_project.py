"""The house is in order: style, types, layers, sizes, warnings, what an import costs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
from checkout import ROOT, files_of_the_project

pytestmark = pytest.mark.anywhere

CODE_LINES = 400

C_WARNINGS = (
    "-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual"
    " -Wpointer-arith -Wvla -Wundef -Werror"
).split()


def check(*command: str) -> None:
    """Run a tool in the project's folder; show what it says if it finds something."""
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def python_tool(name: str) -> str:
    """Return a program of this environment, whether or not PATH leads to it."""
    path = shutil.which(name, path=sysconfig.get_path("scripts"))
    assert path is not None, f"{name} is not installed beside {sys.executable}"
    return path


def test_style_is_ruffs():
    """Every rule of pyproject.toml is kept."""
    check(python_tool("ruff"), "check")


def test_layout_is_ruffs():
    """`make format` has been run."""
    check(python_tool("ruff"), "format", "--check")


def test_types_are_strict():
    """The strict mode finds nothing, neither in the package nor in the use of its public API."""
    check(sys.executable, "-m", "mypy")


def test_imports_flow_one_way():
    """Words, acts, tables, pictures, hands: the contract stands in pyproject.toml."""
    check(python_tool("lint-imports"))


def test_every_module_has_its_layer():
    """A module that the contract does not name could import whatever it liked."""
    import tomllib

    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = " ".join(contract["contracts"][0]["layers"])
    named = set(re.findall(r"nsexplore\.(\w+)", layers))
    modules = {path.stem for path in (ROOT / "nsexplore").glob("[a-z]*.py")}
    assert modules - named == set()


def test_public_api_is_typed_where_it_is_used():
    """Everything public is in tests/typing/api.py, which mypy has checked above."""
    import nsexplore

    used = (ROOT / "tests" / "typing" / "api.py").read_text()
    missing = [name for name in nsexplore.__all__ if f"nx.{name}" not in used]
    assert missing == ["IDMapError"]  # a ValueError with attributes, in test_errors.py


@pytest.mark.parametrize("suffix", [".py", ".c", ".h", ".css"])
def test_no_file_of_the_package_is_too_long(suffix: str):
    """At most 400 lines: more is two topics."""
    sources = [path for path in files_of_the_project() if path.suffix == suffix]
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in sources
        if path.is_relative_to(ROOT / "nsexplore")
    }
    assert lengths
    assert {name: n for name, n in lengths.items() if n > CODE_LINES} == {}


def test_init_is_under_40_lines():
    """The front door is a list of names."""
    assert len((ROOT / "nsexplore" / "__init__.py").read_text().splitlines()) < 40


@pytest.mark.parametrize("compiler", ["gcc", "aarch64-linux-gnu-gcc"])
@pytest.mark.parametrize("source", sorted(p.name for p in (ROOT / "nsexplore/_csrc").glob("*.c")))
def test_c_compiles_without_a_warning(
    compiler: str, source: str, tool: Callable[[str], str], tmp_path: Path
):
    """On both architectures, under a strict list."""
    # CPython's slots take functions as void *, which ISO C has no conversion for.
    pedantic = [] if source == "module.c" else ["-Wpedantic"]
    check(
        tool(compiler), "-c", "-std=c11", "-O2", *C_WARNINGS, *pedantic,
        "-DPy_LIMITED_API=0x030B0000", "-isystem", sysconfig.get_path("include"),
        "-o", str(tmp_path / "object.o"), str(ROOT / "nsexplore/_csrc" / source),
    )  # fmt: skip


HEAVY = {"pandas", "numpy", "ipywidgets", "IPython", "traitlets", "jupyterlab"}


@pytest.mark.parametrize(
    "what",
    [
        "import nsexplore",
        "import nsexplore; nsexplore.NamespacingExecer(max_uid=33).plan('id')",
        "from nsexplore.cli import main; main(['plan', '--max-uid', '33', '--', 'id'])",
        "import os; from nsexplore.cli import main; main(['inspect', str(os.getpid())])",
        "from nsexplore.cli import main; main(['run', '--rootless', '--', 'true'])",
    ],
)
def test_import_and_command_line_load_nothing_heavy(what: str):
    """Neither pandas nor ipywidgets, nor what comes along with them."""
    script = f"import sys\n{what}\nloaded = {HEAVY!r} & set(sys.modules)\nassert not loaded, loaded"
    check(sys.executable, "-c", script)


def test_frames_load_pandas_on_first_use():
    """The other half of the promise: the names are there before pandas is."""
    script = (
        "import sys, nsexplore\n"
        "assert 'id_map_frame' in nsexplore.__all__ and 'pandas' not in sys.modules\n"
        "nsexplore.id_map_frame(nsexplore.IDMap.garden(33))\n"
        "assert 'pandas' in sys.modules\n"
    )
    check(sys.executable, "-c", script)


def test_nothing_speaks_of_the_machine_it_was_written_on():
    """No absolute path of this checkout, this home or this environment in any file."""
    here = {ROOT, Path(sys.prefix), Path.home()}
    private = {f"{path}{os.sep}".encode() for path in here if len(path.parts) > 1}
    found = {
        str(path.relative_to(ROOT)): word.decode()
        for path in files_of_the_project()
        for word in private
        if word in path.read_bytes()
    }
    assert found == {}


# -- what the README and the Makefile promise -------------------------------------


def make(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    settings = [f"{name}={value}" for name, value in variables.items()]
    return subprocess.run(
        ["make", *arguments, *settings], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_readme_has_exactly_two_commands_for_a_fresh_machine(tool: Callable[[str], str]):
    """One sets up and does the main job, one sets up and tests."""
    tool("make")
    text = (ROOT / "README.md").read_text()
    section = text.partition("\n## Start here\n")[2].partition("\n## ")[0]
    commands = re.findall(r"^    (\S.*?)(?: +#.*)?$|^```|^\$ ", section, re.M)
    assert commands == ["make demo", "make test"]
    for command in commands:
        assert make("-n", command.split()[1]).returncode == 0


@pytest.mark.needs("root")
def test_readme_example_prints_what_the_readme_says(tmp_path: Path):
    """The first example's output is real, up to its PID and its duration; the others run."""
    text = (ROOT / "README.md").read_text()
    examples = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    assert len(examples) > 1
    (tmp_path / "recordings").symlink_to(ROOT / "notebooks" / "recordings")
    printed = re.search(r"^```text\n(exit status.*?)^```", text, re.M | re.S)[1]
    done = subprocess.run(
        [sys.executable, "-c", "".join(examples)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )

    def stable(output: str) -> str:
        return re.sub(r"\d+(?= outside, 1 inside)|\d[\d.]* (ms|µs)", "N", output)

    assert stable(done.stdout) == stable(printed)


def test_make_alone_tells_what_there_is(tool: Callable[[str], str]):
    """The default target is help, and it lists every target."""
    tool("make")
    told = set(re.findall(r"^  make ([\w-]+) ", make().stdout, re.M))
    makefile = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.+)$", makefile, re.M)[1].split())
    assert told == phony


@pytest.mark.parametrize(
    ("python", "complaint"),
    [
        ("no-such-python", "no-such-python is not there"),
        ("#!/bin/sh\ncase $1 in --version) echo Python 3.10.1;; *) exit 1;; esac", "3.11 or newer"),
        ("#!/bin/sh\ncase $2 in *venv*) exit 1;; esac", "has no venv"),
        ("#!/bin/sh\ncase $2 in *Python.h*) exit 1;; esac", "has no C headers"),
    ],
)
def test_make_says_what_the_machine_lacks(
    python: str, complaint: str, tmp_path: Path, tool: Callable[[str], str]
):
    """One line with the remedy, before anything is installed."""
    tool("make")
    name = python
    if python.startswith("#!"):
        name = str(tmp_path / "python")
        Path(name).write_text(python)
        Path(name).chmod(0o755)
    done = make("test", PYTHON=name, VENV=str(tmp_path / "venv"))
    assert done.returncode != 0
    assert complaint in done.stderr
    assert not (tmp_path / "venv").exists()


def test_make_says_that_a_compiler_is_missing(tmp_path: Path, tool: Callable[[str], str]):
    """The same for the C compiler."""
    tool("make")
    done = make("demo", PYTHON=sys.executable, CC="no-such-cc", VENV=str(tmp_path / "venv"))
    assert "There is no C compiler (no-such-cc)" in done.stderr
    assert not (tmp_path / "venv").exists()

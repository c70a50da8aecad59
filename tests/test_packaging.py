"""What is built is what works elsewhere: the sdist, the wheel, other Pythons, other machines."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checkout import ROOT, files_of_the_project

pytestmark = pytest.mark.anywhere

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
MACHINE = os.uname().machine


def run(*command: str | Path, cwd: Path | None = None, **environment: str) -> str:
    """Return what a command says on both streams; fail with it where the command fails."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": "", "PIP_ROOT_USER_ACTION": "ignore", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def build(tree: Path, into: Path, *what: str, **environment: str) -> str:
    """Build as ``python -m build`` does, with the build tools of this environment."""
    command = [sys.executable, "-m", "build", "--no-isolation", *what, "-o", into, tree]
    return run(*command, **environment)


def warnings_in(output: str) -> list[str]:
    """Return the warnings of a build, but for two kinds that tell of no fault.

    Setuptools calls extensions in pyproject.toml experimental; and a caller's
    PYTHONDONTWRITEBYTECODE means what it says.
    """
    harmless = ("still *experimental*", "byte-compiling is disabled")
    return [
        line
        for line in output.splitlines()
        if "warning" in line.lower() and not any(words in line for words in harmless)
    ]


def pip_install(python: Path, *arguments: str | Path) -> str:
    """Install into an environment without pip, without asking any registry."""
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    return run(*pip, "install", "--no-deps", "--no-index", *arguments)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of what git would keep: nothing built here gets in."""
    copy = tmp_path_factory.mktemp("tree")
    for path in files_of_the_project():
        target = copy / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    return copy


@pytest.fixture(scope="module")
def built(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return the folder of the sdist and of the wheel made from it, and what the build said."""
    folder = tmp_path_factory.mktemp("dist")
    return folder, build(tree, folder)


@pytest.fixture(scope="module")
def sdist(built: tuple[Path, str]) -> set[str]:
    """Return the names in the sdist, below its one folder."""
    with tarfile.open(built[0] / f"nsexplore-{VERSION}.tar.gz") as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    return set(filter(None, names))


@pytest.fixture(scope="module")
def wheel(built: tuple[Path, str]) -> Path:
    """Return the one wheel."""
    [path] = built[0].glob("*.whl")
    return path


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


# -- what is built ----------------------------------------------------------------


def test_build_is_one_sdist_and_one_wheel_without_a_warning(built: tuple[Path, str], wheel: Path):
    """The wheel is for every CPython from 3.11 on, on this architecture."""
    folder, output = built
    assert {path.name for path in folder.iterdir()} == {
        f"nsexplore-{VERSION}.tar.gz",
        f"nsexplore-{VERSION}-cp311-abi3-linux_{MACHINE}.whl",
    }
    assert warnings_in(output) == []


def test_sdist_has_everything_that_is_needed_to_build_and_test(sdist: set[str]):
    """All of the package, C headers included; the tests, the notebooks, the papers."""
    ours = {str(path.relative_to(ROOT)) for path in files_of_the_project()}
    folders = ("nsexplore/", "tests/", "notebooks/", "benchmarks/", "binder/")
    papers = {"LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile"}
    wanted = {name for name in ours if name.startswith(folders)} | papers | {"pyproject.toml"}
    assert wanted - sdist == set()
    assert "nsexplore/_csrc/spawn.h" in sdist
    assert not {name for name in sdist if name.endswith((".so", ".pyc"))}


def test_wheel_has_the_package_and_nothing_else(wheel: Path):
    """Every module and data file, the extension, the license; no C source, no tests."""
    ours = {str(path.relative_to(ROOT)) for path in files_of_the_project()}
    package = {n for n in ours if n.startswith("nsexplore/") and "/_csrc/" not in n}
    names = names_in(wheel)
    metadata = {name for name in names if f"nsexplore-{VERSION}.dist-info/" in name}
    assert names - metadata == package | {"nsexplore/_spawn.abi3.so"}
    assert {"nsexplore/py.typed", "nsexplore/_spawn.pyi"} <= package
    assert {n.rpartition("/")[2] for n in metadata} >= {"LICENSE", "METADATA", "entry_points.txt"}
    suffixes = {Path(name).suffix for name in package}
    assert suffixes == {".py", ".pyi", ".typed", ".css", ".js", ".cfg"}


def test_extension_keeps_to_the_stable_abi(wheel: Path):
    """Not a symbol that CPython 3.11 does not promise to keep."""
    audit = shutil.which("abi3audit", path=sysconfig.get_path("scripts"))
    assert audit is not None, "abi3audit is not installed"
    assert "0 ABI version mismatches and 0 ABI violations" in " ".join(
        run(audit, "--strict", "--summary", "--verbose", wheel, COLUMNS="200").split()
    )


# -- where it is installed --------------------------------------------------------


def interpreters() -> Iterator[Path]:
    """Find a CPython of each version from 3.11 on: this one, those in PATH, those of pyenv."""
    this = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")
    yield this if this.exists() else Path(sys.executable)
    for minor in range(11, 20):
        name = f"python3.{minor}"
        if minor != sys.version_info.minor and (python := in_path(name) or in_pyenv(f"3.{minor}")):
            yield python


def in_path(name: str) -> Path | None:
    # pyenv's stand-ins are in PATH for versions that are not chosen, too: ask.
    question = [name, "-c", "import sys; print(sys.executable)"]
    if shutil.which(name) is None:
        return None
    done = subprocess.run(question, capture_output=True, text=True, check=False)
    return Path(done.stdout.strip()) if done.returncode == 0 else None


def in_pyenv(version: str) -> Path | None:
    if shutil.which("pyenv") is None:
        return None
    question = ["pyenv", "prefix", version]
    done = subprocess.run(question, capture_output=True, text=True, check=False)
    python = Path(done.stdout.strip(), "bin", f"python{version}")
    return python if done.returncode == 0 and python.exists() else None


@pytest.fixture
def environment(tmp_path: Path) -> Callable[[Path], Path]:
    """Return what makes a fresh virtual environment and returns its Python."""

    def make(python: Path) -> Path:
        run(python, "-m", "venv", "--without-pip", tmp_path / "venv")
        return tmp_path / "venv" / "bin" / "python"

    return make


TRY = """
import os, sys
import nsexplore, nsexplore._spawn
assert nsexplore.__file__.startswith(sys.prefix), nsexplore.__file__
assert nsexplore._spawn.__file__.endswith("_spawn.abi3.so")
execer = nsexplore.NamespacingExecer(id_map="rootless")
done = execer.run("/bin/cat", "/proc/self/uid_map")
assert done.stdout.split() == ["0", str(os.geteuid()), "1"], done
done._repr_mimebundle_()
with execer.step("/bin/sleep", "60") as step:
    step.next()
assert os.waitpid(execer.exec("/bin/true"), 0)[1] == 0
assert not {"pandas", "numpy", "ipywidgets"} & set(sys.modules)
print("started in", sys.version_info[:2])
"""


@pytest.mark.parametrize("python", list(interpreters()), ids=lambda path: path.name)
def test_wheel_starts_a_process_in_a_fresh_environment(
    python: Path, wheel: Path, environment: Callable[[Path], Path]
):
    """With every CPython there is; needing no dependency; with every warning an error."""
    fresh = environment(python)
    pip_install(fresh, wheel)
    said = run(fresh, "-X", "dev", "-W", "error", "-c", TRY, cwd=fresh.parent)
    assert said.startswith("started in (3, ")
    program = fresh.with_name("nsexplore")
    assert run(program, "run", "--rootless", "-q", "--", "echo", "hello") == "hello\n"
    assert run(program, "--version") == f"nsexplore {VERSION}\n"


WITHOUT = """
import sys, nsexplore
execer = nsexplore.NamespacingExecer(max_uid=65535)
assert "root inside is host 65535" in str(execer.plan("/bin/true"))
assert nsexplore.inspect(__import__("os").getpid()).namespaces
for start in (execer.exec, execer.start, execer.run, execer.step):
    try:
        start("/bin/true")
    except nsexplore.StartError as error:
        assert error.step == "spawner", error.step
        assert "C compiler" in error.hint, error.hint
    else:
        sys.exit("started without a spawner")
"""


def test_without_a_compiler_everything_but_a_start_works(
    tree: Path, tmp_path: Path, environment: Callable[[Path], Path]
):
    """The package is installed; plans and views work; a start says what is missing."""
    build(tree, tmp_path, "--wheel", CC="/bin/false")
    [wheel] = tmp_path.glob("*.whl")
    assert "nsexplore/_spawn.abi3.so" not in names_in(wheel)
    fresh = environment(Path(sys.executable))
    pip_install(fresh, wheel)
    run(fresh, "-X", "dev", "-W", "error", "-c", WITHOUT, cwd=tmp_path)


# -- the other architecture -------------------------------------------------------

EM_AARCH64 = 183


def test_wheel_can_be_built_for_aarch64(tree: Path, tmp_path: Path, tool: Callable[[str], str]):
    """By a cross compiler, without a warning; the extension is a program of that machine."""
    cross = tool("aarch64-linux-gnu-gcc")
    output = build(
        tree, tmp_path, "--wheel", CC=cross, LDSHARED=f"{cross} -shared", CFLAGS="-Wall -Wextra",
        _PYTHON_HOST_PLATFORM="linux-aarch64",
    )  # fmt: skip
    assert warnings_in(output) == []
    [wheel] = tmp_path.glob("*.whl")
    assert wheel.name == f"nsexplore-{VERSION}-cp311-abi3-linux_aarch64.whl"
    with zipfile.ZipFile(wheel) as archive:
        header = archive.read("nsexplore/_spawn.abi3.so")[:20]
    assert header[:6] == b"\x7fELF\x02\x01"
    assert int.from_bytes(header[18:20], "little") == EM_AARCH64

"""Run all notebooks of a folder in order, each in a kernel of its own; tell what is left of them.

python tests/whole_course.py [FOLDER]

The notebooks are saved with their new outputs, so give it a copy. Without a folder it makes
one of the course, and tells how long each notebook takes.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import notebook_tool

import nsexplore as nx


def run(folder: Path) -> dict[str, Any]:
    """Return the seconds of each notebook, and all that the machine has more or less after it.

    That is: namespaces and processes, mounts and network interfaces as this process sees
    them, and the files beside the notebooks.
    """
    seconds, before, around = {}, nx.discover(), surroundings(folder)
    for path in sorted(folder.glob("*.ipynb")):
        start = time.monotonic()
        notebook_tool.execute(path, record=False)
        seconds[path.stem] = round(time.monotonic() - start, 1)
    changes = before.diff(nx.discover())
    left = [" ".join(map(str, row)) for row in changes.itertuples(index=False)]
    left += sorted(surroundings(folder) ^ around)
    return {"seconds": seconds, "left": left}


def surroundings(folder: Path) -> set[str]:
    """Return what `discover` does not list: mounts, interfaces, and files."""
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    interfaces = [
        line.partition(":")[0].strip()
        for line in Path("/proc/net/dev").read_text(encoding="utf-8").splitlines()
    ]
    places = (folder, Path(tempfile.gettempdir()))
    files = [str(path) for place in places for path in place.rglob("*")]
    return {*mounts, *interfaces, *files}


def main(argv: list[str]) -> None:
    """Print what `run` returns, as JSON, or the time that the course takes."""
    if argv:
        print(json.dumps(run(Path(argv[0]))))
        return
    with tempfile.TemporaryDirectory() as private:
        tempfile.tempdir = f"{private}/tmp"  # what is there already is no concern of ours
        Path(tempfile.tempdir).mkdir()
        found = run(Path(shutil.copytree(notebook_tool.NOTEBOOKS, f"{private}/notebooks")))
    for name, seconds in found["seconds"].items():
        print(f"{seconds:6.1f} s  {name}")
    print(f"{sum(found['seconds'].values()):6.1f} s  the whole course")
    print(*(f"left: {line}" for line in found["left"]), sep="\n", end="")


if __name__ == "__main__":
    main(sys.argv[1:])

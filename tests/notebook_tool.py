"""Run a notebook and save it with its outputs, and with nothing else.

What its `ReplayingCommandRunner` starts is recorded: it writes the book of
recordings that the notebook shows where nothing can be started.

python tests/notebook_tool.py                    # all notebooks
python tests/notebook_tool.py notebooks/01-….ipynb
python tests/notebook_tool.py --format           # put in order only: what make format does

To be run after a change of a notebook, or of what the package shows.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"

KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def normalised(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a copy with nothing in it but cells, outputs and the kernel's name.

    The cells are counted from 1, as in a fresh kernel: nbval does not compare
    the output of a cell without a number.
    """
    cells, code = [], 0
    for cell in notebook.cells:
        kept = {"id": cell.id, "cell_type": cell.cell_type, "metadata": {}, "source": cell.source}
        if cell.cell_type == "code":
            code += 1
            kept["execution_count"] = code
            kept["outputs"] = [_output(output, code) for output in cell.outputs]
        cells.append(kept)
    metadata = {"kernelspec": KERNELSPEC, "language_info": {"name": "python"}}
    # The minor version of the format in which every cell has an id.
    return nbformat.from_dict(
        {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    )


def _output(output: dict[str, Any], count: int) -> dict[str, Any]:
    kept = dict(output)
    if "metadata" in kept:
        kept["metadata"] = {}
    if "execution_count" in kept:
        kept["execution_count"] = count
    return kept


def text(notebook: nbformat.NotebookNode) -> str:
    """Return a notebook as it is saved."""
    nbformat.validate(notebook)
    return f"{nbformat.writes(notebook).rstrip()}\n"


def execute(path: Path, *, record: bool = True) -> None:
    """Run all cells in a fresh kernel of this very interpreter, and save the outputs.

    With `record`, what is started is recorded, too.
    """
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as private:  # nobody's kernels, no start-up files
        os.environ.update(JUPYTER_DATA_DIR=private, IPYTHONDIR=private)
        os.environ["NSEXPLORE_RECORD"] = "1" if record else "0"
        NotebookClient(
            notebook,
            kernel_name=KERNELSPEC["name"],
            resources={"metadata": {"path": str(path.parent)}},
            record_timing=False,
            coalesce_streams=True,
        ).execute()
    path.write_text(text(normalised(notebook)), encoding="utf-8")


def put_in_order(path: Path) -> None:
    """Save a notebook without anything that is not its own; run nothing."""
    tidy = text(normalised(nbformat.read(path, as_version=4)))
    if tidy != path.read_text(encoding="utf-8"):
        path.write_text(tidy, encoding="utf-8")


def main(argv: list[str]) -> None:
    """Run the notebooks, or put them in order."""
    only_format = "--format" in argv
    named = [Path(word) for word in argv if word != "--format"]
    for path in named or sorted(NOTEBOOKS.glob("*.ipynb")):
        if only_format:
            put_in_order(path)
        else:
            execute(path)
            print(f"saved {path}")


if __name__ == "__main__":
    main(sys.argv[1:])

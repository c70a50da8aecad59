"""What the doctor found, as a table."""

from __future__ import annotations

from collections.abc import Iterator
from errno import errorcode
from typing import Any, Final

import pandas as pd

from ..diagnosis import Check, Diagnosis
from ..recording import Recording
from ._frame import make_frame, wrong_type

__all__ = ["DIAGNOSIS", "diagnosis_frame", "diagnosis_rows"]

DIAGNOSIS: Final = {
    "group": "string",
    "check": "string",
    "how": "string",
    "possible": "boolean",
    "step": "string",
    "error": "string",
    "cause": "string",
    "kind": "string",
    "certainty": "string",
    "words": "string",
    "fix": "string",
    "by": "string",
    "source": "string",
}


def diagnosis_frame(x: object) -> pd.DataFrame:
    """Return every check of a diagnosis, with a row for each cause of a no.

    Parameters
    ----------
    x : Diagnosis or Recording
        What `doctor` returned, or a recording of it.

    Returns
    -------
    pandas.DataFrame
        One row a check, and one more for each further cause of it; columns
        ``group``, ``check``, ``how``, ``possible`` (boolean; ``<NA>`` where it
        could not be tried), ``step``, ``error`` (``"EPERM"``), ``cause`` (its
        short name), ``kind``, ``certainty``, ``words``, ``fix``, ``by``,
        ``source``.

    Raises
    ------
    TypeError
        For anything else.
    """
    diagnosis = x.value if isinstance(x, Recording) else x
    if not isinstance(diagnosis, Diagnosis):
        raise wrong_type(x, "a Diagnosis")
    return make_frame(diagnosis_rows(diagnosis), DIAGNOSIS, x)


def diagnosis_rows(diagnosis: Diagnosis) -> Iterator[tuple[Any, ...]]:
    """Yield its rows."""
    return (row for check in diagnosis.checks for row in _rows(check))


def _rows(check: Check) -> Iterator[tuple[Any, ...]]:
    error = None if check.errno is None else errorcode.get(check.errno, f"errno {check.errno}")
    tried = (check.group, check.name, check.how, check.possible, check.step or None, error)
    for cause in check.causes:
        words = (cause.key, cause.kind, cause.certainty, cause.words, cause.fix or None)
        yield (*tried, *words, cause.by or None, cause.source or None)
    if not check.causes:
        yield (*tried, *(None,) * 7)

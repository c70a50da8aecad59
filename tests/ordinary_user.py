"""Run a function of a test as an ordinary user: UID and GID 1000, no capability, no groups."""

from __future__ import annotations

import ctypes
import importlib
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable
from typing import Any

ORDINARY_ID = 1000
PR_SET_DUMPABLE = 4


def as_ordinary_user(function: Callable[..., Any], *args: Any) -> Any:
    """Return what a module's function returns in a fresh process without any privilege.

    The interpreter may lie where that user cannot start it, so the process is
    started as we are, imports the function's module, and only then lets go.
    """
    done = subprocess.run(
        [sys.executable, __file__],
        input=pickle.dumps((function.__module__, function.__qualname__, args)),
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    failure, value = pickle.loads(done.stdout)
    assert failure is None, failure
    return value


def _drop_and_call(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[str | None, Any]:
    try:
        os.setgroups([])
        os.setresgid(ORDINARY_ID, ORDINARY_ID, ORDINARY_ID)
        os.setresuid(ORDINARY_ID, ORDINARY_ID, ORDINARY_ID)
        # The change has made the process non-dumpable, unlike one that this user started.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
        return None, function(*args)
    except BaseException:
        return traceback.format_exc(), None


if __name__ == "__main__":
    module, name, arguments = pickle.load(sys.stdin.buffer)
    found = getattr(importlib.import_module(module), name)
    sys.stdout.buffer.write(pickle.dumps(_drop_and_call(found, arguments)))

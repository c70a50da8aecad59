"""What runs on an engine: a request is answered, and nothing of it stays."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from ..diagnosing import doctor
from ..discovering import discover
from ..execer import NamespacingExecer
from ..flags import CloneFlags
from ..idmap import IDMap
from ..inspecting import inspect
from ..procfs import read_text
from ..recording import Recording, system_name
from .wire import BEGUN, MIME, WORDS, Problem, Reply, Who, as_text, read_request, sent_at

__all__ = ["answer", "reply"]


def reply(text: str) -> None:
    """Answer a request by publishing it, as IPython's display does: the code that is sent."""
    from IPython.display import publish_display_data

    publish: Any = publish_display_data
    publish({"text/plain": "nsexplore asks", BEGUN: True})
    if _is_called_off(text):
        return
    publish({"text/plain": "nsexplore is answered", MIME: answer(text)})


_FRESH: Final = 0.1
"""Seconds after which a request has waited: the engine was busy, or stopped, or clocks differ."""
_MOMENT: Final = 0.25


def _is_called_off(text: str) -> bool:
    """Return whether the request was called off before it began.

    An engine that goes on after a stop finds the request and its calling off at the same time;
    they come by two ways, and ipyparallel heeds the second only if it is read first.
    """
    from IPython.core.getipython import get_ipython

    kernel: Any = getattr(get_ipython(), "kernel", None)
    aborted = getattr(kernel, "aborted", None)
    if aborted is None or 0 <= time.time() - sent_at(text) < _FRESH:
        return False
    job = kernel.get_parent()["header"]["msg_id"]
    until = time.monotonic() + _MOMENT
    while job not in aborted and time.monotonic() < until:
        time.sleep(0.01)
    called_off = job in aborted
    aborted.discard(job)
    return called_off


def answer(text: str) -> str:
    """Return the reply to a request, both as text. An error is an answer."""
    me = who()
    try:
        question, arguments = read_request(text)
        ask = _QUESTIONS.get(question)
        if ask is None:
            raise LookupError(f"nsexplore {me.nsexplore} here knows no question {question!r:.40}")
        value = ask(**arguments)
        if value is None:
            return as_text(Reply(me))
        return as_text(Reply(me, Recording.take(value, f"host {me.host}").to_json()))
    except Exception as error:
        return as_text(Reply(me, problem=Problem(type(error).__name__, str(error)[:WORDS])))


def who() -> Who:
    """Return who this process is."""
    own = inspect(os.getpid())
    return Who(
        host=os.uname().nodename,
        boot_id=read_text("/proc/sys/kernel/random/boot_id").strip(),
        nsexplore=_version(),
        python=platform.python_version(),
        system=system_name(),
        pid=os.getpid(),
        uid=os.geteuid(),
        effective=own.capabilities.effective if own.capabilities else None,
        here={kind: seen.id for kind, seen in own.namespaces.items()},
    )


def _version() -> str:
    try:
        return version("nsexplore")
    except PackageNotFoundError:  # run from a folder
        return "unknown"


def _run(argv: list[str], how: dict[str, Any], **options: Any) -> Any:
    for name in ("id_map", "gid_map"):
        if isinstance(how.get(name), str) and how[name] != "rootless":
            how[name] = IDMap.parse(how[name])
    if how.get("clone_flags") is not None:
        how["clone_flags"] = CloneFlags(how["clone_flags"])
    return NamespacingExecer(**how).run(*argv, **options)


_QUESTIONS: Final[dict[str, Callable[..., Any]]] = {
    "who": lambda: None,
    "discover": lambda: discover(progress=False),
    "doctor": doctor,
    "inspect": lambda pid: inspect(os.getpid() if pid is None else pid),
    "run": _run,
}

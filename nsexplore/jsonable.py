r"""Values as plain JSON data: what ``nsexplore --json`` prints.

A value becomes an object with its attributes as keys, in their order. Three
kinds are written as what they stand for: flags as ``{"value": …, "names":
[…]}``, an ID map and a timeline as a list of their lines and steps, a
capability set as a list of names.

Every string is valid Unicode: a byte of a path or an argument that is no UTF-8
(a lone surrogate in Python) is written as it looks in C, such as ``\xff``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from .capabilities import CapabilitySet
from .diagnosis import Diagnosis
from .flags import CloneFlags
from .idmap import IDMap
from .kinds import KINDS
from .origin import encodable
from .timeline import Timeline
from .views import Namespace

__all__ = ["jsonable"]


def jsonable(value: Any) -> Any:
    """Return a value as dicts, lists, strings, numbers, booleans and None.

    Raises
    ------
    TypeError
        For a value that is none of this package's and not plain already.

    Examples
    --------
    >>> jsonable(IDMap.garden(33))[0]
    {'container_id': 0, 'host_id': 33, 'size': 1}
    """
    match value:
        case CloneFlags():
            names = [kind.flag_name for kind in KINDS if kind.flag in value]
            return {"value": int(value), "names": names}
        case None | bool() | int() | float():
            return value
        case str():
            return encodable(value)
        case IDMap():
            return [jsonable(line) for line in value.mappings]
        case Timeline():
            return [jsonable(step) for step in value.steps]
        case CapabilitySet():
            return list(value.names)
        case Mapping():
            return {encodable(str(key)): jsonable(item) for key, item in value.items()}
        case tuple() | list():
            return [jsonable(item) for item in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return _attributes(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _attributes(value: Any) -> dict[str, Any]:
    # What does not count when values are compared is not part of what they say.
    fields = (field.name for field in dataclasses.fields(value) if field.compare)
    data = {name: jsonable(getattr(value, name)) for name in fields}
    if isinstance(value, Namespace):
        data["link"] = value.link
    if isinstance(value, Diagnosis):
        data = {"ok": value.ok, "way": value.way, **data}
    return data

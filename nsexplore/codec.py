"""Frozen values to JSON and exactly back, by the types that their attributes declare.

An object has a value's attributes by name, those left out that are as by
default; a value of one single attribute (an ID map, a timeline, a capability
set) is written as that; flags are a list of names. A byte that is no UTF-8 is
a lone surrogate, as in Python, and escaped as JSON escapes one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from reprlib import repr as shown
from types import NoneType, UnionType
from typing import (
    Any,
    Final,
    Literal,
    NoReturn,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from .flags import CloneFlags
from .kinds import KINDS

__all__ = ["RecordingError", "Shape", "decode", "decode_attributes", "dumps", "encode", "loads"]

WIDTH: Final = 160
"""Characters of a line; what does not fit is broken up. A namespace, or a step, is one line."""

T = TypeVar("T")

Shape = Mapping[str, tuple[Any, Any]]
"""The attributes of an object: name to type and default (`MISSING`: there is none)."""

_FLAGS: Final = {kind.flag_name: kind.flag for kind in KINDS}

# Numbers as large as the kernel's own: a larger one would only fail later, in a table.
_INT: Final = (0, 2**31 - 1)
_U32: Final = (0, 2**32 - 1)
_U64: Final = (0, 2**64 - 1)
_IDS: Final = "uid euid suid fsuid gid egid sgid fsgid groups owner_uid container_id host_id size"
_LIMITS: Final[dict[str, tuple[int, int]]] = {
    "returncode": (-(2**31), 2**31 - 1),
    "dev": (0, 2**63 - 1),
    "ino": (0, 2**63 - 1),
    "unique_id": _U64,
    **dict.fromkeys(("start", "taken_ns"), (0, 2**63 - 1)),
    **dict.fromkeys(("inheritable", "permitted", "effective", "bounding", "ambient"), _U64),
    **dict.fromkeys(_IDS.split(), _U32),
}


class RecordingError(ValueError):
    """A recording that cannot be read or written; says where, what is wrong and what to do."""


# -- writing --------------------------------------------------------------------


def encode(value: Any) -> Any:
    """Return a value as dicts, lists, strings, numbers, booleans and None."""
    match value:
        case CloneFlags():
            return [name for name, flag in _FLAGS.items() if flag in value]
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {key: encode(item) for key, item in value.items()}
        case tuple():
            return [encode(item) for item in value]
    cls: type = type(value)
    shape = _shape(cls)
    if len(shape) == 1:
        return encode(getattr(value, next(iter(shape))))
    found = ((name, getattr(value, name), default) for name, (_, default) in shape.items())
    return {name: encode(item) for name, item, default in found if item != default}


def dumps(data: Any, indent: str = "") -> str:
    """Return JSON to be read, and compared line by line: a line is as long as it may be.

    Raises
    ------
    ValueError
        For a number that JSON has not: NaN and the infinities.
    """
    line = json.dumps(data, allow_nan=False)
    if len(indent) + len(line) <= WIDTH or not isinstance(data, dict | list) or not data:
        return line
    inner = f"{indent}  "
    if isinstance(data, dict):
        parts = [f"{json.dumps(name)}: {dumps(item, inner)}" for name, item in data.items()]
        opened, closed = "{}"
    else:
        parts = [dumps(item, inner) for item in data]
        opened, closed = "[]"
    return f"{opened}\n{inner}" + f",\n{inner}".join(parts) + f"\n{indent}{closed}"


# -- reading --------------------------------------------------------------------


def loads(text: str) -> Any:
    """Return what a text in JSON says; a key twice, or a number JSON has not, is refused."""
    try:
        return json.loads(
            text, object_pairs_hook=_unique, parse_constant=_constant, parse_int=_integer
        )
    except RecursionError:
        raise RecordingError("is nested too deeply for any recording") from None
    except ValueError as error:
        raise RecordingError(f"is not the JSON of a recording: {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{shown(name)} stands twice in one object")
        found[name] = value
    return found


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _integer(digits: str) -> int:
    if len(digits) > 20:  # as many as 64 bits have
        raise ValueError(f"an integer of {len(digits)} digits")
    return int(digits)


def decode(kind: Any, data: Any, where: str) -> Any:
    """Return the value of a type that JSON data stand for.

    Raises
    ------
    RecordingError
        They stand for none; says where, such as ``value.birth.uid_map[0].size``.
    """
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):  # X | None
        if data is None:
            return None
        (kind,) = (arg for arg in args if arg is not NoneType)
        return decode(kind, data, where)
    if origin is Literal:
        if not isinstance(data, str) or data not in args:
            raise RecordingError(f"{where} is {shown(data)}, not one of {', '.join(args)}")
        return data
    if origin is tuple:
        items = _of_type(list, data, where)
        return tuple(decode(args[0], item, f"{where}[{n}]") for n, item in enumerate(items))
    if origin is Mapping:
        pairs = _of_type(dict, data, where).items()
        return {key: decode(args[1], item, _below(where, key)) for key, item in pairs}
    if kind is CloneFlags:
        return _flags(data, where)
    if is_dataclass(kind):
        return _object(kind, data, where)
    return _plain(kind, data, where)


def decode_attributes(shape: Shape, data: Any, where: str) -> dict[str, Any]:
    """Return the attributes of an object by name, those with a default filled in."""
    data = _of_type(dict, data, where)
    for name in data:
        if name not in shape:
            raise RecordingError(f"{_below(where, name)} is not known here")
    found = {}
    for name, (kind, default) in shape.items():
        below = _below(where, name)
        if name in data:
            found[name] = decode(kind, data[name], below)
        elif default is MISSING:
            raise RecordingError(f"{below} is missing")
        else:
            found[name] = default
    return found


def _object(kind: Any, data: Any, where: str) -> Any:
    shape = _shape(kind)
    if len(shape) == 1:
        name, (inner, _) = next(iter(shape.items()))
        found = {name: decode(inner, data, where)}
    else:
        found = decode_attributes(shape, data, where)
    try:
        return kind(**found)
    except (TypeError, ValueError) as error:  # the value's own checks
        raise RecordingError(f"{where}: {error}") from None


def _flags(data: Any, where: str) -> CloneFlags:
    flags = CloneFlags(0)
    for n, name in enumerate(_of_type(list, data, where)):
        if not isinstance(name, str) or name not in _FLAGS:
            raise RecordingError(f"{where}[{n}] is {shown(name)}, which is no namespace flag")
        flags |= _FLAGS[name]
    return flags


def _plain(kind: Any, data: Any, where: str) -> Any:
    if kind is float and type(data) is int:
        data = float(data)
    value = _of_type(kind, data, where)
    if kind is int:
        least, most = _LIMITS.get(where.rpartition(".")[2].partition("[")[0], _INT)
        if not least <= value <= most:
            raise RecordingError(f"{where} is {value}, which is not from {least} to {most}")
    if kind is float and not math.isfinite(value):
        raise RecordingError(f"{where} is {value}, which is no duration")
    return value


_NAMES: Final[dict[type, str]] = {
    dict: "an object", list: "a list", str: "a string", int: "an integer", float: "a number",
    bool: "true or false",
}  # fmt: skip


def _of_type(kind: type[T], data: Any, where: str) -> T:
    if type(data) is not kind:  # True is no integer here
        raise RecordingError(f"{where or 'the whole'} is {shown(data)}, not {_NAMES[kind]}")
    return data


def _below(where: str, name: str) -> str:
    if not name.isidentifier() or not name.isascii():
        return f"{where}[{shown(name)}]"
    return f"{where}.{name}" if where else name


@cache
def _shape(kind: type) -> Shape:
    """Return the attributes of a class that are written.

    Not where it was recorded, which the file says once for all.
    """
    hints = get_type_hints(kind)
    return {
        field.name: (hints[field.name], field.default)
        for field in fields(kind)
        if field.name != "recorded"
    }

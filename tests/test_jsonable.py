"""What values become in JSON: plain, and valid Unicode."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsexplore._frozen import FrozenMapping
from nsexplore.command import Command
from nsexplore.jsonable import jsonable


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"/tmp/\xff", r"/tmp/\xff"),
        (b"caf\xe9 \xc3\xa9", r"caf\xe9 é"),
        ("\N{SNOWMAN} \U0001f600".encode(), "\N{SNOWMAN} \U0001f600"),
        (b"\x00\x1b", "\x00\x1b"),
    ],
)
def test_bytes_that_are_no_text_are_visible_escapes(raw: bytes, shown: str) -> None:
    """Wherever they stand: a value, a key, an item; what is text stays as it is."""
    name = raw.decode("utf-8", "surrogateescape")
    data = jsonable(Command(name, (name,), env={name: name}))
    assert (data["path"], data["args"], data["env"]) == (shown, [shown], {shown: shown})


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_any_string_becomes_valid_unicode(text: str) -> None:
    """Surrogates that stand for no byte too; valid text is not touched."""
    shown = jsonable(text)
    assert json.loads(json.dumps(shown, ensure_ascii=False).encode()) == shown
    if not any("\ud800" <= c <= "\udfff" for c in text):
        assert shown == text


@given(st.binary())
def test_any_file_name_becomes_valid_unicode(raw: bytes) -> None:
    """A byte that is no text is four characters, the others are decoded."""
    assert jsonable(raw.decode("utf-8", "surrogateescape")) == raw.decode(
        "utf-8", "backslashreplace"
    )


def test_a_frozen_mapping_is_an_object() -> None:
    """In its own order."""
    assert list(jsonable(FrozenMapping({"b": 1, "a": None})).items()) == [("b", 1), ("a", None)]

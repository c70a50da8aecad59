"""Mappings inside of frozen values never change, can be hashed, and survive pickling."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from typing import Any

import pytest

from nsexplore._frozen import FrozenMapping
from nsexplore.command import Command
from nsexplore.idmap import IDMap
from nsexplore.process import Completed
from nsexplore.timeline import Timeline, TimelineStep
from nsexplore.views import Namespace, ProcessView

VIEW = ProcessView(
    pid=4711,
    moment="birth",
    comm="sh",
    cmdline=("sh",),
    state="S (sleeping)",
    ppid=1,
    nspid=(4711, 1),
    namespaces={"user": Namespace("user", 4, 1), "net": Namespace("net", 4, 2)},
    uid_map=IDMap.garden(33),
    gid_map=IDMap.garden(33),
    setgroups="allow",
    credentials=None,
    inside=None,
    capabilities=None,
    no_new_privs=None,
    seccomp=None,
    unreadable={"ns/pid": "EACCES: Permission denied"},
)
STEPS = Timeline((TimelineStep("clone", "clone", "parent", 0.0, 412.0),))
DONE = Completed(Command("/bin/sh", ("sh",)), 0, "out", "", VIEW, STEPS)


def copies(value: Any) -> list[Any]:
    pickled = [pickle.loads(pickle.dumps(value, n)) for n in range(2, pickle.HIGHEST_PROTOCOL + 1)]
    return [copy.copy(value), copy.deepcopy(value), *pickled]


def test_it_is_a_mapping_that_keeps_its_order() -> None:
    """As a dict of the same items, made from a mapping or from pairs."""
    items = {"b": 1, "a": 2}
    for frozen in (FrozenMapping(items), FrozenMapping(items.items())):
        assert list(frozen.items()) == [("b", 1), ("a", 2)]
        assert (frozen["a"], frozen.get("c"), "b" in frozen, len(frozen)) == (2, None, True, 2)
        assert repr(frozen) == "FrozenMapping({'b': 1, 'a': 2})"
    assert not FrozenMapping()
    with pytest.raises(KeyError):
        FrozenMapping()["a"]


def test_it_is_equal_to_any_mapping_with_the_same_items() -> None:
    """In any order; equal ones have the same hash."""
    one, other = FrozenMapping({"b": 1, "a": 2}), FrozenMapping({"a": 2, "b": 1})
    assert one == other == {"a": 2, "b": 1} == one
    assert one != {"a": 2}
    assert len({one, other, FrozenMapping()}) == 2


def test_it_never_changes() -> None:
    """Neither by itself nor through what it was made from."""
    items = {"a": 1}
    frozen = FrozenMapping(items)
    items["a"] = items["b"] = 2
    assert frozen == {"a": 1}
    with pytest.raises(TypeError):
        frozen["a"] = 2  # type: ignore[index]
    with pytest.raises(AttributeError, match="never changes"):
        frozen._items = {}
    with pytest.raises(AttributeError, match="never changes"):
        del frozen._items
    with pytest.raises(AttributeError):
        frozen.other = 1
    assert frozen == {"a": 1}


def test_one_with_values_that_have_no_hash_has_none() -> None:
    """As a tuple."""
    with pytest.raises(TypeError, match="unhashable"):
        hash(FrozenMapping({"a": []}))


@pytest.mark.parametrize("value", [FrozenMapping({"b": 1, "a": 2}), VIEW, DONE], ids=type)
def test_copies_are_equal_and_as_frozen(value: Any) -> None:
    """Shallow, deep, and by every protocol of pickle; all with the same hash."""
    for other in copies(value):
        assert type(other) is type(value)
        assert other == value
        assert repr(other) == repr(value)
        assert len({value, other}) == 1


def test_a_view_keeps_what_it_was_given() -> None:
    """Whoever made it may go on with his dictionaries; equal views have one hash."""
    namespaces, unreadable = dict(VIEW.namespaces), {"a": "b"}
    view = replace(VIEW, namespaces=namespaces, unreadable=unreadable)
    same = replace(view)
    namespaces.clear()
    unreadable.clear()
    assert view == same
    assert hash(view) == hash(same) != hash(VIEW)
    assert list(view.namespaces) == ["user", "net"]
    assert view.links == {"user": "user:[1]", "net": "net:[2]"}
    with pytest.raises(TypeError):
        view.namespaces["net"] = None  # type: ignore[index]

"""`IDMap.validate` and the running kernel agree on every map, for every kind of writer.

Each map is really written, to a child in a new user namespace, by a helper
process that stands where the writer stands; see ``idmap_kernel_helper.py``.

Anybody but root is an ordinary user of the kernel, and only what needs root is
skipped.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
from conftest import need
from drivers.whoever import IS_ROOT
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from strategies import maps

import nsexplore
from nsexplore.capabilities import CAPABILITY_NAMES
from nsexplore.errors import IDMapError
from nsexplore.idmap import IDMap, IDMapping, MapWriter
from nsexplore.mapwriters import writer_now

Kind = Literal["uid", "gid"]
KINDS: tuple[Kind, ...] = ("uid", "gid")
HELPER = Path(__file__).with_name("idmap_kernel_helper.py")

# The parent's maps in the nested places. Inside, lines touch each other (0-4, 5-14)
# that lie apart outside; the last one ends at the last ID there is. More than five
# lines the kernel looks up in another way (a binary search over a sorted copy).
FOUR_LINES = "5 2000 10\n0 1000 5\n100 40000 1000\n4294967290 50000 5\n"
NOT_FROM_ZERO = "5 2000 10\n100 40000 1000\n"
SEVEN_LINES = FOUR_LINES + "40 3000 2\n30 3002 10\n20 3100 1\n"

PLACES: dict[str, dict[str, Any]] = {
    "root": {},
    "ordinary user": {"uids": [1000] * 3, "gids": [1003] * 3},
    "user whose effective IDs differ": {"uids": [1000, 1001, 1000], "gids": [1003, 1004, 1003]},
    "root without CAP_SETFCAP": {"drop": ["CAP_SETFCAP"]},
    "root without CAP_SETUID and CAP_SETGID": {"drop": ["CAP_SETUID", "CAP_SETGID"]},
    "root within four lines": {"uid_map": FOUR_LINES, "gid_map": FOUR_LINES},
    "root within seven lines": {"uid_map": SEVEN_LINES, "gid_map": SEVEN_LINES},
    "user within four lines": {
        "uid_map": FOUR_LINES,
        "gid_map": FOUR_LINES,
        "uids": [6] * 3,
        "gids": [4] * 3,
    },
    "user with all capabilities, where 0 is not mapped": {
        "uid_map": NOT_FROM_ZERO,
        "gid_map": NOT_FROM_ZERO,
        "uids": [6] * 3,
        "gids": [7] * 3,
    },
}


class Answer(NamedTuple):
    """What the kernel said of a map."""

    errno: int
    printed: str
    pid: int


class Place:
    """A helper process that writes maps from where it stands."""

    def __init__(self, config: dict[str, Any]) -> None:
        drop = [CAPABILITY_NAMES.index(name) for name in config.get("drop", ())]
        root = str(Path(nsexplore.__file__).parents[1])
        self._process = subprocess.Popen(
            [sys.executable, str(HELPER), json.dumps({**config, "drop": drop})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": root},
        )
        self.writers: dict[str, MapWriter] = {}
        for kind, fields in self._receive().items():
            fields["parent"] = IDMap.parse(fields["parent"])
            self.writers[kind] = MapWriter(**fields)

    def writer(self, kind: Kind, *, deny: bool) -> MapWriter:
        """Return what `writer_now` says in there, once "deny" is or is not written."""
        found = self.writers[kind]
        return MapWriter(
            found.euid, found.egid, found.parent, found.can_set_ids, found.can_set_fcap, deny
        )

    def write(self, kind: Kind, text: str | IDMap, *, deny: bool = False) -> Answer:
        """Write a map, really; the process it is for lives until the next one."""
        text = text.encode().decode() if isinstance(text, IDMap) else text
        question = {"kind": kind, "text": text, "setgroups": "deny" if deny else None}
        assert self._process.stdin
        print(json.dumps(question), file=self._process.stdin, flush=True)
        found = self._receive()
        assert found["step"] == "map", f"got no further than {found}"
        return Answer(found["errno"], found["printed"], found["pid"])

    def close(self) -> None:
        """End the helper; it ends its child."""
        self._process.communicate()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, f"the helper ended with {self._process.wait()}; see its stderr"
        found: dict[str, Any] = json.loads(line)
        return found


Places = Callable[[str], Place]


@pytest.fixture(scope="module")
def places() -> Iterator[Places]:
    """Open a place at its first use, and close them all at the end."""
    opened: dict[str, Place] = {}
    with ExitStack() as stack:

        def place(name: str) -> Place:
            if name not in opened:
                config = PLACES[name]
                need("user namespaces" if name == "ordinary user" else "root")
                opened[name] = Place(config if IS_ROOT else {})
                stack.callback(opened[name].close)
            return opened[name]

        yield place


def verdict(id_map: IDMap, kind: Kind, writer: MapWriter | None) -> IDMapError | None:
    """Return what `IDMap.validate` has against a map."""
    try:
        id_map.validate(kind=kind, writer=writer)
    except IDMapError as error:
        return error
    return None


def printed_by_kernel(id_map: IDMap) -> str:
    """Return how the kernel prints a map that was written.

    Up to five lines stay in the order they were written in. More are kept as
    two sorted copies (UID_GID_MAP_MAX_BASE_EXTENTS and ``sort_idmaps`` in
    kernel/user_namespace.c), and it is the one sorted by the IDs inside that
    /proc/PID/uid_map shows.
    """
    return str(id_map if len(id_map) <= 5 else IDMap(sorted(id_map)))


def assert_agreement(place: Place, id_map: IDMap, kind: Kind, *, deny: bool) -> None:
    """Write the map, and compare with what `validate` says: whether, which errno, which line."""
    error = verdict(id_map, kind, place.writer(kind, deny=deny))
    answer = place.write(kind, id_map, deny=deny)
    said = errno.errorcode.get(answer.errno, "accepted")
    event(said)
    expected = error.errno if error else 0
    assert answer.errno == expected, f"the kernel: {said}; validate: {error or 'accepted'}"
    assert answer.printed == ("" if error else printed_by_kernel(id_map))

    shape = verdict(id_map, kind, None)
    assert (shape is not None) == (answer.errno == errno.EINVAL)


def assert_stops_at_the_line(place: Place, id_map: IDMap, kind: Kind) -> None:
    """Cut the map off before and after the line that `validate` names: that one it is."""
    error = verdict(id_map, kind, None)
    if error and error.line:
        assert place.write(kind, IDMap(id_map[: error.line])).errno == errno.EINVAL
        if before := id_map[: error.line - 1]:
            assert place.write(kind, IDMap(before)).errno == 0


thorough = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize("name", PLACES)
def test_validate_agrees_with_the_kernel(name: str, places: Places) -> None:
    """Accepted or refused, EINVAL or EPERM, and at which line: whoever writes, of either kind."""
    place = places(name)
    if name == "root":
        for kind in KINDS:
            assert place.writers[kind] == writer_now(kind, False), "the helper stands where we do"

    @thorough
    @given(
        kind_and_map=st.one_of(
            [st.tuples(st.just(kind), maps_for(place.writers[kind], kind)) for kind in KINDS]
        ),
        deny=st.booleans(),
    )
    def agrees(kind_and_map: tuple[Kind, IDMap], deny: bool) -> None:
        kind, id_map = kind_and_map
        assert_agreement(place, id_map, kind, deny=deny)
        if name == "root":
            assert_stops_at_the_line(place, id_map, kind)

    agrees()


def maps_for(writer: MapWriter, kind: Kind) -> st.SearchStrategy[IDMap]:
    """Maps at the edge of what this writer may; of the whole range of IDs nothing is near."""
    return maps(
        parent=writer.parent if len(writer.parent) > 1 else None,
        own=writer.euid if kind == "uid" else writer.egid,
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("max_uid", [2, 33, 65535, 65536, 4294967294])
def test_the_garden_map_is_accepted_from_root_and_refused_to_others(
    max_uid: int, kind: Kind, places: Places
) -> None:
    """Every MaxUID from 2 to 4294967294 works; an ordinary user gets EPERM, as `validate` says."""
    garden = IDMap.garden(max_uid)
    user = places("ordinary user")
    assert user.write(kind, str(garden), deny=True).errno == errno.EPERM
    error = verdict(garden, kind, user.writer(kind, deny=True))
    assert error is not None
    assert error.errno == errno.EPERM
    answer = places("root").write(kind, str(garden))
    assert (answer.errno, answer.printed) == (0, str(garden))


@pytest.mark.parametrize("max_uid", [-1, 0, 1, 4294967295])
def test_the_map_of_a_max_uid_out_of_range_is_refused_by_the_kernel_too(
    max_uid: int, places: Places
) -> None:
    """The line that the error of `IDMap.garden` names is the one the kernel stops at."""
    lines = [f"0 {max_uid} 1\n", f"1 1 {max_uid - 1}\n"]
    with pytest.raises(IDMapError) as caught:
        IDMap.garden(max_uid)
    line = caught.value.line
    assert line
    assert lines[line - 1].strip() in str(caught.value)
    root = places("root")
    assert root.write("uid", "".join(lines[:line])).errno == errno.EINVAL == caught.value.errno
    if line > 1:
        assert root.write("uid", "".join(lines[: line - 1])).errno == 0


@pytest.mark.parametrize("number", [2**32 + 33, 2**40 + 33, 2**64 + 33])
def test_the_kernel_wraps_what_we_refuse(number: int, places: Places) -> None:
    """The one intended difference: more than 32 bits are cut off in silence, which is no use."""
    answer = places("root").write("uid", f"0 {number} 1")
    assert (answer.errno, answer.printed) == (0, str(IDMap([(0, 33, 1)])))
    for refuse in (
        lambda: IDMapping(0, number, 1),
        lambda: IDMap.parse(f"0 {number} 1"),
        lambda: IDMap.garden(number),
    ):
        with pytest.raises(IDMapError, match=str(number)):
            refuse()


@pytest.mark.parametrize("kind", KINDS)
def test_a_map_seen_from_two_levels_up_is_the_composed_one(kind: Kind, places: Places) -> None:
    """`IDMap.compose` gives what /proc shows, out here, of a process two namespaces down."""
    id_map = IDMap([(0, 7, 2), (90, 9, 1), (2, 100, 50), (60, 0, 5)])
    answer = places("root within four lines").write(kind, str(id_map))
    assert (answer.errno, answer.printed) == (0, str(id_map))
    seen = IDMap.parse(Path(f"/proc/{answer.pid}/{kind}_map").read_text())
    assert sorted(seen) == list(id_map.compose(IDMap.parse(FOUR_LINES)))


def test_a_map_of_more_than_five_lines_is_printed_sorted(places: Places) -> None:
    """Five lines stay as written, six are sorted by the ID inside."""
    lines = [(10 - i, 20 + i, 1) for i in range(6)]
    root = places("root")
    assert root.write("uid", str(IDMap(lines[:5]))).printed == str(IDMap(lines[:5]))
    assert root.write("uid", str(IDMap(lines))).printed == str(IDMap(sorted(lines)))


def test_a_map_that_nobody_wrote_reads_as_the_empty_map(places: Places) -> None:
    """Before the map is written /proc shows nothing, and `IDMap.parse` takes that."""
    answer = places("ordinary user").write("uid", "")
    assert answer.errno == errno.EINVAL
    assert len(IDMap.parse(answer.printed)) == 0


FIELDS = ("0", "1", "5", "10", "007", "0" * 30, "", "-1", "+1", "0x1", "1e1", "1.0", "٣", "\x00")
GAPS = (" ", " ", "  ", "\t", "\v", "\f", "\r", "\n", "\xa0", "\x1c", "\x85", "\u2028", "", ",")
ENDS = ("\n", "\n", "", "\n\n", "\r\n", " ", "\x85", "\u2028")
gaps = st.sampled_from((" ", "\t")) | st.sampled_from(GAPS)
fields = st.sampled_from(("0", "1", "5")) | st.sampled_from(FIELDS)
texts = st.lists(
    st.tuples(
        st.just("") | gaps,
        fields,
        gaps,
        fields,
        gaps,
        fields,
        st.just("") | gaps,
        st.sampled_from(ENDS),
    ).map("".join),
    min_size=1,
    max_size=2,
).map("".join)


def test_parse_takes_and_refuses_the_texts_that_the_kernel_does(places: Places) -> None:
    """White space, leading zeros, empty lines, signs and foreign digits: judged as it judges them.

    But for a NUL: the kernel ends the text there, and takes what stands before it.
    """
    root = places("root")
    assert root.write("uid", "0 0 1\n\x00 anything").errno == 0

    @thorough
    @given(text=texts)
    @example(text="0 0 1\r\n1 1 1\r\n")
    @example(text="\n0 0 1\n")
    @example(text=f"0 {'0' * 1000}5 1\n")
    def agrees(text: str) -> None:
        try:
            parsed = IDMap.parse(text).validate()
        except IDMapError:
            parsed = None
        if "\x00" in text:
            assert parsed is None
            return
        answer = root.write("uid", text)
        event("refused" if answer.errno else "accepted")
        assert answer.printed == ("" if parsed is None else str(parsed))

    agrees()


@pytest.mark.needs("user namespaces")
def test_a_new_namespace_takes_deny_over_from_its_parent() -> None:
    """Where setgroups is denied already, `writer_now` says so, and the kernel acts so."""
    script = (
        "import os, sys; sys.path[:0] = sys.argv[1:3]\n"
        "import idmap_kernel_helper as helper\n"
        "uid, gid = os.geteuid(), os.getegid()\n"
        "if uid == 0: uid, gid = 1000, 1003; helper.become([uid] * 3, [gid] * 3)\n"
        "helper.unshare_user() and sys.exit('no user namespace')\n"
        "helper.write_file('/proc/self/uid_map', f'0 {uid} 1')\n"
        "helper.write_file('/proc/self/setgroups', 'deny')\n"
        "helper.write_file('/proc/self/gid_map', f'0 {gid} 1')\n"
        "helper.drop(range(41))\n"
        "child = helper.Child()\n"
        "print(helper.writer_now('gid', False).setgroups_denied)\n"
        "print(helper.ask(child, 'gid', '0 0 1', None)['errno'])\n"
        "child.reap()\n"
    )
    root = str(Path(nsexplore.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", script, str(HELPER.parent), root], capture_output=True, text=True
    )
    assert done.stdout.split() == ["True", "0"], done.stderr

"""The doctor raises no false alarm, and what it says can be done, others can do.

The independent opinion is util-linux's unshare(1), mount(8) and ip(8), run in the
same process's place: what they can do is possible, what they cannot is not.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import circumstances as c
import pytest
import seccomp

from nsexplore import CloneFlags
from nsexplore.kinds import KINDS

pytestmark = pytest.mark.usefixtures("root")


@pytest.fixture(scope="module", autouse=True)
def _end_the_zygote() -> Iterator[None]:
    yield
    c.end()


ALL_KINDS = sum(kind.flag for kind in KINDS)

HEALTHY: dict[str, tuple[tuple[c.Circumstance, ...], str]] = {
    "root": ((), "garden"),
    "root without CAP_SYS_ADMIN": ((c.WITHOUT_SYS_ADMIN,), "garden"),
    "root with sub-IDs": ((c.etc({"subuid": "root:9:9\n", "subgid": "root:9:9\n"}),), "garden"),
    "an ordinary user": ((c.ORDINARY,), "one ID"),
    "an ordinary user with sub-IDs": ((c.WITH_SUBIDS, c.ORDINARY), "sub-IDs"),
    "root in a namespace with all IDs": ((c.NESTED,), "garden"),
    "root in a garden namespace": ((c.GARDEN,), "garden"),
    "root in a rootless namespace": ((c.ORDINARY, c.ROOTLESS), "one ID"),
    "root in a namespace of one ID": ((c.ROOTLESS,), "one ID"),
    "root in a namespace without setgroups": ((c.NO_SETGROUPS,), "one ID"),
    "root in privileged namespaces": ((c.PRIVILEGED_NAMESPACES,), "garden"),
    "an ordinary user under an unrelated filter": (
        (c.filtered(seccomp.answers({"keyctl": 1})), c.ORDINARY),
        "one ID",
    ),
    "an ordinary user under RestrictNamespaces=no": (
        (c.filtered(seccomp.restrict_namespaces(ALL_KINDS)), c.ORDINARY),
        "one ID",
    ),
    "an ordinary user where something is mounted in /proc": (
        (c.SOMETHING_IN_PROC, c.ORDINARY),
        "one ID",
    ),
    "an ordinary user under no_new_privs": ((c.NO_NEW_PRIVS, c.ORDINARY), "one ID"),
    "an ordinary user without PATH and stdin": ((c.NO_ENVIRONMENT, c.ORDINARY), "one ID"),
    "root without PATH and stdin": ((c.NO_ENVIRONMENT,), "garden"),
    "root after pivot_root": ((c.PIVOTED,), "garden"),
    "an ordinary user after pivot_root": ((c.PIVOTED, c.ORDINARY), "one ID"),
}

ILL: dict[str, tuple[c.Circumstance, ...]] = {
    **{f"no {kind.name} namespaces": (c.limit(kind.name),) for kind in KINDS},
    "a limit outside": (c.limit_outside("ipc"),),
    "Docker's filter": (c.filtered(seccomp.docker()), c.ORDINARY),
    "RestrictNamespaces=uts": (
        c.filtered(seccomp.restrict_namespaces(CloneFlags.NEWUTS | CloneFlags.NEWUSER)),
        c.ORDINARY,
    ),
    "a masked /proc": (c.MASKED_PROC, c.ORDINARY),
    "hidepid": (c.HIDEPID[2], c.ORDINARY),
    "deep user namespaces": (c.DEEP_USER,),
    "deep PID namespaces": (c.DEEP_PID,),
    "no newuidmap": (c.WITH_SUBIDS, c.NO_HELPERS, c.ORDINARY),
    "newuidmap without setuid": (c.WITH_SUBIDS, c.HELPERS_WITHOUT_SETUID, c.ORDINARY),
    "newuidmap without effect": (c.WITH_SUBIDS, c.NO_NEW_PRIVS, c.ORDINARY),
}

WORD = {"pid": "--pid --fork", "mnt": "--mount --propagation=unchanged"}
FIVE = "--mount --net --ipc --uts --pid --fork"

# Garden's map takes a parent: a shell writes it while the process waits.
GARDEN = """
last=$(awk '{ n = $1 + $3 - 1; if (n > m) m = n } END { printf "%.0f", m }' /proc/self/uid_map)
here=$(readlink /proc/self/ns/user)
unshare --user MORE sleep 9 & p=$!
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    [ "$(readlink /proc/$p/ns/user)" != "$here" ] && break; sleep 0.02
done
map=$(printf '0 %s 1\\n1 1 %.0f' $last $(echo "$last" | awk '{ printf "%.0f", $1 - 1 }'))
echo "$map" > /proc/$p/uid_map && echo allow > /proc/$p/setgroups &&
    echo "$map" > /proc/$p/gid_map
result=$?
kill $p
exit $result
""".replace("MORE", FIVE.replace(" --fork", ""))


def opinions() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return what other programs do for each check, by its name and how."""
    said = {
        "a process|": "true",
        "garden|root inside is MaxUID": GARDEN,
        "sub-IDs|root inside is oneself, the others from /etc/subuid": (
            f"unshare --map-root-user --map-auto {FIVE} true"
        ),
        "one ID|root inside is oneself": f"unshare --map-root-user {FIVE} true",
        "none|no user namespace: root inside is root": f"unshare {FIVE} true",
        "see other users' processes|": "cat /proc/1/status",
    }
    for kind in KINDS:
        word = WORD.get(kind.name, f"--{kind.name}")
        if kind.name == "user":
            said["user|"] = "unshare --user true"
        else:
            said[f"{kind.name}|in a new user namespace"] = f"unshare --user {word} true"
            said[f"{kind.name}|without one"] = f"unshare {word} true"
    inside = {
        "mount a tmpfs|": "mount -t tmpfs none /mnt",
        "mount a folder again|": "mount --rbind / /mnt",
        "mount a new /proc|": "mount -t proc proc /proc",
        "bring lo up|": "ip link set lo up",
        "set the hostname|": "hostname nsexplore",
    }
    for name, line in inside.items():
        said[name] = f"unshare --map-root-user {FIVE} {line}"
        said[f"{name}none"] = f"unshare {FIVE} {line}"  # where there is no other way
    return tuple((name, ("sh", "-c", line)) for name, line in said.items())


OPINIONS = opinions()


def compared(*made: c.Circumstance) -> tuple[c.Found, dict[str, bool], dict[str, bool]]:
    """Return what was found, what the doctor says, and what the others say, by check."""
    missing = [name for name in ("unshare", "mount", "ip", "hostname") if not shutil.which(name)]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")
    found = c.found(*made, opinions=OPINIONS)
    ours, others = {}, {}
    for check in found.diagnosis.checks:
        name = f"{check.name}|{check.how}"
        if check.possible is not None:
            ours[name] = check.possible
            plain = f"{name}{found.diagnosis.way}"
            others[name] = found.opinions[plain if plain in found.opinions else name]
    return found, ours, others


each_healthy = pytest.mark.parametrize("name", HEALTHY)


@each_healthy
def test_there_is_nothing_to_fix_where_all_is_well(name: str) -> None:
    """No fault, and a way: in the outermost namespaces and in nested ones, as anybody."""
    made, way = HEALTHY[name]
    found = c.found(*made)
    assert found.faults() == []
    assert found.diagnosis.ok
    assert found.diagnosis.way == way


@each_healthy
def test_what_is_not_possible_there_is_explained_by_a_rule_or_an_option(name: str) -> None:
    """Each no has a cause, none of them a guess, and each with another way to go."""
    made, _ = HEALTHY[name]
    for check in c.found(*made).diagnosis.checks:
        assert bool(check.causes) == (not check.possible), check
        for cause in check.causes:
            assert (cause.kind in ("rule", "option"), cause.certainty) == (True, "proven"), cause
            assert cause.fix
            assert cause.evidence


@each_healthy
def test_others_agree_on_what_can_be_done_where_all_is_well(name: str) -> None:
    """With util-linux's unshare(1), check by check."""
    made, _ = HEALTHY[name]
    if c.PIVOTED in made:
        return  # nothing is there that could be run
    _, ours, others = compared(*made)
    assert ours == others


@pytest.mark.parametrize("name", ILL)
def test_others_agree_on_what_cannot_be_done_where_something_is_wrong(name: str) -> None:
    """The same: neither more nor less fails."""
    found, ours, others = compared(*ILL[name])
    assert found.faults()
    assert ours == others

"""Pictures of what the doctor found: what can be done here, and why not the rest."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import wrap
from typing import Final

from ..diagnosis import Brief, Cause, Check, Diagnosis, Evidence
from ..kinds import KINDS
from ._escape import visible
from ._html import Html, badge, escape, facts, folded, join, muted, section, table, tag
from ._plain import columns, indent
from ._plain import facts as plain_facts
from ._words import error, plural

__all__ = [
    "as_html",
    "as_text",
    "brief_html",
    "brief_text",
    "cause_html",
    "cause_text",
    "check_html",
    "check_text",
    "evidence_html",
    "evidence_text",
]

_WIDTH: Final = 96
_LONGEST: Final = 1000

_VERDICTS: Final = {
    "garden": "processes can be started in new namespaces, with garden's ID map too",
    "sub-IDs": 'processes can be started in new namespaces with id_map="rootless": root inside is'
    " yourself, the other IDs come from /etc/subuid and /etc/subgid",
    "one ID": 'processes can be started in new namespaces with id_map="rootless": root inside is'
    " yourself, and the only ID there is",
    "none": "processes can be started in new namespaces with privileged=True only: root inside is"
    " this machine's real root",
    "": "no process can be started in new namespaces here; plans and recordings can be looked at",
}

_HELPS: Final = {"fault": "what helps", "rule": "instead", "option": "to have it"}
_HEADINGS: Final = {
    "fault": "to fix",
    "rule": "as it should be, and what to do instead",
    "option": "not set up here, and need not be",
}


def _verdict(diagnosis: Diagnosis) -> str:
    return f"{'✓' if diagnosis.ok else '✗'} {_VERDICTS[diagnosis.way]}"


def _asked(diagnosis: Diagnosis) -> str:
    return f"{diagnosis.system} · {diagnosis.user}"


def as_text(diagnosis: Diagnosis) -> str:
    """Return the verdict, every check, and every cause with its evidence."""
    numbers = _numbers(diagnosis)
    lines = [f"doctor · {_asked(diagnosis)}", *wrap(_verdict(diagnosis), _WIDTH), ""]
    header = ("namespace", *_WAYS)
    lines += columns(
        ((name, *(_cell(check, numbers) for check in row)) for name, row in _kinds(diagnosis)),
        header,
    )
    for heading, group in (("ID map", "ID maps"), ("afterwards", "afterwards")):
        lines += ["", *columns(_rows(diagnosis, group, numbers), (heading, "", ""))]
    broken = [c for c in diagnosis.checks if c.group == "start" and c.possible is False]
    lines += (f"\n{check.name}  {_cell(check, numbers)}" for check in broken)
    for kind, heading in _HEADINGS.items():
        causes = [cause for cause in diagnosis.causes if cause.kind == kind]
        if causes:
            lines += ["", heading]
            for cause in causes:
                lines += indent(_cause_lines(cause, f"[{numbers[cause.key]}] "))
        elif kind == "fault":
            lines += ["", "nothing to fix"]
    return "\n".join(lines)


def as_html(diagnosis: Diagnosis) -> Html:
    """Return the verdict, every check, and every cause with its evidence folded below."""
    numbers = _numbers(diagnosis)
    verdict = tag("b", _verdict(diagnosis), class_="nsx-ok" if diagnosis.ok else "nsx-bad")
    parts = [
        section(
            tag("div", verdict, class_="nsx-row"),
            tag("p", muted(_asked(diagnosis)), class_="nsx-p"),
        )
    ]
    broken = [c for c in diagnosis.checks if c.group == "start" and c.possible is False]
    parts += [section(tag("div", c.name, _mark(c, numbers), class_="nsx-row")) for c in broken]
    kinds = {kind.name: kind for kind in KINDS}
    parts.append(
        section(
            table(
                "namespaces",
                ("kind", *_WAYS),
                (
                    (
                        badge(kinds[name], name) if name in kinds else name,
                        *(_mark(check, numbers) for check in row),
                    )
                    for name, row in _kinds(diagnosis)
                ),
            )
        )
    )
    tables = (
        tag("div", _group_html(diagnosis, "ID maps", numbers)),
        tag("div", _group_html(diagnosis, "afterwards", numbers)),
    )
    parts.append(section(tag("div", *tables, class_="nsx-cols")))
    for kind, heading in _HEADINGS.items():
        causes = [cause for cause in diagnosis.causes if cause.kind == kind]
        if causes:
            items = (_cause_html(cause, f"[{numbers[cause.key]}] ") for cause in causes)
            if kind == "fault":
                parts.append(section(*items, heading=heading))
            else:
                parts.append(folded(f"{heading} ({len(causes)})", section(*items)))
        elif kind == "fault":
            parts.append(section(muted("nothing to fix")))
    return join(parts)


# -- in three lines -------------------------------------------------------------


def brief_text(brief: Brief) -> str:
    """Return what works, what does not and why, and what to do: a line each."""
    return "\n".join(plain_facts(_brief(brief)))


def brief_html(brief: Brief) -> Html:
    """Return what works, what does not and why, and what to do: a row each."""
    (name, works), *others = _brief(brief)
    verdict = tag("b", works, class_="nsx-ok" if brief.whole.ok else "nsx-bad")
    rows = [(name, verdict), *((name, escape(text, _LONGEST)) for name, text in others)]
    return section(facts("The doctor, in three lines", rows))


def _brief(brief: Brief) -> list[tuple[str, str]]:
    refused, todo = "nothing that namespaces need", "nothing"
    if brief.reasons:
        first, *rest = brief.reasons
        more = f" (and {plural(len(rest), 'more reason')}: nx.doctor())" if rest else ""
        refused, todo = _told(first) + more, _to_do(first)
    return [("works", _verdict(brief.whole)), ("refused", refused), ("to do", todo)]


def _to_do(cause: Cause) -> str:
    if not cause.fix:
        return "nothing helps here; there are recordings to look at"
    if cause.kind == "rule":
        return f"nothing is broken; instead, {cause.fix}"
    return cause.fix if cause.by == "you" else f"ask {cause.by}: {cause.fix}"


# -- checks ---------------------------------------------------------------------

_WAYS: Final = ("in a new user namespace", "without one")


def _numbers(diagnosis: Diagnosis) -> dict[str, int]:
    """Return what each cause is called in the tables."""
    return {cause.key: number for number, cause in enumerate(diagnosis.causes, 1)}


def _kinds(diagnosis: Diagnosis) -> list[tuple[str, tuple[Check | None, Check | None]]]:
    found = {(c.name, c.how): c for c in diagnosis.checks if c.group == "namespaces"}
    rows = []
    for name in dict.fromkeys(name for name, _ in found):
        first = found.get((name, _WAYS[0]), found.get((name, "")))
        rows.append((name, (first, found.get((name, _WAYS[1])))))
    return rows


def _rows(
    diagnosis: Diagnosis, group: str, numbers: dict[str, int]
) -> Iterable[tuple[str, str, str]]:
    for check in diagnosis.checks:
        if check.group == group:
            yield check.name, _cell(check, numbers), check.how


def _cell(check: Check | None, numbers: dict[str, int] | None = None) -> str:
    if check is None:
        return ""
    if check.possible is None:
        return "- not tried"
    if check.possible:
        return "✓"
    failed = f"✗ {check.step}"
    if check.errno:
        failed += f": {error(check.errno).partition(':')[0]}"
    return failed + "".join(f" [{(numbers or {})[c.key]}]" for c in check.causes if numbers)


def _mark(check: Check | None, numbers: dict[str, int]) -> Html:
    if check is None or check.possible is None:
        return muted(_cell(check, numbers))
    # A rule or an option is no fault: it does not shout.
    quiet = all(cause.kind != "fault" for cause in check.causes)
    class_ = "nsx-ok" if check.possible else "nsx-mut" if quiet else "nsx-bad"
    return tag("span", _cell(check, numbers), class_=f"{class_} nsx-nb")


def _group_html(diagnosis: Diagnosis, group: str, numbers: dict[str, int]) -> Html:
    rows = (
        (tag("span", check.name, class_="nsx-nb"), _mark(check, numbers), muted(check.how))
        for check in diagnosis.checks
        if check.group == group
    )
    return table(group, ("", "can it be done?", ""), rows)


def check_text(check: Check) -> str:
    """Return one check with its causes."""
    way = f" ({check.how})" if check.how else ""
    lines = [f"{visible(check.name, 80)}{way}  {_cell(check)}"]
    for cause in check.causes:
        lines += indent(_cause_lines(cause))
    return "\n".join(lines)


def check_html(check: Check) -> Html:
    """Return one check with its causes."""
    head = tag("div", tag("b", check.name), _mark(check, {}), muted(check.how), class_="nsx-row")
    return section(head, *(_cause_html(cause) for cause in check.causes))


# -- causes ---------------------------------------------------------------------


def _told(cause: Cause) -> str:
    return cause.words if cause.certainty == "proven" else f"likely: {cause.words}"


def _details(cause: Cause) -> list[tuple[str, str]]:
    rows = [
        (_HELPS[cause.kind], cause.fix),
        ("by whom", "" if cause.by == "you" or not cause.fix else cause.by),
        ("what would prove it", cause.proof),
        ("rule", cause.source),
    ]
    return [(name, text) for name, text in rows if text]


def _cause_lines(cause: Cause, number: str = "") -> list[str]:
    told = wrap(
        number + visible(_told(cause), _LONGEST), _WIDTH - 2, subsequent_indent=" " * len(number)
    )
    rows = [("seen", f"{e.where}: {e.found}") for e in cause.evidence] + _details(cause)
    lines = []
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        indented = " " * (width + 2)
        lines += wrap(
            f"{name:{width}}  {visible(value, _LONGEST)}",
            _WIDTH - 6,
            subsequent_indent=indented,
            break_on_hyphens=False,
        )
    return [*told, *indent(lines, " " * max(len(number), 2))]


def _cause_html(cause: Cause, number: str = "") -> Html:
    evidence = [
        ("seen", join((tag("code", e.where), ": ", tag("code", e.found)))) for e in cause.evidence
    ]
    rows = [*evidence, *_details(cause)]
    return tag(
        "div",
        tag("p", tag("b", number, _told(cause)), class_="nsx-p"),
        facts(f"About {cause.key}", rows),
        class_="nsx-cause",
    )


def cause_text(cause: Cause) -> str:
    """Return one cause with its evidence and what helps."""
    return "\n".join(_cause_lines(cause))


def cause_html(cause: Cause) -> Html:
    """Return one cause with its evidence and what helps."""
    return section(_cause_html(cause))


def evidence_text(evidence: Evidence) -> str:
    """Return one line."""
    return f"{visible(evidence.where)}: {visible(evidence.found)}"


def evidence_html(evidence: Evidence) -> Html:
    """Return one line."""
    return section(tag("code", evidence.where), ": ", tag("code", evidence.found))

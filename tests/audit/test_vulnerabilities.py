"""Which releases an advisory affects, by OSV's rule: compared with a second implementation of its specification."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from lockgen.audit.advisory_model import Advisory, Affected, Event
from lockgen.audit.model import AffectedPackage
from lockgen.audit.osv_reader import packages_of, parse_advisory, parse_batch
from lockgen.audit.vulnerabilities import as_one, audited, counting, grouped, touches
from lockgen.core.manifest import IgnoredAdvisory

Kind = Literal["introduced", "fixed", "last_affected", "limit"]


def advisory(
    name: str = "CVE-1", *events: tuple[Kind, str], versions: tuple[str, ...] = (), **more: object
) -> Advisory:
    ranges = (tuple(Event(kind, version) for kind, version in events),) if events else ()
    return Advisory(name, (), "", (Affected("x", versions, ranges),), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("events", "inside", "outside"),
    [
        ([("introduced", "0")], ["0", "0.dev1", "99"], []),
        ([("introduced", "0"), ("fixed", "2.6.0")], ["2.5.1", "2.6.0rc1"], ["2.6.0", "2.6.0.post1", "3"]),
        ([("introduced", "1.2")], ["1.2", "1.2.0", "1.10"], ["1.1.9", "1.2rc1"]),
        ([("introduced", "0"), ("last_affected", "2.5.1")], ["2.5.1", "2.5.1.0", "1"], ["2.5.1.post1", "2.5.2"]),
        ([("introduced", "0"), ("fixed", "1"), ("introduced", "2"), ("fixed", "3")], ["0.9", "2", "2.9"], ["1.5", "3"]),
        ([("fixed", "3"), ("introduced", "2"), ("fixed", "1"), ("introduced", "0")], ["0.9", "2"], ["1", "3"]),
        ([("introduced", "2"), ("last_affected", "2")], ["2"], ["1", "2.1"]),
        ([("introduced", "0"), ("limit", "2")], ["1"], ["2", "3"]),
        ([("introduced", "0"), ("limit", "*")], ["1", "99"], []),
        ([("introduced", "1!0")], ["1!2"], ["9"]),
    ],
)
def test_a_range_contains_its_versions(events: list[tuple[Kind, str]], inside: list[str], outside: list[str]) -> None:
    one = advisory("CVE-1", *events)
    assert [touches(one, "x", Version(text)) for text in inside] == [(True, "")] * len(inside)
    assert [touches(one, "x", Version(text)) for text in outside] == [(False, "")] * len(outside)
    assert touches(one, "y", Version("1")) == (False, "")


numbers = st.integers(0, 9)


@given(st.lists(st.tuples(numbers, st.none() | numbers), min_size=1, max_size=4), numbers, st.randoms())
def test_the_order_of_events_does_not_matter(spans: list[tuple[int, int | None]], version: int, random: object) -> None:
    """With separate spans, an advisory affects the versions inside one of them."""
    events: list[tuple[Kind, str]] = []
    end = -1
    meant = False
    for gap, length in spans:
        start = end + 1 + gap
        events.append(("introduced", str(start)))
        if length is None:
            meant |= version >= start
            break
        end = start + length + 1
        events.append(("fixed", str(end)))
        meant |= start <= version < end
    random.shuffle(events)  # type: ignore[attr-defined]
    assert touches(advisory("CVE-1", *events), "x", Version(str(version)))[0] is meant


def test_listed_versions_match_in_any_spelling() -> None:
    one = advisory(versions=("1.0.0", "2.0-RC1", "2004d of old"))
    assert touches(one, "x", Version("1.0"))[0]
    assert touches(one, "x", Version("2.0rc1"))[0]
    assert not touches(one, "x", Version("2.0"))[0]


def test_an_unclear_record_affects_and_a_withdrawn_one_does_not() -> None:
    assert touches(advisory(), "x", Version("1")) == (True, "CVE-1 lists no release of x")
    odd = advisory("CVE-1", ("introduced", "0"), ("fixed", "newest"))
    assert touches(odd, "x", Version("1"))[0]
    assert "cannot be read" in touches(odd, "x", Version("1"))[1]
    assert touches(advisory("CVE-1", ("introduced", "0"), withdrawn=True), "x", Version("1")) == (False, "")


def named(identifier: str, *aliases: str, **more: object) -> Advisory:
    every = (Affected("x", (), ((Event("introduced", "0"), Event("fixed", "2")),)),)
    return Advisory(identifier, aliases, f"of {identifier}", every, **more)  # type: ignore[arg-type]


def test_records_that_share_a_name_are_one_vulnerability() -> None:
    records = [named("PYSEC-1", "CVE-1"), named("GHSA-1", "CVE-1", "CVE-2"), named("OTHER-9", "CVE-2"), named("CVE-3")]
    groups = [[record.id for record in group] for group in grouped(records)]
    assert groups == [["GHSA-1", "OTHER-9", "PYSEC-1"], ["CVE-3"]]
    one = as_one(grouped(records)[0], "x", Version("1"))
    assert (one.id, one.record, one.summary) == ("CVE-1", "GHSA-1", "of GHSA-1")
    assert one.ids == ("CVE-1", "CVE-2", "GHSA-1", "OTHER-9", "PYSEC-1")
    assert one.fixed == ("2",)


def test_the_highest_score_of_a_group_counts() -> None:
    records = [
        named("GHSA-1", "CVE-1", score=5.0, level="medium"),
        named("PYSEC-1", "CVE-1", score=9.1, level="critical"),
    ]
    one = as_one(records, "x", Version("1"))
    assert (one.score, one.level) == (9.1, "critical")
    words = [named("GHSA-1", level="high"), named("PYSEC-1", "GHSA-1")]
    assert as_one(words, "x", Version("1")).level == "high"


PACKAGE = AffectedPackage("x", "1+cu121", "1", None, ("cuda",), ("asr:cuda",), ())
TODAY = date(2026, 1, 31)


@pytest.mark.parametrize(
    ("until", "counts"),
    [(None, False), (date(2026, 1, 31), False), (date(2026, 2, 1), False), (date(2026, 1, 30), True)],
)
def test_an_ignore_applies_until_the_end_of_its_day(until: date | None, counts: bool) -> None:
    ignore = IgnoredAdvisory("cve-1", "why", until, ())
    found = audited("here", [PACKAGE], {"x": [named("GHSA-1", "CVE-1")]}, [ignore], TODAY)
    assert bool(found.open) is counts
    assert found.expired == ((ignore,) if counts else ())
    assert found.idle == ()
    assert bool(counting([named("GHSA-1", "CVE-1")], [ignore], TODAY)) is counts


def test_findings_ignores_and_fixes_use_the_same_groups() -> None:
    """A record about other releases connects two about this one, and its name ignores both."""
    link = Advisory("PYSEC-1", ("CVE-1", "CVE-2"), "", (Affected("x", ("0.1",), ()),))
    gone = replace(link, id="PYSEC-2", aliases=("CVE-2", "CVE-3"), withdrawn=True)
    records = [named("GHSA-1", "CVE-1"), named("GHSA-2", "CVE-2"), link, gone, named("GHSA-3", "CVE-3")]
    found = audited("here", [PACKAGE], {"x": records}, [], TODAY)
    assert [one.vulnerability.ids for one in found.findings] == [
        ("CVE-1", "CVE-2", "GHSA-1", "GHSA-2", "PYSEC-1"),
        ("CVE-3", "GHSA-3"),
    ]
    ignore, idle = IgnoredAdvisory("pysec-1", "why", None, ()), IgnoredAdvisory("PYSEC-2", "why", None, ())
    found = audited("here", [PACKAGE], {"x": records}, [ignore, idle], TODAY)
    assert [one.vulnerability.id for one in found.open] == ["CVE-3"]
    assert found.idle == (idle,)
    assert counting(records, [ignore, idle], TODAY) == [records[-1]]


def test_an_ignore_of_an_unaffecting_group_is_idle() -> None:
    elsewhere = Advisory("PYSEC-1", (), "", (Affected("x", ("0.1",), ()),))
    ignore = IgnoredAdvisory("PYSEC-1", "why", None, ())
    found = audited("here", [PACKAGE], {"x": [elsewhere]}, [ignore], TODAY)
    assert (found.findings, found.idle) == ((), (ignore,))


# -- records -------------------------------------------------------------------

RECORD = {
    "id": "GHSA-1",
    "modified": "2025-01-01T00:00:00Z",
    "aliases": ["CVE-1"],
    "details": "Long\nwords.",
    "severity": [
        {"type": "CVSS_V4", "score": "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"},
        {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"},
        {"type": "CVSS_V2", "score": "AV:N/AC:L/Au:N/C:C/I:C/A:C"},
        {"type": "else", "score": "terrible"},
    ],
    "affected": [
        {"package": {"ecosystem": "npm", "name": "py-yaml"}, "ranges": 1},
        {
            "package": {"ecosystem": "PyPI", "name": "Py_YAML"},
            "ranges": [
                {"type": "GIT", "events": [{"introduced": "abc"}]},
                {"type": "ECOSYSTEM", "events": [{"introduced": "0"}]},
            ],
            "versions": None,
        },
    ],
}


def test_only_the_pypi_part_of_a_record_is_read() -> None:
    assert packages_of(RECORD) == {"py-yaml"}
    one = parse_advisory(RECORD)
    assert one == Advisory(
        "GHSA-1",
        ("CVE-1",),
        "Long words.",
        (Affected("py-yaml", (), ((Event("introduced", "0"),),)),),
        10.0,
        "critical",
    )


def test_a_range_of_commits_names_no_release() -> None:
    commits = {"type": "GIT", "events": [{"introduced": "0"}, {"fixed": "abc"}]}
    package = {"ecosystem": "PyPI", "name": "x"}
    one = parse_advisory({**RECORD, "affected": [{"package": package, "ranges": [commits]}]})
    assert touches(one, "x", Version("1")) == (True, "GHSA-1 lists only commits, no release of x")
    one = parse_advisory({**RECORD, "affected": [{"package": package, "ranges": [commits], "versions": ["2"]}]})
    assert touches(one, "x", Version("1")) == (False, "")
    assert touches(one, "x", Version("2")) == (True, "")


@pytest.mark.parametrize(
    "change",
    [
        {"id": ""},
        {"id": 7},
        {"aliases": "CVE-1"},
        {"affected": {}},
        {"affected": [{"package": {"ecosystem": "PyPI"}}]},
        {"affected": [{"package": {"ecosystem": "PyPI", "name": "x"}, "ranges": [{"type": "SEMVER", "events": []}]}]},
        {"affected": [{"package": {"ecosystem": "PyPI", "name": "x"}, "versions": [1]}]},
        {"severity": ["high"]},
    ],
)
def test_an_incomplete_record_is_an_error(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_advisory({**RECORD, **change})


@pytest.mark.parametrize(
    "answer", [{}, [], {"results": None}, {"results": [{}]}, {"results": [1, 2]}, {"results": [{}, {"vulns": [{}]}]}]
)
def test_an_incomplete_answer_is_an_error(answer: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_batch(answer, 2)

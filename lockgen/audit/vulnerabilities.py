"""Decide which releases an advisory affects, which records are one vulnerability, and which of them count.

The rule for ranges is OSV's own: ossf.github.io/osv-schema, "Evaluation"; versions are ordered by PEP 440.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import NamedTuple

from packaging.version import InvalidVersion, Version

from lockgen.audit.advisory_model import LEVELS, UNKNOWN, Advisory, Affected, Event
from lockgen.audit.model import AffectedPackage, Audit, AuditFinding, Fix, Vulnerability
from lockgen.core.manifest import IgnoredAdvisory
from lockgen.core.parsing import parse_version

# At one version, a fix ends the range before it, then the next range begins, and then that one may end.
_ORDER = {"fixed": 0, "introduced": 1, "last_affected": 2, "limit": 3}
_RANKED_DATABASES = ("CVE", "GHSA", "PYSEC")
"""The databases of the best-known names, in that order."""


class Match(NamedTuple):
    """Whether an advisory affects a release. If that is ``unclear`` (why), it counts as affected."""

    affected: bool
    unclear: str = ""


def touches(advisory: Advisory, name: str, version: Version) -> Match:
    """Whether ``advisory`` affects ``version`` of ``name``.

    ``version`` must be public: advisories have no local parts.
    """
    if advisory.withdrawn:
        return Match(False)
    unclear = ""
    for affected in advisory.affected:
        if affected.name != name:
            continue
        if _is_listed(affected, version):
            return Match(True)
        unclear = _names_no_release(advisory.id, affected) or unclear
        for events in affected.ranges:
            try:
                if _is_within(events, version):
                    return Match(True)
            except InvalidVersion as error:
                unclear = f"a range of {advisory.id} cannot be read: {error}"
    return Match(bool(unclear), unclear)


def _names_no_release(identifier: str, affected: Affected) -> str:
    """The reason if ``affected`` does not say which releases it means; else empty."""
    if affected.versions:
        return ""
    if not affected.ranges:
        return f"{identifier} lists no release of {affected.name}"
    # A range of commits is read as a range without events.
    if not any(affected.ranges):
        return f"{identifier} lists only commits, no release of {affected.name}"
    return ""


def _is_listed(affected: Affected, version: Version) -> bool:
    return any(_is_same(text, version) for text in affected.versions)


def _is_same(text: str, version: Version) -> bool:
    try:
        return parse_version(text) == version
    except InvalidVersion:  # older than PEP 440: no resolver takes such a release
        return False


def _is_within(events: Sequence[Event], version: Version) -> bool:
    """OSV's algorithm. Raises InvalidVersion if an event has none."""
    limits = [event.version for event in events if event.kind == "limit"]
    if limits and "*" not in limits and not any(version < parse_version(limit) for limit in limits):
        return False
    inside = False
    for event in sorted((event for event in events if event.kind != "limit"), key=_event_order):
        at = _version_of(event)
        # None is before every version.
        is_reached = at is None or version >= at
        if event.kind == "introduced":
            inside = inside or is_reached
        elif event.kind == "fixed":
            inside = inside and (at is None or version < at)
        elif event.kind == "last_affected":
            inside = inside and (at is None or version <= at)
    return inside


def _version_of(event: Event) -> Version | None:
    """None is before every version."""
    return None if event.version == "0" else parse_version(event.version)


def _event_order(event: Event) -> tuple[bool, Version, int]:
    at = _version_of(event)
    return at is not None, at or parse_version("0"), _ORDER[event.kind]


# -- records of one vulnerability ------------------------------------------------


class _Group:
    """Records that share names, directly or through one another."""

    def __init__(self, records: Sequence[Advisory]) -> None:
        self.records = list(records)
        self.names = names_of(records)


def names_of(records: Iterable[Advisory]) -> set[str]:
    """All names of ``records``: their ids and aliases."""
    names: set[str] = set()
    for record in records:
        names.add(record.id)
        names.update(record.aliases)
    return names


def grouped(advisories: Iterable[Advisory]) -> list[tuple[Advisory, ...]]:
    """Records that share a name, directly or through others, together; sorted by their first name."""
    groups: list[_Group] = []
    for advisory in sorted(set(advisories), key=lambda advisory: advisory.id):
        merged: list[Advisory] = []
        others = []
        names = names_of([advisory])
        for group in groups:
            # One record may connect several groups that were separate so far.
            if group.names.isdisjoint(names):
                others.append(group)
            else:
                merged += group.records
        groups = [*others, _Group([*merged, advisory])]
    groups.sort(key=lambda group: min(group.names))
    return [tuple(group.records) for group in groups]


def live_groups(advisories: Iterable[Advisory]) -> list[tuple[Advisory, ...]]:
    """The groups of records that are not withdrawn.

    ``advisories`` must be all of a package, whatever releases they affect: one about an older release may connect two
    about this one, and an ignore may use its name.
    """
    return grouped(advisory for advisory in advisories if not advisory.withdrawn)


def as_one(
    records: Sequence[Advisory], name: str, version: Version, group: Sequence[Advisory] | None = None
) -> Vulnerability:
    """Merge ``records`` about ``version`` of ``name`` into one vulnerability, with the names of its whole ``group``."""
    best = min(records, key=lambda record: _name_order(record.id))
    # The worst rating counts: databases disagree.
    rated = max(records, key=lambda record: (record.score or -1.0, _weight(record.level)))
    scores = [record.score for record in records if record.score is not None]
    summaries = [record.summary for record in (best, *records) if record.summary]
    return Vulnerability(
        id=min(names_of(records), key=_name_order),
        ids=tuple(sorted(names_of(group or records))),
        record=best.id,
        summary=summaries[0] if summaries else "",
        score=max(scores, default=None),
        level=rated.level,
        fixed=tuple(str(fixed) for fixed in sorted(_fixed_releases(records, name, version))),
    )


def _name_order(name: str) -> tuple[int, str]:
    database = name.partition("-")[0]
    if database in _RANKED_DATABASES:
        return _RANKED_DATABASES.index(database), name
    return len(_RANKED_DATABASES), name


def _weight(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else -1


def _fixed_releases(records: Iterable[Advisory], name: str, version: Version) -> set[Version]:
    """The releases above ``version`` that the records call fixed."""
    found = set()
    for event in _events(records, name):
        if event.kind != "fixed":
            continue
        try:
            fixed = parse_version(event.version)
        except InvalidVersion:
            continue
        if fixed > version:
            found.add(fixed)
    return found


def _events(records: Iterable[Advisory], name: str) -> Iterator[Event]:
    for record in records:
        for affected in record.affected:
            if affected.name == name:
                for events in affected.ranges:
                    yield from events


# -- which findings count --------------------------------------------------------


def audited(
    source: str,
    packages: Sequence[AffectedPackage],
    advisories: Mapping[str, Sequence[Advisory]],
    ignores: Sequence[IgnoredAdvisory],
    today: date,
) -> Audit:
    """Audit ``packages``, the most severe findings first, and apply ``ignores``.

    ``advisories`` must be all of each package: see `live_groups`.
    """
    findings: list[AuditFinding] = []
    for package in packages:
        findings += _findings(package, advisories.get(package.name, ()), ignores, today)
    matched: set[str] = set()
    for finding in findings:
        matched.update(name.casefold() for name in finding.vulnerability.ids)
    return Audit(
        source=source,
        packages=tuple(packages),
        findings=tuple(sorted(findings, key=_finding_order)),
        expired=tuple(each for each in ignores if not each.holds(today) and each.id.casefold() in matched),
        idle=tuple(each for each in ignores if each.id.casefold() not in matched),
    )


def _findings(
    package: AffectedPackage, advisories: Sequence[Advisory], ignores: Sequence[IgnoredAdvisory], today: date
) -> Iterator[AuditFinding]:
    version = parse_version(package.asked)
    matches = {advisory: touches(advisory, package.name, version) for advisory in advisories}
    for group in live_groups(advisories):
        records = [record for record in group if matches[record].affected]
        if not records:
            continue
        vulnerability = as_one(records, package.name, version, group)
        doubts = [matches[record].unclear for record in records]
        # One record that is clear about this release settles it.
        unclear = doubts[0] if all(doubts) else ""
        yield AuditFinding(package, vulnerability, _matching_ignore(vulnerability, ignores, today), unclear)


def _matching_ignore(
    vulnerability: Vulnerability, ignores: Sequence[IgnoredAdvisory], today: date
) -> IgnoredAdvisory | None:
    names = {name.casefold() for name in vulnerability.ids}
    for ignore in ignores:
        if ignore.id.casefold() in names and ignore.holds(today):
            return ignore
    return None


def _finding_order(finding: AuditFinding) -> tuple[bool, int, float, str, str, str]:
    found = finding.vulnerability
    # An unrated vulnerability may be critical.
    weight = len(LEVELS) if found.level == UNKNOWN else _weight(found.level)
    is_ignored = finding.ignore is not None
    return is_ignored, -weight, -(found.score or 0.0), finding.package.name, found.id, finding.package.pin


def is_grave(finding: AuditFinding, level: str) -> bool:
    """Whether it is ``level`` or worse; an unrated one may be (guarantee 10)."""
    found = finding.vulnerability.level
    return found == UNKNOWN or _weight(found) >= _weight(level)


def counting(advisories: Iterable[Advisory], ignores: Sequence[IgnoredAdvisory], today: date) -> list[Advisory]:
    """The advisories that an upgrade has to avoid: not withdrawn, and not ignored by any name of their group.

    ``advisories`` must be all of a package, as for `audited`: with fewer, the groups would be different.
    """
    ignored = {ignore.id.casefold() for ignore in ignores if ignore.holds(today)}
    found: list[Advisory] = []
    for records in live_groups(advisories):
        names = {name.casefold() for name in names_of(records)}
        if ignored.isdisjoint(names):
            found += records
    return found


def is_free(name: str, version: Version, advisories: Iterable[Advisory]) -> bool:
    """Whether none of ``advisories`` affects ``version`` of ``name``."""
    public = parse_version(version.public)
    return not any(touches(advisory, name, public).affected for advisory in advisories)


def with_fixes(audit: Audit, fixes: Mapping[str, Fix]) -> Audit:
    """``audit`` with ``fixes``, by pin."""
    return replace(audit, fixes=fixes)

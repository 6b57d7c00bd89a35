"""Which releases an advisory means, which records are one vulnerability, and which of them count.

The rule for ranges is OSV's own: ossf.github.io/osv-schema, "Evaluation"; versions are ordered by PEP 440.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from packaging.version import InvalidVersion, Version

from lockgen.audit.advisory import LEVELS, UNKNOWN, Advisory, Affected, Event
from lockgen.audit.model import AffectedPackage, Audit, AuditFinding, Fix, Vulnerability
from lockgen.core.manifest import IgnoredAdvisory

# At one version a fix ends what came before it, then the next range begins, then that one may end.
_ORDER = {"fixed": 0, "introduced": 1, "last_affected": 2, "limit": 3}


def touches(advisory: Advisory, name: str, version: Version) -> tuple[bool, str]:
    """Whether ``advisory`` means ``version`` of ``name``, and why where nobody can tell: then it is taken to be so.

    An advisory knows no local part: ``version`` is public.
    """
    if advisory.withdrawn:
        return False, ""
    unclear = ""
    for affected in advisory.affected:
        if affected.name != name:
            continue
        if _is_listed(affected, version):
            return True, ""
        if not affected.versions and not affected.ranges:
            unclear = f"{advisory.id} names no release of {name}"
        elif not affected.versions and not any(affected.ranges):
            unclear = f"only commits are named in {advisory.id}, no release of {name}"
        for events in affected.ranges:
            try:
                if _is_within(events, version):
                    return True, ""
            except InvalidVersion as error:
                unclear = f"a range of {advisory.id} cannot be read: {error}"
    return bool(unclear), unclear


def _is_listed(affected: Affected, version: Version) -> bool:
    return any(_same(text, version) for text in affected.versions)


def _same(text: str, version: Version) -> bool:
    try:
        return Version(text) == version
    except InvalidVersion:  # older than PEP 440: equal to no release that a resolver takes
        return False


def _is_within(events: Sequence[Event], version: Version) -> bool:
    limits = [event.version for event in events if event.kind == "limit"]
    if limits and "*" not in limits and not any(version < Version(limit) for limit in limits):
        return False
    inside = False
    for at, event in sorted(((_at(event), event) for event in events if event.kind != "limit"), key=_sort_key):
        match event.kind:
            case "introduced":
                inside = inside or at is None or version >= at
            case "fixed":
                inside = inside and not (at is not None and version >= at)
            case "last_affected":
                inside = inside and not (at is not None and version > at)
    return inside


def _at(event: Event) -> Version | None:
    """None is before every version."""
    return None if event.version == "0" else Version(event.version)


def _sort_key(entry: tuple[Version | None, Event]) -> tuple[bool, Version, int]:
    at, event = entry
    return at is not None, at or Version("0"), _ORDER[event.kind]


# -- records of one thing ------------------------------------------------------


def grouped(advisories: Iterable[Advisory]) -> list[tuple[Advisory, ...]]:
    """Records that share a name, by themselves or by way of others, together; in the order of their names."""
    groups: list[tuple[set[str], list[Advisory]]] = []
    for advisory in sorted(set(advisories), key=lambda advisory: advisory.id):
        names = {advisory.id, *advisory.aliases}
        mine = [group for group in groups if group[0] & names]
        groups = [group for group in groups if not group[0] & names]
        groups.append((names.union(*(g[0] for g in mine)), [*(a for g in mine for a in g[1]), advisory]))
    return [tuple(records) for _, records in sorted(groups, key=lambda group: min(group[0]))]


def live_groups(advisories: Iterable[Advisory]) -> list[tuple[Advisory, ...]]:
    """The groups of what was not withdrawn.

    ``advisories`` are all of a package, whatever releases they mean: one of an older release may be the link between
    two of this one, and its name is one that an ignore may use.
    """
    return grouped(advisory for advisory in advisories if not advisory.withdrawn)


def _names(records: Iterable[Advisory]) -> set[str]:
    return {text for record in records for text in (record.id, *record.aliases)}


def as_one(
    records: Sequence[Advisory], name: str, version: Version, group: Sequence[Advisory] | None = None
) -> Vulnerability:
    """What ``records`` say together of ``version`` of ``name``; its names are those of all of their ``group``."""
    ids = _names(records)
    best = min(records, key=lambda record: (_rank(record.id), record.id))
    scores = [record.score for record in records if record.score is not None]
    rated = max(records, key=lambda record: (record.score or -1.0, _weight(record.level)))
    return Vulnerability(
        id=min(ids, key=lambda text: (_rank(text), text)),
        ids=tuple(sorted(_names(group or records))),
        record=best.id,
        summary=best.summary or next((record.summary for record in records if record.summary), ""),
        score=max(scores, default=None),
        level=rated.level,
        fixed=tuple(map(str, sorted(_fixed(records, name, version)))),
    )


def _rank(text: str) -> int:
    order = ("CVE", "GHSA", "PYSEC")
    kind = text.partition("-")[0]
    return order.index(kind) if kind in order else len(order)


def _weight(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else -1


def _fixed(records: Sequence[Advisory], name: str, version: Version) -> set[Version]:
    found = set()
    for record in records:
        for affected in record.affected:
            for event in (event for events in affected.ranges for event in events if event.kind == "fixed"):
                try:
                    fixed = Version(event.version)
                except InvalidVersion:
                    continue
                if affected.name == name and fixed > version:
                    found.add(fixed)
    return found


# -- what counts ---------------------------------------------------------------


def audited(
    source: str,
    holders: Sequence[AffectedPackage],
    advisories: Mapping[str, Sequence[Advisory]],
    ignores: Sequence[IgnoredAdvisory],
    today: date,
) -> Audit:
    """What ``advisories`` say of ``holders``, the gravest first, with what ``ignores`` say of that.

    ``advisories`` are all of each package: see `live_groups`.
    """
    findings = [
        finding for holder in holders for finding in _findings(holder, advisories.get(holder.name, ()), ignores, today)
    ]
    met = {text.casefold() for finding in findings for text in finding.vulnerability.ids}
    return Audit(
        source=source,
        holders=tuple(holders),
        findings=tuple(sorted(findings, key=_gravity)),
        expired=tuple(i for i in ignores if not i.holds(today) and i.id.casefold() in met),
        idle=tuple(i for i in ignores if i.id.casefold() not in met),
    )


def _findings(
    holder: AffectedPackage, advisories: Sequence[Advisory], ignores: Sequence[IgnoredAdvisory], today: date
) -> Iterable[AuditFinding]:
    version = Version(holder.asked)
    told = {advisory: touches(advisory, holder.name, version) for advisory in advisories}
    for group in live_groups(advisories):
        records = [record for record in group if told[record][0]]
        if not records:
            continue
        vulnerability = as_one(records, holder.name, version, group)
        # One record that can tell is enough.
        unclear = "" if any(not told[record][1] for record in records) else told[records[0]][1]
        yield AuditFinding(holder, vulnerability, _ignored(vulnerability, ignores, today), unclear)


def _ignored(vulnerability: Vulnerability, ignores: Sequence[IgnoredAdvisory], today: date) -> IgnoredAdvisory | None:
    names = {text.casefold() for text in vulnerability.ids}
    return next((ignore for ignore in ignores if ignore.id.casefold() in names and ignore.holds(today)), None)


def _gravity(finding: AuditFinding) -> tuple[bool, int, float, str, str, str]:
    found = finding.vulnerability
    weight = len(LEVELS) if found.level == UNKNOWN else _weight(found.level)
    return finding.ignore is not None, -weight, -(found.score or 0.0), finding.holder.name, found.id, finding.holder.pin


def is_grave(finding: AuditFinding, level: str) -> bool:
    """Whether it is ``level`` or worse; one that nobody has rated may be (law 10)."""
    found = finding.vulnerability.level
    return found == UNKNOWN or _weight(found) >= _weight(level)


def counting(advisories: Iterable[Advisory], ignores: Sequence[IgnoredAdvisory], today: date) -> list[Advisory]:
    """Those that an upgrade has to get away from: live ones that no ignore holds back, by any name of their group.

    ``advisories`` are all of a package, as for `audited`: with fewer the groups would be others.
    """
    held = {ignore.id.casefold() for ignore in ignores if ignore.holds(today)}
    found: list[Advisory] = []
    for records in live_groups(advisories):
        if not held & {text.casefold() for text in _names(records)}:
            found += records
    return found


def is_free(name: str, version: Version, advisories: Iterable[Advisory]) -> bool:
    """Whether none of ``advisories`` means ``version`` of ``name``."""
    public = Version(version.public)
    return not any(touches(advisory, name, public)[0] for advisory in advisories)


def with_fixes(audit: Audit, fixes: Mapping[str, Fix]) -> Audit:
    """``audit`` with what was found to fix it, by pin."""
    return replace(audit, fixes=fixes)

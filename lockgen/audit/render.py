"""An audit as text, as data, and as SARIF."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

from lockgen.audit.advisory import UNKNOWN
from lockgen.audit.model import AffectedPackage, Audit, AuditFinding, Fix, UpgradeStep, Vulnerability
from lockgen.core.key_path import KeyPath
from lockgen.core.manifest import IgnoredAdvisory
from lockgen.core.sarif import Level, SarifResult, SarifRule, sarif

VERSIONS = "versions.toml"
PAGE = "https://osv.dev/vulnerability/"

AuditLine = Callable[[KeyPath], int | None]
"""Where a path stands in versions.toml."""
LockPlace = Callable[[AffectedPackage], tuple[str, int | None]]
"""The file and the line that lock a package."""


# -- text ----------------------------------------------------------------------


def text(audit: Audit, line: AuditLine, images: int) -> str:
    """What counts, package by package, with its fix; then what is ignored. ``images`` is how many there are."""
    found = audit.open
    parts = [_head(audit)]
    order = list(dict.fromkeys(finding.holder for finding in found))
    ranked = sorted(found, key=lambda finding: order.index(finding.holder))
    for holder, findings in groupby(ranked, key=lambda finding: finding.holder):
        parts.append("\n".join(_block(holder, list(findings), audit.fixes.get(holder.pin), line, images)))
    notes = [*_ignored(audit), *_told(audit, line), *_locals(audit)]
    return "\n\n".join([*parts, *(["\n".join(notes)] if notes else [])])


def _head(audit: Audit) -> str:
    found, count = audit.open, len(audit.holders)
    if not found:
        return f"nothing is known against {count} packages (asked: {audit.source})"
    packages = len({finding.holder for finding in found})
    things = "1 vulnerability" if len(found) == 1 else f"{len(found)} vulnerabilities"
    return f"{things} in {packages} of {count} packages (asked: {audit.source})"


def _block(
    holder: AffectedPackage, findings: list[AuditFinding], fix: Fix | None, line: AuditLine, images: int
) -> list[str]:
    lines = [f"{holder.name} {holder.version}, {_images(holder, images)}{_named(holder, line)}"]
    width = max(len(finding.vulnerability.id) for finding in findings)
    for finding in findings:
        one = finding.vulnerability
        lines.append(f"  {one.id:{width}}  {rated(one)}  {one.summary}".rstrip())
        others = ", ".join(name for name in one.ids if name != one.id)
        fixed = f"fixed in {', '.join(one.fixed)}" if one.fixed else "the advisory names no fixed release"
        lines.append(f"  {'':{width}}  " + "; ".join(part for part in (others, fixed, finding.unclear) if part))
    return [*lines, *(f"  {row}" for row in fix_lines(holder, fix, line))]


def _images(holder: AffectedPackage, images: int) -> str:
    if not holder.images:
        return "a tool that no image holds"
    if len(holder.images) == images:
        return f"in all {images} images" if images > 1 else f"in {holder.images[0]}"
    return f"in {', '.join(holder.images)}"


def _named(holder: AffectedPackage, line: AuditLine) -> str:
    numbers = [number for path in holder.paths if (number := line(path)) is not None]
    return f" ({VERSIONS} line {', '.join(map(str, numbers))})" if numbers else ""


def rated(one: Vulnerability) -> str:
    """The level, with the score where there is one."""
    if one.level == UNKNOWN:
        return "not rated"
    return one.level if one.score is None else f"{one.level} {one.score:.1f}"


def fix_lines(holder: AffectedPackage, fix: Fix | None, line: AuditLine) -> list[str]:
    """What to do, or why nothing can be done."""
    if fix is None:
        return []
    if not fix.steps:
        said = "no fix" if fix.known else "whether there is a fix is not known"
        return [f"{said}: {'; '.join(fix.why)}"]
    more = [] if fix.known else ["a lower release may do: some question had no answer"]
    return [f"fix: {_step(step, line)}" for step in fix.steps] + [f"     {why}" for why in (*fix.why, *more)]


def _step(step: UpgradeStep, line: AuditLine) -> str:
    said = command(step, line)
    if step.path is None:
        return f"{said} takes {step.new} or later"
    if said is not None:
        return said
    number = line(step.path)
    there = f"the pin in {VERSIONS} line {number}" if number is not None else f"a new pin, {_dotted(step.path)}"
    return f"{step.name} {step.new} instead of {step.old}: {there}"


def _dotted(path: KeyPath) -> str:
    return f"in {VERSIONS} under [{'.'.join(map(str, path[:-1]))}]"


def command(step: UpgradeStep, line: AuditLine) -> str | None:
    """What moves a package that has no pin; None where versions.toml has to be edited.

    A path that versions.toml does not hold yet is where its pin will be.
    """
    if step.path is None:
        return f"lockgen resolve -P {step.name}"
    if step.path[0] == "pins" and line(step.path) is None:
        return f"lockgen bump --add-pin {step.name}=={step.new}"
    return None


def _ignored(audit: Audit) -> Iterable[str]:
    for finding in audit.findings:
        if finding.ignore is not None:
            until = f" until {finding.ignore.until}" if finding.ignore.until is not None else ""
            yield (
                f"ignored{until}: {finding.vulnerability.id} in {finding.holder.name} {finding.holder.version}: "
                f"{finding.ignore.reason}"
            )


def _told(audit: Audit, line: AuditLine) -> Iterable[str]:
    for ignore in audit.expired:
        yield f"{_at(ignore, line)}: the ignore of {ignore.id} ended on {ignore.until}: it counts again"
    for ignore in audit.idle:
        yield f"{_at(ignore, line)}: the ignore of {ignore.id} meets nothing: take it out"


def _at(ignore: IgnoredAdvisory, line: AuditLine) -> str:
    number = line(ignore.path)
    return f"{VERSIONS}:{number}" if number is not None else VERSIONS


def _locals(audit: Audit) -> Iterable[str]:
    builds = [f"{h.name} {h.version} as {h.asked}" for h in audit.holders if h.asked != h.version]
    if builds:
        yield f"asked without the local part, which advisories do not know: {', '.join(builds)}"


# -- data ----------------------------------------------------------------------


def as_json(audit: Audit, line: AuditLine) -> dict[str, Any]:
    """Format 1."""
    return {
        "format": 1,
        "source": audit.source,
        "packages": len(audit.holders),
        "asked-as": {holder.pin: holder.asked for holder in audit.holders if holder.asked != holder.version},
        "findings": [_row(finding, line) for finding in audit.findings],
        "fixes": [
            {
                "package": pin.partition("==")[0],
                "version": pin.partition("==")[2],
                "steps": [_step_row(step, line) for step in fix.steps],
                "why": list(fix.why),
                "known": fix.known,
            }
            for pin, fix in sorted(audit.fixes.items())
        ],
        "expired-ignores": [_ignore_row(ignore, line) for ignore in audit.expired],
        "idle-ignores": [_ignore_row(ignore, line) for ignore in audit.idle],
    }


def _row(finding: AuditFinding, line: AuditLine) -> dict[str, Any]:
    holder, one = finding.holder, finding.vulnerability
    return {
        "package": holder.name,
        "version": holder.version,
        "asked": holder.asked,
        "index": holder.index,
        "images": list(holder.images),
        "lines": [number for path in holder.paths if (number := line(path)) is not None],
        "id": one.id,
        "aliases": [name for name in one.ids if name != one.id],
        "summary": one.summary,
        "severity": one.level,
        "score": one.score,
        "fixed-in": list(one.fixed),
        "url": PAGE + one.record,
        "unclear": finding.unclear,
        "ignored": _ignore_row(finding.ignore, line) if finding.ignore is not None else None,
    }


def _step_row(step: UpgradeStep, line: AuditLine) -> dict[str, Any]:
    return {
        "package": step.name,
        "from": step.old,
        "to": step.new,
        "line": line(step.path) if step.path is not None else None,
        "command": command(step, line),
    }


def _ignore_row(ignore: IgnoredAdvisory, line: AuditLine) -> dict[str, Any]:
    until = ignore.until.isoformat() if ignore.until is not None else None
    return {"id": ignore.id, "reason": ignore.reason, "until": until, "line": line(ignore.path)}


# -- SARIF ---------------------------------------------------------------------

_LEVELS: dict[str, Level] = {"none": "note", "low": "note", "medium": "warning", "high": "error", "critical": "error"}


def as_sarif(audit: Audit, line: AuditLine, locked: LockPlace, version: str) -> dict[str, Any]:
    """Each finding at its line of versions.toml, else where the lock holds the package."""
    rules = [
        SarifRule(
            id=one.id,
            text=one.summary or one.id,
            help=_help(one),
            level=_LEVELS.get(one.level, "warning"),
            uri=PAGE + one.record,
            score=one.score,
            tags=("security",),
        )
        for one in (finding.vulnerability for finding in audit.findings)
    ]
    return sarif(version, rules, [_result(finding, audit, line, locked) for finding in audit.findings])


def _help(one: Vulnerability) -> str:
    names = ", ".join(one.ids)
    fixed = f"Fixed in {', '.join(one.fixed)}." if one.fixed else "The advisory names no fixed release."
    return f"{one.summary or one.id}\n\n{names}: {rated(one)}. {fixed}\n\n{PAGE}{one.record}"


def _result(finding: AuditFinding, audit: Audit, line: AuditLine, locked: LockPlace) -> SarifResult:
    holder, one = finding.holder, finding.vulnerability
    numbers = [number for path in holder.paths if (number := line(path)) is not None]
    file, number = (VERSIONS, numbers[0]) if numbers else locked(holder)
    held = f"in {', '.join(holder.images)}" if holder.images else "a tool that no image holds"
    said = [f"{holder.name} {holder.version} ({held}): {one.id}, {rated(one)}. {one.summary}".rstrip(". ") + "."]
    said += [f"{row.strip()}." for row in fix_lines(holder, audit.fixes.get(holder.pin), line)]
    return SarifResult(
        rule=one.id,
        message=" ".join(said),
        level=_LEVELS.get(one.level, "warning"),
        file=file,
        line=number,
        key=f"{one.id} {holder.pin}",
        accepted=finding.ignore.reason if finding.ignore is not None else None,
    )

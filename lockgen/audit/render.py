"""Render an audit as text, as JSON, and as SARIF."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from lockgen.audit.advisory_model import UNKNOWN
from lockgen.audit.model import AffectedPackage, Audit, AuditFinding, Fix, UpgradeStep, Vulnerability
from lockgen.core.key_path import KeyPath
from lockgen.core.manifest import IgnoredAdvisory
from lockgen.core.sarif import Level, SarifResult, SarifRule, sarif
from lockgen.core.words import counted

VERSIONS = "versions.toml"
PAGE = "https://osv.dev/vulnerability/"

AuditLine = Callable[[KeyPath], int | None]
"""Finds the line of a path in versions.toml."""
LockPlace = Callable[[AffectedPackage], tuple[str, int | None]]
"""Finds the file and the line that lock a package."""


# -- text ------------------------------------------------------------------------


def text(audit: Audit, line: AuditLine, images: int) -> str:
    """The findings that count, package by package, each with its fix; then notes.

    ``images`` is how many images the family has.
    """
    by_package: dict[AffectedPackage, list[AuditFinding]] = {}
    for finding in audit.open:
        by_package.setdefault(finding.package, []).append(finding)
    parts = [_head(audit)]
    for package, findings in by_package.items():
        lines = [_package_line(package, line, images)]
        lines += _finding_lines(findings)
        lines += [f"  {row}" for row in fix_lines(package, audit.fixes.get(package.pin), line)]
        parts.append("\n".join(lines))
    notes = [*_ignored(audit), *_ignores_to_edit(audit, line), *_local_versions(audit)]
    if notes:
        parts.append("\n".join(notes))
    return "\n\n".join(parts)


def _head(audit: Audit) -> str:
    found = audit.open
    packages = counted(len(audit.packages), "package")
    if not found:
        return f"no known vulnerabilities in {packages} (source: {audit.source})"
    affected = len({finding.package for finding in found})
    vulnerabilities = counted(len(found), "vulnerability", "vulnerabilities")
    return f"{vulnerabilities} in {affected} of {packages} (source: {audit.source})"


def _package_line(package: AffectedPackage, line: AuditLine, images: int) -> str:
    text = f"{package.name} {package.version}, {_images(package, images)}"
    numbers = _lines(package, line)
    if not numbers:
        return text
    return f"{text} ({VERSIONS} line {', '.join(map(str, numbers))})"


def _images(package: AffectedPackage, images: int) -> str:
    if not package.images:
        return "a build tool, in no image"
    if len(package.images) == images and images > 1:
        return f"in all {images} images"
    return f"in {', '.join(package.images)}"


def _lines(package: AffectedPackage, line: AuditLine) -> list[int]:
    """The lines of versions.toml that name the package."""
    numbers = [line(path) for path in package.paths]
    return [number for number in numbers if number is not None]


def _finding_lines(findings: list[AuditFinding]) -> Iterator[str]:
    width = max(len(finding.vulnerability.id) for finding in findings)
    for finding in findings:
        found = finding.vulnerability
        identifier = found.id.ljust(width)
        # A record may have no summary.
        yield f"  {identifier}  {rated(found)}  {found.summary}".rstrip()
        details = [", ".join(_aliases(found)), _fixed(found), finding.unclear]
        indent = " " * width
        yield f"  {indent}  {'; '.join(filter(None, details))}"


def _aliases(found: Vulnerability) -> list[str]:
    return [name for name in found.ids if name != found.id]


def _fixed(found: Vulnerability) -> str:
    if found.fixed:
        return f"fixed in {', '.join(found.fixed)}"
    return "the advisory lists no fixed release"


def rated(found: Vulnerability) -> str:
    """The level, with the score if there is one."""
    if found.level == UNKNOWN:
        return "not rated"
    return found.level if found.score is None else f"{found.level} {found.score:.1f}"


def fix_lines(package: AffectedPackage, fix: Fix | None, line: AuditLine) -> list[str]:
    """The steps of the fix, or why there is none; empty if no fix was searched."""
    if fix is None:
        return []
    if not fix.steps:
        result = "no fix" if fix.known else "it is unknown whether a fix exists"
        return [f"{result}: {'; '.join(fix.why)}"]
    rows = [f"fix: {_step(step, line)}" for step in fix.steps]
    notes = list(fix.why)
    if not fix.known:
        notes.append("a lower release may be enough: the resolver gave no answer for some releases")
    return rows + [f"     {note}" for note in notes]


def _step(step: UpgradeStep, line: AuditLine) -> str:
    run = command(step, line)
    if step.path is None:
        return f"{run} takes {step.new} or later"
    if run is not None:
        return run
    change = f"{step.name} {step.new} instead of {step.old}"
    number = line(step.path)
    if number is not None:
        return f"{change}: the pin in {VERSIONS} line {number}"
    table = ".".join(map(str, step.path[:-1]))
    return f"{change}: a new pin, in {VERSIONS} under [{table}]"


def command(step: UpgradeStep, line: AuditLine) -> str | None:
    """The command that moves a package without a pin; None if versions.toml has to be edited."""
    if step.path is None:
        return f"lockgen resolve -P {step.name}"
    # A path that versions.toml does not contain yet is where the pin will be.
    if step.path[0] == "pins" and line(step.path) is None:
        return f"lockgen bump --add-pin {step.name}=={step.new}"
    return None


def _ignored(audit: Audit) -> Iterator[str]:
    for finding in audit.findings:
        ignore = finding.ignore
        if ignore is not None:
            until = f" until {ignore.until}" if ignore.until is not None else ""
            package = f"{finding.package.name} {finding.package.version}"
            yield f"ignored{until}: {finding.vulnerability.id} in {package}: {ignore.reason}"


def _ignores_to_edit(audit: Audit, line: AuditLine) -> Iterator[str]:
    for ignore in audit.expired:
        place = _place(ignore, line)
        yield f"{place}: the ignore of {ignore.id} ended on {ignore.until}: the vulnerability counts again"
    for ignore in audit.idle:
        yield f"{_place(ignore, line)}: the ignore of {ignore.id} matches nothing: remove it"


def _place(ignore: IgnoredAdvisory, line: AuditLine) -> str:
    number = line(ignore.path)
    return f"{VERSIONS}:{number}" if number is not None else VERSIONS


def _local_versions(audit: Audit) -> Iterator[str]:
    builds = [f"{each.name} {each.version} as {each.asked}" for each in audit.packages if each.asked != each.version]
    if builds:
        yield f"looked up without the local part, which advisories do not have: {', '.join(builds)}"


# -- JSON ------------------------------------------------------------------------


def as_json(audit: Audit, line: AuditLine) -> dict[str, Any]:
    """The audit as JSON, in format 1."""
    return {
        "format": 1,
        "source": audit.source,
        "packages": len(audit.packages),
        "asked-as": {each.pin: each.asked for each in audit.packages if each.asked != each.version},
        "findings": [_finding_row(finding, line) for finding in audit.findings],
        "fixes": [_fix_row(pin, fix, line) for pin, fix in sorted(audit.fixes.items())],
        "expired-ignores": [_ignore_row(ignore, line) for ignore in audit.expired],
        "idle-ignores": [_ignore_row(ignore, line) for ignore in audit.idle],
    }


def _finding_row(finding: AuditFinding, line: AuditLine) -> dict[str, Any]:
    package = finding.package
    found = finding.vulnerability
    return {
        "package": package.name,
        "version": package.version,
        "asked": package.asked,
        "index": package.index,
        "images": list(package.images),
        "lines": _lines(package, line),
        "id": found.id,
        "aliases": _aliases(found),
        "summary": found.summary,
        "severity": found.level,
        "score": found.score,
        "fixed-in": list(found.fixed),
        "url": PAGE + found.record,
        "unclear": finding.unclear,
        "ignored": _ignore_row(finding.ignore, line) if finding.ignore is not None else None,
    }


def _fix_row(pin: str, fix: Fix, line: AuditLine) -> dict[str, Any]:
    name, _, version = pin.partition("==")
    return {
        "package": name,
        "version": version,
        "steps": [_step_row(step, line) for step in fix.steps],
        "why": list(fix.why),
        "known": fix.known,
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


# -- SARIF -----------------------------------------------------------------------

_LEVELS: dict[str, Level] = {"none": "note", "low": "note", "medium": "warning", "high": "error", "critical": "error"}


def as_sarif(audit: Audit, line: AuditLine, locked: LockPlace, version: str) -> dict[str, Any]:
    """The audit as SARIF: each finding at its line of versions.toml, or else at its line of the lock."""
    rules = [_rule(finding.vulnerability) for finding in audit.findings]
    results = [_result(finding, audit, line, locked) for finding in audit.findings]
    return sarif(version, rules, results)


def _rule(found: Vulnerability) -> SarifRule:
    return SarifRule(
        id=found.id,
        text=found.summary or found.id,
        help=_help(found),
        level=_level(found),
        uri=PAGE + found.record,
        score=found.score,
        tags=("security",),
    )


def _level(found: Vulnerability) -> Level:
    # Without a rating, neither a note nor an error would be right.
    return _LEVELS.get(found.level, "warning")


def _help(found: Vulnerability) -> str:
    names = ", ".join(found.ids)
    fixed = _fixed(found)
    sentence = f"{fixed[0].upper()}{fixed[1:]}."
    return f"{found.summary or found.id}\n\n{names}: {rated(found)}. {sentence}\n\n{PAGE}{found.record}"


def _result(finding: AuditFinding, audit: Audit, line: AuditLine, locked: LockPlace) -> SarifResult:
    package = finding.package
    numbers = _lines(package, line)
    file, number = (VERSIONS, numbers[0]) if numbers else locked(package)
    found = finding.vulnerability
    return SarifResult(
        rule=found.id,
        message=" ".join(_sentences(finding, audit.fixes.get(package.pin), line)),
        level=_level(found),
        file=file,
        line=number,
        # Code scanning recognizes a finding by its key, also after its line has moved.
        key=f"{found.id} {package.pin}",
        accepted=finding.ignore.reason if finding.ignore is not None else None,
    )


def _sentences(finding: AuditFinding, fix: Fix | None, line: AuditLine) -> Iterable[str]:
    package = finding.package
    found = finding.vulnerability
    where = "a build tool, in no image"
    if package.images:
        where = f"in {', '.join(package.images)}"
    sentence = f"{package.name} {package.version} ({where}): {found.id}, {rated(found)}. {found.summary}"
    # The summary may be empty, or end with its own period.
    yield sentence.rstrip(". ") + "."
    for row in fix_lines(package, fix, line):
        yield f"{row.strip()}."

"""The findings of `lockgen lint` as text, as plain data, and as SARIF."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from lockgen.core.key_path import KeyPath
from lockgen.core.sarif import SarifResult, SarifRule, sarif
from lockgen.core.words import counted
from lockgen.lint.model import LintFinding, LintReport
from lockgen.lint.rules.table import RULES

FORMAT = 1
_PLACES = 4
"""The most places that a group shows besides its first one."""

LintLine = Callable[[KeyPath], int | None]
"""The line of versions.toml with these keys."""

_RULES = {rule.id: rule for rule in RULES}


def _line(finding: LintFinding, line_of: LintLine) -> int | None:
    return line_of(finding.path) if finding.path else finding.line


# -- text -------------------------------------------------------------------------------------


def text(report: LintReport, line_of: LintLine) -> str:
    """The findings with their fixes, then what could not be checked, then the summary."""
    lines = list(_group_texts(report.findings, line_of))
    if not report.findings:
        lines.append(_success(report))
    notes = [*_notes(report, line_of), *_summary(report)]
    if notes:
        lines += ["", *notes]
    return "\n".join(lines)


def _group_texts(findings: Iterable[LintFinding], line_of: LintLine) -> Iterator[str]:
    """A text for each package and module: the findings about it, with all places in one line."""
    groups: dict[tuple[str, str, str], list[LintFinding]] = {}
    for finding in findings:
        same = groups.setdefault((finding.rule, _topic(finding), finding.hint), [])
        same.append(finding)
    for group in groups.values():
        yield _group_text(group, line_of)


def _topic(finding: LintFinding) -> str:
    """Findings of one topic are shown together. Those of a rule with a shared hint have one line each."""
    return finding.message if _RULES[finding.rule].shared_hint else finding.subject


def _group_text(group: Sequence[LintFinding], line_of: LintLine) -> str:
    first = group[0]
    places = [_place(finding, line_of) for finding in group]
    if _RULES[first.rule].shared_hint:
        return f"{places[0]}: {first.message}"
    images: set[str] = set()
    for finding in group:
        images.update(finding.images)
    lines = [f"{places[0]}: {first.message} ({', '.join(sorted(images))})"]
    if len(group) > 1:
        others = ", ".join(_shown(places[1:]))
        lines.append(f"    also in {others}")
    lines.append(f"    {first.hint}")
    return "\n".join(lines)


def _place(finding: LintFinding, line_of: LintLine) -> str:
    line = _line(finding, line_of)
    return finding.file if line is None else f"{finding.file}:{line}"


def _shown(places: Sequence[str]) -> list[str]:
    if len(places) <= _PLACES + 1:
        return list(places)
    return [*places[:_PLACES], f"and {counted(len(places) - _PLACES, 'more place')}: see --json"]


def _success(report: LintReport) -> str:
    if report.skipped or report.unknown:
        return f"no findings in {counted(report.files_read, 'file')}"
    return f"{counted(report.files_read, 'file')}: every import has a requirement, and every requirement is imported"


def _notes(report: LintReport, line_of: LintLine) -> list[str]:
    notes = [f"not checked: {image}: {reason}" for image, reason in report.skipped.items()]
    notes += [f"unknown modules: {pin}: {reason}" for pin, reason in report.unknown.items()]
    notes += [
        f"versions.toml:{line_of(path)}: [lint.unimported] {package}: {reason}"
        for path, package, reason in report.stale_declarations
    ]
    return notes


def _summary(report: LintReport) -> list[str]:
    if not report.findings:
        return []
    findings = counted(len(report.findings), "finding")
    lines = [f"{findings} in {counted(report.files_read, 'file')}"]
    violated = {finding.rule for finding in report.findings}
    lines += [rule.shared_hint for rule in RULES if rule.id in violated and rule.shared_hint]
    return lines


# -- JSON -------------------------------------------------------------------------------------


def as_json(report: LintReport, line_of: LintLine) -> dict[str, Any]:
    """Plain data. FORMAT is raised when readers of the previous format would misread it."""
    idle = [
        {"package": package, "line": line_of(path), "why": reason}
        for path, package, reason in report.stale_declarations
    ]
    return {
        "format": FORMAT,
        "files": report.files_read,
        "findings": [_finding_data(finding, line_of) for finding in report.findings],
        "unjudged": dict(report.skipped),
        "unknown": dict(report.unknown),
        "idle": idle,
    }


def _finding_data(finding: LintFinding, line_of: LintLine) -> dict[str, Any]:
    return {
        "kind": finding.rule,
        "file": finding.file,
        "line": _line(finding, line_of),
        "subject": finding.subject,
        "how": finding.import_kind,
        "message": finding.message,
        "hint": finding.hint,
        "images": list(finding.images),
    }


# -- SARIF ------------------------------------------------------------------------------------


def as_sarif(report: LintReport, line_of: LintLine, version: str) -> dict[str, Any]:
    """Each finding at its file and line. ``version`` is lockgen's."""
    rules = [SarifRule(rule.id, rule.summary, rule.level) for rule in RULES]
    results = [_sarif_result(finding, line_of) for finding in report.findings]
    return sarif(version, rules, results)


def _sarif_result(finding: LintFinding, line_of: LintLine) -> SarifResult:
    keys = ".".join(str(key) for key in finding.path)
    return SarifResult(
        rule=finding.rule,
        message=f"{finding.file}: {finding.message}. {finding.hint}.",
        level=_RULES[finding.rule].level,
        file=finding.file,
        line=_line(finding, line_of),
        # Without the line, so that a finding stays the same one when code moves.
        key=f"{finding.rule} {finding.file} {finding.subject} {keys}",
    )

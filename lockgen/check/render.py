"""Render findings of `lockgen check` as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from lockgen.check.model import CheckFinding
from lockgen.core.words import counted

_SHOWN_LINES = 40
"""The most lines of a diff that the text shows."""


def text(findings: Sequence[CheckFinding]) -> str:
    """Each finding with its diff, then the commands that fix them; empty if there are none."""
    if not findings:
        return ""
    blocks = [_block(finding) for finding in findings]
    fixes = dict.fromkeys(finding.fix for finding in findings)
    summary = f"{len(findings)} found. To fix: {'; '.join(fixes)}"
    return "\n".join([*blocks, "", summary])


def _block(finding: CheckFinding) -> str:
    lines = [finding.message]
    diff = finding.diff.splitlines()
    lines += [f"    {line}" for line in diff[:_SHOWN_LINES]]
    hidden = len(diff) - _SHOWN_LINES
    if hidden > 0:
        lines.append(f"    ... {counted(hidden, 'more line')}")
    return "\n".join(lines)


def as_json(findings: Sequence[CheckFinding], warnings: Sequence[dict[str, object]]) -> dict[str, object]:
    """The findings and ``warnings``, which are JSON already; only findings of budgets have sizes."""
    return {"format": 1, "findings": [_row(finding) for finding in findings], "warnings": list(warnings)}


def _row(finding: CheckFinding) -> dict[str, object]:
    row: dict[str, object] = {
        "path": finding.path,
        "kind": finding.kind,
        "message": finding.message,
        "mend": finding.fix,  # the key's name is part of format 1
        "diff": finding.diff,
    }
    excess = finding.excess
    if excess is not None:
        row["line"] = finding.line
        row["what"] = excess.what
        row["allowed"] = excess.budget
        row["installed"] = excess.size.installed
        row["over"] = excess.over if excess.known else None
        row["unknown"] = sorted(excess.size.unknown)
    return row

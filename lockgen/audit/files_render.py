"""Render the findings of `lockgen audit --files` as text, as JSON, and as SARIF."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lockgen.audit.locked_files import FileFinding
from lockgen.core.sarif import SarifResult, SarifRule, sarif
from lockgen.core.words import counted

_RULE = "locked-file"


def text(found: Sequence[FileFinding], files: int) -> str:
    """One line for each finding, or that there is none among ``files``."""
    if not found:
        return f"{_count(files)} checked: all are still on their index, not yanked, with the same bytes"
    head = f"{len(found)} of {_count(files)} cannot be relied on:"
    rows = [f"  {finding.package} {finding.version}: {finding.file}: {finding.message}" for finding in found]
    return "\n".join([head, *rows])


def _count(files: int) -> str:
    return counted(files, "locked file")


def as_json(found: Sequence[FileFinding], files: int) -> dict[str, Any]:
    """The findings as data."""
    rows = []
    for finding in found:
        row = {
            "package": finding.package,
            "version": finding.version,
            "index": finding.index,
            "file": finding.file,
            "kind": finding.kind,
            "message": finding.message,
        }
        rows.append(row)
    return {"format": 1, "files": files, "findings": rows}


def as_sarif(
    found: Sequence[FileFinding], place: Callable[[FileFinding], tuple[str, int | None]], version: str
) -> dict[str, Any]:
    """The findings at the lines of the lock. ``version`` is lockgen's."""
    rule = SarifRule(_RULE, "A locked file is missing on its index, yanked, or has other bytes", "error")
    results = []
    for finding in found:
        file, line = place(finding)
        message = f"{finding.file}: {finding.message}"
        results.append(SarifResult(_RULE, message, "error", file, line, key=f"{finding.file} {finding.kind}"))
    return sarif(version, [rule], results)

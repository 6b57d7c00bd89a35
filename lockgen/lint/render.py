"""What does not fit between code and versions.toml, as text, as data, and as SARIF."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from lockgen.core.key_path import KeyPath
from lockgen.core.sarif import Level, SarifResult, SarifRule, sarif
from lockgen.lint.model import Lint, LintFinding

LintLine = Callable[[KeyPath], int | None]

_RULES: dict[str, tuple[str, Level]] = {
    "unused": ("An image asks for a package that its code never imports", "warning"),
    "undeclared": ("Code imports a package that nobody asked for", "warning"),
    "missing": ("Code imports what no package of its image holds", "error"),
    "unreadable": ("Code that is no Python", "error"),
}


def placed(misfit: LintFinding, line: LintLine) -> int | None:
    """The line of a finding: its own, or that of its keys in versions.toml."""
    return line(misfit.path) if misfit.path else misfit.line


def text(lint: Lint, line: LintLine) -> str:
    """A line for each finding with its fix; then what could not be judged."""
    parts = [_finding(misfit, line) for misfit in lint.misfits]
    if not lint.misfits and (lint.unjudged or lint.unknown):
        parts.append(f"nothing found in {lint.seen} files")
    elif not lint.misfits:
        parts.append(f"{lint.seen} files: every import was asked for, and all that was asked for is imported")
    notes = [f"not judged: {image}: {why}" for image, why in lint.unjudged.items()]
    notes += [f"not known: which modules {pin} holds: {why}" for pin, why in lint.unknown.items()]
    notes += [f"versions.toml:{line(path)}: [lint.unimported] {name}: {why}" for path, name, why in lint.idle]
    count = [f"{len(lint.misfits)} found in {lint.seen} files"] if lint.misfits else []
    if any(misfit.kind == "unused" for misfit in lint.misfits):
        count.append('what is used without an import: [lint.unimported] NAME = "why"')
    return "\n".join([*parts, *([""] if notes or count else []), *notes, *count]).rstrip("\n")


def _finding(misfit: LintFinding, line: LintLine) -> str:
    number = placed(misfit, line)
    where = f"{misfit.file}:{number}" if number is not None else misfit.file
    if misfit.kind == "unused":  # the fix is the same for all of them, and is shown once
        return f"{where}: {misfit.message}"
    return f"{where}: {misfit.message} ({', '.join(misfit.images)})\n    {misfit.hint}"


def as_json(lint: Lint, line: LintLine) -> dict[str, Any]:
    """Format 1."""
    return {
        "format": 1,
        "files": lint.seen,
        "findings": [
            {
                "kind": misfit.kind,
                "file": misfit.file,
                "line": placed(misfit, line),
                "subject": misfit.subject,
                "how": misfit.how,
                "message": misfit.message,
                "hint": misfit.hint,
                "images": list(misfit.images),
            }
            for misfit in lint.misfits
        ],
        "unjudged": dict(lint.unjudged),
        "unknown": dict(lint.unknown),
        "idle": [{"package": name, "line": line(path), "why": why} for path, name, why in lint.idle],
    }


def as_sarif(lint: Lint, line: LintLine, version: str) -> dict[str, Any]:
    """Each finding at its file and line."""
    rules = [SarifRule(kind, said, level) for kind, (said, level) in _RULES.items()]
    return sarif(version, rules, list(_results(lint, line)))


def _results(lint: Lint, line: LintLine) -> Iterable[SarifResult]:
    for misfit in lint.misfits:
        yield SarifResult(
            rule=misfit.kind,
            message=f"{misfit.file}: {misfit.message}. {misfit.hint}.",
            level=_RULES[misfit.kind][1],
            file=misfit.file,
            line=placed(misfit, line),
            key=f"{misfit.kind} {misfit.file} {misfit.subject} {'.'.join(map(str, misfit.path))}",
        )

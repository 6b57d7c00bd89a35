"""Applies the lint rules to the code of a family."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lockgen.core.lock import Lock
from lockgen.core.manifest import Manifest
from lockgen.lint.context import LintContext
from lockgen.lint.model import ImageCode, LintFinding, LintReport, StaleDeclaration
from lockgen.lint.provided_modules import ProvidedModules
from lockgen.lint.rules.table import RULES


def lint(
    manifest: Manifest,
    lock: Lock,
    code: Mapping[str, ImageCode],
    modules: ProvidedModules,
    unknown: Mapping[str, str],
    standard_library: frozenset[str],
) -> LintReport:
    """All findings. ``code`` is by image; ``unknown`` maps a pin to the reason why its modules are unknown."""
    context = LintContext(manifest, lock, code, modules, frozenset(unknown), standard_library)
    findings: list[LintFinding] = []
    undecided: set[str] = set()
    for rule in RULES:
        result = rule.check(context)
        findings += result.findings
        undecided |= result.undecided
    findings.sort(key=_place)
    paths = {file.path for image in code.values() for file in image.files}
    return LintReport(
        findings=tuple(findings),
        files_read=len(paths),
        skipped={name: code[name].skip_reason for name in sorted(code) if code[name].skip_reason},
        # Report an unknown package only if it would have produced a finding.
        unknown={pin: unknown[pin] for pin in sorted(undecided)},
        stale_declarations=tuple(_stale_declarations(context)),
    )


def _place(finding: LintFinding) -> tuple[str, int, str, str]:
    return finding.file, finding.line or 0, finding.rule, finding.subject


def _stale_declarations(context: LintContext) -> Iterator[StaleDeclaration]:
    required = {declaration.requirement.name for declaration in context.declarations}
    used = set[str]().union(*context.used_packages.values())
    for name, declared in sorted(context.manifest.unimported.items()):
        if name not in required:
            yield StaleDeclaration(declared.path, name, "no image requires it")
        elif name in used:
            yield StaleDeclaration(declared.path, name, "code imports it")

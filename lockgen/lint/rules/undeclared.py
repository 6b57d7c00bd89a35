"""Code imports a package that its image contains, but does not require."""

from __future__ import annotations

from lockgen.lint.context import LintContext, UnrequiredImport, package_name
from lockgen.lint.model import LintFinding
from lockgen.lint.rules.messages import imports
from lockgen.lint.rules.rule_type import LintRule, RuleResult, merge_images


def _check(context: LintContext) -> RuleResult:
    findings = [_finding(found) for found in context.unrequired_imports if found.providers]
    return RuleResult(merge_images(findings))


def _finding(found: UnrequiredImport) -> LintFinding:
    imported = found.imported
    pins = sorted(pin.replace("==", " ") for pin in found.providers)
    providers = " and ".join(pins)
    reason = "is only an indirect dependency" if len(pins) == 1 else "are only indirect dependencies"
    first = package_name(min(found.providers))
    return LintFinding(
        rule=UNDECLARED.id,
        file=found.file.path,
        line=imported.line,
        subject=imported.top_level,
        message=f"{imports(imported.top_level, imported)}, but {providers} {reason}",
        hint=f'add the requirement: packages = ["{first}"]',
        images=(found.image.tag,),
        import_kind=imported.kind,
    )


UNDECLARED = LintRule(
    id="undeclared",
    summary="Code imports a package that is only an indirect dependency",
    level="warning",
    check=_check,
)

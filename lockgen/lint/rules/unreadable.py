"""Code cannot be parsed as Python."""

from __future__ import annotations

from lockgen.lint.context import LintContext
from lockgen.lint.model import CodeFile, ImageCode, LintFinding
from lockgen.lint.rules.rule_type import LintRule, RuleResult, merge_images


def _check(context: LintContext) -> RuleResult:
    findings = []
    for code in context.code.values():
        findings += [_finding(code, file) for file in code.files if file.fault]
    return RuleResult(merge_images(findings))


def _finding(code: ImageCode, file: CodeFile) -> LintFinding:
    return LintFinding(
        rule=UNREADABLE.id,
        file=file.path,
        line=file.fault_line,
        subject=file.path,
        message=f"cannot be parsed as Python: {file.fault}",
        hint="fix the file",
        images=(code.image,),
    )


UNREADABLE = LintRule(
    id="unreadable",
    summary="Code cannot be parsed as Python",
    level="error",
    check=_check,
)

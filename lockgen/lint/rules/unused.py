"""An image requires a package that its code does not import."""

from __future__ import annotations

from lockgen.lint.context import Declaration, LintContext, package_name
from lockgen.lint.model import LintFinding
from lockgen.lint.rules.rule_type import LintRule, RuleResult


def _check(context: LintContext) -> RuleResult:
    findings: list[LintFinding] = []
    undecided: set[str] = set()
    locked = {package.name for package in context.lock.packages}
    for declaration in context.declarations:
        name = declaration.requirement.name
        if name not in locked or not _is_judged(context, declaration):
            continue
        if any(name in context.used_packages[image] for image in declaration.images):
            continue
        unknown = {pin for pin in context.unknown if package_name(pin) == name}
        if unknown:
            undecided |= unknown
        else:
            findings.append(_finding(context, declaration))
    return RuleResult(tuple(findings), frozenset(undecided))


def _is_judged(context: LintContext, declaration: Declaration) -> bool:
    """Whether the code of all images with the requirement is known, and the requirement applies to the target."""
    requirement = declaration.requirement
    if requirement.name in context.manifest.unimported:
        return False
    # Another requirement may lock a package although this one does not apply.
    if not context.manifest.target.holds(requirement.requirement.marker):
        return False
    code = [context.code[image] for image in declaration.images]
    if any(image_code.skip_reason for image_code in code):
        return False
    # No image builds on a base without any code yet.
    return any(image_code.files for image_code in code)


def _finding(context: LintContext, declaration: Declaration) -> LintFinding:
    requirement = declaration.requirement
    name = requirement.name
    exception = _typing_exception(context, declaration)
    return LintFinding(
        rule=UNUSED.id,
        file="versions.toml",
        line=None,
        subject=name,
        message=f"{declaration.table} requires {requirement.text}, but {_no_code(declaration)} imports it{exception}",
        hint=f'remove it, or declare why it is needed: [lint.unimported] {name} = "…"',
        images=declaration.images,
        path=requirement.path,
    )


def _no_code(declaration: Declaration) -> str:
    images = declaration.images
    if len(images) == 1:
        return f"no code of {images[0]}"
    return f"no code of the {len(images)} images with it"


def _typing_exception(context: LintContext, declaration: Declaration) -> str:
    """Mentions an import under TYPE_CHECKING, as it looks like a use to a reader."""
    module = declaration.requirement.name.replace("-", "_")
    for image in declaration.images:
        for file in context.code[image].files:
            for imported in file.imports:
                if imported.kind == "typing" and imported.top_level == module:
                    return f" but under TYPE_CHECKING ({file.path})"
    return ""


UNUSED = LintRule(
    id="unused",
    summary="An image requires a package that its code never imports",
    level="warning",
    check=_check,
    shared_hint='To keep a package that is used without an import: [lint.unimported] NAME = "reason"',
)

"""Code imports a module that no package of its image provides."""

from __future__ import annotations

from lockgen.lint.context import LintContext, UnrequiredImport, package_name
from lockgen.lint.model import Import, LintFinding
from lockgen.lint.provided_modules import ProvidedModules
from lockgen.lint.rules.messages import imports
from lockgen.lint.rules.rule_type import LintRule, RuleResult, merge_images
from lockgen.lint.standard_library import added_in


def _check(context: LintContext) -> RuleResult:
    findings: list[LintFinding] = []
    undecided: set[str] = set()
    for found in context.unrequired_imports:
        if found.providers:
            continue
        # Any of them may provide the module.
        unknown = found.image.installed & context.unknown
        if unknown:
            undecided |= unknown
        else:
            findings.append(_finding(context, found))
    return RuleResult(merge_images(findings), frozenset(undecided))


def _finding(context: LintContext, found: UnrequiredImport) -> LintFinding:
    imported = found.imported
    module = context.modules.missing_module(imported, found.image.installed)
    return LintFinding(
        rule=MISSING.id,
        file=found.file.path,
        line=imported.line,
        subject=module,
        message=f"{imports(module, imported)}, but no package of the image provides it",
        hint=_hint(imported, context.modules),
        images=(found.image.tag,),
        import_kind=imported.kind,
    )


def _hint(imported: Import, modules: ProvidedModules) -> str:
    providers = modules.providers(imported.name, modules.pins)
    if providers:
        first = min(package_name(pin) for pin in providers)
        return f'add the requirement: packages = ["{first}"]'
    python = added_in(imported.top_level)
    if python is not None:
        return f"it is in the standard library since Python {python}"
    return "add the package that provides it"


MISSING = LintRule(
    id="missing",
    summary="Code imports a module that no package of its image provides",
    level="error",
    check=_check,
)

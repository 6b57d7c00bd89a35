"""What a lint rule consists of: see lockgen.lint.rules.table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from lockgen.core.sarif import Level
from lockgen.lint.context import LintContext
from lockgen.lint.model import LintFinding


@dataclass(frozen=True, slots=True)
class RuleResult:
    """The findings of a rule. ``undecided`` are pins whose unknown modules kept the rule from a decision."""

    findings: tuple[LintFinding, ...]
    undecided: frozenset[str] = frozenset()


@dataclass(frozen=True)
class LintRule:
    """A rule. Its ``id`` is the name of its module, and appears in JSON and SARIF.

    With a ``shared_hint``, the text output shows that once instead of the hint and the images of each finding.
    """

    id: str
    summary: str
    level: Level
    check: Callable[[LintContext], RuleResult]
    shared_hint: str = ""


def merge_images(findings: Iterable[LintFinding]) -> tuple[LintFinding, ...]:
    """One finding per file, line and subject, with the images of all equal ones: images share copied code."""
    groups: dict[tuple[str, int | None, str], list[LintFinding]] = defaultdict(list)
    for finding in findings:
        key = (finding.file, finding.line, finding.subject)
        groups[key].append(finding)
    merged = []
    for group in groups.values():
        images = {image for finding in group for image in finding.images}
        # The first one stands for all: messages may name another build of a package in another variant.
        finding = replace(group[0], images=tuple(sorted(images)))
        merged.append(finding)
    return tuple(merged)

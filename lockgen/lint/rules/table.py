"""The lint rules. A new one is a module with a LintRule, and a line here."""

from __future__ import annotations

from lockgen.lint.rules.missing import MISSING
from lockgen.lint.rules.rule_type import LintRule
from lockgen.lint.rules.undeclared import UNDECLARED
from lockgen.lint.rules.unreadable import UNREADABLE
from lockgen.lint.rules.unused import UNUSED

RULES: tuple[LintRule, ...] = (
    UNUSED,
    UNDECLARED,
    MISSING,
    UNREADABLE,
)
"""In the order in which SARIF output lists them."""

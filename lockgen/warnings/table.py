"""The rules for warnings. A new one is a module with a rule, and a line here."""

from __future__ import annotations

from lockgen.warnings.model import FamilyWarning, Rule, WarningContext
from lockgen.warnings.rules.base_image import base_image
from lockgen.warnings.rules.copied_folder import copied_folder
from lockgen.warnings.rules.cuda_in_cpu import cuda_in_cpu
from lockgen.warnings.rules.cut_off import cut_off
from lockgen.warnings.rules.password_in_url import password_in_url
from lockgen.warnings.rules.shared_files import shared_files
from lockgen.warnings.rules.unknown_extra import unknown_extra
from lockgen.warnings.rules.unused_pin import unused_pin

RULES: tuple[Rule, ...] = (
    base_image,
    copied_folder,
    cuda_in_cpu,
    cut_off,
    password_in_url,
    shared_files,
    unknown_extra,
    unused_pin,
)


def find_warnings(context: WarningContext) -> list[FamilyWarning]:
    """All warnings, in the order of the rules."""
    return [warning for rule in RULES for warning in rule(context)]

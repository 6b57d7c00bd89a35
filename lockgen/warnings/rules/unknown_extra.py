"""An extra that the locked version of its package does not have."""

from __future__ import annotations

from collections.abc import Iterator

from lockgen.warnings.model import FamilyWarning, WarningContext

UNKNOWN_EXTRA = "unknown-extra"


def unknown_extra(context: WarningContext) -> Iterator[FamilyWarning]:
    """Warn about each of them. pip and uv ignore such an extra, and then its packages are missing in the image."""
    for sentence in context.unknown_extras:
        yield FamilyWarning(UNKNOWN_EXTRA, sentence, (), "remove the extra, or pin a version that has it")

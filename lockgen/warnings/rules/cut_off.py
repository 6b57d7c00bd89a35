"""A cut-off in the future."""

from __future__ import annotations

from collections.abc import Iterator

from lockgen.warnings.model import FamilyWarning, WarningContext

CUT_OFF = "cut-off"


def cut_off(context: WarningContext) -> Iterator[FamilyWarning]:
    """Warn about an `exclude-newer` in the future: until then, each run may lock other versions."""
    when = context.manifest.exclude_newer
    if when is not None and when > context.now:
        message = f"exclude-newer is in the future: {when.date()}"
        hint = "with a time in the past, the same file is locked alike on every day"
        yield FamilyWarning(CUT_OFF, message, ("family", "exclude-newer"), hint)

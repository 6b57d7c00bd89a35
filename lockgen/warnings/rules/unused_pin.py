"""A pin that no image needs."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from lockgen.core.resolution import BUILD_BACKENDS
from lockgen.warnings.model import FamilyWarning, WarningContext

_SIMILAR = 0.8
"""How similar two names must be (see difflib) for one to be suggested as the other's correct spelling."""


def unused_pin(context: WarningContext) -> Iterator[FamilyWarning]:
    """Warn about pins that nothing uses: one may be misspelled, and then the package that it means is not pinned."""
    manifest = context.manifest
    locked = {package.name for package in context.lock.packages}
    pins = dict(manifest.pins)
    for variant in manifest.variants.values():
        for name, pin in variant.pins.items():
            pins.setdefault(name, pin)
    # Those of build backends constrain builds.
    used = locked | BUILD_BACKENDS if manifest.build else locked
    for name in sorted(pins.keys() - used):
        similar = difflib.get_close_matches(name, locked - pins.keys(), n=1, cutoff=_SIMILAR)
        hint = f"did you mean {similar[0]}?" if similar else "remove it, or require the package"
        message = f"the pin of {name} has no effect: no image needs it"
        yield FamilyWarning("unused-pin", message, pins[name].path, hint)

"""What the index lacks of a package that conflicts with nothing else, and the way out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lockgen.app import App
from lockgen.conflicts.model import Conflict
from lockgen.errors import Fault, FlatIndex, LockgenError
from lockgen.io.console import render_fault
from lockgen.lock.requests import order_of_variants
from lockgen.manifest.fingerprints import Inputs


def missing_releases(app: App, inputs: Inputs, conflicts: Iterable[Conflict], *, offline: bool) -> list[Fault]:
    """A fault for each constraint that has no solution by itself because the index lacks something.

    Raises:
        FlatIndex: the index cannot have any package.
    """
    alone = [conflict for conflict in conflicts if len({each.name for each in conflict.constraints}) == 1]
    if offline or not alone:
        return []
    # Imported here, because it takes time, and most conflicts are between packages.
    from lockgen.outputs.shortage_search import ShortageSearch

    names = {each.name for conflict in alone for each in conflict.constraints}
    reason = "\n".join(conflict.reason for conflict in alone)
    search = ShortageSearch(app.http, inputs.manifest, None)
    try:
        found = search.faults(order_of_variants(inputs.manifest), reason, names)
    except FlatIndex:
        raise
    except LockgenError:
        return []
    return [fault if fault.path is None else replace(fault, place=inputs.place(fault.path)) for fault in found]


def note_missing_releases(app: App, inputs: Inputs, conflicts: Iterable[Conflict], *, offline: bool) -> None:
    """Print them to stderr, as `resolve` does."""
    for fault in missing_releases(app, inputs, conflicts, offline=offline):
        app.progress.note(render_fault(fault, label="note"))

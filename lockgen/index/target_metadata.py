"""Metadata as the target reads it, for a resolver that knows no target but the machine that it runs on."""

from __future__ import annotations

from dataclasses import replace

from lockgen.core.index import CoreMetadata
from lockgen.core.target import Target
from lockgen.core.target_requirements import evaluated
from lockgen.index.core_metadata import all_extras


def metadata_on(target: Target, metadata: CoreMetadata) -> CoreMetadata:
    """``metadata`` with the requirements whose markers are true on ``target``; only extras are left as markers.

    Requires-Python is dropped if it admits the target.
    """
    requires: dict[str, None] = {}
    for line in metadata.requires:
        requires |= dict.fromkeys(evaluated(line, target))
    python = metadata.requires_python
    return replace(
        metadata,
        requires_python=None if target.admits(python) else python,
        requires=tuple(requires),
        extras=tuple(all_extras(metadata.extras, metadata.requires)),
    )

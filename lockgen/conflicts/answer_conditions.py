"""Conditions of a uv verdict besides the request: versions, the default index, the day."""

from __future__ import annotations

from datetime import UTC, datetime

from lockgen import __version__
from lockgen.core.manifest import Manifest
from lockgen.resolvers.uv import Uv


def answer_conditions(manifest: Manifest, uv: Uv) -> dict[str, str]:
    """Everything that a verdict of ``uv`` depends on besides the request."""
    conditions = {"lockgen": __version__, "resolver": uv.version, "index": uv.default_index}
    if manifest.exclude_newer is None:
        # Without a cut-off the index grows: a verdict is valid for one day at most.
        conditions["day"] = datetime.now(UTC).date().isoformat()
    return conditions

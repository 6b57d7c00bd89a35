"""What an answer of uv depends on besides the question."""

from __future__ import annotations

from datetime import UTC, datetime

from lockgen import __version__
from lockgen.core.manifest import Manifest
from lockgen.resolvers.uv import Uv


def answer_conditions(manifest: Manifest, uv: Uv) -> dict[str, str]:
    """What an answer of ``uv`` depends on besides the question. Without a cut-off, tomorrow's index is another one."""
    found = {"lockgen": __version__, "resolver": uv.version, "index": uv.default_index}
    return found if manifest.exclude_newer is not None else {**found, "day": datetime.now(UTC).date().isoformat()}

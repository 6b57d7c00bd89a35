"""When releases were first seen, for indexes without upload times: the writer of the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime


def render_seen(seen: Mapping[str, Mapping[str, datetime]]) -> str:
    """The text of the file, in format 1. Equal input gives equal bytes."""
    # Sorted, and one version a line: a commit then shows only what is new.
    data: dict[str, dict[str, str]] = {}
    for name, versions in sorted(seen.items()):
        data[name] = {version: _text(time) for version, time in sorted(versions.items())}
    return json.dumps({"format": 1, "seen": data}, indent=1) + "\n"


def _text(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"

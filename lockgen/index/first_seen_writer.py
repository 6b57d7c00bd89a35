"""The record of when releases were first seen, as a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime


def render_seen(seen: Mapping[str, Mapping[str, datetime]]) -> str:
    """Format 1; equal records give equal bytes."""
    data = {
        name: {version: f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for version, moment in sorted(versions.items())}
        for name, versions in sorted(seen.items())
    }
    return json.dumps({"format": 1, "seen": data}, indent=1) + "\n"

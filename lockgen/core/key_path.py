"""Where something is in versions.toml."""

from __future__ import annotations

KeyPath = tuple[str | int, ...]
"""The keys that lead to a value, list positions included: ("stages", "asr", "packages", 0)."""

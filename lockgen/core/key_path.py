"""Paths of values in versions.toml."""

from __future__ import annotations

KeyPath = tuple[str | int, ...]
"""The keys that lead to a value, with positions in arrays: ("stages", "asr", "packages", 0)."""

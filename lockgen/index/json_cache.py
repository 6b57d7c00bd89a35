"""JSON files in the cache. A cache that cannot be read or written costs time, never correctness."""

from __future__ import annotations

import json
from pathlib import Path

from lockgen.core.documents import parse_json
from lockgen.io.cache import write_entry


def read_cached(path: Path) -> object:
    """The document at ``path``; None if there is none or it is not JSON."""
    try:
        document: object = parse_json(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        # RecursionError: a damaged file can nest deeper than the parser follows.
        return None
    return document


def write_cached(path: Path, document: object) -> None:
    """Write ``document`` to ``path``. Concurrent readers see all of it or nothing."""
    write_entry(path, json.dumps(document))

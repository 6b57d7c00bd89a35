"""JSON files in the cache. A cache that cannot be read or written costs time, never correctness."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path


def read_cached(path: Path) -> object:
    """The document at ``path``; None if there is none or it is not JSON."""
    try:
        document: object = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        # RecursionError: a damaged file can nest deeper than the parser follows.
        return None
    return document


def write_cached(path: Path, document: object) -> None:
    """Write ``document`` to ``path``. Concurrent readers see all of it or nothing."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        # The draft is in the same folder: os.replace is atomic only within one file system.
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".tmp", delete=False) as draft:
            json.dump(document, draft)
        os.replace(draft.name, path)

"""Where lockgen caches."""

from __future__ import annotations

import os
from pathlib import Path


def cache_root() -> Path:
    """$LOCKGEN_CACHE_DIR, else the user's cache folder. What lies there costs only time where it is lost."""
    if chosen := os.environ.get("LOCKGEN_CACHE_DIR"):
        return Path(chosen)
    from platformdirs import user_cache_path

    return user_cache_path("lockgen")

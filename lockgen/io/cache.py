"""The user's cache: its folder, and answers of earlier runs in it, one file each.

A cache that cannot be read or written costs time, never correctness. So its failures are not reported.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def cache_root() -> Path:
    """$LOCKGEN_CACHE_DIR if it is set, else the user's cache folder."""
    if chosen := os.environ.get("LOCKGEN_CACHE_DIR"):
        return Path(chosen)
    # Imported here: `check` asks for this folder at every call, and CI sets the variable.
    from platformdirs import user_cache_path

    return user_cache_path("lockgen")


def write_entry(path: Path, text: str) -> None:
    """Write ``text`` to ``path``, with its folder. Concurrent readers see all of it or nothing."""
    # Imported here: `check` imports this module, and writes no such file.
    import tempfile

    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        # The draft is in the same folder: os.replace is atomic only within one file system.
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(draft, path)
        except BaseException:
            # A full disk or Ctrl-C: without this, drafts would pile up in the cache.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(draft)
            raise


class FileCache:
    """See ports.Cache. ``kind`` is the name of the folder."""

    def __init__(self, kind: str = "compat") -> None:
        self._folder = cache_root() / kind

    def recall(self, key: str) -> str | None:
        """The text kept under ``key``; None if there is none, or if it cannot be read."""
        try:
            return self._entry(key).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def has(self, key: str) -> bool:
        """Whether a text is kept under ``key``; it is not read."""
        return self._entry(key).is_file()

    def keep(self, key: str, text: str) -> None:
        """Keep ``text`` under ``key``."""
        write_entry(self._entry(key), text)

    def _entry(self, key: str) -> Path:
        # Keys are hashes. Their first two digits spread the entries over 256 folders.
        return self._folder / key[:2] / key


class NullCache:
    """See ports.Cache: it is always empty (`--no-cache`)."""

    def recall(self, key: str) -> str | None:
        """Return None: nothing is kept."""
        return None

    def keep(self, key: str, text: str) -> None:
        """Drop ``text``."""

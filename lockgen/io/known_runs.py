"""What commands printed when they changed nothing, by the digest of all that they read: they can print it again.

The records are in the user's cache, never in the project, so that an edit cannot bring its own record along.
"""

from __future__ import annotations

import contextlib
import re

from lockgen.io.cache import cache_root, write_entry

_KEY = re.compile(r"[0-9a-f]{64}")
_KEPT = 200
"""The most runs of one kind that the cache keeps."""


class KnownRuns:
    """The runs of one ``kind``."""

    def __init__(self, kind: str) -> None:
        self._folder = cache_root() / kind

    def recall(self, key: str) -> str | None:
        """What was kept under ``key``; None if there is nothing, or it cannot be read."""
        try:
            return (self._folder / key).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def keep(self, key: str, text: str) -> None:
        """Keep ``text``, and drop the oldest entries."""
        # A cache that cannot be written only costs time.
        with contextlib.suppress(OSError):
            self._drop_oldest()
            write_entry(self._folder / key, text)

    def _drop_oldest(self) -> None:
        if not self._folder.is_dir():
            return
        kept = [entry for entry in self._folder.iterdir() if _KEY.fullmatch(entry.name)]
        kept.sort(key=lambda entry: entry.stat().st_mtime)
        for oldest in kept[: 1 - _KEPT]:
            oldest.unlink()

"""Answers of earlier runs in the user's cache, a file each."""

from __future__ import annotations

import contextlib
import os
import tempfile

from lockgen.io.cache import cache_root


class FileCache:
    """See ports.Memory. ``kind`` is the folder. A cache that cannot be read or written costs only time."""

    def __init__(self, kind: str = "compat") -> None:
        self._folder = cache_root() / kind

    def recall(self, key: str) -> str | None:
        """What was kept under ``key``."""
        try:
            return (self._folder / key[:2] / key).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def keep(self, key: str, text: str) -> None:
        """A concurrent reader sees all of it or nothing."""
        folder = self._folder / key[:2]
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=folder, prefix=".")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(name, folder / key)


class NullCache:
    """See ports.Memory: remembers nothing (`--no-cache`)."""

    def recall(self, key: str) -> str | None:
        """Nothing."""
        return None

    def keep(self, key: str, text: str) -> None:
        """Forgets it."""

"""Files that the default index has yanked (PEP 592). uv's output does not include it, so the pages are read."""

from __future__ import annotations

import hashlib
import json
import time
from typing import NamedTuple

from lockgen.core.documents import parse_json
from lockgen.errors import ToolFailed
from lockgen.index.simple_api import read_page
from lockgen.io.cache import FileCache
from lockgen.io.http import Http
from lockgen.io.uv import default_index

FRESH = 10 * 60
"""Seconds for which an answer is reused: uv caches the pages of the default index for as long."""


class _CachedNames(NamedTuple):
    read_at: float
    """Seconds since the epoch."""
    names: frozenset[str]

    @property
    def is_fresh(self) -> bool:
        # A time in the future comes from a clock that was wrong: it would stay fresh for too long.
        return 0 <= time.time() - self.read_at < FRESH


class YankedFiles:
    """The yanked files of projects on the default index. Answers are cached for ``--offline``."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._memory = FileCache("yanked")

    def of(self, project: str, *, offline: bool) -> frozenset[str]:
        """The names of the yanked files of ``project``.

        Raises:
            ToolFailed: the index cannot be read, or ``offline`` forbids it and nothing is cached.
        """
        index = default_index()
        # Hashed, because a key is a file name and the URL may have a password.
        key = hashlib.sha256(f"{index} {project}".encode()).hexdigest()
        cached = _parsed(self._memory.recall(key))
        if cached is not None and (offline or cached.is_fresh):
            return cached.names
        if offline:
            raise ToolFailed(
                f"the cache does not say which files of {project} are yanked", hint="retry without --offline"
            )
        page = read_page(self._http, index, project)
        names = frozenset(file.name for file in page.files if file.yanked is not None)
        self._memory.keep(key, json.dumps([time.time(), sorted(names)]))
        return names


def _parsed(text: str | None) -> _CachedNames | None:
    """The cached answer; None if there is none, or if it is damaged."""
    try:
        when, names = parse_json(text or "")
        return _CachedNames(float(when), frozenset(map(str, names)))
    except (ValueError, TypeError):
        return None

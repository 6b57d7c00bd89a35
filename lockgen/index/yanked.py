"""Which files the default index has yanked (PEP 592). uv's answers do not say it, so the index pages are read."""

from __future__ import annotations

import hashlib
import json
import time

from lockgen.errors import ToolFailed
from lockgen.index.simple_api import read_page
from lockgen.io.answers import FileCache
from lockgen.io.http import Http
from lockgen.io.uv import default_index

FRESH = 10 * 60
"""Seconds for which an answer is used again: uv keeps the pages of the default index for as long."""


class YankedFiles:
    """The yanked files of projects on the default index; answers are kept for ``--offline``."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._memory = FileCache("yanked")

    def of(self, project: str, *, offline: bool) -> frozenset[str]:
        """The names of the yanked files of ``project``.

        Raises:
            ToolFailed: the index cannot be read, or was never read and ``offline`` forbids it.
        """
        index = default_index()
        # The address may hold a password, and a key is a file name.
        key = hashlib.sha256(f"{index} {project}".encode()).hexdigest()
        known = _parsed(self._memory.recall(key))
        if known is not None and (offline or 0 <= time.time() - known[0] < FRESH):
            return known[1]
        if offline:
            raise ToolFailed(
                f"the cache does not say which files of {project} are yanked", hint="run it once without --offline"
            )
        found = frozenset(file.name for file in read_page(self._http, index, project).files if file.yanked is not None)
        self._memory.keep(key, json.dumps([time.time(), sorted(found)]))
        return found


def _parsed(text: str | None) -> tuple[float, frozenset[str]] | None:
    """The time of an answer in seconds, and its file names; None where there is no usable answer."""
    try:
        when, names = json.loads(text or "")
        return float(when), frozenset(map(str, names))
    except (ValueError, TypeError):
        return None

"""The releases of packages that a target can use, from index pages; before a cut-off they are remembered for a day."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from packaging.utils import InvalidSdistFilename, InvalidWheelFilename
from packaging.version import InvalidVersion, Version

from lockgen.core.index import IndexFile, ProjectPage, Release
from lockgen.core.resolution import Request
from lockgen.errors import LockgenError, ToolFailed
from lockgen.index.simple_api import read_page
from lockgen.index.wheel_ranking import identity, usable_files
from lockgen.io.cache import cache_root
from lockgen.io.http import Http
from lockgen.io.uv import default_index

KEPT = 24 * 60 * 60
"""Seconds for which releases before a cut-off are remembered: none can come, but one can be yanked."""


class IndexReleases:
    """See ports.Releases and ports.Publications."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._known: dict[object, tuple[str, ...]] = {}
        self._pages: dict[str, ProjectPage] = {}
        self._default: str | None = None

    def usable(self, name: str, request: Request) -> Sequence[str]:
        """Yanked files are not offered by a resolver, so they are none here."""
        key = (name, request.target, request.exclude_newer, request.build, request.routes.get(name))
        if key not in self._known:
            self._known[key] = self._versions(name, request)
        return self._known[key]

    def published(self, name: str, request: Request) -> Sequence[Release]:
        """A version is there if one of its files is neither yanked nor unreadable, whatever it runs on."""
        if (index := request.routes.get(name)) is not None:
            page = request.indexes[index].pages.get(name)
        elif request.offline:
            raise ToolFailed("--offline asks no index for its releases")
        else:
            page = self._page(name)
        return _published(page.files if page else ())

    def _page(self, name: str) -> ProjectPage:
        """The page of the default index, read once."""
        self._default = self._default or default_index()
        if name not in self._pages:
            self._pages[name] = read_page(self._http, self._default, name)
        return self._pages[name]

    def _versions(self, name: str, request: Request) -> tuple[str, ...]:
        if (index := request.routes.get(name)) is not None:
            page = request.indexes[index].pages.get(name)
            return _sorted(name, page.files if page else (), request)
        try:
            self._default = self._default or default_index()
        except LockgenError:
            return ()
        entry = self._entry(name, request)
        with contextlib.suppress(OSError, ValueError):
            if request.offline or time.time() - entry.stat().st_mtime < KEPT:
                return tuple(map(str, json.loads(entry.read_bytes())))
        if request.offline:
            return ()
        try:
            found = _sorted(name, self._page(name).files, request)
        except LockgenError:
            return ()
        if request.exclude_newer is not None and request.exclude_newer < datetime.now(UTC) - timedelta(days=1):
            _remember(entry, found)
        return found

    def _entry(self, name: str, request: Request) -> Path:
        what = repr((self._default, request.target, request.exclude_newer, name in request.build))
        return cache_root() / "releases" / name / f"{hashlib.sha256(what.encode()).hexdigest()[:24]}.json"


def _published(files: Sequence[IndexFile]) -> tuple[Release, ...]:
    found: dict[Version, list[datetime | None]] = {}
    for file in files:
        if file.yanked is None:
            with contextlib.suppress(InvalidSdistFilename, InvalidWheelFilename, InvalidVersion):
                found.setdefault(identity(file.name)[1], []).append(file.upload_time)
    first = {version: min((t for t in times if t is not None), default=None) for version, times in found.items()}
    return tuple(Release(str(version), first[version]) for version in sorted(first))


def _sorted(name: str, files: Sequence[IndexFile], request: Request) -> tuple[str, ...]:
    cut_off = request.exclude_newer
    seen = [
        file
        for file in files
        if file.yanked is None and (cut_off is None or file.upload_time is None or file.upload_time < cut_off)
    ]
    versions = {identity(file.name)[1] for file in usable_files(name, seen, request.target, request.build)}
    return tuple(str(version) for version in sorted(versions))


def _remember(entry: Path, versions: tuple[str, ...]) -> None:
    with contextlib.suppress(OSError):  # a cache that cannot be written costs only time
        entry.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=entry.parent, suffix=".tmp", delete=False) as draft:
            json.dump(versions, draft)
        os.replace(draft.name, entry)

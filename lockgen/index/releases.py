"""The releases of packages that a target can use, from index pages.

Releases before a cut-off are cached for a day. Without a cut-off every run reads the pages again.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from packaging.utils import InvalidSdistFilename, InvalidWheelFilename
from packaging.version import InvalidVersion, Version

from lockgen.core.index import IndexFile, ProjectPage, Release
from lockgen.core.resolution import Request
from lockgen.core.target import Target
from lockgen.errors import FlatIndex, LockgenError, ToolFailed
from lockgen.index.explicit_files import listed_files
from lockgen.index.json_cache import read_cached, write_cached
from lockgen.index.simple_api import read_page
from lockgen.index.wheel_ranking import identity, usable_files
from lockgen.io.cache import cache_root
from lockgen.io.http import Http
from lockgen.io.uv import default_index

KEPT = 24 * 60 * 60
"""Seconds for which releases before a cut-off are cached. No release can be added to them, but one can be yanked."""


class _UsableKey(NamedTuple):
    """Everything that the usable versions of a package depend on."""

    package: str
    target: Target
    exclude_newer: datetime | None
    build: frozenset[str]
    index_name: str | None


class IndexReleases:
    """See ports.Releases and ports.Publications."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._usable: dict[_UsableKey, tuple[str, ...]] = {}
        self._pages: dict[str, ProjectPage] = {}
        self._default: str | None = None

    def usable(self, name: str, request: Request) -> Sequence[str]:
        """See ports.Releases. Yanked files do not count, because resolvers do not offer them either."""
        key = _UsableKey(name, request.target, request.exclude_newer, request.build, request.routes.get(name))
        if key not in self._usable:
            self._usable[key] = self._versions(name, request)
        return self._usable[key]

    def published(self, name: str, request: Request) -> Sequence[Release]:
        """See ports.Publications. A version counts if one of its files is not yanked and has a valid name."""
        index = request.routes.get(name)
        if index is not None:
            return _published(listed_files(request.indexes[index], name))
        if request.offline:
            raise ToolFailed("--offline forbids reading releases from the index")
        return _published(self._page(name).files)

    def _default_index(self) -> str:
        if self._default is None:
            self._default = default_index()
        return self._default

    def _page(self, name: str) -> ProjectPage:
        """The page of the default index, read once."""
        if name not in self._pages:
            self._pages[name] = read_page(self._http, self._default_index(), name)
        return self._pages[name]

    def _versions(self, name: str, request: Request) -> tuple[str, ...]:
        index = request.routes.get(name)
        if index is not None:
            return _usable_versions(name, listed_files(request.indexes[index], name), request)
        try:
            entry = self._entry(name, request)
        except LockgenError:
            # The port promises an empty result if the index cannot be read.
            return ()
        cached = _cached_versions(entry, even_old=request.offline)
        if cached is not None:
            return cached
        if request.offline:
            return ()
        try:
            found = _usable_versions(name, self._page(name).files, request)
        except FlatIndex:
            raise
        except LockgenError:
            return ()
        if _is_in_the_past(request.exclude_newer):
            write_cached(entry, found)
        return found

    def _entry(self, name: str, request: Request) -> Path:
        key = repr((self._default_index(), request.target, request.exclude_newer, name in request.build))
        digest = hashlib.sha256(key.encode()).hexdigest()
        return cache_root() / "releases" / name / f"{digest[:24]}.json"


def _cached_versions(entry: Path, *, even_old: bool) -> tuple[str, ...] | None:
    try:
        age = time.time() - entry.stat().st_mtime
    except OSError:
        return None
    if age >= KEPT and not even_old:
        return None
    versions = read_cached(entry)
    return tuple(map(str, versions)) if isinstance(versions, list) else None


def _is_in_the_past(cut_off: datetime | None) -> bool:
    # A day's margin: an index may list a file some time after its upload.
    return cut_off is not None and cut_off < datetime.now(UTC) - timedelta(days=1)


def _published(files: Sequence[IndexFile]) -> tuple[Release, ...]:
    first: dict[Version, datetime | None] = {}
    for file in files:
        if file.yanked is not None:
            continue
        # Old pages list files whose names no current specification allows.
        with contextlib.suppress(InvalidSdistFilename, InvalidWheelFilename, InvalidVersion):
            version = identity(file.name)[1]
            first[version] = earlier(first.get(version), file.upload_time)
    return tuple(Release(str(version), first[version]) for version in sorted(first))


def earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two upload times; an unknown time (None) does not count."""
    if one is None or other is None:
        return one or other
    return min(one, other)


def _usable_versions(name: str, files: Sequence[IndexFile], request: Request) -> tuple[str, ...]:
    candidates = [file for file in files if file.yanked is None and _is_old_enough(file, request.exclude_newer)]
    usable = usable_files(name, candidates, request.target, request.build)
    versions = {identity(file.name)[1] for file in usable}
    return tuple(str(version) for version in sorted(versions))


def _is_old_enough(file: IndexFile, cut_off: datetime | None) -> bool:
    # Explicit indexes have no upload times: excluding undated files would leave nothing.
    return cut_off is None or file.upload_time is None or file.upload_time < cut_off

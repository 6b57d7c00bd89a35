"""What wheels need on disk and what builds require; cached under the sha256 of each file, without expiry."""

from __future__ import annotations

import configparser
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from lockgen.core.archives import BadArchive, open_zip
from lockgen.core.index import IndexFile
from lockgen.core.resolution import Request
from lockgen.errors import LockgenError, ToolFailed
from lockgen.index.installed_paths import InstalledPaths
from lockgen.index.installed_size import installed_bytes, measure_remote
from lockgen.index.json_cache import read_cached, write_cached
from lockgen.index.parallel_reads import WORKERS
from lockgen.index.ports import BuildNeeds
from lockgen.index.sdist_reader import read_sdist
from lockgen.index.source_builds import Wanted, ask_backend
from lockgen.index.uv_settings import routing_digest
from lockgen.io.cache import cache_root
from lockgen.io.http import Http
from lockgen.io.temporary import temporary_folder

_FORMAT = 1
_BUILD_FORMAT = 3
"""The format of answers of builds. Format 1 took all build requirements from the default index, and 1 and 2 always had
a size."""

Outcome = TypeVar("Outcome")


class ArtifactReader:
    """See ports.Artifacts."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._cache = cache_root() / "artifacts"
        self._paths = InstalledPaths()

    def installed(self, files: Sequence[IndexFile], request: Request) -> Mapping[str, int]:
        """See ports.Artifacts."""
        # Imported here: most runs find every size in the record or the cache.
        from lockgen.io.stopping import thread_pool

        found: dict[str, int] = {}
        missing: list[IndexFile] = []
        for file in files:
            cached = self._cached(file, "installed")
            # Not isinstance: True is an int.
            if type(cached) is int:
                found[file.name] = cached
            # The same request reads both. An earlier lockgen kept only sizes.
            if type(cached) is not int or not self._paths.has(file.sha256):
                missing.append(file)
        if request.offline or not missing:
            return found
        with thread_pool(WORKERS) as pool:
            sizes = pool.map(self._measured, missing)
            for file, size in zip(missing, sizes, strict=True):
                if size is not None:
                    found[file.name] = size
                    self._remember(file, {"installed": size})
        return found

    def build_needs(self, file: IndexFile, request: Request, *, measured: bool) -> BuildNeeds:
        """See ports.Artifacts. The environment is isolated, without releases after the cut-off.

        Raises:
            NoResolution: a build requirement is by URL.
            ToolFailed: the backend does not answer, or its answer is not cached and ``request`` is offline.
        """
        # The routing is part of the key: a build requirement may come from another index under another request.
        key = f"build-{_BUILD_FORMAT}{'-measured' if measured else ''}{routing_digest(request)}"
        cached = _build_needs(self._cached(file, key))
        if cached is not None:
            return cached
        if request.offline:
            raise ToolFailed(
                f"the cache does not have the build requirements of {file.name}", hint="run it without --offline"
            )
        needs = self._measured_build(file, request) if measured else self._unmeasured_build(file, request)
        self._remember(file, {key: {"requires": needs.requires, "installed": needs.installed}})
        return needs

    def _unmeasured_build(self, file: IndexFile, request: Request) -> BuildNeeds:
        return self._ask(file, request, "requires", lambda answer: BuildNeeds(_requires(answer), None))

    def _measured_build(self, file: IndexFile, request: Request) -> BuildNeeds:
        def examine(answer: Mapping[str, object]) -> BuildNeeds:
            return _in_wheel(file, answer, lambda wheel: BuildNeeds(_requires(answer), _measured(file, wheel)))

        try:
            return self._ask(file, request, "wheel", examine)
        except ToolFailed:
            # The build may need what only the image has. A missing size never stops a lock.
            return self._unmeasured_build(file, request)

    def members(self, file: IndexFile, request: Request) -> list[str]:
        """The names of the files in the wheel that a source distribution builds, with the routing of ``request``.

        Raises:
            ToolFailed: it does not build.
        """

        def names(answer: Mapping[str, object]) -> list[str]:
            return _in_wheel(file, answer, lambda wheel: wheel.namelist())

        return self._ask(file, request, "wheel", names)

    def _measured(self, file: IndexFile) -> int | None:
        try:
            return measure_remote(self._http, file).installed
        except LockgenError:
            # Sizes are for information: a missing one never stops a lock.
            return None

    def _ask(
        self, file: IndexFile, request: Request, wanted: Wanted, examine: Callable[[Mapping[str, object]], Outcome]
    ) -> Outcome:
        """Ask the backend of ``file``; the result of ``examine`` for its answer, whose files are removed then."""
        archive = read_sdist(self._http, file)
        with temporary_folder() as folder:
            (folder / file.name).write_bytes(archive)
            return examine(ask_backend(folder, file.name, request, wanted))

    # -- the cache -----------------------------------------------------------

    def _entry(self, file: IndexFile) -> Path | None:
        if not file.sha256:
            return None
        return self._cache / file.sha256[:2] / f"{file.sha256}.json"

    def _cached(self, file: IndexFile, key: str) -> object:
        """The cached answer ``key`` about ``file``; None if there is none."""
        entry = self._entry(file)
        document = read_cached(entry) if entry is not None else None
        if not isinstance(document, dict) or document.get("format") != _FORMAT:
            return None
        return document.get(key)

    def _remember(self, file: IndexFile, answer: Mapping[str, object]) -> None:
        entry = self._entry(file)
        if entry is not None:
            write_cached(entry, {"format": _FORMAT, **answer})


def _build_needs(cached: object) -> BuildNeeds | None:
    """The cached answer of a build; None if there is none, or if it is damaged."""
    if not isinstance(cached, dict):
        return None
    installed = cached.get("installed")
    if type(installed) is not int and installed is not None:
        return None
    try:
        return BuildNeeds(tuple(map(str, cached["requires"])), installed)
    except (KeyError, TypeError, ValueError):
        return None


def _measured(file: IndexFile, wheel: zipfile.ZipFile) -> int:
    """The installed size of ``wheel``, which was built from ``file``."""
    InstalledPaths().keep(file.sha256, wheel)
    return installed_bytes(wheel)


def _requires(answer: Mapping[str, object]) -> tuple[str, ...]:
    requires = answer["requires"]
    return tuple(map(str, requires)) if isinstance(requires, list) else ()


def _in_wheel(file: IndexFile, answer: Mapping[str, object], examine: Callable[[zipfile.ZipFile], Outcome]) -> Outcome:
    """The result of ``examine`` for the wheel that was built from ``file``."""
    path = Path(str(answer["wheel"]))
    try:
        with path.open("rb") as built, open_zip(built) as wheel:
            return examine(wheel)
    except (BadArchive, ValueError, KeyError, configparser.Error) as error:
        raise ToolFailed(f"{file.name} builds {path.name}, which is not a wheel", reason=str(error)) from error

"""Core Metadata of files of an index.

A wheel's METADATA comes from next to the wheel (PEP 658) or out of the wheel, by range requests. A source distribution
is downloaded, and built only if it does not guarantee its own requirements. Everything is cached under the sha256 of
the file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from threading import Lock

from lockgen.core.index import CoreMetadata, IndexFile
from lockgen.core.resolution import Request
from lockgen.errors import NoResolution, ToolFailed
from lockgen.index.core_metadata import check_identity, is_static, metadata_text, parse_metadata, static_project
from lockgen.index.metadata_cache import MetadataCache
from lockgen.index.parallel_reads import read_all, read_each
from lockgen.index.remote_wheel import read_metadata
from lockgen.index.sdist_reader import read_pkg_info, read_sdist, read_text
from lockgen.index.simple_api import read_page
from lockgen.index.source_builds import built_metadata
from lockgen.index.wheel_ranking import identity
from lockgen.index.yanked import YankedFiles
from lockgen.io.http import Http
from lockgen.io.temporary import temporary_folder
from lockgen.io.uv import default_index

_PYPROJECT = re.compile(r"[^/]+/pyproject\.toml")


class MetadataReader:
    """See ports.MetadataSource."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._cache = MetadataCache()
        self._default = ""
        self._locks: dict[str, Lock] = {}
        self._yanked = YankedFiles(http)

    def read(self, files: Sequence[IndexFile], request: Request) -> Mapping[str, CoreMetadata]:
        """See ports.MetadataSource. Only source distributions are downloaded whole.

        Raises:
            NoResolution: files have no sha256 on the index; with one fault for each.
            ToolFailed: files could not be read; with one fault for each.
        """
        found: dict[str, CoreMetadata] = {}
        missing: list[IndexFile] = []
        for file in files:
            cached = self._cache.get(file, request)
            if cached is not None:
                found[file.name] = cached
            else:
                missing.append(file)
        if missing and request.offline:
            names = ", ".join(sorted(file.name for file in missing))
            raise ToolFailed(f"the cache has no metadata of {names}", hint="retry without --offline")
        # Looked up here and not in the threads, so that uv is called once.
        if not self._default and any(not file.vouched for file in missing):
            self._default = default_index()
        found |= read_all(missing, lambda file: self._read_once(file, request))
        return found

    def yanked(self, projects: Sequence[str], request: Request) -> frozenset[str]:
        """See ports.MetadataSource.

        Raises:
            ToolFailed: pages could not be read; with one fault for each project.
        """
        found = read_each(projects, lambda project: self._yanked.of(project, offline=request.offline))
        return frozenset().union(*found.values())

    def wheel(self, file: IndexFile) -> CoreMetadata:
        """The metadata of one wheel, from the cache or the index.

        Raises:
            ToolFailed: it could not be read.
        """
        cached = self._cache.get(file)
        if cached is not None:
            return cached
        return self._checked(file, self._wheel_text(file))

    def wheel_text(self, file: IndexFile) -> bytes:
        """The METADATA of one wheel as it is, never from the cache.

        Raises:
            ToolFailed: it could not be read, or belongs to another package.
        """
        text = self._wheel_text(file)
        self._checked(file, text)
        return text

    def _read_once(self, file: IndexFile, request: Request) -> CoreMetadata:
        """Read ``file``. A thread that waited for another one finds the result in the cache."""
        with self._locks.setdefault(file.sha256 or file.name, Lock()):
            cached = self._cache.get(file, request)
            if cached is not None:
                return cached
            return self._read(self._vouched(file), request)

    def _vouched(self, file: IndexFile) -> IndexFile:
        """``file`` as the page of the default index lists it.

        A resolver may have computed the sha256 from a download. The lock may only have hashes that the index gives.

        Raises:
            NoResolution: the page has no sha256 for it.
            ToolFailed: the page has another sha256, or does not list the file.
        """
        if file.vouched:
            return file
        project, version = identity(file.name)
        page = read_page(self._http, self._default, project, only=file.name)
        listed = next(iter(page.files), None)
        if listed is None:
            raise ToolFailed(f"the index no longer lists {file.name}", hint="run it again")
        if listed.sha256 is None:
            raise NoResolution(
                f"{project} {version}: the index gives no sha256 for {file.name}",
                hint="lockgen locks only files whose index page has a sha256: use an index that has them",
            )
        if listed.sha256 != file.sha256:
            raise ToolFailed(f"{file.name} changed on the index during the resolution", hint="run it again")
        return listed

    def _read(self, file: IndexFile, request: Request) -> CoreMetadata:
        if file.name.endswith(".whl"):
            return self.wheel(file)
        return self._checked(file, self._sdist_text(file, request), request)

    def _wheel_text(self, file: IndexFile) -> bytes:
        """METADATA from next to the wheel (PEP 658) if the index offers it, else out of the wheel."""
        offered = self._separate_metadata(file) if file.metadata_sha256 is not None else None
        if offered is not None:
            return offered
        return read_metadata(self._http, file.url, file.name, file.sha256)

    def _separate_metadata(self, file: IndexFile) -> bytes | None:
        answer = self._http.get(f"{file.url}.metadata")
        if answer.status == 404:
            # Some mirrors copy the attribute of the page, and not the file.
            return None
        found = hashlib.sha256(answer.body).hexdigest()
        if file.metadata_sha256 and found != file.metadata_sha256:
            raise ToolFailed(f"the metadata of {file.name} does not match the index page: sha256 {found}")
        return answer.body

    def _sdist_text(self, file: IndexFile, request: Request) -> bytes:
        archive = read_sdist(self._http, file)
        info = read_pkg_info(archive, file.name)
        if info is not None and is_static(info):
            return info
        project = read_text(archive, file.name, _PYPROJECT)
        static = static_project(project) if project is not None else None
        if static is not None:
            return metadata_text(static)
        with temporary_folder() as folder:
            (folder / file.name).write_bytes(archive)
            return built_metadata(folder, file.name, request)

    def _checked(self, file: IndexFile, text: bytes, request: Request | None = None) -> CoreMetadata:
        """Parse the metadata of ``file``, check that it is its own, and cache it."""
        metadata = parse_metadata(text, file.name)
        check_identity(metadata, file.name)
        self._cache.put(file, metadata, request)
        return metadata

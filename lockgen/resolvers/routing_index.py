"""The one index that pip sees: each project's page, from the index that the request routes it to.

pip judges files and markers by the machine that it runs on. So the index offers only what the target can use, under
the names of wheels that run everywhere, and metadata that is reduced to the target. Nothing is downloaded from here.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lockgen.core.index import CoreMetadata, IndexFile, ProjectPage
from lockgen.core.parsing import parse_requirement
from lockgen.core.resolution import Request
from lockgen.errors import LockgenError
from lockgen.index.core_metadata import invalid_requirement, metadata_text
from lockgen.index.explicit_files import offered_files
from lockgen.index.metadata import MetadataReader
from lockgen.index.parallel_reads import WORKERS
from lockgen.index.server import Served
from lockgen.index.simple_api import read_page
from lockgen.index.target_metadata import metadata_on
from lockgen.index.wheel_ranking import best_files, identity, usable_files
from lockgen.io.http import Http
from lockgen.io.http_model import AccessForbidden
from lockgen.io.stopping import thread_pool
from lockgen.resolvers.url_requirements import UrlRequirements


@dataclass(frozen=True, slots=True)
class RoutedPage:
    """The usable files of a project, best first, and the explicit index that they come from."""

    page: ProjectPage
    index: str | None

    @property
    def offered(self) -> tuple[IndexFile, ...]:
        """The files that pip sees: only the first of each version, which is the one that is installed."""
        return best_files(self.page.files)


@dataclass(frozen=True, slots=True)
class _OfferedFile:
    file: IndexFile
    index: str | None


class RoutingIndex:
    """A server.PageSource for pip. Keeps every page, because the files of the solution are read from the pages.

    ``failures`` are the pages of the default index that could not be read, ``forbidden`` those with 403, ``unreadable``
    the files whose metadata could not be read. ``only_sources`` are projects that have files, but none that the target
    can use without a build. ``broken`` are the releases that pip leaves out, each with its invalid requirement.
    """

    def __init__(self, http: Http, request: Request, default: str) -> None:
        self._request = request
        self._default = default
        self._http = http
        self._reader = MetadataReader(self._http)
        # By the name under which pip sees them.
        self._offered: dict[str, _OfferedFile] = {}
        self._pages: dict[str, RoutedPage] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._locks_guard = threading.Lock()
        self.unreadable: dict[str, LockgenError] = {}
        self.failures: dict[str, LockgenError] = {}
        self.forbidden: dict[str, LockgenError] = {}
        self.only_sources: set[str] = set()
        self.broken: dict[str, str] = {}
        self.url_requirements = UrlRequirements()

    def prefetch(self) -> None:
        """Read the pages that are certain to be requested, many at once: pip requests one after the other."""
        names = set(self._request.preferences)
        for line in (*self._request.requirements, *self._request.constraints):
            requirement = parse_requirement(line)
            names.add(str(canonicalize_name(requirement.name)))
        with thread_pool(WORKERS) as pool:
            list(pool.map(self._prefetch, sorted(names)))

    def _prefetch(self, project: str) -> None:
        try:
            self.routed(project)
        except LockgenError:
            # An unused pin needs no page. If pip requests it, `failures` has the error.
            return

    def page(self, index: str, project: str) -> Served | None:
        """See server.PageSource."""
        if self.url_requirements.asks(project):
            return None
        files = []
        routed = self.routed(project)
        for file in routed.offered:
            name = _portable_name(file.name)
            self._offered[name] = _OfferedFile(file, routed.index)
            files.append(IndexFile(name, "", None, yanked=file.yanked))
        if not files:
            return None
        return Served(ProjectPage(project, tuple(files)), hashed=False)

    def metadata(self, index: str, name: str) -> bytes | None:
        """See server.PageSource."""
        offered = self._offered.get(name)
        if offered is None:
            return None
        try:
            metadata = self._metadata(offered)
        except LockgenError as error:
            self.unreadable[offered.file.name] = error
            return None
        broken = invalid_requirement(metadata)
        if broken is not None:
            self.broken[f"{metadata.name} {metadata.version}"] = broken
        on_target = metadata_on(self._request.target, metadata)
        return metadata_text(self.url_requirements.replaced(on_target))

    def _metadata(self, offered: _OfferedFile) -> CoreMetadata:
        file = offered.file
        if offered.index is not None:
            return self._request.indexes[offered.index].metadata[file.name]
        if file.name.endswith(".whl"):
            return self._reader.wheel(file)
        return self._reader.read([file], self._request)[file.name]

    def routed(self, project: str) -> RoutedPage:
        """The page of ``project`` from the index that it comes from.

        Raises:
            LockgenError: the default index cannot be read; the error is in ``failures`` too.
        """
        with self._locks_guard:
            lock = self._locks.setdefault(project, threading.Lock())
        with lock:
            # pip retries a failed page, and each attempt would wait for the time-out again.
            if project in self.failures:
                raise self.failures[project]
            if project not in self._pages:
                self._pages[project] = self._read(project)
            return self._pages[project]

    @property
    def refuses_all(self) -> bool:
        """Whether the default index answered with 403 for every page."""
        pages = [routed.page for routed in self._pages.values() if routed.index is None]
        return bool(self.forbidden) and not any(page.files for page in pages)

    def offers(self, requirement: Requirement) -> bool:
        """Whether a usable file satisfies ``requirement``."""
        page = self.routed(str(canonicalize_name(requirement.name))).page
        versions = [identity(file.name)[1] for file in page.files]
        return any(requirement.specifier.contains(version, prereleases=True) for version in versions)

    def _read(self, project: str) -> RoutedPage:
        index = self._request.routes.get(project)
        if index is not None:
            return self._read_explicit(project, index)
        if project in self._request.blocked:
            return RoutedPage(ProjectPage(project, ()), None)
        return self._read_default(project)

    def _read_explicit(self, project: str, index: str) -> RoutedPage:
        target = self._request.target
        listed = offered_files(self._request.indexes[index], project)
        offered = [file for file in listed if target.admits(file.requires_python)]
        usable = usable_files(project, offered, target, build=frozenset())
        return RoutedPage(ProjectPage(project, usable), index)

    def _read_default(self, project: str) -> RoutedPage:
        try:
            page = read_page(self._http, self._default, project)
        except AccessForbidden as error:
            # Some servers answer with it where others answer with 404.
            self.forbidden[project] = error
            return RoutedPage(ProjectPage(project, ()), None)
        except LockgenError as error:
            self.failures[project] = error
            raise
        allowed = [file for file in page.files if self._allows(file)]
        usable = usable_files(project, allowed, self._request.target, self._request.build)
        if allowed and not usable:
            self.only_sources.add(project)
        return RoutedPage(ProjectPage(project, usable), None)

    def _allows(self, file: IndexFile) -> bool:
        cut_off = self._request.exclude_newer
        # As in uv: a file without an upload time may be newer than the cut-off.
        if cut_off is not None and (file.upload_time is None or file.upload_time >= cut_off):
            return False
        return self._request.target.admits(file.requires_python)


def _portable_name(name: str) -> str:
    """The name of a wheel that runs everywhere, of the same package and version as the file ``name``."""
    project, version = identity(name)
    return f"{project.replace('-', '_')}-{version}-py3-none-any.whl"

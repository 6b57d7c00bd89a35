"""The releases of a package with the moment in which each was uploaded, and where they can be read about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from packaging.version import Version

from lockgen.core.accelerator import FAMILY
from lockgen.core.index import ExplicitIndex, IndexFile
from lockgen.core.manifest import Manifest
from lockgen.errors import LockgenError
from lockgen.index.metadata import MetadataReader
from lockgen.index.model import Published, ReleaseNotes
from lockgen.index.project_urls import news_of
from lockgen.index.simple_api import read_page
from lockgen.index.wheel_ranking import identity, usable_files
from lockgen.io.http import Http
from lockgen.io.uv import default_index


class Uploads:
    """Reads the pages of the default index, each once; explicit indexes are given as data."""

    def __init__(self, http: Http, manifest: Manifest) -> None:
        self._http, self._manifest = http, manifest
        self._default: str | None = None
        self._pages: dict[str, tuple[IndexFile, ...]] = {}

    def of(self, name: str, indexes: Sequence[ExplicitIndex | None]) -> tuple[Published, ...]:
        """The releases that each of ``indexes`` has (None: the default one), none yanked, oldest first.

        Raises:
            ToolFailed: the default index cannot be read.
        """
        tables = [self._releases(name, index) for index in indexes]
        shared = [version for version in tables[0] if all(version in table for table in tables[1:])] if tables else []
        return tuple(Published(version, tables[0][version]) for version in sorted(shared))

    def _releases(self, name: str, index: ExplicitIndex | None) -> dict[Version, datetime | None]:
        """Public version to the first upload of a file that the target can use."""
        offered = [file for file in self._files(name, index) if file.yanked is None]
        found: dict[Version, datetime | None] = {}
        for file in usable_files(name, offered, self._manifest.target, self._manifest.build):
            version = Version(identity(file.name)[1].public)
            times = [time for time in (found.get(version), file.upload_time) if time is not None]
            found[version] = min(times, default=None)
        return found

    def _files(self, name: str, index: ExplicitIndex | None) -> tuple[IndexFile, ...]:
        if index is None:
            return self._page(name)
        return index.pages[name].files if name in index.pages else ()

    def _page(self, name: str) -> tuple[IndexFile, ...]:
        if name not in self._pages:
            self._default = self._default or default_index()
            self._pages[name] = read_page(self._http, self._default, name).files
        return self._pages[name]

    def news(self, name: str, version: str) -> ReleaseNotes | None:
        """Where the releases of ``name`` can be read about, as the metadata of this one says; None where it does not.

        Of what has an index of its own none: on the default one its name would be told to strangers, and might be a
        stranger's. No pull request fails for want of a link.
        """
        if name in self._manifest.listed and name not in FAMILY:  # torch's is the same project on every index
            return None
        try:
            wanted = Version(Version(version).public)
            offered = [file for file in self._page(name) if identity(file.name)[1] == wanted]
            wheels = [file for file in offered if file.name.endswith(".whl")]
            found = news_of(MetadataReader(self._http).wheel_text(wheels[0])) if wheels else None
        except (LockgenError, ValueError):
            return None
        return ReleaseNotes(name, *found) if found is not None else None

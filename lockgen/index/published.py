"""The releases of a package with their upload times, and where their release notes are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from packaging.version import Version

from lockgen.core.accelerator import FAMILY
from lockgen.core.index import ExplicitIndex, IndexFile
from lockgen.core.manifest import Manifest
from lockgen.core.parsing import parse_version
from lockgen.errors import LockgenError
from lockgen.index.explicit_files import listed_files
from lockgen.index.metadata import MetadataReader
from lockgen.index.model import Published, ReleaseNotes
from lockgen.index.project_urls import release_notes_link
from lockgen.index.releases import earlier
from lockgen.index.simple_api import read_page
from lockgen.index.wheel_ranking import identity, usable_files
from lockgen.io.http import Http
from lockgen.io.uv import default_index

UploadTimes = dict[Version, datetime | None]
"""Public version to the first upload of a usable file; None if the index gives no times."""


class Uploads:
    """Releases and their upload times. Each page of the default index is read once; explicit indexes are passed in."""

    def __init__(self, http: Http, manifest: Manifest) -> None:
        self._http, self._manifest = http, manifest
        self._default: str | None = None
        self._pages: dict[str, tuple[IndexFile, ...]] = {}

    def of(self, name: str, indexes: Sequence[ExplicitIndex | None]) -> tuple[Published, ...]:
        """The releases of ``name`` that all ``indexes`` have (None: the default index), oldest first.

        Yanked releases are left out. The upload times are those of the first index.

        Raises:
            ToolFailed: the default index cannot be read.
        """
        if not indexes:
            return ()
        first, *others = [self._upload_times(name, index) for index in indexes]
        shared = set(first)
        for other in others:
            shared &= other.keys()
        return tuple(Published(version, first[version]) for version in sorted(shared))

    def _upload_times(self, name: str, index: ExplicitIndex | None) -> UploadTimes:
        listed = self._page(name) if index is None else listed_files(index, name)
        offered = [file for file in listed if file.yanked is None]
        found: UploadTimes = {}
        for file in usable_files(name, offered, self._manifest.target, self._manifest.build):
            # torch has a local version on each accelerator's index: only the public one can be compared.
            version = _public(identity(file.name)[1])
            found[version] = earlier(found.get(version), file.upload_time)
        return found

    def _page(self, name: str) -> tuple[IndexFile, ...]:
        if name not in self._pages:
            self._default = self._default or default_index()
            self._pages[name] = read_page(self._http, self._default, name).files
        return self._pages[name]

    def release_notes(self, name: str, version: str) -> ReleaseNotes | None:
        """Where the release notes of ``name`` are, according to the metadata of ``version``; None if unknown.

        Packages of an explicit index have no link. Looking them up on the default index would reveal their names, and
        could return another project of the same name. A missing link is never an error.
        """
        # torch and its siblings are the same projects on every index.
        if name in self._manifest.listed and name not in FAMILY:
            return None
        try:
            wheel = self._first_wheel(name, _public(parse_version(version)))
            if wheel is None:
                return None
            found = release_notes_link(MetadataReader(self._http).wheel_text(wheel))
        except (LockgenError, ValueError):
            return None
        return ReleaseNotes(name, *found) if found is not None else None

    def _first_wheel(self, name: str, version: Version) -> IndexFile | None:
        for file in self._page(name):
            if file.name.endswith(".whl") and identity(file.name)[1] == version:
                return file
        return None


def _public(version: Version) -> Version:
    return parse_version(version.public)

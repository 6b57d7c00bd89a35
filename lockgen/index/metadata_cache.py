"""Core Metadata in the cache, under the sha256 of the file that it belongs to. Entries never expire."""

from __future__ import annotations

from pathlib import Path
from typing import TypeGuard

from lockgen.core.index import CoreMetadata, IndexFile
from lockgen.core.resolution import Request
from lockgen.errors import ToolFailed
from lockgen.index.core_metadata import check_identity
from lockgen.index.json_cache import read_cached, write_cached
from lockgen.index.uv_settings import routing_digest
from lockgen.io.cache import cache_root

_FOLDER = "metadata-2"
"""Entries of the folder "metadata" have requirements that are not repaired."""


class MetadataCache:
    """What files require, by sha256. ``request`` matters only for source distributions, which may have been built."""

    def __init__(self) -> None:
        self._folder = cache_root() / _FOLDER

    def get(self, file: IndexFile, request: Request | None = None) -> CoreMetadata | None:
        """The metadata of ``file``; None if it is not cached, or if the entry is damaged or another package's."""
        entry = self._entry(file, request)
        if entry is None:
            return None
        try:
            metadata = _from_document(read_cached(entry))
            check_identity(metadata, file.name)
        except (KeyError, TypeError, ToolFailed):
            return None
        return metadata

    def put(self, file: IndexFile, metadata: CoreMetadata, request: Request | None = None) -> None:
        """Remember ``metadata``. A file without a sha256 is not cached: its name does not identify its bytes."""
        entry = self._entry(file, request)
        if entry is not None:
            write_cached(entry, _document(metadata))

    def _entry(self, file: IndexFile, request: Request | None) -> Path | None:
        if not file.sha256:
            return None
        folder = self._folder
        if request is not None and not file.name.endswith(".whl"):
            # The metadata of a build depends on the versions of its build requirements, and so on the routing; and on
            # the Python that runs the backend.
            python = request.target.python + ("-or-other" if request.other_python else "")
            folder = folder.with_name(f"{_FOLDER}-built{routing_digest(request)}-{python}")
        return folder / file.sha256[:2] / f"{file.sha256}.json"


def _document(metadata: CoreMetadata) -> dict[str, object]:
    return {
        "name": metadata.name,
        "version": metadata.version,
        "requires-python": metadata.requires_python,
        "requires": metadata.requires,
        "extras": metadata.extras,
    }


def _from_document(document: object) -> CoreMetadata:
    """Raises KeyError or TypeError if ``document`` is not as `_document` makes it."""
    if not isinstance(document, dict):
        raise TypeError("not an object")
    name, version, python = document["name"], document["version"], document["requires-python"]
    requires, extras = document["requires"], document["extras"]
    if not isinstance(name, str) or not isinstance(version, str):
        raise TypeError("name and version must be text")
    if not isinstance(python, str | None):
        raise TypeError("requires-python must be text")
    if not _are_texts(requires) or not _are_texts(extras):
        raise TypeError("requires and extras must be lists of text")
    return CoreMetadata(name, version, python, tuple(requires), tuple(extras))


def _are_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)

"""Explicit indexes as uv reads them: a folder of PEP 503 pages that uv reads first, and static metadata.

uv takes a package from the first index that has a page for it (`index-strategy = "first-index"`), build requirements
included. So the folder has a page for every listed package, which is empty if no file can be used. uv then never
queries the default index for such a name.
"""

from __future__ import annotations

import html
import threading
import weakref
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from packaging.version import Version

from lockgen.core.index import CoreMetadata, ExplicitIndex, IndexFile
from lockgen.core.parsing import parse_lenient_specifiers
from lockgen.core.quoting import array, quoted
from lockgen.core.resolution import Request
from lockgen.core.target import Target
from lockgen.core.target_requirements import decided
from lockgen.index.explicit_files import download_url, listed_files, offered_files
from lockgen.index.wheel_ranking import identity, usable_files
from lockgen.io.temporary import create_folder, remove_folder


class Routing(NamedTuple):
    """Requests with equal routings have the same pages."""

    routes: tuple[tuple[str, str], ...]
    blocked: frozenset[str]
    indexes: tuple[int, ...]
    """The id() of each index, as an index itself cannot be hashed."""


class _MetadataKey(NamedTuple):
    routing: Routing
    target: Target


class _OfferedKey(NamedTuple):
    index_id: int
    package: str
    target: Target


class Pages:
    """The pages of listed packages for a series of requests. Their folder is removed with this object.

    Methods may be called from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folders: dict[Routing, Path] = {}
        self._metadata: dict[_MetadataKey, str] = {}
        self._offered: dict[_OfferedKey, tuple[Version, ...]] = {}
        self._indexes: list[ExplicitIndex] = []

    @cached_property
    def _root(self) -> Path:
        root = create_folder("pages-")
        weakref.finalize(self, remove_folder, root)
        return root

    def folder(self, request: Request) -> Path | None:
        """The folder with the pages of the listed packages of ``request``; None if it has no listed packages."""
        if not request.routes and not request.blocked:
            return None
        with self._lock:
            routing = self._routing(request)
            if routing not in self._folders:
                folder = self._root / str(len(self._folders))
                _write_pages(folder, request)
                self._folders[routing] = folder
            return self._folders[routing]

    def metadata(self, request: Request) -> str:
        """The static metadata of the listed packages, as tables of uv.toml."""
        with self._lock:
            key = _MetadataKey(self._routing(request), request.target)
            if key not in self._metadata:
                self._metadata[key] = _static_metadata(request)
            return self._metadata[key]

    def offered(self, index: ExplicitIndex, name: str, target: Target) -> tuple[Version, ...]:
        """The versions of ``name`` on ``index`` that run on ``target``; one for each file."""
        with self._lock:
            self._keep_alive(index)
            key = _OfferedKey(id(index), name, target)
            if key not in self._offered:
                files = usable_files(name, listed_files(index, name), target, build=frozenset())
                self._offered[key] = tuple(identity(file.name)[1] for file in files)
            return self._offered[key]

    def _routing(self, request: Request) -> Routing:
        for index in request.indexes.values():
            self._keep_alive(index)
        indexes = tuple(id(index) for _, index in sorted(request.indexes.items()))
        return Routing(tuple(sorted(request.routes.items())), request.blocked, indexes)

    def _keep_alive(self, index: ExplicitIndex) -> None:
        # Keys contain id(index). Python may give the same id to another index once this one is freed.
        if not any(known is index for known in self._indexes):
            self._indexes.append(index)


def metadata_table(metadata: CoreMetadata, target: Target) -> str:
    """Static metadata of one version of a package, as a table of uv.toml. uv then reads none of its files."""
    lines = [
        "[[dependency-metadata]]",
        f"name = {quoted(metadata.name)}",
        f"version = {quoted(metadata.version)}",
        f"requires-dist = {array(decided(metadata.requires, target))}",
        f"provides-extra = {array(metadata.extras)}",
    ]
    if metadata.requires_python and not target.admits(metadata.requires_python):
        bounds = str(parse_lenient_specifiers(metadata.requires_python))
        lines.append(f"requires-python = {quoted(bounds)}")
    return "\n".join(lines) + "\n"


def _static_metadata(request: Request) -> str:
    tables: list[str] = []
    for name, index_name in sorted(request.routes.items()):
        index = request.indexes[index_name]
        files = usable_files(name, offered_files(index, name), request.target, build=frozenset())
        found = [index.metadata[file.name] for file in files]
        # uv has one metadata for a version. It must be that of a file that the target's Python may install.
        found.sort(key=lambda metadata: not request.target.admits(metadata.requires_python))
        by_version: dict[str, CoreMetadata] = {}
        for metadata in found:
            by_version.setdefault(metadata.version, metadata)
        tables += [metadata_table(metadata, request.target) for metadata in by_version.values()]
    return "".join(tables)


def _write_pages(folder: Path, request: Request) -> None:
    for name in request.blocked:
        _write_page(folder / name, [])
    for name, index_name in request.routes.items():
        index = request.indexes[index_name]
        files = [replace(file, url=download_url(file, index)) for file in offered_files(index, name)]
        _write_page(folder / name, files)


def _write_page(folder: Path, files: Iterable[IndexFile]) -> None:
    folder.mkdir(parents=True)
    body = "\n".join(_link(file) for file in files)
    (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>\n{body}\n</body></html>\n")


def _link(file: IndexFile) -> str:
    attributes = f'href="{html.escape(_address(file))}#sha256={file.sha256}"'
    if file.requires_python:
        attributes += f' data-requires-python="{html.escape(file.requires_python)}"'
    if file.yanked is not None:
        attributes += f' data-yanked="{html.escape(file.yanked)}"'
    return f"<a {attributes}>{html.escape(file.name)}</a>"


def _address(file: IndexFile) -> str:
    """The address of ``file``. uv takes the file's name from it, so one that ends in another name is replaced."""
    last_part = urlsplit(file.url).path.rpartition("/")[2]
    return file.url if unquote(last_part) == file.name else file.name

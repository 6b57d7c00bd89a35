"""Explicit indexes as uv reads them: a folder of PEP 503 pages that uv asks first, and static metadata.

uv takes a package from the first index that has a page for it (`index-strategy = "first-index"`), for what a build
requires too. So the folder has a page for every listed package, an empty one where there is nothing to take, and the
default index is never asked for such a name.
"""

from __future__ import annotations

import html
import json
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.version import Version

from lockgen.core.index import CoreMetadata, ExplicitIndex, IndexFile
from lockgen.core.resolution import Request
from lockgen.core.target import Target
from lockgen.index.wheel_ranking import identity, usable_files

Routing = tuple[tuple[tuple[str, str], ...], frozenset[str], tuple[int, ...]]
"""What makes the pages of two requests the same: their routes, blocked names, and indexes (by identity)."""


class Pages:
    """The pages of the listed packages that a session of questions is about, in a folder that goes with it.

    Several threads may ask.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folders: dict[Routing, Path] = {}
        self._kept: list[ExplicitIndex] = []
        self._metadata: dict[tuple[Routing, Target], str] = {}
        self._offered: dict[tuple[int, str, Target], tuple[Version, ...]] = {}

    @cached_property
    def _root(self) -> Path:
        root = Path(tempfile.mkdtemp(prefix="lockgen-"))
        weakref.finalize(self, shutil.rmtree, root, ignore_errors=True)
        return root

    def folder(self, request: Request) -> Path | None:
        """Where the pages of the listed packages of ``request`` are; None where it has none."""
        if not request.routes and not request.blocked:
            return None
        with self._lock:
            routing = self._routing(request)
            if routing not in self._folders:
                folder = self._root / str(len(self._folders))
                _write(folder, request)
                self._folders[routing] = folder
            return self._folders[routing]

    def metadata(self, request: Request) -> str:
        """What the files of the listed packages require, as tables of uv.toml."""
        with self._lock:
            key = (self._routing(request), request.target)
            if key not in self._metadata:
                self._metadata[key] = _static_metadata(request)
            return self._metadata[key]

    def offered(self, index: ExplicitIndex, name: str, target: Target) -> tuple[Version, ...]:
        """The versions of ``name`` there that run on ``target``; one for each file."""
        with self._lock:
            self._keep(index)
            key = (id(index), name, target)
            if key not in self._offered:
                page = index.pages.get(name)
                files = usable_files(name, page.files, target, build=frozenset()) if page is not None else ()
                self._offered[key] = tuple(identity(file.name)[1] for file in files)
            return self._offered[key]

    def _routing(self, request: Request) -> Routing:
        for index in request.indexes.values():
            self._keep(index)
        indexes = tuple(id(index) for _, index in sorted(request.indexes.items()))
        return tuple(sorted(request.routes.items())), request.blocked, indexes

    def _keep(self, index: ExplicitIndex) -> None:
        # As long as an index is kept, its id is not given to another one.
        if not any(known is index for known in self._kept):
            self._kept.append(index)


def quoted(value: str) -> str:
    """A TOML string."""
    return json.dumps(value, ensure_ascii=True)


def array(values: Iterable[str]) -> str:
    """A TOML array of strings."""
    return "[" + ", ".join(quoted(value) for value in values) + "]"


def metadata_table(metadata: CoreMetadata) -> str:
    """Static metadata of one version of a package, as a table of uv.toml: uv reads no file of it then."""
    lines = [
        "[[dependency-metadata]]",
        f"name = {quoted(metadata.name)}",
        f"version = {quoted(metadata.version)}",
        f"requires-dist = {array(metadata.requires)}",
        f"provides-extra = {array(metadata.extras)}",
    ]
    if metadata.requires_python:
        lines.append(f"requires-python = {quoted(metadata.requires_python)}")
    return "\n".join(lines) + "\n"


def _static_metadata(request: Request) -> str:
    chosen: dict[tuple[str, str], CoreMetadata] = {}
    for name, where in sorted(request.routes.items()):
        index = request.indexes[where]
        page = index.pages.get(name)
        files = usable_files(name, page.files, request.target, build=frozenset()) if page is not None else ()
        found = [index.metadata[file.name] for file in files if file.name in index.metadata]
        # uv knows one metadata for a version: that of the first file that the target's Python may install.
        found.sort(key=lambda metadata: not request.target.admits(metadata.requires_python))
        for metadata in found:
            chosen.setdefault((name, metadata.version), metadata)
    return "".join(metadata_table(metadata) for metadata in chosen.values())


def _write(folder: Path, request: Request) -> None:
    for name in request.blocked:
        _write_page(folder / name, [])
    for name, where in request.routes.items():
        index = request.indexes[where]
        page = index.pages.get(name)
        files = page.files if page is not None else ()
        _write_page(folder / name, [file for file in files if file.sha256 and file.name in index.metadata])


def _write_page(folder: Path, files: Iterable[IndexFile]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    links = []
    for file in files:
        python = f' data-requires-python="{html.escape(file.requires_python)}"' if file.requires_python else ""
        yanked = f' data-yanked="{html.escape(file.yanked)}"' if file.yanked is not None else ""
        address = html.escape(_address(file))
        links.append(f'<a href="{address}#sha256={file.sha256}"{python}{yanked}>{html.escape(file.name)}</a>')
    body = "\n".join(links)
    (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>\n{body}\n</body></html>\n")


def _address(file: IndexFile) -> str:
    """Where the file is. uv reads a file's name from its address: one that says another name is of no use to it."""
    named = unquote(urlsplit(file.url).path.rsplit("/", 1)[-1])
    return file.url if named == file.name else file.name

"""Explicit indexes as uv reads them: folders of PEP 503 pages, and static metadata. Each is written once a session."""

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

from packaging.version import Version

from lockgen.adapters.resolvers.usable import identity, usable_files
from lockgen.model.target import Target
from lockgen.ports import ExplicitIndex


class Pages:
    """The pages of the indexes that a session of questions is about, in a folder that goes with it.

    Several threads may ask.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folders: dict[int, tuple[ExplicitIndex, Path]] = {}
        self._metadata: dict[tuple[int, Target], str] = {}
        self._offered: dict[tuple[int, str, Target], tuple[Version, ...]] = {}

    @cached_property
    def _root(self) -> Path:
        root = Path(tempfile.mkdtemp(prefix="lockgen-"))
        weakref.finalize(self, shutil.rmtree, root, ignore_errors=True)
        return root

    def folder(self, index: ExplicitIndex) -> Path:
        """Where the pages of ``index`` are."""
        with self._lock:
            known = self._folders.get(id(index))
            if known is None:
                # The index is kept too: its id is nobody else's as long as it lives.
                known = self._folders[id(index)] = (index, self._root / str(len(self._folders)) / index.name)
                _write(known[1], index)
            return known[1]

    def metadata(self, index: ExplicitIndex, target: Target) -> str:
        """What its files require, as tables of uv.toml."""
        self.folder(index)
        key = (id(index), target)
        if key not in self._metadata:
            self._metadata[key] = _static_metadata(index, target)
        return self._metadata[key]

    def offered(self, index: ExplicitIndex, name: str, target: Target) -> tuple[Version, ...]:
        """The versions of ``name`` there that run on ``target``; one for each file."""
        self.folder(index)
        key = (id(index), name, target)
        if key not in self._offered:
            page = index.pages.get(name)
            files = usable_files(name, page.files, target, build=frozenset()) if page is not None else ()
            self._offered[key] = tuple(identity(file.name)[1] for file in files)
        return self._offered[key]


def quoted(value: str) -> str:
    """A TOML string."""
    return json.dumps(value, ensure_ascii=True)


def array(values: Iterable[str]) -> str:
    """A TOML array of strings."""
    return "[" + ", ".join(quoted(value) for value in values) + "]"


def _static_metadata(index: ExplicitIndex, target: Target) -> str:
    tables: dict[tuple[str, str], str] = {}
    for page in index.pages.values():
        for file in usable_files(page.project, page.files, target, build=frozenset()):
            metadata = index.metadata.get(file.name)
            if metadata is None:
                continue
            lines = [
                "[[dependency-metadata]]",
                f"name = {quoted(page.project)}",
                f"version = {quoted(metadata.version)}",
                f"requires-dist = {array(metadata.requires)}",
                f"provides-extra = {array(metadata.extras)}",
            ]
            if metadata.requires_python:
                lines.append(f"requires-python = {quoted(metadata.requires_python)}")
            # Wheels come best first, and uv knows one metadata for a version.
            tables.setdefault((page.project, metadata.version), "\n".join(lines) + "\n")
    return "".join(tables.values())


def _write(folder: Path, index: ExplicitIndex) -> None:
    for page in index.pages.values():
        (folder / page.project).mkdir(parents=True, exist_ok=True)
        links = []
        for file in page.files:
            if file.sha256 is None or file.name not in index.metadata:
                continue
            python = f' data-requires-python="{html.escape(file.requires_python)}"' if file.requires_python else ""
            yanked = f' data-yanked="{html.escape(file.yanked)}"' if file.yanked is not None else ""
            name = html.escape(file.name)
            links.append(f'<a href="{name}#sha256={file.sha256}"{python}{yanked}>{name}</a>')
        body = "\n".join(links)
        (folder / page.project / "index.html").write_text(f"<!DOCTYPE html><html><body>\n{body}\n</body></html>\n")

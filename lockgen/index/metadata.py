"""Core Metadata of files of an index, cached for good under the sha256 of the file that it belongs to."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from lzma import LZMAError
from pathlib import Path
from threading import Lock
from typing import TypeVar

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from lockgen.core.index import CoreMetadata, IndexFile
from lockgen.core.resolution import Request
from lockgen.core.urls import redacted
from lockgen.errors import LockgenError, NoResolution, ToolFailed
from lockgen.index.core_metadata import is_static, parse_metadata
from lockgen.index.remote_wheel import read_metadata
from lockgen.index.simple_api import read_page
from lockgen.index.source_builds import build_wheel
from lockgen.index.uv_settings import routing_digest
from lockgen.index.wheel_ranking import identity
from lockgen.index.yanked import YankedFiles
from lockgen.io.cache import cache_root
from lockgen.io.http import Http
from lockgen.io.uv import default_index

WORKERS = 16
_LARGEST_SDIST = 500 * 1024 * 1024


class MetadataReader:
    """See ports.MetadataSource."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._cache = cache_root() / "metadata"
        self._default = ""
        self._turns: dict[str, Lock] = {}
        self._yanked = YankedFiles(http)

    def read(self, files: Sequence[IndexFile], request: Request) -> Mapping[str, CoreMetadata]:
        """The metadata of every file. Wheels are read in parts, only source distributions whole, and built if need be.

        Raises:
            ToolFailed: with one fault for each file that could not be read.
        """
        found: dict[str, CoreMetadata] = {}
        missing: list[IndexFile] = []
        for file in files:
            known = self._known(file, request)
            if known is not None:
                found[file.name] = known
            else:
                missing.append(file)
        if missing and request.offline:
            names = ", ".join(sorted(file.name for file in missing))
            raise ToolFailed(f"the cache has no metadata of {names}", hint="run it once without --offline")
        if not self._default and any(not file.vouched for file in missing):
            self._default = default_index()
        found |= read_all(missing, lambda file: self._in_turn(file, request))
        return found

    def yanked(self, projects: Sequence[str], request: Request) -> frozenset[str]:
        """See ports.MetadataSource.

        Raises:
            ToolFailed: with one fault for each project whose page could not be read.
        """
        found = each(projects, lambda project: self._yanked.of(project, offline=request.offline))
        return frozenset().union(*found.values())

    def _in_turn(self, file: IndexFile, request: Request) -> CoreMetadata:
        """What two threads miss at once is fetched once: the second finds it in the cache."""
        with self._turns.setdefault(file.sha256 or file.name, Lock()):
            return self._known(file, request) or self._fresh(self._vouched(file), request)

    def _vouched(self, file: IndexFile) -> IndexFile:
        """``file`` as the default index's own page has it.

        Raises:
            NoResolution: the page gives no sha256 for it.
            ToolFailed: it gives another one, or does not list the file.
        """
        if file.vouched:
            return file
        project = str(canonicalize_name(identity(file.name)[0]))
        page = read_page(self._http, self._default, project, only=file.name)
        listed = next(iter(page.files), None)
        if listed is None:
            raise ToolFailed(f"the index does not list {file.name} any more", hint="run it again")
        if listed.sha256 is None:
            raise NoResolution(
                f"{project} {identity(file.name)[1]}: the index gives no sha256 for {file.name}",
                hint="lockgen writes no line without a hash that the index stands for; use an index that has them",
            )
        if listed.sha256 != file.sha256:
            raise ToolFailed(f"{file.name} changed on the index while resolving", hint="run it again")
        return listed

    def wheel(self, file: IndexFile) -> CoreMetadata:
        """The metadata of one wheel, from the cache or the index.

        Raises:
            ToolFailed: it could not be read.
        """
        known = self._known(file)
        if known is not None:
            return known
        return self._remembered(file, self._wheel_text(file))

    def wheel_text(self, file: IndexFile) -> bytes:
        """METADATA of one wheel as it is, never from the cache.

        Raises:
            ToolFailed: it could not be read, or is another package's.
        """
        text = self._wheel_text(file)
        self._remembered(file, text)
        return text

    def _wheel_text(self, file: IndexFile) -> bytes:
        """From beside the wheel (PEP 658) where the index offers it, else out of the wheel."""
        if file.metadata_sha256 is not None:
            answer = self._http.get(f"{file.url}.metadata")
            if answer.status != 404:
                got = hashlib.sha256(answer.body).hexdigest()
                if file.metadata_sha256 and got != file.metadata_sha256:
                    raise ToolFailed(f"the metadata of {file.name} is not what the index page says: sha256 {got}")
                return answer.body
        return read_metadata(self._http, file.url, file.name, file.sha256)

    def _fresh(self, file: IndexFile, request: Request) -> CoreMetadata:
        if file.name.endswith(".whl"):
            return self.wheel(file)
        return self._remembered(file, self._source_text(file, request), request)

    def _source_text(self, file: IndexFile, request: Request) -> bytes:
        archive = read_sdist(self._http, file)
        info = _package_info(archive, file.name)
        if info is not None and is_static(info):
            return info
        with tempfile.TemporaryDirectory(prefix="lockgen-") as folder:
            (Path(folder) / file.name).write_bytes(archive)
            return build_wheel(Path(folder), file.name, request)

    # -- the cache -----------------------------------------------------------

    def _entry(self, file: IndexFile, request: Request | None) -> Path | None:
        if not file.sha256:
            return None
        root = self._cache
        if request is not None and not file.name.endswith(".whl"):
            # What a build says depends on what it was built with.
            root = root.with_name(f"metadata-built{routing_digest(request)}")
        return root / file.sha256[:2] / f"{file.sha256}.json"

    def _known(self, file: IndexFile, request: Request | None = None) -> CoreMetadata | None:
        entry = self._entry(file, request)
        if entry is None:
            return None
        try:
            return _checked(_from_cache(json.loads(entry.read_bytes())), file.name)
        except (OSError, ValueError, KeyError, TypeError, RecursionError, ToolFailed):
            return None

    def _remembered(self, file: IndexFile, text: bytes, request: Request | None = None) -> CoreMetadata:
        metadata = _checked(parse_metadata(text, file.name), file.name)
        self._remember(file, metadata, request)
        return metadata

    def _remember(self, file: IndexFile, metadata: CoreMetadata, request: Request | None) -> None:
        entry = self._entry(file, request)
        if entry is None:
            return
        data = {
            "name": metadata.name,
            "version": metadata.version,
            "requires-python": metadata.requires_python,
            "requires": metadata.requires,
            "extras": metadata.extras,
        }
        try:
            entry.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=entry.parent, suffix=".tmp", delete=False) as draft:
                json.dump(data, draft)
            os.replace(draft.name, entry)
        except OSError:
            return  # a cache that cannot be written costs only time


def read_sdist(http: Http, file: IndexFile) -> bytes:
    """A source distribution, whole.

    Raises:
        ToolFailed: it is gone, or not the file that the index page lists.
    """
    answer = http.get(file.url, largest=_LARGEST_SDIST)
    if answer.status == 404:
        raise ToolFailed(f"{file.name} is not at {redacted(file.url)} any more: HTTP 404")
    got = hashlib.sha256(answer.body).hexdigest()
    if got != file.sha256:
        raise ToolFailed(f"{file.name} is not what the index page says: sha256 {got}")
    return answer.body


def _from_cache(data: dict[str, object]) -> CoreMetadata:
    """Raises KeyError or TypeError where it is not as ``_remember`` wrote it."""
    name, version, python = data["name"], data["version"], data["requires-python"]
    requires, extras = data["requires"], data["extras"]
    if not isinstance(name, str) or not isinstance(version, str) or not isinstance(python, str | None):
        raise TypeError
    if not isinstance(requires, list) or not isinstance(extras, list):
        raise TypeError
    if not all(isinstance(line, str) for line in (*requires, *extras)):
        raise TypeError
    return CoreMetadata(name, version, python, tuple(requires), tuple(extras))


T = TypeVar("T")


def read_all(files: Sequence[IndexFile], read: Callable[[IndexFile], T]) -> dict[str, T]:
    """``read`` of every file, many at once, by file name.

    Raises:
        NoResolution: with one fault for each file, where none has a hash.
        ToolFailed: with one fault for each file that failed.
    """
    by_name = {file.name: file for file in files}
    return each(by_name, lambda name: read(by_name[name]))


def each(names: Iterable[str], read: Callable[[str], T]) -> dict[str, T]:
    """``read`` of every name, many at once.

    Raises:
        NoResolution: with one fault for each name, where all failed with it.
        ToolFailed: with one fault for each name that failed.
    """
    found: dict[str, T] = {}
    errors: list[LockgenError] = []
    pool = ThreadPoolExecutor(WORKERS)
    try:
        answers = {name: pool.submit(read, name) for name in names}
        for name, answer in answers.items():
            try:
                found[name] = answer.result()
            except LockgenError as error:
                errors.append(error)
    finally:
        # After Ctrl-C nobody waits for requests that have not begun.
        pool.shutdown(cancel_futures=True)
    if errors:
        kind = NoResolution if all(isinstance(error, NoResolution) for error in errors) else ToolFailed
        raise kind.of(dict.fromkeys(fault for error in errors for fault in error.faults))
    return found


def _checked(metadata: CoreMetadata, file: str) -> CoreMetadata:
    name, version = identity(file)
    try:
        agrees = canonicalize_name(metadata.name) == name and Version(metadata.version) == version
    except InvalidVersion:
        agrees = False
    if not agrees:
        raise ToolFailed(f"the metadata of {file} is that of {metadata.name} {metadata.version}")
    return metadata


_INFO = re.compile(r"[^/]+/PKG-INFO")


def _package_info(archive: bytes, name: str) -> bytes | None:
    """PKG-INFO at the top of a source distribution, None where there is none."""
    try:
        if name.endswith(".zip"):
            with zipfile.ZipFile(BytesIO(archive)) as packed:
                inside = [member for member in packed.namelist() if _INFO.fullmatch(member)]
                return packed.read(inside[0]) if inside else None
        with tarfile.open(fileobj=BytesIO(archive)) as tar:
            for member in tar:
                if member.isfile() and _INFO.fullmatch(member.name) and (opened := tar.extractfile(member)):
                    return opened.read()
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError, RuntimeError) as error:
        raise ToolFailed(f"{name} is no source distribution", reason=str(error)) from error
    return None

"""A recorded index (index.json and its metadata files) to ExplicitIndex."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from packaging.utils import canonicalize_name

from lockgen.core.index import CoreMetadata, ExplicitIndex, IndexFile, ProjectPage
from lockgen.errors import BadInput, Place, ToolFailed
from lockgen.index.core_metadata import parse_metadata
from lockgen.index.page_reader import belongs_to

ReadRecordFile = Callable[[str], bytes | None]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")


def parse_record(read: ReadRecordFile, folder: str, name: str) -> ExplicitIndex:
    """The record of index ``name`` under ``folder``; every hash in it is checked.

    Raises:
        BadInput: it is missing, malformed, or a metadata file is not the one that was recorded.
    """
    place = f"{folder}/index.json"
    data = read(place)
    if data is None:
        raise BadInput("there is no record", place=Place(place), hint=f"make it: lockgen index record {name}")
    return _Record(read, folder, place, name).read(data)


class _Record:
    def __init__(self, read: ReadRecordFile, folder: str, place: str, name: str) -> None:
        self._read, self._folder, self._place, self._name = read, folder, place, name
        self._parsed: dict[str, CoreMetadata] = {}

    def read(self, data: bytes) -> ExplicitIndex:
        try:
            document = json.loads(data)
            if document["format"] != 1:
                raise self._bad(f"format {document['format']!r} is not known to this lockgen")
            url = str(document["url"])
            projects = {str(canonicalize_name(key)): list(value) for key, value in document["projects"].items()}
            return self._index(url, projects)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise self._bad(f"not as lockgen writes it: {error}") from error

    def _index(self, url: str, projects: Mapping[str, list[Any]]) -> ExplicitIndex:
        pages: dict[str, ProjectPage] = {}
        metadata: dict[str, CoreMetadata] = {}
        for project, entries in projects.items():
            files = [self._file(entry, project, url, metadata) for entry in entries]
            pages[project] = ProjectPage(project, tuple(files))
        return ExplicitIndex(self._name, url, pages, metadata)

    def _file(self, entry: Mapping[str, Any], project: str, url: str, metadata: dict[str, CoreMetadata]) -> IndexFile:
        name, sha256 = entry["name"], entry["sha256"]
        if not isinstance(name, str) or not belongs_to(name, project):
            raise self._bad(f"{name!r} is no file of {project}")
        if name in metadata:
            raise self._bad(f"{name} is listed twice")
        if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
            raise self._bad(f"{name} has no sha256")
        size, installed = (self._bytes(entry.get(key), name) for key in ("size", "installed"))
        python, yanked = entry.get("requires-python"), entry.get("yanked")
        if not isinstance(python, str | None) or not isinstance(yanked, str | None):
            raise self._bad(f"requires-python and yanked of {name} must be text")
        metadata[name] = self._metadata(entry["metadata"], name)
        uploaded = entry.get("upload-time")
        return IndexFile(
            name=name,
            url=f"{url.rstrip('/')}/{quote(name)}",
            sha256=sha256,
            size=size,
            requires_python=python,
            upload_time=datetime.fromisoformat(uploaded) if uploaded is not None else None,
            metadata_sha256=entry["metadata"]["sha256"],
            yanked=yanked,
            installed=installed,
        )

    def _bytes(self, value: object, name: str) -> int | None:
        if value is None or (type(value) is int and value >= 0):
            return value
        raise self._bad(f"{value!r} is no size of {name}")

    def _metadata(self, entry: Mapping[str, Any], name: str) -> CoreMetadata:
        file, recorded = str(entry["file"]), str(entry["sha256"])
        if not _PART.fullmatch(file):
            raise self._bad(f"{file!r} is no file name")
        if file not in self._parsed:
            path = f"{self._folder}/metadata/{file}"
            text = self._read(path)
            if text is None:
                raise BadInput("the record lacks this file", place=Place(path), hint=self._hint)
            if hashlib.sha256(text).hexdigest() != recorded:
                raise BadInput("this is not what was recorded: another sha256", place=Place(path), hint=self._hint)
            try:
                self._parsed[file] = parse_metadata(text, name)
            except ToolFailed as error:
                raise BadInput(str(error), place=Place(path), hint=self._hint) from error
        return self._parsed[file]

    @property
    def _hint(self) -> str:
        return f"restore it from version control, or record anew: lockgen index record {self._name}"

    def _bad(self, message: str) -> BadInput:
        return BadInput(message, place=Place(self._place), hint=self._hint)

"""A recorded index (index.json and its metadata files) to ExplicitIndex."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from packaging.utils import canonicalize_name

from lockgen.core.documents import parse_json
from lockgen.core.index import CoreMetadata, ExplicitIndex, IndexFile, ProjectPage
from lockgen.errors import BadInput, Place, ToolFailed
from lockgen.index.core_metadata import parse_metadata
from lockgen.index.page_reader import belongs_to

ReadRecordFile = Callable[[str], bytes | None]
"""Path of a file in the project to its bytes; None if it does not exist."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")


def parse_record(read: ReadRecordFile, folder: str, name: str) -> ExplicitIndex:
    """The record of index ``name`` in ``folder``. Every hash in it is checked.

    Raises:
        BadInput: it is missing or malformed, or a metadata file has another sha256.
    """
    place = f"{folder}/index.json"
    data = read(place)
    if data is None:
        raise BadInput("missing record", place=Place(place), hint=f"create it: lockgen index record {name}")
    return _RecordReader(read, folder, name).read(data)


class _RecordReader:
    def __init__(self, read: ReadRecordFile, folder: str, name: str) -> None:
        self._read, self._folder, self._name = read, folder, name
        self._metadata: dict[str, CoreMetadata] = {}
        # By file of the record: several wheels share one.
        self._parsed: dict[str, CoreMetadata] = {}

    def read(self, data: bytes) -> ExplicitIndex:
        try:
            document = parse_json(data)
            if document["format"] != 1:
                raise self._malformed(f"this lockgen does not support format {document['format']!r}")
            url = str(document["url"])
            pages: dict[str, ProjectPage] = {}
            for key, entries in document["projects"].items():
                project = str(canonicalize_name(key))
                files = [self._file(entry, project, url) for entry in entries]
                pages[project] = ProjectPage(project, tuple(files))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise self._malformed(f"not as lockgen writes it: {error}") from error
        return ExplicitIndex(self._name, url, pages, self._metadata)

    def _file(self, entry: Mapping[str, Any], project: str, url: str) -> IndexFile:
        name = self._file_name(entry["name"], project)
        python, yanked = entry.get("requires-python"), entry.get("yanked")
        if not isinstance(python, str | None) or not isinstance(yanked, str | None):
            raise self._malformed(f"requires-python and yanked of {name} must be text")
        uploaded = entry.get("upload-time")
        file = IndexFile(
            name=name,
            url=f"{url.rstrip('/')}/{quote(name)}",
            sha256=self._sha256(entry["sha256"], name),
            size=self._size(entry.get("size"), name),
            requires_python=python,
            upload_time=datetime.fromisoformat(uploaded) if uploaded is not None else None,
            metadata_sha256=entry["metadata"]["sha256"],
            yanked=yanked,
            installed=self._size(entry.get("installed"), name),
        )
        self._metadata[name] = self._core_metadata(entry["metadata"], name)
        return file

    def _file_name(self, value: object, project: str) -> str:
        # Names get into requirement files, so they are checked as those of a live page are.
        if not isinstance(value, str) or not belongs_to(value, project):
            raise self._malformed(f"{value!r} is not a file of {project}")
        if value in self._metadata:
            raise self._malformed(f"{value} is listed twice")
        return value

    def _sha256(self, value: object, name: str) -> str:
        if not isinstance(value, str) or not _SHA256.fullmatch(value):
            raise self._malformed(f"{name} has no sha256")
        return value

    def _size(self, value: object, name: str) -> int | None:
        # Not isinstance: True is an int.
        if value is None or (type(value) is int and value >= 0):
            return value
        raise self._malformed(f"{value!r} is not a size of {name}")

    def _core_metadata(self, entry: Mapping[str, Any], name: str) -> CoreMetadata:
        file, recorded = str(entry["file"]), str(entry["sha256"])
        # A plain name cannot lead out of the folder.
        if not _PLAIN_NAME.fullmatch(file):
            raise self._malformed(f"{file!r} is not a valid file name")
        if file not in self._parsed:
            self._parsed[file] = self._parse_metadata(f"{self._folder}/metadata/{file}", recorded, name)
        return self._parsed[file]

    def _parse_metadata(self, path: str, sha256: str, name: str) -> CoreMetadata:
        text = self._read(path)
        if text is None:
            raise BadInput("missing file of a record", place=Place(path), hint=self._hint)
        if hashlib.sha256(text).hexdigest() != sha256:
            raise BadInput("the sha256 differs from the recorded one", place=Place(path), hint=self._hint)
        try:
            return parse_metadata(text, name)
        except ToolFailed as error:
            raise BadInput(str(error), place=Place(path), hint=self._hint) from error

    @property
    def _hint(self) -> str:
        return f"restore it from version control, or record the index again: lockgen index record {self._name}"

    def _malformed(self, message: str) -> BadInput:
        return BadInput(message, place=Place(f"{self._folder}/index.json"), hint=self._hint)

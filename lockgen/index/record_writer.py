"""A recorded index as files: index.json with one line for each file, and the Core Metadata headers, each text once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.version import Version

from lockgen.core.index import IndexFile
from lockgen.core.parsing import parse_wheel_filename


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A wheel of an index, and the headers of its Core Metadata."""

    project: str
    file: IndexFile
    headers: str


def headers_of(metadata: bytes) -> str:
    """The headers of a METADATA file, without the description and the license text."""
    text = metadata.decode("utf-8", "replace").replace("\r\n", "\n")
    # The first empty line ends the headers; a description may follow.
    headers = text.split("\n\n", 1)[0]
    kept: list[str] = []
    dropping = False
    for line in headers.splitlines():
        # An indented line continues the header before it.
        if not line.startswith((" ", "\t")):
            dropping = line.lower().startswith(("description:", "license:"))
        if not dropping:
            kept.append(line.rstrip())
    return "\n".join(kept) + "\n"


def render_record(name: str, url: str, files: Iterable[RecordedFile]) -> dict[str, bytes]:
    """The files of a record: path (relative to its folder) to bytes. ``url`` must not have credentials."""
    tree: dict[str, bytes] = {}
    lines: dict[str, list[str]] = {}
    for recorded in sorted(files, key=_order):
        headers = recorded.headers.encode()
        path = _metadata_path(recorded, headers, tree)
        tree[f"metadata/{path}"] = headers
        entry = _entry(recorded.file, path, hashlib.sha256(headers).hexdigest())
        lines.setdefault(recorded.project, []).append("  " + json.dumps(entry))
    tree["index.json"] = _render_index(name, url, lines).encode()
    return tree


def _render_index(name: str, url: str, lines: Mapping[str, list[str]]) -> str:
    # Not json.dumps with an indent: one line for each file keeps diffs readable.
    head = f'"format": 1,\n"name": {json.dumps(name)},\n"url": {json.dumps(url)},\n'
    blocks: list[str] = []
    for project, entries in sorted(lines.items()):
        rows = ",\n".join(entries)
        blocks.append(f"{json.dumps(project)}: [\n{rows}\n]")
    projects = ",\n".join(blocks)
    return f'{{\n{head}"projects": {{\n{projects}\n}}\n}}\n'


def _version(file: IndexFile) -> Version:
    return parse_wheel_filename(file.name)[1]


def _order(recorded: RecordedFile) -> tuple[str, Version, str]:
    return recorded.project, _version(recorded.file), recorded.file.name


def _metadata_path(recorded: RecordedFile, headers: bytes, tree: Mapping[str, bytes]) -> str:
    """A file name for ``headers``. Wheels of one version share a file if their headers are equal."""
    stem = f"{recorded.project}-{_version(recorded.file)}"
    path = f"{stem}.txt"
    number = 1
    while tree.get(f"metadata/{path}", headers) != headers:
        number += 1
        path = f"{stem}.{number}.txt"
    return path


def _entry(file: IndexFile, path: str, digest: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": file.name, "sha256": file.sha256}
    if file.size is not None:
        entry["size"] = file.size
    if file.installed is not None:
        entry["installed"] = file.installed
    if file.requires_python:
        entry["requires-python"] = file.requires_python
    if file.upload_time is not None:
        entry["upload-time"] = file.upload_time.isoformat()
    if file.yanked is not None:
        entry["yanked"] = file.yanked
    entry["metadata"] = {"file": path, "sha256": digest}
    return entry

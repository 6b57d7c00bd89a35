"""A recorded index as files: index.json, one file a line, and the Core Metadata headers, each text once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.utils import parse_wheel_filename

from lockgen.core.index import IndexFile


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A wheel of an index, and the headers of its Core Metadata."""

    project: str
    file: IndexFile
    headers: str


def headers_of(metadata: bytes) -> str:
    """The headers of a METADATA file: what stands before the first empty line, without a description."""
    text = metadata.decode("utf-8", "replace").replace("\r\n", "\n")
    kept: list[str] = []
    dropping = False
    for line in text.split("\n\n", 1)[0].splitlines():
        if not line.startswith((" ", "\t")):
            dropping = line.lower().startswith(("description:", "license:"))
        if not dropping:
            kept.append(line.rstrip())
    return "\n".join(kept) + "\n"


def render_record(name: str, url: str, files: Iterable[RecordedFile]) -> dict[str, bytes]:
    """Path (relative to the record's folder) to bytes. ``url`` holds no credentials."""
    tree: dict[str, bytes] = {}
    projects: dict[str, list[str]] = {}
    for recorded in sorted(files, key=_key):
        text = recorded.headers.encode()
        path = _metadata_path(recorded, text, tree)
        tree[f"metadata/{path}"] = text
        entry = _entry(recorded.file, path, hashlib.sha256(text).hexdigest())
        projects.setdefault(recorded.project, []).append("  " + json.dumps(entry))
    blocks = [json.dumps(project) + ": [\n" + ",\n".join(rows) + "\n]" for project, rows in sorted(projects.items())]
    head = f'"format": 1,\n"name": {json.dumps(name)},\n"url": {json.dumps(url)},\n'
    tree["index.json"] = ("{\n" + head + '"projects": {\n' + ",\n".join(blocks) + "\n}\n}\n").encode()
    return tree


def _key(recorded: RecordedFile) -> tuple[Any, ...]:
    return recorded.project, parse_wheel_filename(recorded.file.name)[1], recorded.file.name


def _metadata_path(recorded: RecordedFile, text: bytes, tree: Mapping[str, bytes]) -> str:
    _, version, _, _ = parse_wheel_filename(recorded.file.name)
    stem = f"{recorded.project}-{version}"
    number, path = 1, f"{stem}.txt"
    while tree.get(f"metadata/{path}", text) != text:
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
    return entry | {"metadata": {"file": path, "sha256": digest}}

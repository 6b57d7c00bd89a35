"""A project's page as an index serves it: PEP 691 JSON and PEP 503 HTML."""

from __future__ import annotations

import json
from collections.abc import Callable
from html import escape
from typing import Any

from lockgen.core.index import IndexFile, ProjectPage

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "text/html; charset=utf-8"


def render_json(page: ProjectPage, file_url: Callable[[IndexFile], str]) -> bytes:
    """The page as PEP 691 JSON, version 1.1 (PEP 700: sizes and upload times)."""
    document = {
        "meta": {"api-version": "1.1"},
        "name": page.project,
        "files": [_entry(file, file_url(file)) for file in page.files],
    }
    return json.dumps(document).encode()


def _entry(file: IndexFile, url: str) -> dict[str, Any]:
    # Clients take a missing key for unknown; null is not allowed.
    entry: dict[str, Any] = {"filename": file.name, "url": url}
    entry["hashes"] = {"sha256": file.sha256} if file.sha256 else {}
    if file.size is not None:
        entry["size"] = file.size
    if file.requires_python:
        entry["requires-python"] = file.requires_python
    if file.upload_time is not None:
        entry["upload-time"] = file.upload_time.isoformat().replace("+00:00", "Z")
    if file.yanked is not None:
        # An empty reason would count as false.
        entry["yanked"] = file.yanked or True
    if file.metadata_sha256 is not None:
        entry["core-metadata"] = {"sha256": file.metadata_sha256} if file.metadata_sha256 else True
    return entry


def render_html(page: ProjectPage, file_url: Callable[[IndexFile], str]) -> bytes:
    """The page as PEP 503 HTML."""
    links = "".join(_link(file, file_url(file)) for file in page.files)
    title = escape(page.project)
    return f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body>\n{links}</body></html>\n".encode()


def _link(file: IndexFile, url: str) -> str:
    fragment = f"#sha256={file.sha256}" if file.sha256 else ""
    attributes = [_attribute("href", url + fragment)]
    if file.requires_python:
        attributes.append(_attribute("data-requires-python", file.requires_python))
    if file.yanked is not None:
        attributes.append(_attribute("data-yanked", file.yanked))
    if file.metadata_sha256:
        attributes.append(_attribute("data-core-metadata", f"sha256={file.metadata_sha256}"))
    elif file.metadata_sha256 is not None:
        attributes.append(_attribute("data-core-metadata", "true"))
    return f"<a {' '.join(attributes)}>{escape(file.name)}</a><br>\n"


def _attribute(name: str, value: str) -> str:
    return f'{name}="{escape(value)}"'

"""A project's page on an index: PEP 503 HTML and PEP 691 JSON to ProjectPage.

A page is somebody else's text: whatever is not plainly a file of the project is left out, and a name or hash that
could carry anything but itself never gets past here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from lockgen.core.index import IndexFile, ProjectPage
from lockgen.core.urls import redacted
from lockgen.errors import ToolFailed

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"  # PEP 691

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# What urljoin hands back as it is, whatever the page's own address: nearly every link of a large index.
_PLAIN = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]{1,4})?(?:/[A-Za-z0-9._~%+!-]*)+")


def parse_page(body: bytes, content_type: str, url: str, project: str, only: str | None = None) -> ProjectPage:
    """Reads the page of ``project`` (canonical) that was found at ``url``.

    With ``only`` there is nothing on it but the file of that name: a large page has ten thousand.

    Raises:
        ToolFailed: it is no page of a format that PEP 691 names.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind.endswith("json"):
        files = _from_json(body, url, only)
    elif kind in {"text/html", "application/vnd.pypi.simple.v1+html", ""}:
        files = _from_html(body, url)
    else:
        raise ToolFailed(f"{redacted(url)} is no index page but {kind}", hint="is this the address of an index?")
    asked = (file for file in files if only is None or file.name == only)
    kept = {file.name: file for file in asked if belongs_to(file.name, project)}
    return ProjectPage(project, tuple(kept.values()))


def belongs_to(name: str, project: str) -> bool:
    """Whether ``name`` is a wheel or a source distribution of ``project`` (canonical)."""
    if not _NAME.fullmatch(name):
        return False
    try:
        found = parse_wheel_filename(name)[0] if name.endswith(".whl") else parse_sdist_filename(name)[0]
    except (InvalidWheelFilename, InvalidSdistFilename):
        return False
    return found == canonicalize_name(project)


def _sha256(value: object) -> str | None:
    return value.lower() if isinstance(value, str) and _SHA256.fullmatch(value.lower()) else None


def _metadata_hash(value: object) -> str | None:
    """Of a core-metadata entry: the hash, "" where it only says that there is one, None where there is none."""
    if isinstance(value, dict):
        return _sha256(value.get("sha256")) or ""
    if isinstance(value, str):
        algorithm, _, digest = value.partition("=")
        return (_sha256(digest) or "") if algorithm == "sha256" else ("" if value != "false" else None)
    return "" if value is True else None


def _from_json(body: bytes, url: str, only: str | None) -> list[IndexFile]:
    try:
        document = json.loads(body)
        version = str(document["meta"]["api-version"])
        entries = list(document["files"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ToolFailed(f"{redacted(url)} is no index page: not the JSON of PEP 691") from error
    if version.partition(".")[0] != "1":
        raise ToolFailed(f"{redacted(url)} speaks version {version[:20]!r} of the index API; lockgen knows 1")
    asked = (e for e in entries if isinstance(e, dict) and (only is None or e.get("filename") == only))
    return [file for entry in asked if (file := _json_file(entry, url))]


def _json_file(entry: Mapping[str, Any], url: str) -> IndexFile | None:
    name, link = entry.get("filename"), entry.get("url")
    if not isinstance(name, str) or not isinstance(link, str) or (address := _address(url, link)) is None:
        return None
    hashes, size, yanked = entry.get("hashes"), entry.get("size"), entry.get("yanked", False)
    python = entry.get("requires-python")
    return IndexFile(
        name=name,
        url=address,
        sha256=_sha256(hashes.get("sha256")) if isinstance(hashes, dict) else None,
        size=size if type(size) is int and size >= 0 else None,
        requires_python=_line(python),
        upload_time=_time(entry.get("upload-time")),
        metadata_sha256=_metadata_hash(entry.get("core-metadata", entry.get("dist-info-metadata"))),
        yanked=(_line(yanked) or "") if yanked is True or isinstance(yanked, str) else None,
    )


def _address(base: str, link: str) -> str | None:
    """The address that ``link`` means on a page at ``base``; None where that is none to fetch from."""
    if _PLAIN.fullmatch(link):
        return link
    try:
        address = urljoin(base, link)
        fetchable = urlsplit(address).scheme in {"https", "http"} and bool(urlsplit(address).hostname)
    except ValueError:  # urllib's answer to http://[
        return None
    # urljoin hands on an address of another scheme as it is, line breaks and all.
    return address if fetchable and address.isprintable() else None


def _line(value: object) -> str | None:
    return "".join(char for char in value if char.isprintable()) if isinstance(value, str) and value else None


def _time(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    return time if time.tzinfo is not None else None


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.base: str | None = None
        self.links: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        if tag == "base" and self.base is None:
            self.base = found.get("href")
        elif tag == "a" and found.get("href"):
            self.links.append(found)


def _from_html(body: bytes, url: str) -> list[IndexFile]:
    parser = _Links()
    try:
        parser.feed(body.decode("utf-8", "replace"))
        parser.close()
    except AssertionError as error:  # older Pythons' answer to <![x
        raise ToolFailed(f"{redacted(url)} is no index page: not HTML") from error
    base = _address(url, parser.base) if parser.base else url
    files = (_html_file(link, base or url) for link in parser.links)
    return [file for file in files if file is not None]


def _html_file(link: Mapping[str, str | None], base: str) -> IndexFile | None:
    whole = _address(base, link["href"] or "")
    if whole is None:
        return None
    address, fragment = urldefrag(whole)
    algorithm, _, digest = fragment.partition("=")
    offered = link.get("data-core-metadata", link.get("data-dist-info-metadata"))
    return IndexFile(
        name=unquote(urlsplit(address).path.rsplit("/", 1)[-1]),
        url=address,
        sha256=_sha256(digest.partition("&")[0]) if algorithm == "sha256" else None,
        requires_python=_line(link.get("data-requires-python")),
        metadata_sha256=_metadata_hash(offered),
        yanked=(_line(link["data-yanked"]) or "") if "data-yanked" in link else None,
    )

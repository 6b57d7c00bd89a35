"""A project's page on an index: PEP 503 HTML and PEP 691 JSON to ProjectPage.

Pages are untrusted input. Anything that is not plainly a file of the project is left out, and only well-formed names,
hashes and addresses get past this module.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
)

from lockgen.core.documents import parse_json
from lockgen.core.index import IndexFile, ProjectPage
from lockgen.core.parsing import parse_sdist_filename, parse_wheel_filename
from lockgen.core.urls import redacted
from lockgen.errors import ToolFailed

# PEP 691
ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"

ACCEPT_HTML = "application/vnd.pypi.simple.v1+html, text/html;q=0.5, */*;q=0.1"
"""For a page of which only the start is read: the start of JSON cannot be parsed."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Addresses that urljoin returns unchanged, whatever the page's own address. Nearly every link of a large index is one,
# and urljoin is slow.
_ABSOLUTE = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]{1,4})?(?:/[A-Za-z0-9._~%+!-]*)+")
# A page without a content type is old, and so HTML.
_HTML_KINDS = {"text/html", "application/vnd.pypi.simple.v1+html", ""}


def parse_page(body: bytes, content_type: str, url: str, project: str, only: str | None = None) -> ProjectPage:
    """The page of ``project`` (canonical) that was found at ``url``.

    With ``only``, the page has at most the file of that name: a large page has ten thousand files.

    Raises:
        ToolFailed: it is not a page in a format of PEP 691.
    """
    files = _entries(body, content_type, url, only)
    kept: dict[str, IndexFile] = {}
    hashes: dict[str, set[str]] = {}
    for file in files:
        is_wanted = only is None or file.name == only
        if not is_wanted or not belongs_to(file.name, project):
            continue
        if file.sha256 is not None:
            hashes.setdefault(file.name, set()).add(file.sha256)
        # A page may list a file twice, and give its hash only once.
        if file.name not in kept or kept[file.name].sha256 is None:
            kept[file.name] = file
    for name, found in hashes.items():
        # With two hashes, a client may get either file. A file without a hash is never chosen.
        if len(found) > 1:
            kept[name] = replace(kept[name], sha256=None, ambiguous=True)
    return ProjectPage(project, tuple(kept.values()))


def lists_files(body: bytes, content_type: str, url: str) -> bool:
    """Whether a page has links to wheels or source distributions of any project."""
    try:
        return any(_project_of(file.name) is not None for file in _entries(body, content_type, url, None))
    except ToolFailed:
        return False


def _entries(body: bytes, content_type: str, url: str, only: str | None) -> list[IndexFile]:
    kind = content_type.partition(";")[0].strip().lower()
    if kind.endswith("json"):
        return _from_json(body, url, only)
    if kind in _HTML_KINDS:
        return _from_html(body, url)
    raise ToolFailed(f"{redacted(url)} is not an index page: {kind}", hint="check the URL of the index")


def belongs_to(name: str, project: str) -> bool:
    """Whether ``name`` is a wheel or a source distribution of ``project`` (canonical)."""
    return _project_of(name) == canonicalize_name(project)


def _project_of(name: str) -> str | None:
    """The project of a wheel or a source distribution; None for every other file."""
    # packaging does not check every character of a name, and a line break must not get into a lock.
    if not _NAME.fullmatch(name):
        return None
    try:
        return parse_wheel_filename(name)[0] if name.endswith(".whl") else parse_sdist_filename(name)[0]
    except (InvalidSdistFilename, InvalidWheelFilename):
        return None


# -- values that both formats have ----------------------------------------------


def _sha256(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    digest = value.lower()
    return digest if _SHA256.fullmatch(digest) else None


def _sha256_of_hashes(hashes: object) -> str | None:
    return _sha256(hashes.get("sha256")) if isinstance(hashes, dict) else None


def _metadata_hash(value: object) -> str | None:
    """The hash in a core-metadata value; "" if it only says that there is metadata, None if there is none."""
    if isinstance(value, dict):
        return _sha256_of_hashes(value) or ""
    if isinstance(value, str):
        algorithm, _, digest = value.partition("=")
        if algorithm == "sha256":
            return _sha256(digest) or ""
        # An attribute of HTML is text, also where it means false.
        return None if value == "false" else ""
    return "" if value is True else None


def _address(base: str, link: str) -> str | None:
    """The address of ``link`` on a page at ``base``; None if it cannot be fetched over HTTP."""
    if _ABSOLUTE.fullmatch(link):
        return link
    try:
        address = urljoin(base, link)
        parts = urlsplit(address)
        fetchable = parts.scheme in {"https", "http"} and bool(parts.hostname)
    except ValueError:
        # urllib raises it for "http://[".
        return None
    # urljoin returns an address of another scheme as it is, line breaks included.
    return address if fetchable and address.isprintable() else None


def _name_in(address: str) -> str:
    """The file name at the end of ``address``."""
    last_part = urlsplit(address).path.rsplit("/", 1)[-1]
    return unquote(last_part)


def _line(value: object) -> str | None:
    """``value`` without line breaks and other control characters; None if it is not text, or empty."""
    if not isinstance(value, str) or not value:
        return None
    return "".join(char for char in value if char.isprintable())


def _size(value: object) -> int | None:
    # Not isinstance: True is an int.
    return value if type(value) is int and value >= 0 else None


def _time(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    # A time without a zone cannot be compared with a cut-off.
    return time if time.tzinfo is not None else None


# -- PEP 691 ----------------------------------------------------------------------


def _from_json(body: bytes, url: str, only: str | None) -> list[IndexFile]:
    try:
        document = parse_json(body)
        version = str(document["meta"]["api-version"])
        entries = list(document["files"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ToolFailed(f"{redacted(url)} is not an index page: not the JSON of PEP 691") from error
    if version.partition(".")[0] != "1":
        raise ToolFailed(f"{redacted(url)} has version {version[:20]!r} of the index API; lockgen supports 1")
    files = []
    for entry in entries:
        if not isinstance(entry, dict):
            continue
        # Compared before the entry is parsed, as parsing all of a large page takes long.
        if only is not None and entry.get("filename") != only:
            continue
        file = _json_file(entry, url)
        if file is not None:
            files.append(file)
    return files


def _json_file(entry: Mapping[str, Any], url: str) -> IndexFile | None:
    name, link = entry.get("filename"), entry.get("url")
    if not isinstance(name, str) or not isinstance(link, str):
        return None
    address = _address(url, link)
    if address is None:
        return None
    return IndexFile(
        name=name,
        url=address,
        sha256=_sha256_of_hashes(entry.get("hashes")),
        size=_size(entry.get("size")),
        requires_python=_line(entry.get("requires-python")),
        upload_time=_time(entry.get("upload-time")),
        # PEP 714: the older key counts only without the newer one.
        metadata_sha256=_metadata_hash(entry.get("core-metadata", entry.get("dist-info-metadata"))),
        yanked=_yanked_reason(entry.get("yanked")),
    )


def _yanked_reason(value: object) -> str | None:
    """The reason of a yanked file, "" if none is given; None if it is not yanked."""
    # PEP 691 allows an empty reason, which still means yanked.
    is_yanked = value is True or isinstance(value, str)
    return (_line(value) or "") if is_yanked else None


# -- PEP 503 ----------------------------------------------------------------------


class _Links(HTMLParser):
    """The links of a page, and its base address."""

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
    except AssertionError as error:
        # Older Pythons raise it for "<![x".
        raise ToolFailed(f"{redacted(url)} is not an index page: not HTML") from error
    base = _address(url, parser.base) if parser.base else None
    files = []
    for link in parser.links:
        file = _html_file(link, base or url)
        if file is not None:
            files.append(file)
    return files


def _html_file(link: Mapping[str, str | None], base: str) -> IndexFile | None:
    whole = _address(base, link["href"] or "")
    if whole is None:
        return None
    address, fragment = urldefrag(whole)
    algorithm, _, rest = fragment.partition("=")
    # More fragments may follow, such as "&egg=torch".
    digest = rest.partition("&")[0]
    return IndexFile(
        name=_name_in(address),
        url=address,
        sha256=_sha256(digest) if algorithm == "sha256" else None,
        requires_python=_line(link.get("data-requires-python")),
        metadata_sha256=_metadata_hash(link.get("data-core-metadata", link.get("data-dist-info-metadata"))),
        yanked=(_line(link["data-yanked"]) or "") if "data-yanked" in link else None,
    )

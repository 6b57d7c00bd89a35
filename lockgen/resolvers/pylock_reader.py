"""The pylock.toml (PEP 751) that uv writes: packages and their files.

packaging.pylock is not used, for two reasons. It rejects the whole document if uv lists one wheel whose name packaging
does not accept, such as a__b-1.0-py3-none-any.whl. And validation takes 13 ms for 220 packages, in addition to the 7 ms
of the TOML parser, where this module takes 1 ms. A warm solve takes 210 ms, and a search makes hundreds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

import tomli
from packaging.utils import canonicalize_name
from packaging.version import Version

from lockgen.core.parsing import parse_version


class PylockFile(NamedTuple):
    """A wheel or a source distribution. uv may have computed ``sha256`` from a download."""

    name: str
    url: str
    sha256: str | None
    size: int | None


class PylockPackage(NamedTuple):
    """A package with the files that uv found, for the target and for other platforms."""

    name: str
    version: Version
    files: tuple[PylockFile, ...]


def parse_pylock(text: str) -> list[PylockPackage]:
    """The packages in ``text``.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is not a pylock.toml.
    """
    document = tomli.loads(text)
    # uv leaves the key out of a solution without packages.
    return [_package(entry) for entry in document.get("packages", [])]


def _package(entry: Mapping[str, Any]) -> PylockPackage:
    name = str(canonicalize_name(entry["name"]))
    return PylockPackage(name, parse_version(entry["version"]), tuple(_files(entry)))


def _files(entry: Mapping[str, Any]) -> Iterator[PylockFile]:
    for wheel in entry.get("wheels", []):
        yield _file(wheel)
    if "sdist" in entry:
        yield _file(entry["sdist"])


def _file(item: Mapping[str, Any]) -> PylockFile:
    url = item.get("url")
    if not url:
        # Files of a local index may have a path instead.
        path = str(item["path"])
        url = f"file://{quote(path)}"
    # The name is optional, as the URL usually ends in it.
    name = item.get("name") or _name_in(url)
    hashes = item.get("hashes")
    sha256 = hashes.get("sha256") if isinstance(hashes, dict) else None
    size = item.get("size")
    return PylockFile(str(name), str(url), sha256, size if isinstance(size, int) else None)


# Cached: a series of solves sees the same thousand URLs in every answer.
@lru_cache(maxsize=1 << 16)
def _name_in(url: str) -> str:
    last_part = urlsplit(url).path.rsplit("/", 1)[-1]
    return unquote(last_part)

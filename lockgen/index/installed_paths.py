"""The paths that wheels install, in the user's cache. They are read from a wheel's central directory, with its size."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping

from lockgen.io.cache import FileCache

_KIND = "installed-paths-1"
_DATA = re.compile(r"[^/]+\.data/(?P<scheme>[a-z]+)/(?P<rest>.+)")
_INFO = re.compile(r"[^/]+\.dist-info/.*")
_PLACES = {"purelib": "", "platlib": "", "scripts": "../../../bin/", "data": "../../../"}
"""Where the folders of NAME.data are installed, as RECORD writes it. Headers get a folder for each distribution."""


class InstalledPaths:
    """What is known about files, each by the sha256 that the lock has for it."""

    def __init__(self) -> None:
        self._cache = FileCache(_KIND)

    def keep(self, sha256: str | None, archive: zipfile.ZipFile) -> None:
        """Remember what ``archive``, a wheel, installs."""
        if sha256:
            lines = [f"{content} {path}" for path, content in paths_of(archive).items()]
            self._cache.keep(sha256, "\n".join(lines))

    def has(self, sha256: str | None) -> bool:
        """Whether the paths of a file are known."""
        return bool(sha256) and self._cache.has(str(sha256))

    def of(self, sha256: str) -> Mapping[str, str]:
        """What a file installs: an identity of the content of each path. Empty if it is not known."""
        text = self._cache.recall(sha256) or ""
        found: dict[str, str] = {}
        for line in text.split("\n"):
            content, _, path = line.partition(" ")
            if path:
                found[path] = content
        return found


def paths_of(archive: zipfile.ZipFile) -> dict[str, str]:
    """The installed paths of a wheel, relative to site-packages, without its metadata and bytecode."""
    found: dict[str, str] = {}
    for member in archive.infolist():
        path = _installed(member.filename)
        if path and not member.is_dir() and path.isprintable():
            found[path] = f"{member.CRC:08x}-{member.file_size:x}"
    return found


def _installed(name: str) -> str | None:
    """Where the member ``name`` of a wheel is installed; None if no other distribution can have the same file."""
    if _INFO.fullmatch(name) or name.endswith(".pyc"):
        return None
    data = _DATA.fullmatch(name)
    if data is None:
        return name
    place = _PLACES.get(data["scheme"])
    return f"{place}{data['rest']}" if place is not None else None

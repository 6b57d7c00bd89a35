"""The metadata of a wheel on a server, by range requests: a wheel of torch has 800 MB, its METADATA 30 kB."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

from lockgen.core.archives import BadArchive, open_zip, read_member
from lockgen.core.urls import redacted
from lockgen.errors import ToolFailed
from lockgen.io.http import Http

_TAIL = 64 * 1024
"""Bytes of the first request, from the end: the central directory of most wheels, and often their METADATA."""
_SMALL = 5 * 1024 * 1024
"""The most bytes of one answer. Also bounds the whole file if the server does not support ranges."""
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_METADATA = re.compile(r"[^/]+\.dist-info/METADATA")


def read_metadata(http: Http, url: str, name: str, sha256: str | None = None) -> bytes:
    """The METADATA of the wheel ``name`` at ``url``. At most 5 MB are downloaded.

    ``sha256`` is checked only if the whole wheel was downloaded: the hash of a part says nothing.

    Raises:
        ToolFailed: the file is missing, is not a wheel, or has another sha256; or the server does not support ranges.
    """
    remote = _RemoteFile(http, url, name)
    found = remote.sha256
    if sha256 is not None and found is not None and found != sha256:
        raise ToolFailed(f"{name} does not match the index page: sha256 {found}")
    where = f"{name} at {redacted(url)}"
    try:
        with open_zip(cast(IO[bytes], remote)) as archive:
            return read_member(archive, _metadata_member(archive, where), _SMALL)
    except BadArchive as error:
        raise ToolFailed(f"{where} is not a wheel", reason=str(error)) from error


def _metadata_member(archive: zipfile.ZipFile, where: str) -> zipfile.ZipInfo:
    members = [member for member in archive.infolist() if _METADATA.fullmatch(member.filename)]
    # Installers may choose differently between two of them.
    if len(members) != 1:
        raise ToolFailed(f"{where} has {len(members)} METADATA files instead of one")
    return members[0]


@contextmanager
def open_wheel(http: Http, url: str, name: str) -> Iterator[tuple[zipfile.ZipFile, int]]:
    """The wheel ``name`` at ``url`` as an archive that fetches only the parts that are read, and its size in bytes.

    Raises:
        ToolFailed: the file is missing, or the server does not support ranges.
        BadArchive: it is not a wheel.
    """
    remote = _RemoteFile(http, url, name)
    with open_zip(cast(IO[bytes], remote)) as archive:
        yield archive, remote.size


class _RemoteFile(io.RawIOBase):
    """A file on a server, for zipfile. Its end is read at once, other parts on demand."""

    def __init__(self, http: Http, url: str, name: str) -> None:
        self._http, self._url = http, url
        self._position = 0
        answer = http.get(url, span=f"-{_TAIL}", largest=_SMALL)
        if answer.status == 404:
            raise ToolFailed(f"{name} is no longer at {redacted(url)}: HTTP 404")
        self._tail = answer.body
        # Without ranges the answer is the whole file.
        self._tail_start = 0
        self._size = len(answer.body)
        content_range = _CONTENT_RANGE.match(answer.headers.get("content-range", ""))
        if answer.status == 206 and content_range:
            self._tail_start = int(content_range[1])
            self._size = int(content_range[3])

    @property
    def size(self) -> int:
        """The size of the whole file in bytes."""
        return self._size

    @property
    def sha256(self) -> str | None:
        """The sha256 of the file if it came whole, else None."""
        is_whole = self._tail_start == 0 and len(self._tail) == self._size
        return hashlib.sha256(self._tail).hexdigest() if is_whole else None

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origins = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}
        self._position = max(0, origins[whence] + offset)
        return self._position

    def read(self, size: int = -1) -> bytes:
        start, end = self._position, self._size
        if size >= 0:
            end = min(end, start + size)
        if start >= end:
            return b""
        self._position = end
        if start >= self._tail_start:
            return self._tail[start - self._tail_start : end - self._tail_start]
        return self._fetch(start, end)

    def _fetch(self, start: int, end: int) -> bytes:
        answer = self._http.get(self._url, span=f"{start}-{end - 1}", largest=_SMALL)
        # A server may support ranges for the end of a file only, or serve another file meanwhile.
        if answer.status != 206 or len(answer.body) != end - start:
            raise ToolFailed(f"{redacted(self._url)} does not support range requests: HTTP {answer.status}")
        return answer.body

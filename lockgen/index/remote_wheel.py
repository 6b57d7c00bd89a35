"""What a wheel on a server says of itself, by range requests: one of torch has 800 MB, its METADATA 30 kB."""

from __future__ import annotations

import hashlib
import io
import re
import struct
import zipfile
import zlib

from lockgen.core.urls import redacted
from lockgen.errors import ToolFailed
from lockgen.io.http import Http

_TAIL = 64 * 1024
_SMALL = 5 * 1024 * 1024
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


def read_metadata(http: Http, url: str, name: str, sha256: str | None = None) -> bytes:
    """The METADATA of the wheel ``name`` at ``url``; at most a wheel of 5 MB is ever read whole.

    ``sha256`` is checked where the wheel was read whole: of a part nobody can tell.

    Raises:
        ToolFailed: the server knows no ranges, the file is not there, it is no wheel, or not the one of ``sha256``.
    """
    remote = _Remote(http, url, name)
    got = remote.sha256
    if sha256 is not None and got is not None and got != sha256:
        raise ToolFailed(f"{name} is not what the index page says: sha256 {got}")
    try:
        with zipfile.ZipFile(remote) as archive:
            members = [m for m in archive.infolist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", m.filename)]
            if len(members) != 1:
                raise ToolFailed(f"{name} at {redacted(url)} holds {len(members)} METADATA files, not one")
            if members[0].file_size > _SMALL:
                raise ToolFailed(f"{name} at {redacted(url)} has a METADATA of {members[0].file_size} bytes")
            return archive.read(members[0])
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError) as error:
        # RuntimeError: a password, or a way of packing that zipfile does not know.
        raise ToolFailed(f"{name} at {redacted(url)} is no wheel", reason=str(error)) from error


def open_wheel(http: Http, url: str, name: str) -> tuple[zipfile.ZipFile, int]:
    """The wheel ``name`` at ``url`` as an archive of which only what is looked at is fetched, and its size in bytes.

    Raises:
        ToolFailed: it is not there, or the server knows no ranges.
        zipfile.BadZipFile: it is no wheel.
    """
    remote = _Remote(http, url, name)
    return zipfile.ZipFile(remote), remote.size


class _Remote(io.RawIOBase):
    """A file on a server for zipfile: its end is read first, the rest where it is asked for."""

    def __init__(self, http: Http, url: str, name: str) -> None:
        self._http, self._url, self._name = http, url, name
        self._at = 0
        tail = http.get(url, span=f"-{_TAIL}", largest=_SMALL)
        if tail.status == 404:
            raise ToolFailed(f"{name} is not at {redacted(url)} any more: HTTP 404")
        found = _RANGE.match(tail.headers.get("content-range", ""))
        if tail.status == 206 and found:
            self._start, self._size = int(found[1]), int(found[3])
        else:
            self._start, self._size = 0, len(tail.body)
        self._tail = tail.body

    @property
    def size(self) -> int:
        """The whole file's, from Content-Range, or of the answer where all of it came."""
        return self._size

    @property
    def sha256(self) -> str | None:
        """The file's, where all of it came at once."""
        whole = self._start == 0 and len(self._tail) == self._size
        return hashlib.sha256(self._tail).hexdigest() if whole else None

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = self._size if size < 0 else min(self._size, self._at + size)
        start, self._at = self._at, max(self._at, end)
        if start >= end:
            return b""
        if start >= self._start:
            return self._tail[start - self._start : end - self._start]
        return self._range(start, end)

    def _range(self, start: int, end: int) -> bytes:
        answer = self._http.get(self._url, span=f"{start}-{end - 1}", largest=_SMALL)
        if answer.status != 206 or len(answer.body) != end - start:
            raise ToolFailed(f"{redacted(self._url)} does not answer ranges as asked: HTTP {answer.status}")
        return answer.body

"""METADATA out of a wheel on a server, by range requests: a wheel of torch has 800 MB, its METADATA 30 kB."""

from __future__ import annotations

import io
import re
import zipfile

from lockgen.adapters.http import Http
from lockgen.errors import ToolFailed
from lockgen.model.urls import redacted

_TAIL = 64 * 1024
_SMALL = 5 * 1024 * 1024
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


def read_metadata(http: Http, url: str, name: str) -> bytes:
    """The METADATA of the wheel ``name`` at ``url``; at most a wheel of 5 MB is ever read whole.

    Raises:
        ToolFailed: the server knows no ranges, the file is not there, or it is no wheel.
    """
    try:
        with zipfile.ZipFile(_Remote(http, url, name)) as archive:
            members = [m for m in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", m)]
            if len(members) != 1:
                raise ToolFailed(f"{name} at {redacted(url)} holds {len(members)} METADATA files, not one")
            return archive.read(members[0])
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise ToolFailed(f"{name} at {redacted(url)} is no wheel", reason=str(error)) from error


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

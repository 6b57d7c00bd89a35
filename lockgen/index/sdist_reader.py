"""Source distributions: downloading one, and the PKG-INFO in it."""

from __future__ import annotations

import hashlib
import re
from io import BytesIO

from lockgen.core.archives import BadArchive, open_zip, read_member, tar_members
from lockgen.core.index import IndexFile
from lockgen.core.urls import redacted
from lockgen.errors import ToolFailed
from lockgen.io.http import Http

_LARGEST = 500 * 1024 * 1024
_TOP_PKG_INFO = re.compile(r"[^/]+/PKG-INFO")
MOST_UNPACKED = 20 * _LARGEST
"""The most bytes that a source distribution unpacks to."""
_LARGEST_TEXT = 5 * 1024 * 1024


def read_sdist(http: Http, file: IndexFile) -> bytes:
    """The bytes of a source distribution.

    Raises:
        ToolFailed: it is gone, or its sha256 is not the one on the index page.
    """
    answer = http.get(file.url, largest=_LARGEST)
    if answer.status == 404:
        raise ToolFailed(f"{file.name} is no longer at {redacted(file.url)}: HTTP 404")
    # Checked before anything is unpacked or built: building runs code of the archive.
    found = hashlib.sha256(answer.body).hexdigest()
    if found != file.sha256:
        raise ToolFailed(f"{file.name} does not match the index page: sha256 {found}")
    return answer.body


def read_pkg_info(archive: bytes, name: str) -> bytes | None:
    """The PKG-INFO at the top of the source distribution ``name``; None if there is none.

    Raises:
        ToolFailed: it is not a source distribution.
    """
    # Other PKG-INFO files lie deeper (*.egg-info), and may be of another version.
    return read_text(archive, name, _TOP_PKG_INFO)


def read_text(archive: bytes, name: str, wanted: re.Pattern[str]) -> bytes | None:
    """The first file whose path matches ``wanted`` in the source distribution ``name``; None if there is none.

    Raises:
        ToolFailed: it is not a source distribution, or the file is too large.
    """
    find = _find_in_zip if name.endswith(".zip") else _find_in_tar
    try:
        return find(archive, wanted)
    except BadArchive as error:
        raise ToolFailed(f"{name} is not a source distribution", reason=str(error)) from error


def _find_in_zip(archive: bytes, wanted: re.Pattern[str]) -> bytes | None:
    with open_zip(BytesIO(archive)) as packed:
        for member in packed.namelist():
            if wanted.fullmatch(member):
                return read_member(packed, member, _LARGEST_TEXT)
    return None


def _find_in_tar(archive: bytes, wanted: re.Pattern[str]) -> bytes | None:
    for member in tar_members(BytesIO(archive), MOST_UNPACKED):
        if member.info.isreg() and wanted.fullmatch(member.info.name):
            return member.read(_LARGEST_TEXT)
    return None

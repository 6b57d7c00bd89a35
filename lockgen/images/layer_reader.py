"""Read a layer's tar stream into a Layer, in one pass and without unpacking it.

Of the contents, only the RECORD and METADATA files of packages are read.
"""

from __future__ import annotations

import csv
import email
import io
import posixpath
import tarfile
from dataclasses import dataclass, field
from typing import IO

from lockgen.errors import BadInput
from lockgen.images.layer_model import Layer

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_LARGEST_RECORD = 64 * 1024 * 1024


def read_layer(stream: IO[bytes], digest: str) -> Layer:
    """Read a layer, compressed or not, from start to end.

    Raises:
        BadInput: it is not a tar file.
    """
    contents = _Contents()
    try:
        # "r|*" never seeks: the stream may be a pipe or a download.
        with tarfile.open(fileobj=stream, mode="r|*") as archive:
            for member in archive:
                contents.add(archive, member)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BadInput(f"layer {digest[:19]} is not a tar file", reason=str(error)) from error
    return Layer(
        digest,
        contents.files,
        frozenset(contents.removed),
        frozenset(contents.emptied),
        contents.records,
        requires=contents.requires,
    )


@dataclass
class _Contents:
    """What a layer contains, member by member; the fields are those of Layer."""

    files: dict[str, int] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    emptied: set[str] = field(default_factory=set)
    records: dict[str, frozenset[str]] = field(default_factory=dict)
    requires: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        path = posixpath.normpath("/" + member.name).lstrip("/")
        folder, name = posixpath.split(path)
        # The opaque marker begins with the prefix of whiteouts too.
        if name == _OPAQUE:
            self.emptied.add(folder)
        elif name.startswith(_WHITEOUT):
            self.removed.add(posixpath.join(folder, name.removeprefix(_WHITEOUT)))
        elif not member.isdir():
            # The content of a hard link is counted at the file that it leads to.
            self.files[path] = member.size if member.isreg() else 0
        if not folder.endswith(".dist-info") or not member.isreg():
            return
        if name == "RECORD":
            self.records[folder] = _parse_record(_content(archive, member), posixpath.dirname(folder))
        elif name == "METADATA":
            self.requires[folder] = _parse_requires(_content(archive, member))


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    opened = archive.extractfile(member)
    return opened.read(_LARGEST_RECORD) if opened is not None else b""


def _parse_requires(text: bytes) -> tuple[str, ...]:
    """The Requires-Dist lines of METADATA. They may be old or malformed, so they stay text."""
    message = email.message_from_bytes(text)
    lines = message.get_all("Requires-Dist") or ()
    return tuple(" ".join(str(line).split()) for line in lines)


def _parse_record(text: bytes, site: str) -> frozenset[str]:
    """The paths that a RECORD lists, relative to the image's root; none if it is malformed."""
    rows = csv.reader(io.StringIO(text.decode("utf-8", "replace"), newline=""))
    try:
        return frozenset(_resolved(row[0], site) for row in rows if row)
    except csv.Error:
        return frozenset()


def _resolved(path: str, site: str) -> str:
    """Scripts are recorded as ../../../bin/name."""
    return posixpath.normpath(posixpath.join("/", site, path)).lstrip("/")

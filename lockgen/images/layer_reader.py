"""Read a layer's tar stream into a Layer, in one pass and without unpacking it.

Of the contents, only the RECORD and METADATA files of packages are read.
"""

from __future__ import annotations

import csv
import email
import io
import posixpath
from dataclasses import dataclass, field

from lockgen.core.archives import BadArchive, Readable, TarMember, tar_members
from lockgen.images.layer_model import InvalidImage, Layer

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_LARGEST_LAYER = 1 << 40
_LARGEST_RECORD = 16 * 1024 * 1024
"""The most bytes of a RECORD or METADATA. torch's RECORD has 2 MB."""
_MOST_PATHS = 3_000_000
"""The most paths in the layers and the RECORDs of an image, which keeps lockgen below 1 GB."""


@dataclass
class FileBudget:
    """How many paths the layers of an image may still have."""

    left: int = _MOST_PATHS

    def take(self, count: int) -> None:
        """Take ``count`` paths.

        Raises:
            BadArchive: fewer are left.
        """
        self.left -= count
        if self.left < 0:
            raise BadArchive(f"the image has more than {_MOST_PATHS} paths")


def read_layer(stream: Readable, digest: str, budget: FileBudget | None = None) -> Layer:
    """Read a layer, compressed or not, from start to end. ``budget`` is shared by the layers of an image.

    Raises:
        InvalidImage: it is not a tar file, or exceeds a bound.
    """
    contents = _Contents(budget or FileBudget())
    try:
        for member in tar_members(stream, _LARGEST_LAYER):
            contents.add(member)
    except BadArchive as error:
        raise InvalidImage(f"layer {digest[:19]} cannot be read: {error}") from error
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
    """What a layer contains, member by member; the other fields are those of Layer."""

    budget: FileBudget
    files: dict[str, int] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    emptied: set[str] = field(default_factory=set)
    records: dict[str, frozenset[str]] = field(default_factory=dict)
    requires: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, member: TarMember) -> None:
        info = member.info
        self.budget.take(1)
        path = posixpath.normpath("/" + info.name).lstrip("/")
        folder, name = posixpath.split(path)
        # The opaque marker begins with the prefix of whiteouts too.
        if name == _OPAQUE:
            self.emptied.add(folder)
        elif name.startswith(_WHITEOUT):
            self.removed.add(posixpath.join(folder, name.removeprefix(_WHITEOUT)))
        elif not info.isdir():
            # The content of a hard link is counted at the file that it leads to.
            self.files[path] = info.size if info.isreg() else 0
        if not folder.endswith(".dist-info") or not info.isreg():
            return
        if name == "RECORD":
            record = _parse_record(member.read(_LARGEST_RECORD), posixpath.dirname(folder))
            self.budget.take(len(record))
            self.records[folder] = record
        elif name == "METADATA":
            self.requires[folder] = _parse_requires(member.read(_LARGEST_RECORD))


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

"""A layer's tar stream to a Layer. Nothing is unpacked; only RECORD files are read."""

from __future__ import annotations

import csv
import email
import io
import posixpath
import tarfile
from typing import IO

from lockgen.errors import BadInput
from lockgen.images.layer_model import Layer

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_LARGEST_RECORD = 64 * 1024 * 1024


def read_layer(stream: IO[bytes], digest: str) -> Layer:
    """Reads a layer, packed or not, from the front to the end.

    Raises:
        BadInput: it is no tar file.
    """
    files: dict[str, int] = {}
    removed: set[str] = set()
    emptied: set[str] = set()
    records: dict[str, frozenset[str]] = {}
    requires: dict[str, tuple[str, ...]] = {}
    try:
        with tarfile.open(fileobj=stream, mode="r|*") as archive:
            for member in archive:
                path = posixpath.normpath("/" + member.name).lstrip("/")
                folder, name = posixpath.split(path)
                if name == _OPAQUE:
                    emptied.add(folder)
                elif name.startswith(_WHITEOUT):
                    removed.add(posixpath.join(folder, name.removeprefix(_WHITEOUT)))
                elif not member.isdir():
                    # A hard link's content lies where it leads to.
                    files[path] = member.size if member.isreg() else 0
                if folder.endswith(".dist-info") and member.isreg() and name in {"RECORD", "METADATA"}:
                    opened = archive.extractfile(member)
                    text = opened.read(_LARGEST_RECORD) if opened is not None else b""
                    if name == "RECORD":
                        records[folder] = _recorded(text, posixpath.dirname(folder))
                    else:
                        requires[folder] = _required(text)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BadInput(f"layer {digest[:19]} is no tar file", reason=str(error)) from error
    return Layer(digest, files, frozenset(removed), frozenset(emptied), records, requires=requires)


def _required(text: bytes) -> tuple[str, ...]:
    """Requires-Dist, of METADATA that may be old or odd: what an image holds is not to be judged here."""
    message = email.message_from_bytes(text)
    return tuple(" ".join(str(line).split()) for line in message.get_all("Requires-Dist") or ())


def _recorded(text: bytes, site: str) -> frozenset[str]:
    rows = csv.reader(io.StringIO(text.decode("utf-8", "replace"), newline=""))
    try:
        return frozenset(posixpath.normpath(posixpath.join("/", site, row[0])).lstrip("/") for row in rows if row)
    except csv.Error:
        return frozenset()

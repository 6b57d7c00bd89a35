"""Core Metadata (METADATA, PKG-INFO) to the few fields that a resolver needs."""

from __future__ import annotations

from packaging.metadata import parse_email

from lockgen.core.index import CoreMetadata
from lockgen.errors import ToolFailed


def parse_metadata(text: bytes | str, file: str) -> CoreMetadata:
    """Reads the metadata of ``file``. Fields that nobody needs here may be as odd as they like.

    Raises:
        ToolFailed: it names no package and version.
    """
    raw, _ = parse_email(text)
    name, version = raw.get("name"), raw.get("version")
    if not name or not version:
        raise ToolFailed(f"the metadata of {file} names no package and version")
    return CoreMetadata(
        name=_unfolded(name),
        version=_unfolded(version),
        requires_python=_unfolded(raw.get("requires_python") or "") or None,
        requires=tuple(_unfolded(line) for line in raw.get("requires_dist", ())),
        extras=tuple(_unfolded(extra) for extra in raw.get("provides_extra", ())),
    )


def _unfolded(value: str) -> str:
    # A header may go on in the next line; what is made from it must not.
    return " ".join("".join(char if char.isprintable() else " " for char in value).split())


def is_static(text: bytes | str) -> bool:
    """Whether a source distribution's PKG-INFO promises that a build has the same requirements (PEP 643)."""
    raw, _ = parse_email(text)
    try:
        version = tuple(int(part) for part in raw.get("metadata_version", "0").split("."))
    except ValueError:
        return False
    dynamic = {field.lower() for field in raw.get("dynamic", ())}
    return version >= (2, 2) and not dynamic & {"requires-dist", "provides-extra"}

"""Core Metadata (METADATA, PKG-INFO): the few fields that a resolver needs."""

from __future__ import annotations

from packaging.metadata import parse_email
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from lockgen.core.index import CoreMetadata
from lockgen.core.parsing import parse_version
from lockgen.errors import ToolFailed
from lockgen.index.wheel_ranking import identity


def parse_metadata(text: bytes | str, file: str) -> CoreMetadata:
    """The metadata of ``file``. Invalid values of other fields are ignored.

    Raises:
        ToolFailed: the name or the version is missing.
    """
    # parse_email does not validate. Old releases have fields that are invalid today and still install.
    raw, _ = parse_email(text)
    name, version = raw.get("name"), raw.get("version")
    if not name or not version:
        raise ToolFailed(f"the metadata of {file} has no name or no version")
    return CoreMetadata(
        name=_on_one_line(name),
        version=_on_one_line(version),
        requires_python=_on_one_line(raw.get("requires_python") or "") or None,
        requires=tuple(_on_one_line(line) for line in raw.get("requires_dist", ())),
        extras=tuple(_on_one_line(extra) for extra in raw.get("provides_extra", ())),
    )


def _on_one_line(value: str) -> str:
    # A header may be folded over several lines. lockgen writes its value into files where a line break would start
    # another entry.
    printable = "".join(char if char.isprintable() else " " for char in value)
    return " ".join(printable.split())


def check_identity(metadata: CoreMetadata, file: str) -> None:
    """Check that ``metadata`` has the package and the version that the name of ``file`` says.

    Raises:
        ToolFailed: it belongs to another package or version.
    """
    name, version = identity(file)
    try:
        agrees = canonicalize_name(metadata.name) == name and parse_version(metadata.version) == version
    except InvalidVersion:
        agrees = False
    if not agrees:
        raise ToolFailed(f"the metadata of {file} is that of {metadata.name} {metadata.version}")


def is_static(text: bytes | str) -> bool:
    """Whether a source distribution's PKG-INFO guarantees that its wheels have the same requirements (PEP 643)."""
    raw, _ = parse_email(text)
    try:
        version = tuple(int(part) for part in raw.get("metadata_version", "0").split("."))
    except ValueError:
        return False
    # Before 2.2 a field could say one thing in the PKG-INFO and another in the wheel.
    if version < (2, 2):
        return False
    dynamic = {field.lower() for field in raw.get("dynamic", ())}
    return not dynamic & {"requires-dist", "provides-extra"}

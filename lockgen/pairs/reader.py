"""Reader of the pair table as JSON, format 1."""

from __future__ import annotations

from typing import Any

from lockgen.core.compat_axes import Member, Pairs, TorchRelease
from lockgen.core.documents import parse_json
from lockgen.errors import BadInput, Place


def parse_pairs(data: bytes, where: str) -> Pairs:
    """Parse a pair table.

    Raises:
        BadInput: ``data`` is not a pair table.
    """
    # Users may edit the file, so any value can be missing or have another type.
    try:
        return _pairs(parse_json(data))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadInput(
            f"not a pair table written by lockgen: {error}",
            place=Place(where),
            hint="move it away and run `lockgen pairs --refresh`",
        ) from error


def _pairs(document: dict[str, Any]) -> Pairs:
    if document["format"] != 1:
        raise ValueError(f"this lockgen does not support format {document['format']!r}")
    return {str(torch): _release(entry) for torch, entry in document["releases"].items()}


def _release(entry: dict[str, Any]) -> TorchRelease:
    accelerator = entry["accelerator"]
    if not isinstance(accelerator, str | None):
        raise TypeError("accelerator must be a string or null")
    members = {str(name): _member(member) for name, member in entry["members"].items()}
    return TorchRelease(members, accelerator)


def _member(entry: dict[str, Any]) -> Member:
    version = entry["version"]
    pythons = entry["pythons"]
    if not isinstance(version, str | None):
        raise TypeError("version must be a string or null")
    if not isinstance(pythons, list | None):
        raise TypeError("pythons must be an array or null")
    # null means unknown, and an empty array that no Python has a wheel.
    if pythons is None:
        return Member(version)
    return Member(version, tuple(str(python) for python in pythons))

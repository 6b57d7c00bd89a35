"""The pair table of torch's family as JSON, format 1."""

from __future__ import annotations

import json
from typing import Any

from lockgen.core.compat_axes import Member, Pairs, TorchRelease
from lockgen.errors import BadInput, Place


def parse_pairs(data: bytes, where: str) -> Pairs:
    """Reads a pair table.

    Raises:
        BadInput: it is none.
    """
    try:
        document = json.loads(data)
        if document["format"] != 1:
            raise ValueError(f"format {document['format']!r} is not known to this lockgen")
        return {str(torch): _release(entry) for torch, entry in document["releases"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        hint = "move it away and make it again: lockgen pairs --refresh"
        raise BadInput(f"not a pair table as lockgen writes it: {error}", place=Place(where), hint=hint) from error


def _release(entry: dict[str, Any]) -> TorchRelease:
    accelerator = entry["accelerator"]
    if not isinstance(accelerator, str | None):
        raise TypeError("an accelerator is a text")
    return TorchRelease({str(name): _member(member) for name, member in entry["members"].items()}, accelerator)


def _member(entry: dict[str, Any]) -> Member:
    version, pythons = entry["version"], entry["pythons"]
    if not isinstance(version, str | None) or not isinstance(pythons, list | None):
        raise TypeError("a member has a version and Pythons")
    return Member(version, tuple(str(python) for python in pythons) if pythons is not None else None)

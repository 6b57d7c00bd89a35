"""When releases were first seen, for indexes without upload times: the reader of the file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from lockgen.core.documents import parse_json
from lockgen.errors import BadInput, Place

FirstSeen = dict[str, dict[str, datetime]]
"""Package to version to the time."""


def parse_seen(data: bytes, file: str) -> FirstSeen:
    """The first-seen times in ``data``, the contents of ``file``.

    Raises:
        BadInput: it is not as lockgen writes it.
    """
    try:
        document = parse_json(data)
        if document["format"] != 1:
            raise ValueError("another format")
        return {str(name): _times(versions) for name, versions in document["seen"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadInput(
            f"invalid file of first-seen times: {type(error).__name__}",
            place=Place(file),
            hint="remove it (if it is on a branch, remove the branch): lockgen writes a new one, "
            "and the waiting period starts again",
        ) from None


def _times(versions: Mapping[object, str]) -> dict[str, datetime]:
    return {str(version): _time(text) for version, text in versions.items()}


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)

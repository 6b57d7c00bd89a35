"""The record of when releases were first seen, of indexes that do not say when they were uploaded."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from lockgen.errors import BadInput, Place


def parse_seen(data: bytes, file: str) -> dict[str, dict[str, datetime]]:
    """Package to version to the moment.

    Raises:
        BadInput: it is not as lockgen writes it.
    """
    try:
        found = json.loads(data)
        if found["format"] != 1:
            raise ValueError("another format")
        return {
            str(name): {str(version): _moment(text) for version, text in versions.items()}
            for name, versions in found["seen"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadInput(
            f"it is no record of first sights: {type(error).__name__}",
            place=Place(file),
            hint="remove it (on its branch remove the branch): it is made anew, and waiting begins anew",
        ) from None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)

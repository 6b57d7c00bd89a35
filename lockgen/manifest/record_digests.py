"""A recorded index as an input: its digest. Only the standard library: `check` takes it at every call."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable

ReadBytes = Callable[[str], bytes | None]

_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")


def record_digest(read: ReadBytes, folder: str) -> str | None:
    """One digest of index.json and of every metadata file that it names; None if there is no record.

    A record that is broken has a digest too: that of what can be read.
    """
    data = read(f"{folder}/index.json")
    if data is None:
        return None
    digest = hashlib.sha256(data)
    for name in sorted(_metadata_files(data)):
        text = read(f"{folder}/metadata/{name}")
        digest.update(f"\n{name} {hashlib.sha256(text).hexdigest() if text is not None else 'missing'}".encode())
    return f"sha256:{digest.hexdigest()}"


def _metadata_files(data: bytes) -> set[str]:
    try:
        projects = json.loads(data)["projects"]
        names = {str(entry["metadata"]["file"]) for entries in projects.values() for entry in entries}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return set()
    return {name for name in names if _PART.fullmatch(name)}

"""The digest of a recorded index, as an input of the lock.

Imports only the standard library, because the fast path of `check` uses it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from lockgen.core.documents import parse_json

ReadBytes = Callable[[str], bytes | None]

_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")


def record_digest(read: ReadBytes, folder: str) -> str | None:
    """One digest of index.json and of every metadata file that it names; None without an index.json.

    A damaged record has a digest too, of the part that can be read.
    """
    data = read(f"{folder}/index.json")
    if data is None:
        return None
    digest = hashlib.sha256(data)
    for name in sorted(_metadata_files(data)):
        text = read(f"{folder}/metadata/{name}")
        of_file = "missing" if text is None else hashlib.sha256(text).hexdigest()
        digest.update(f"\n{name} {of_file}".encode())
    return f"sha256:{digest.hexdigest()}"


def _metadata_files(data: bytes) -> set[str]:
    try:
        projects = parse_json(data)["projects"]
        names = {str(entry["metadata"]["file"]) for entries in projects.values() for entry in entries}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return set()
    # The names become paths: one such as "../x" is not read.
    return {name for name in names if _PART.fullmatch(name)}

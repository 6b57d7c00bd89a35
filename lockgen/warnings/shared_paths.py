"""The shared paths of a lock, from what the user's cache knows about its files. No request is sent."""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple

from lockgen.core.documents import parse_json
from lockgen.core.lock import Lock
from lockgen.index.installed_paths import InstalledPaths
from lockgen.io.cache import FileCache
from lockgen.warnings.model import SharedPaths
from lockgen.warnings.path_owners import find_shared

_KIND = "shared-paths-2"


def shared_paths(lock: Lock) -> tuple[SharedPaths, ...]:
    """The paths that several packages of ``lock`` install. Files that are not in the cache are left out."""
    paths = InstalledPaths()
    files: dict[str, str] = {}
    for package in lock.packages:
        sha256 = package.chosen.sha256
        if paths.has(sha256):
            files[sha256] = package.pin
    # A family has up to 100,000 paths, so the result is kept as well.
    cache = FileCache(_KIND)
    key = hashlib.sha256("\n".join(sorted(files)).encode()).hexdigest()
    text = cache.recall(key)
    found = _parsed(text) if text is not None else None
    if found is None:
        found = _find(files, paths)
        cache.keep(key, json.dumps([astuple(shared) for shared in found]))
    return found


def _find(files: dict[str, str], paths: InstalledPaths) -> tuple[SharedPaths, ...]:
    packages: dict[str, dict[str, str]] = {}
    for sha256, pin in files.items():
        packages.setdefault(pin, {}).update(paths.of(sha256))
    return tuple(find_shared(packages))


def _parsed(text: str) -> tuple[SharedPaths, ...] | None:
    """The kept result; None if it is damaged."""
    found: list[SharedPaths] = []
    try:
        rows = parse_json(text)
        if not isinstance(rows, list):
            return None
        for pins, same, count, example in rows:
            found.append(SharedPaths(tuple(map(str, pins)), bool(same), int(count), str(example)))
    except (TypeError, ValueError):
        return None
    return tuple(found)

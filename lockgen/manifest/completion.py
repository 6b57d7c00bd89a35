"""Names of the project for a shell's completion. It imports little, and a file that cannot be read has no names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from lockgen.core.documents import parse_json, parse_toml
from lockgen.core.layout import LOCK_PATH
from lockgen.errors import LockgenError
from lockgen.io.workspace import Folder

NameKind = Literal["images", "packages", "pins", "variants", "indexes"]

_TABLES: dict[NameKind, tuple[str, ...]] = {
    "images": ("bases", "stages"),
    "packages": ("pins",),
    "pins": ("pins",),
    "variants": ("variants",),
    "indexes": ("index",),
}

# A shell evaluates what it gets: no other characters.
_NAME = re.compile(r"[\w][\w.:-]*", re.ASCII)


def completions(project: Path, kind: NameKind, begin: str) -> list[str]:
    """The names of ``kind`` that begin with ``begin``, sorted. Images are also listed by tag: "asr:cuda"."""
    folder = Folder(project)
    try:
        names = set(_names(folder, kind))
    except (LockgenError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    return sorted(name for name in names if name.startswith(begin) and _NAME.fullmatch(name))


def _names(folder: Folder, kind: NameKind) -> Iterable[str]:
    yield from _declared(folder, kind)
    if kind == "packages":
        for package in _locked(folder, "packages"):
            yield package["name"]
    if kind == "images":
        for image in _locked(folder, "images"):
            yield f"{image['name']}:{image['variant']}"


def _declared(folder: Folder, kind: NameKind) -> Iterable[str]:
    """The names in versions.toml."""
    tables = _tables(folder)
    for table in _TABLES[kind]:
        yield from tables.get(table, {})


def _tables(folder: Folder) -> dict[str, Any]:
    return parse_toml((folder.read("versions.toml") or b"").decode())


def _locked(folder: Folder, name: str) -> list[dict[str, Any]]:
    data = folder.read(LOCK_PATH)
    rows: list[dict[str, Any]] = parse_json(data)[name] if data is not None else []
    return rows

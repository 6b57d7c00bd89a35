"""Replace what the schema refuses, so that the rest of a file can be read too, and all its faults be reported at once.

A placeholder keeps the names of a file: an index without a valid URL is still an index, and what refers to it is right.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from lockgen.core.key_path import KeyPath
from lockgen.manifest.schema_errors import SchemaError

_REQUIRED = {
    ("family", "name"): "placeholder",
    ("family", "python"): "3.11",
    ("index", None, "url"): "https://index.invalid/",
    ("index", None, "packages"): ["placeholder"],
    ("variants", None, "from"): "placeholder:1",
    ("variants", None, "pins", None): "1.0",
    ("pins", None): "1.0",
    ("stages", None, "from"): "placeholder",
}
"""Valid values of keys without a default, and of pins. None stands for any name."""

_ENTRIES = {"index", "variants", "bases", "stages", "pins"}
"""Tables of named entries."""

_DEPENDENTS: dict[tuple[str, ...], tuple[tuple[str, ...], ...]] = {
    ("family", "python"): (("variants",), ("compat",)),
    ("pins",): (("compat",), ("update",)),
    ("variants",): (("compat",), ("update",)),
    ("bases",): (("compat",), ("update",)),
    ("stages",): (("compat",), ("update",)),
    ("common",): (("compat",), ("update",)),
}
"""What a placeholder may make wrong elsewhere: these parts of the file are judged when it has been corrected."""


@dataclass
class Placeholders:
    """Copies ``document`` without the values that the schema refuses. ``replaced`` are the paths of these values.

    ``lost`` are names that the copy lacks, because they are not valid themselves.
    """

    document: dict[str, Any]
    replaced: set[KeyPath] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)

    def replace(self, errors: Iterable[SchemaError]) -> dict[str, object]:
        """A copy of the document in which the values with ``errors`` are replaced or left out."""
        copied = copy.deepcopy(self.document)
        for error in errors:
            self.replaced.add(error.path)
            if _is_misspelt_section(error):
                # Nothing is known about what it was meant to be.
                self.lost |= _names_in(error.value)
            self._replace(copied, error)
        return copied

    def may_cause(self, path: KeyPath, message: str) -> bool:
        """Whether a fault at ``path`` may be due to a placeholder."""
        if ("index",) in self.replaced:
            return True
        for replaced in self.replaced:
            if path[: len(replaced)] == replaced or replaced[: len(path)] == path:
                return True
            for part, dependents in _DEPENDENTS.items():
                if replaced[: len(part)] == part and any(path[: len(other)] == other for other in dependents):
                    return True
        return any(f"`{name}`" in message for name in self.lost)

    def _replace(self, document: dict[str, Any], error: SchemaError) -> None:
        path = error.path
        if error.location[-1:] == ("[key]",):
            self.lost.add(str(path[-1]))
            _remove(document, path)
            return
        for length in range(len(path), 0, -1):
            placeholder = _placeholder(path[:length])
            if placeholder is not None:
                _put(document, path[:length], placeholder)
                return
        removed = _removable(path)
        if len(removed) == 2 and removed[0] in _ENTRIES:
            self.lost.add(str(removed[1]))
        _remove(document, removed)


def _is_misspelt_section(error: SchemaError) -> bool:
    return error.kind == "extra_forbidden" and len(error.path) == 1


def _names_in(value: object) -> set[str]:
    return {str(name) for name in value} if isinstance(value, dict) else set()


def _placeholder(path: KeyPath) -> object:
    for pattern, value in _REQUIRED.items():
        if len(pattern) == len(path) and all(part in (None, key) for part, key in zip(pattern, path, strict=True)):
            return value
    return None


def _removable(path: KeyPath) -> KeyPath:
    """The smallest part around ``path`` that a valid file can do without."""
    section = path[0]
    if section in {"compat", "update", "audit", "lint"}:
        return path[:1]
    # One key of [family] or of an entry, such as `uid` and `packages`.
    return path[: 3 if section in _ENTRIES else 2]


def _parent(document: dict[str, Any], path: KeyPath) -> dict[str, Any] | None:
    table: Any = document
    for part in path[:-1]:
        if not isinstance(table, dict) or part not in table:
            return None
        table = table[part]
    return table if isinstance(table, dict) else None


def _put(document: dict[str, Any], path: KeyPath, value: object) -> None:
    table = _parent(document, path)
    if table is not None:
        table[str(path[-1])] = copy.copy(value)


def _remove(document: dict[str, Any], path: KeyPath) -> None:
    table = _parent(document, path)
    if table is not None:
        table.pop(str(path[-1]), None)

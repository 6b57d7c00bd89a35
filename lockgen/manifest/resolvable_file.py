"""A versions.toml with faults that do not keep its requirements from being resolved, such as an unusable base image.

`lockgen resolve` resolves the rest, to report at once what the index lacks.
"""

from __future__ import annotations

from collections.abc import Iterable

from lockgen.core.key_path import KeyPath
from lockgen.core.manifest import Manifest
from lockgen.errors import BadInput, Fault

_SECTIONS = {"audit", "budgets", "compat", "lint", "update"}
"""Sections that are not inputs of a resolution."""

_OF_IMAGES = {
    "apt",
    "build-apt",
    "copy",
    "entrypoint",
    "env",
    "folders",
    "max-image",
    "max-layer",
    # Without a requirement, the others have a solution if they had one with it.
    "packages",
    "preload",
}
_KEYS = {
    "family": {"name", "registry", "uid", "user"},
    "variants": {"from", "ppa"},
    "common": {"packages"},
    "bases": _OF_IMAGES,
    "stages": _OF_IMAGES,
}
"""Keys that do not decide what is resolved, or without which there is only less to resolve."""


class ResolvableFile(BadInput):
    """Faults of a file whose other values can be resolved. If ``manifest`` has no solution, nor has the corrected file.

    ``manifest`` is for this question only: nothing is written from it.
    """

    def __init__(self, faults: Iterable[Fault], text: str, manifest: Manifest) -> None:
        found = tuple(faults)
        super().__init__(found[0].message)
        self.faults = found
        self.text = text
        self.manifest = manifest


def is_beside_resolution(path: KeyPath) -> bool:
    """Whether a fault at ``path`` leaves a resolution as it is, or only takes a requirement from it."""
    if path[:1] and path[0] in _SECTIONS:
        return True
    keys = _KEYS.get(str(path[0]), set()) if path else set()
    # [family] and [common] have keys, the others named tables.
    position = 1 if path[:1] in {("family",), ("common",)} else 2
    return len(path) > position and path[position] in keys

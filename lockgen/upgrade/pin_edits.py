"""Write moved pins into the text of a versions.toml."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lockgen.core.documents import parse_toml
from lockgen.core.key_path import KeyPath
from lockgen.core.toml_positions import TomlPositions
from lockgen.manifest.editor import Edit, edited, with_pin
from lockgen.manifest.fingerprints import VERSIONS
from lockgen.upgrade.bump_model import PinMove


def rewritten(text: str, moves: Sequence[PinMove]) -> str:
    """``text``, a versions.toml, with the new values of ``moves``; comments, order and quotes are kept.

    Raises:
        BadInput: a value cannot be edited without changing more.
    """
    document = parse_toml(text)
    edits: list[Edit] = []
    for move in moves:
        # New indexes and the cut-off are in the text already; new pins follow below.
        if move.old is not None and move.kind != "cut-off":
            path, old = _string_at(document, move.path)
            edits.append(Edit(path, old, move.new))
    if edits:
        text = edited(text, edits, TomlPositions(text).find, VERSIONS)
    for move in moves:
        if move.old is None and move.kind == "pin":
            # Each new line moves those below it, so the positions are read again.
            text = with_pin(text, move.name, move.new, TomlPositions(text).find, VERSIONS)
    return text


def _string_at(document: Any, path: KeyPath) -> tuple[KeyPath, str]:
    """The path of the string itself, and the string: a pin may be a table with a version."""
    for key in path:
        document = document[key]
    if isinstance(document, dict):
        return (*path, "version"), str(document["version"])
    return path, str(document)

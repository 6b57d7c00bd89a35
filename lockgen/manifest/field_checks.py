"""Checks of single values that a pattern of the schema cannot express."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar
from urllib.parse import urlsplit

from lockgen.core.key_path import KeyPath
from lockgen.manifest.faults import AddFault

Text = TypeVar("Text", bound=str)

_RESERVED_FOLDERS = {".git", ".lockgen"}


def check_folder(text: str, path: KeyPath, add: AddFault) -> None:
    """A folder must be inside the project, and neither git's nor lockgen's."""
    parts = text.rstrip("/").split("/")
    if any(part in {"", ".", ".."} for part in parts):
        add(path, f"{text!r} leaves the project or is not a plain path", "no `..`, `.`, or `//` in it")
        return
    # Case-insensitive, as the file systems of macOS are.
    folded = {part.casefold() for part in parts}
    if folded & _RESERVED_FOLDERS:
        add(path, f"{text!r} belongs to git or to lockgen", "use another folder")


def check_url(url: str, path: KeyPath, add: AddFault) -> None:
    """The pattern in the schema accepts `https://[x`, whose bracket is never closed."""
    try:
        urlsplit(url)
    except ValueError as error:
        add(path, f"{url!r} is not a valid URL: {error}", "https://HOST/PATH")


def check_reason(reason: str, path: KeyPath, add: AddFault) -> None:
    """A reason becomes one line of a report, so it must be printable text."""
    if not reason.strip() or not reason.isprintable():
        add(path, f"{reason!r} is not a reason", "write a few words in one line")


def unique(values: Sequence[Text], path: KeyPath, add: AddFault) -> list[Text]:
    """The items of an array, each once; a repeated item is a fault."""
    for position, text in enumerate(values):
        if text in values[:position]:
            add((*path, position), f"`{text}` is named twice", "keep one of them")
    return list(dict.fromkeys(values))

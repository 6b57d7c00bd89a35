"""Checks of single values that a pattern of the schema cannot express."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

from lockgen.core.key_path import KeyPath
from lockgen.core.urls import redacted, without_password
from lockgen.manifest.faults import AddFault, FaultCollector

Text = TypeVar("Text", bound=str)

_SHOWN = 60
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
    """The pattern in the schema accepts `https://[x`, whose bracket is never closed. A message shows no password."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        add(path, f"{redacted(url)!r} is not a valid URL", "https://HOST/PATH")
        return
    if not parts.hostname:
        add(path, f"{redacted(url)!r} names no host", "https://HOST/PATH")
    elif parts.query or parts.fragment:
        # The name of a package follows the URL.
        add(path, "the URL of an index has a query or a fragment", f"remove it: {redacted(url)}")


def check_characters(document: Mapping[str, object], faults: FaultCollector) -> None:
    """Every key and every string must be printable: others would hide in messages or break lines of generated files.

    A value that has a fault already gets no second one.
    """
    for path, text in _strings(document, ()):
        if text.isprintable() or faults.has(path):
            continue
        wrong = next(character for character in text if not character.isprintable())
        is_url = path[-1] == "url"
        shown = _shortened(without_password(text) if is_url else text)
        code_point = f"U+{ord(wrong):04X}"
        faults.add(path, f"{shown} contains {code_point}, which is not printable", "remove it")


def _strings(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """The keys and strings in ``value``, each with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key), key
            yield from _strings(item, (*path, key))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _strings(item, (*path, position))


def _shortened(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


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

"""Strings as literals of TOML and HCL. JSON is not the same: it writes an emoji as two surrogates, and DEL as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SPECIAL = re.compile(r'["\\]|[^ -~]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quoted(value: str) -> str:
    """``value`` as a string of TOML or HCL, in ASCII."""
    return f'"{_SPECIAL.sub(lambda found: _escaped(found[0]), value)}"'


def readable(value: str) -> str:
    """``value`` as a string of TOML for a person: printable characters stay as they are."""
    return f'"{_SPECIAL.sub(lambda found: _readable(found[0]), value)}"'


def array(values: Iterable[str]) -> str:
    """A TOML array of strings, in ASCII."""
    return "[" + ", ".join(quoted(value) for value in values) + "]"


def _readable(character: str) -> str:
    return character if character not in _SHORT and character.isprintable() else _escaped(character)


def _escaped(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    if 0xD800 <= code <= 0xDFFF:
        # Half of a pair, as in invalid JSON: neither format has an escape for it.
        return "\\ufffd"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"

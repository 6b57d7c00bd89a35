"""Positions of keys and values in a TOML document, for error messages.

Neither tomllib nor tomlkit keeps positions. This does not validate: the input must be accepted by tomllib.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cached_property

from lockgen.core.key_path import KeyPath
from lockgen.core.quoting import readable

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_INLINE_SPACE = re.compile(r"[ \t]*")
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_PLAIN_VALUE = re.compile(r"[^,\]}\r\n#]*")
_END_OF_BASIC = re.compile(r'\\.|"', re.DOTALL)
_END_OF_MULTILINE = re.compile(r'\\.|"""', re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|x[0-9A-Fa-f]{2}|.)")
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b"}


class TomlPositions:
    """Positions in one valid TOML document. The first query scans the document."""

    def __init__(self, text: str) -> None:
        self._text = text

    def find(self, path: KeyPath) -> tuple[int, int] | None:
        """Line and column (from 1, in characters) of ``path``; None if the document does not contain it.

        The position of a value is that of its key; an item of an array has its own position. The position of a
        table is the header that defines it, else the first key that implies it. The position of an item of an array
        of tables is the key in its ``[[header]]``.
        """
        offset = self._offsets.get(path)
        if offset is None:
            return None
        line = self._text.count("\n", 0, offset) + 1
        start_of_line = self._text.rfind("\n", 0, offset) + 1
        column = offset - start_of_line + 1
        return line, column

    @cached_property
    def _offsets(self) -> dict[KeyPath, int]:
        scanner = _Scanner(self._text)
        # Thousands of nested arrays: the positions found before them are still right.
        with suppress(RecursionError):
            scanner.document()
        return {**scanner.implied, **scanner.defined}


def dotted(path: KeyPath) -> str:
    """``path`` in the notation of TOML: ``stages.asr.packages[2]``, ``pins."pyannote.audio"``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if _BARE_KEY.fullmatch(part) else readable(part)
            text += f".{key}" if text else key
    return text


def _unescape(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        code = match[1]
        if len(code) > 1:
            return chr(int(code[1:], 16))
        return _ESCAPED.get(code, code)

    return _ESCAPE.sub(character, text)


class _Scanner:
    """One pass over the text. ``at`` is the offset of the next character.

    ``defined`` has the offsets of headers, assignments and items; ``implied`` those of tables that only occur in a
    dotted key. ``items`` maps the path of an array of tables to the number of its [[headers]] so far.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.defined: dict[KeyPath, int] = {}
        self.implied: dict[KeyPath, int] = {}
        self.items: dict[KeyPath, int] = {}

    def document(self) -> None:
        table: KeyPath = ()
        while self._skip(_SPACE) < len(self.text):
            if self.text.startswith("[[", self.at):
                table = self._header(2)
            elif self.text[self.at] == "[":
                table = self._header(1)
            else:
                self._assignment(table)

    def _skip(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
        return self.at

    def _header(self, brackets: int) -> KeyPath:
        """Read a header; return the path of the table that it begins."""
        self.at += brackets
        *above, (last, offset) = self._key()
        self.at += brackets
        path: KeyPath = ()
        for key, place in above:
            path = (*path, key)
            self.implied.setdefault(path, place)
            # [a.b] below [[a]] is in the last item of the array.
            if path in self.items:
                path = (*path, self.items[path] - 1)
        path = (*path, last)
        # Of an array of tables, the first header is the position of the array.
        self.defined.setdefault(path, offset)
        if brackets == 1:
            return path
        item = self.items.get(path, 0)
        self.items[path] = item + 1
        path = (*path, item)
        self.defined[path] = offset
        return path

    def _assignment(self, table: KeyPath) -> None:
        keys = self._key()
        self.at += 1  # the equals sign
        self._skip(_INLINE_SPACE)
        path = table
        for key, offset in keys:
            path = (*path, key)
            self.implied.setdefault(path, offset)
        self.defined[path] = keys[-1][1]
        self._value(path)

    def _key(self) -> list[tuple[str, int]]:
        """Read a dotted key and the space after it; return its parts with their offsets."""
        parts = []
        while True:
            self._skip(_INLINE_SPACE)
            offset = self.at
            parts.append((self._simple_key(), offset))
            self._skip(_INLINE_SPACE)
            if self.text[self.at] != ".":
                return parts
            self.at += 1

    def _simple_key(self) -> str:
        start = self.at
        quote = self.text[start]
        if quote not in "\"'":
            self._skip(_BARE_KEY)
            return self.text[start : self.at]
        self._string(quote)
        inside = self.text[start + 1 : self.at - 1]
        # Only double-quoted strings have escapes.
        return _unescape(inside) if quote == '"' else inside

    def _value(self, path: KeyPath) -> None:
        first = self.text[self.at]
        if first in "\"'":
            triple = first * 3
            self._string(triple if self.text.startswith(triple, self.at) else first)
        elif first == "[":
            self._array(path)
        elif first == "{":
            self._inline_table(path)
        else:
            # A number, a boolean or a date: it has no inner positions.
            self._skip(_PLAIN_VALUE)

    def _string(self, quote: str) -> None:
        """Skip the string that begins here; ``quote`` is one or three quotation marks."""
        mark = quote[0]
        self.at += len(quote)
        if mark == "'":
            self.at = self.text.index(quote, self.at) + len(quote)
        else:
            self._skip_basic(quote)
        if len(quote) == 1:
            return
        # The content may end with one or two quotation marks: """"a""""" is "a"".
        for _ in range(2):
            if self.text.startswith(mark, self.at):
                self.at += 1

    def _skip_basic(self, quote: str) -> None:
        """Skip the rest of a double-quoted string. A quotation mark after a backslash does not end it."""
        pattern = _END_OF_BASIC if len(quote) == 1 else _END_OF_MULTILINE
        ends = (found.end() for found in pattern.finditer(self.text, self.at) if found[0] == quote)
        # There is an end, because tomllib accepted the document.
        self.at = next(ends)

    def _array(self, path: KeyPath) -> None:
        self.at += 1
        count = 0
        while self.text[self._skip(_SPACE)] != "]":
            if self.text[self.at] == ",":
                self.at += 1
                continue
            item = (*path, count)
            self.defined[item] = self.at
            self._value(item)
            count += 1
        self.at += 1

    def _inline_table(self, path: KeyPath) -> None:
        """Skip an inline table. TOML 1.1 allows line breaks, comments and a trailing comma in it."""
        self.at += 1
        while self.text[self._skip(_SPACE)] != "}":
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self._assignment(path)
        self.at += 1

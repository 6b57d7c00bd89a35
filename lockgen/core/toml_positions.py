"""Where the keys and values of a TOML document stand, for error messages.

Neither tomllib nor tomlkit keeps positions. This does not validate: the input must be accepted by tomllib.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from functools import cached_property

from lockgen.core.key_path import KeyPath

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_INLINE_SPACE = re.compile(r"[ \t]*")
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_PLAIN_VALUE = re.compile(r"[^,\]}\r\n#]*")
_END_OF_BASIC = re.compile(r'\\.|"', re.DOTALL)
_END_OF_MULTILINE = re.compile(r'\\.|"""', re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|x[0-9A-Fa-f]{2}|.)")
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b"}


class TomlPositions:
    """Positions in one valid TOML document, scanned when the first one is asked for."""

    def __init__(self, text: str) -> None:
        self._text = text

    def find(self, path: KeyPath) -> tuple[int, int] | None:
        """Line and column (from 1, in characters) of ``path``; None where the document does not hold it.

        That of the key where ``path`` ends in a key, of the value where it ends in an array's item. The
        place of a table is the header that defines it, else the first key that implies it; that of an
        item of an array of tables is the key in its ``[[header]]``.
        """
        offset = self._offsets.get(path)
        if offset is None:
            return None
        start = self._text.rfind("\n", 0, offset) + 1
        return self._text.count("\n", 0, offset) + 1, offset - start + 1

    @cached_property
    def _offsets(self) -> dict[KeyPath, int]:
        scanner = _Scanner(self._text)
        with suppress(RecursionError):  # nested deeper than anybody writes: what was found is still right
            scanner.document()
        return {**scanner.implied, **scanner.defined}


def dotted(path: KeyPath) -> str:
    """``path`` as people write it: ``stages.asr.packages[2]``, ``pins."pyannote.audio"``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if _BARE_KEY.fullmatch(part) else _quoted(part)
            text += f".{key}" if text else key
    return text


def _quoted(key: str) -> str:
    return json.dumps(key, ensure_ascii=False).replace("\x7f", "\\u007f")


def _unescape(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        code = match[1]
        if len(code) > 1:
            return chr(int(code[1:], 16))
        return _ESCAPED.get(code, code)

    return _ESCAPE.sub(character, text)


class _Scanner:
    """One pass over the text. ``at`` is the offset of the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.defined: dict[KeyPath, int] = {}
        self.implied: dict[KeyPath, int] = {}
        self.items: dict[KeyPath, int] = {}
        """KeyPath of an array of tables to the number of its [[headers]] so far."""

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
        self.at += brackets
        keys = self._key()
        self.at += brackets
        path: KeyPath = ()
        for key, offset in keys[:-1]:
            path = (*path, key)
            self.implied.setdefault(path, offset)
            if path in self.items:
                path = (*path, self.items[path] - 1)
        key, offset = keys[-1]
        path = (*path, key)
        self.defined.setdefault(path, offset)
        if brackets == 2:
            count = self.items.get(path, 0)
            self.items[path] = count + 1
            path = (*path, count)
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
        """A dotted key's parts with their offsets, and the space after it."""
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
            self._skip(_PLAIN_VALUE)

    def _string(self, quote: str) -> None:
        """Past the string that begins here; ``quote`` is one or three quotation marks."""
        start = self.at + len(quote)
        if quote[0] == "'":
            self.at = self.text.index(quote, start) + len(quote)
        else:
            pattern = _END_OF_BASIC if len(quote) == 1 else _END_OF_MULTILINE
            self.at = next(m.end() for m in pattern.finditer(self.text, start) if m[0] == quote)
        if len(quote) == 3:
            # The last quotation marks of the content may touch those that end it: """"a""""" is "a"".
            extra = 0
            while extra < 2 and self.text.startswith(quote[0], self.at):
                self.at += 1
                extra += 1

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
        """With TOML 1.1's new lines, comments and trailing comma."""
        self.at += 1
        while self.text[self._skip(_SPACE)] != "}":
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self._assignment(path)
        self.at += 1

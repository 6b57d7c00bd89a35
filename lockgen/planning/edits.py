"""Changes to the text of versions.toml: only the old value is replaced, and a note is put at the end of its line.

tomlkit would keep comments too, but not put one beside an item of an array or inside an inline table. So the text itself is edited
where the value stands, and read again: if more than the wanted values differ, nothing is changed.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lockgen.errors import BadInput, Place

Path = tuple[str | int, ...]
Position = Callable[[Path], tuple[int, int] | None]
"""Line and column (from 1) of a path in the text."""

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')


@dataclass(frozen=True, slots=True)
class Edit:
    """At ``path`` stands the string ``old``; it becomes ``new``. ``note`` says why, in one line."""

    path: Path
    old: str
    new: str
    note: str


def edited(text: str, edits: Sequence[Edit], position: Position, file: str) -> str:
    """``text`` with all of ``edits`` made.

    Raises:
        BadInput: a value is not where it was, or is written in a way that cannot be edited without touching more.
    """
    lines = text.split("\n")
    notes: dict[int, list[str]] = {}
    for edit in sorted(edits, key=lambda edit: position(edit.path) or (0, 0), reverse=True):
        where = position(edit.path)
        if where is None:
            raise _cannot(edit, file, None)
        number, column = where[0] - 1, where[1] - 1
        lines[number] = _replaced(lines[number], column, edit, file, where[0])
        notes.setdefault(number, []).insert(0, edit.note)
    for number, said in notes.items():
        lines[number] = _noted(lines[number], "; ".join(dict.fromkeys(said)))
    result = "\n".join(lines)
    _check(text, result, edits, file)
    return result


def _replaced(line: str, column: int, edit: Edit, file: str, number: int) -> str:
    """The first string from ``column`` on that is the old value; a key that is a string comes before its value."""
    for found in _STRING.finditer(line, column):
        if _value(found[0]) == edit.old:
            quote = found[0][0]
            new = f"'{edit.new}'" if quote == "'" else json.dumps(edit.new)
            return line[: found.start()] + new + line[found.end() :]
    raise _cannot(edit, file, number)


def _value(literal: str) -> object:
    return tomllib.loads(f"x = {literal}")["x"]


def _noted(line: str, note: str) -> str:
    bare = _STRING.sub(lambda found: "_" * len(found[0]), line)
    if "#" in bare:
        return f"{line.rstrip()}; {note}"
    return f"{line.rstrip()}  # {note}"


def _check(before: str, after: str, edits: Sequence[Edit], file: str) -> None:
    wanted = tomllib.loads(before)
    for edit in edits:
        _put(wanted, edit)
    if tomllib.loads(after) != wanted:
        raise BadInput(
            "the file cannot be edited without changing more than was asked for",
            place=Place(file),
            hint="edit it by hand",
        )


def _put(document: Any, edit: Edit) -> None:
    table = document
    for key in edit.path[:-1]:
        table = table[key]
    last = edit.path[-1]
    if isinstance(table[last], dict):  # a pin with more than a version
        table, last = table[last], "version"
    table[last] = edit.new


def _cannot(edit: Edit, file: str, line: int | None) -> BadInput:
    return BadInput(
        f"{edit.old!r} does not stand where it was read",
        place=Place(file, line),
        hint=f"write {edit.new!r} there by hand",
    )

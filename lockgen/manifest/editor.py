"""Changes to the text of versions.toml: only the old value is replaced, and a note is put at the end of its line.

tomlkit would keep comments too, but cannot put one next to an item of an array or inside an inline table. So the text
itself is edited where the value stands, and read again: if more than the wanted values differ, nothing is changed.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lockgen.core.key_path import KeyPath
from lockgen.errors import BadInput, Place

Position = Callable[[KeyPath], tuple[int, int] | None]
"""Line and column (from 1) of a path in the text."""

# A date and a time with an offset, as TOML has them.
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)")
_PINS = re.compile(r"""\s*\[\s*(["']?)pins\1\s*\]""")
_DOTTED = re.compile(r"""\s*((["']?)pins\2\s*\.\s*)""")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')


@dataclass(frozen=True, slots=True)
class Edit:
    """At ``path`` stands the string ``old``; it becomes ``new``. ``note`` says why, in one line; "" leaves the line."""

    path: KeyPath
    old: str
    new: str
    note: str = ""


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
        if any(said):
            lines[number] = _noted(lines[number], "; ".join(dict.fromkeys(filter(None, said))))
    result = "\n".join(lines)
    _check(text, result, edits, file)
    return result


def with_pin(text: str, name: str, version: str, position: Position, file: str) -> str:
    """``text`` with one pin more, below the last of [pins]; the table is made where there is none.

    Raises:
        BadInput: [pins] is written in a way that nothing can be added to without touching more.
    """
    wanted = tomllib.loads(text)
    lines = text.split("\n")
    pins = wanted.setdefault("pins", {})
    line = f"{name} = {json.dumps(version)}"
    ending = _ending(lines)
    last = _last_direct_pin(lines, pins, position)
    header = next((number for number, row in enumerate(lines, 1) if _PINS.match(row)), None)
    if last is not None:
        above = lines[last - 1]
        dotted = _DOTTED.match(above)
        if dotted is not None:  # pins.numpy = "1.0", without a table around it
            line = dotted[1] + line
        indent = above[: len(above) - len(above.lstrip())]
        lines.insert(last, f"{indent}{line}{ending}")
    elif header is not None:
        lines.insert(header, f"{line}{ending}")
    else:
        rows = text.rstrip("\r\n").split("\n")
        rows[-1] += ending
        lines = [*rows, ending, f"[pins]{ending}", f"{line}{ending}", ""]
    pins[name] = version
    return _agreed("\n".join(lines), wanted, file)


def _last_direct_pin(lines: Sequence[str], pins: Iterable[str], position: Position) -> int | None:
    """The number of the last line with a pin that a pin can follow.

    A pin that is a table has a header: a line after it would belong to that table.
    """
    found = None
    for key in pins:
        place = position(("pins", key))
        if place is not None and not lines[place[0] - 1].lstrip().startswith("["):
            found = max(found or 0, place[0])
    return found


def with_cut_off(text: str, when: datetime, position: Position, file: str) -> str:
    """``text`` with another `exclude-newer`, an aware time.

    Raises:
        BadInput: there is none to replace, or not where it was read.
    """
    path: KeyPath = ("family", "exclude-newer")
    wanted, where = tomllib.loads(text), position(path)
    lines = text.split("\n")
    old = _TIME.search(lines[where[0] - 1], where[1] - 1) if where is not None else None
    if where is None or old is None:
        raise BadInput(
            "versions.toml has no exclude-newer that could move",
            place=Place(file, where[0] if where is not None else None),
            hint=f"write exclude-newer = {said(when)} into [family]",
        )
    line = lines[where[0] - 1]
    lines[where[0] - 1] = line[: old.start()] + said(when) + line[old.end() :]
    wanted["family"]["exclude-newer"] = when
    return _agreed("\n".join(lines), wanted, file)


def said(when: datetime) -> str:
    """A time as versions.toml has it: 2025-11-04T00:00:00Z."""
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


def with_index(text: str, name: str, like: str, url: str, recorded: str | None, file: str) -> str:
    """``text`` with an index more, below the index ``like`` whose packages it has.

    Raises:
        BadInput: that index is written in a way that nothing can be added next to it.
    """
    wanted = tomllib.loads(text)
    table = wanted["index"][like]
    lines = text.split("\n")
    spelled = re.compile(rf"""\s*\[\s*["']?index["']?\s*\.\s*(["']?){re.escape(like)}\1\s*\]""")
    header = next((number for number, line in enumerate(lines) if spelled.match(line)), None)
    if header is None:
        raise BadInput(
            f"[index.{like}] does not stand where it was read",
            place=Place(file),
            hint=f"add [index.{name}] by hand: url = {json.dumps(url)}",
        )
    added = {"url": url, "packages": table["packages"]}
    if recorded:
        added["recorded"] = recorded
    rows = ["", f"[index.{name}]"]
    rows += [f"{key} = {json.dumps(value)}" for key, value in added.items()]
    end = _end_of_table(lines, header)
    ending = _ending(lines)
    lines[end:end] = [f"{row}{ending}" for row in rows]
    wanted["index"][name] = added
    return _agreed("\n".join(lines), wanted, file)


def _end_of_table(lines: Sequence[str], header: int) -> int:
    """Where the table with the header at ``header`` ends (from 0); comments above the next table belong to that one."""
    end = header + 1
    while end < len(lines) and not lines[end].lstrip().startswith("["):
        end += 1
    while end > header + 1:
        above = lines[end - 1].strip()
        if above and not above.startswith("#"):
            break
        end -= 1
    return end


def _ending(lines: Sequence[str]) -> str:
    """What a line has before its line feed: the file's own habit stays."""
    return "\r" if lines[0].endswith("\r") else ""


def _agreed(text: str, wanted: Any, file: str) -> str:
    try:
        same = tomllib.loads(text) == wanted
    except tomllib.TOMLDecodeError:
        same = False
    if not same:
        raise BadInput(
            "the file cannot be added to without changing more than was asked for",
            place=Place(file),
            hint="edit it by hand",
        )
    return text


def _replaced(line: str, column: int, edit: Edit, file: str, number: int) -> str:
    """The first string from ``column`` on that is the old value; a key that is a string comes before its value."""
    for found in _STRING.finditer(line, column):
        literal = found[0]
        if _value(literal) != edit.old:
            continue
        # The quotes stay as they were.
        new = f"'{edit.new}'" if literal.startswith("'") else json.dumps(edit.new)
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

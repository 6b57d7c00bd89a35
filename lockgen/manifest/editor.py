"""Edits of the text of versions.toml: they replace only the old value, and add a note at the end of its line.

tomlkit keeps comments too, but it cannot add one next to an item of an array or inside an inline table. So the edits
here are made in the text itself, at the position of the value. The result is parsed again: if anything but the wanted
values differs, the edit is refused.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lockgen.core.documents import parse_toml
from lockgen.core.key_path import KeyPath
from lockgen.core.quoting import readable
from lockgen.errors import BadInput, Place

Position = Callable[[KeyPath], tuple[int, int] | None]
"""Line and column (from 1) of a path in the text."""

# A date and a time with an offset, as TOML has them.
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)")
_PINS_HEADER = re.compile(r"""\s*\[\s*(["']?)pins\1\s*\]""")
_DOTTED_PIN = re.compile(r"""\s*((["']?)pins\2\s*\.\s*)""")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')


@dataclass(frozen=True, slots=True)
class Edit:
    """Replaces the string ``old`` at ``path`` by ``new``. ``note`` is the reason, in one line; "" adds none."""

    path: KeyPath
    old: str
    new: str
    note: str = ""


def edited(text: str, edits: Sequence[Edit], position: Position, file: str) -> str:
    """``text`` with all of ``edits`` made.

    Raises:
        BadInput: a value is not at its position, or it cannot be edited without changing others.
    """
    lines = text.split("\n")
    notes: dict[int, list[str]] = {}
    # From the end of the file: an edit does not move the positions before it.
    for line, column, edit in sorted(_located(edits, position, file), key=_by_position, reverse=True):
        lines[line - 1] = _replaced(lines[line - 1], column, edit, file, line)
        notes.setdefault(line, []).insert(0, edit.note)
    for line, of_line in notes.items():
        # Several edits of a line may have the same reason.
        distinct = dict.fromkeys(of_line)
        note = "; ".join(reason for reason in distinct if reason)
        if note:
            lines[line - 1] = _with_note(lines[line - 1], note)
    wanted = parse_toml(text)
    for edit in edits:
        _put(wanted, edit)
    return _verified("\n".join(lines), wanted, file)


def _located(edits: Iterable[Edit], position: Position, file: str) -> Iterator[tuple[int, int, Edit]]:
    for edit in edits:
        where = position(edit.path)
        if where is None:
            raise _not_found(edit, file, None)
        yield (*where, edit)


def _by_position(located: tuple[int, int, Edit]) -> tuple[int, int]:
    line, column, _ = located
    return line, column


def with_pin(text: str, name: str, version: str, position: Position, file: str) -> str:
    """``text`` with one more pin, below the last of [pins]; the table is added if it is missing.

    Raises:
        BadInput: the pin cannot be added without changing other values.
    """
    wanted = parse_toml(text)
    pins = wanted.setdefault("pins", {})
    lines = text.split("\n")
    ending = _ending(lines)
    assignment = f"{name} = {readable(version)}"
    last = _last_direct_pin(lines, pins, position)
    header = _find_line(lines, _PINS_HEADER)
    if last is not None:
        lines.insert(last, _like(lines[last - 1], assignment) + ending)
    elif header is not None:
        lines.insert(header, assignment + ending)
    else:
        lines = text.rstrip("\r\n").split("\n")
        lines[-1] += ending
        lines += [ending, f"[pins]{ending}", assignment + ending, ""]
    pins[name] = version
    return _verified("\n".join(lines), wanted, file)


def _like(above: str, assignment: str) -> str:
    """``assignment`` in the form of the pin ``above`` it: with its indent, and its prefix if it is a dotted key."""
    indent = above[: len(above) - len(above.lstrip())]
    dotted = _DOTTED_PIN.match(above)
    # pins.numpy = "1.0", without a table around it
    prefix = dotted[1] if dotted is not None else ""
    return f"{indent}{prefix}{assignment}"


def _last_direct_pin(lines: Sequence[str], pins: Iterable[str], position: Position) -> int | None:
    """The number of the last line with a pin that another pin can follow.

    A pin that is a table has a header: a line after it would belong to that table.
    """
    last: int | None = None
    for key in pins:
        where = position(("pins", key))
        if where is None:
            continue
        number = where[0]
        is_header = lines[number - 1].lstrip().startswith("[")
        if not is_header:
            last = max(last or 0, number)
    return last


def _find_line(lines: Iterable[str], pattern: re.Pattern[str]) -> int | None:
    """The number (from 1) of the first line that begins with ``pattern``."""
    for number, line in enumerate(lines, 1):
        if pattern.match(line):
            return number
    return None


def with_cut_off(text: str, when: datetime, position: Position, file: str) -> str:
    """``text`` with another `exclude-newer`; ``when`` has a time zone.

    Raises:
        BadInput: there is none to replace, or it is not at its position.
    """
    path: KeyPath = ("family", "exclude-newer")
    time = toml_time(when)
    lines = text.split("\n")
    where = position(path)
    if where is None:
        raise _no_exclude_newer(time, file, None)
    number, column = where
    line = lines[number - 1]
    old = _TIME.search(line, column - 1)
    if old is None:
        raise _no_exclude_newer(time, file, number)
    lines[number - 1] = line[: old.start()] + time + line[old.end() :]
    wanted = parse_toml(text)
    wanted["family"]["exclude-newer"] = when
    return _verified("\n".join(lines), wanted, file)


def _no_exclude_newer(time: str, file: str, line: int | None) -> BadInput:
    return BadInput(
        "versions.toml has no exclude-newer to change",
        place=Place(file, line),
        hint=f"write exclude-newer = {time} into [family]",
    )


def toml_time(when: datetime) -> str:
    """A time in the form that versions.toml uses: 2025-11-04T00:00:00Z."""
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


def with_index(text: str, name: str, like: str, url: str, recorded: str | None, file: str) -> str:
    """``text`` with one more index, below the index ``like`` and with the same packages.

    Raises:
        BadInput: the table of that index has no header to add another below.
    """
    wanted = parse_toml(text)
    table = {"url": url, "packages": wanted["index"][like]["packages"]}
    if recorded:
        table["recorded"] = recorded
    lines = text.split("\n")
    header = _find_line(lines, _index_header(like))
    if header is None:
        raise BadInput(
            f"could not find the table [index.{like}]",
            place=Place(file),
            hint=f"add [index.{name}] by hand: url = {readable(url)}",
        )
    rows = ["", f"[index.{name}]"]
    for key, value in table.items():
        rows.append(f"{key} = {_literal(value)}")
    ending = _ending(lines)
    end = _end_of_table(lines, header)
    # An assignment to an empty slice inserts.
    lines[end:end] = [row + ending for row in rows]
    wanted["index"][name] = table
    return _verified("\n".join(lines), wanted, file)


def _literal(value: str | Sequence[str]) -> str:
    if isinstance(value, str):
        return readable(value)
    return f"[{', '.join(map(readable, value))}]"


def _index_header(name: str) -> re.Pattern[str]:
    return re.compile(rf"""\s*\[\s*["']?index["']?\s*\.\s*(["']?){re.escape(name)}\1\s*\]""")


def with_item(text: str, path: KeyPath, item: str, position: Position, file: str) -> str:
    """``text`` with one more string at the end of the array at ``path``, which has at least one.

    Raises:
        BadInput: the item cannot be added without changing other values.
    """
    wanted = parse_toml(text)
    array = _at(wanted, path)
    where = position((*path, len(array) - 1))
    lines = text.split("\n")
    if where is not None:
        number, column = where
        line = lines[number - 1]
        last = _STRING.match(line, column - 1)
        if last is not None:
            lines[number - 1] = f"{line[: last.end()]}, {readable(item)}{line[last.end() :]}"
    array.append(item)
    return _verified("\n".join(lines), wanted, file)


def with_key_beside(text: str, path: KeyPath, key: str, value: str, position: Position, file: str) -> str:
    """``text`` with ``key = value`` before the key at ``path``, in the same table and in the same form.

    Raises:
        BadInput: the key cannot be added without changing other values.
    """
    wanted = parse_toml(text)
    where = position(path)
    lines = text.split("\n")
    if where is not None:
        number, column = where
        line = lines[number - 1]
        before, after = line[: column - 1], line[column - 1 :]
        assignment = f"{key} = {readable(value)}"
        # Otherwise it is a table in one line, with other keys or a brace before it.
        if not before.strip() or before.endswith("."):
            lines.insert(number - 1, f"{before}{assignment}{_ending(lines)}")
        else:
            lines[number - 1] = f"{before}{assignment}, {after}"
    _at(wanted, path[:-1])[key] = value
    return _verified("\n".join(lines), wanted, file)


def _at(document: Any, path: KeyPath) -> Any:
    for key in path:
        document = document[key]
    return document


def _end_of_table(lines: Sequence[str], start: int) -> int:
    """Where the table ends whose first line below the header is ``start`` (from 0).

    Comments above the next table belong to that one.
    """
    end = start
    while end < len(lines) and not lines[end].lstrip().startswith("["):
        end += 1
    while end > start and _is_blank_or_comment(lines[end - 1]):
        end -= 1
    return end


def _is_blank_or_comment(line: str) -> bool:
    text = line.strip()
    return not text or text.startswith("#")


def _ending(lines: Sequence[str]) -> str:
    """What a line has before its line feed: files with CR LF stay so."""
    return "\r" if lines[0].endswith("\r") else ""


def _replaced(line: str, column: int, edit: Edit, file: str, number: int) -> str:
    """``line`` with its first string from ``column`` (from 1) on that is the old value replaced."""
    # The first string may be the key: "pyannote.audio" = "3.4.0".
    for found in _STRING.finditer(line, column - 1):
        literal = found[0]
        if _value(literal) != edit.old:
            continue
        # Keep the kind of quotes.
        new = f"'{edit.new}'" if literal.startswith("'") and _fits_single_quotes(edit.new) else readable(edit.new)
        start, end = found.span()
        return line[:start] + new + line[end:]
    raise _not_found(edit, file, number)


def _fits_single_quotes(text: str) -> bool:
    """Whether ``text`` can be a literal string of TOML, which has no escapes."""
    return text.isprintable() and "'" not in text


def _value(literal: str) -> object:
    return parse_toml(f"x = {literal}")["x"]


def _with_note(line: str, note: str) -> str:
    # A "#" in a string does not begin a comment.
    without_strings = _STRING.sub(lambda found: "_" * len(found[0]), line)
    separator = "; " if "#" in without_strings else "  # "
    return line.rstrip() + separator + note


def _put(document: Any, edit: Edit) -> None:
    *above, last = edit.path
    table = document
    for key in above:
        table = table[key]
    # A pin that is a table: { version = "1.0", held = true }.
    if isinstance(table[last], dict):
        table, last = table[last], "version"
    table[last] = edit.new


def _verified(text: str, wanted: Any, file: str) -> str:
    """``text``, if it is the document ``wanted``: patterns over lines do not understand all of TOML."""
    try:
        is_same = parse_toml(text) == wanted
    except tomllib.TOMLDecodeError:
        is_same = False
    if not is_same:
        message = "lockgen cannot make this edit without changing other values"
        raise BadInput(message, place=Place(file), hint="edit the file by hand")
    return text


def _not_found(edit: Edit, file: str, line: int | None) -> BadInput:
    return BadInput(
        f"could not find {edit.old!r} to replace it",
        place=Place(file, line),
        hint=f"change it to {edit.new!r} by hand",
    )

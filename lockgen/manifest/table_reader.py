"""Read the tables of versions.toml without pydantic, which takes long to import.

This reader accepts only what the schema accepts (`tests/manifest/test_table_reader.py`), and says nothing about the
rest: `schema.py` does, with pydantic.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date, datetime
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from lockgen.manifest.tables import Length, Number, Shapes, Text, VersionsFile, declared, spelling, type_of

Read = Callable[[Any], Any]


class UnlikeSchema(Exception):
    """A value that this reader does not accept."""


def read_tables(document: dict[str, object]) -> VersionsFile:
    """The tables of ``document``.

    Raises:
        UnlikeSchema: the schema may refuse it.
    """
    versions: VersionsFile = _reader(VersionsFile)(document)
    return versions


@cache
def _reader(annotation: Any) -> Read:
    """A function that returns a value of the type ``annotation``, or raises UnlikeSchema."""
    if is_dataclass(annotation):
        return _table(annotation)
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    if origin is Annotated:
        return _limited(arguments[0], arguments[1:])
    if origin is Literal:
        return _one_of(arguments)
    if origin is list:
        return _list(_reader(arguments[0]))
    if origin is dict:
        return _dict(_reader(arguments[0]), _reader(arguments[1]))
    if origin in (types.UnionType, Union):
        # Optional: TOML has no null, so that a value is always of the other type.
        (kind,) = (argument for argument in arguments if argument is not type(None))
        return _reader(kind)
    return _exactly(annotation)


def _require(is_right: bool) -> None:
    if not is_right:
        raise UnlikeSchema


def _exactly(kind: type) -> Read:
    _require(kind in (str, int, bool, datetime, date))

    def read(value: Any) -> Any:
        # Not isinstance: true is an int, and a date-time is a date.
        _require(type(value) is kind)
        return value

    return read


def _one_of(choices: tuple[object, ...]) -> Read:
    def read(value: Any) -> Any:
        # The types, too: true and 1.0 are equal to 1.
        _require(any(type(value) is type(choice) and value == choice for choice in choices))
        return value

    return read


def _list(item: Read) -> Read:
    def read(value: Any) -> Any:
        _require(type(value) is list)
        return [item(each) for each in value]

    return read


def _dict(key: Read, item: Read) -> Read:
    def read(value: Any) -> Any:
        _require(type(value) is dict)
        return {key(name): item(each) for name, each in value.items()}

    return read


def _limited(kind: Any, limits: Iterable[object]) -> Read:
    (limit,) = limits
    match limit:
        case Shapes(shape, text, other):
            return _either(shape, _reader(text), _reader(other))
        case Text():
            return _matching(limit)
        case Number(least, most):
            return _between(_reader(kind), least, most)
        case Length(least):
            return _between(_reader(kind), least, None)
    raise UnlikeSchema


def _either(shape: Callable[[object], str], text: Read, other: Read) -> Read:
    def read(value: Any) -> Any:
        return text(value) if shape(value) == "=text" else other(value)

    return read


def _matching(limit: Text) -> Read:
    # Compiled when it is needed: most families use few of the patterns.
    pattern = limit.pattern or ".*"
    length = _between(_exactly(str), limit.least, limit.most)

    def read(value: Any) -> Any:
        text = length(value)
        # All of the text: in a search, `$` would also match before a newline at its end.
        _require(re.fullmatch(pattern, text, re.DOTALL) is not None)
        return text

    return read


def _between(inner: Read, least: int | None, most: int | None) -> Read:
    """A number, or anything else with a length."""

    def read(value: Any) -> Any:
        found = inner(value)
        size = found if isinstance(found, int) else len(found)
        _require((least is None or size >= least) and (most is None or size <= most))
        return found

    return read


def _table(table: Any) -> Read:
    known = {}
    rest: tuple[str, Read] | None = None
    for item in fields(table):
        if declared(item).is_rest:
            rest = (item.name, _reader(type_of(item)))
        else:
            known[spelling(item.name)] = item.name, _key(item)
    required = {spelling(item.name) for item in fields(table) if _is_required(item)}

    def read(value: Any) -> Any:
        _require(type(value) is dict and required <= value.keys())
        values = {}
        others = {}
        for key, each in value.items():
            if key in known:
                name, read_key = known[key]
                values[name] = read_key(each)
            else:
                others[key] = each
        if rest is not None:
            values[rest[0]] = rest[1](others)
        else:
            _require(not others)
        return table(**values)

    return read


def _key(item: Field[Any]) -> Read:
    limits = declared(item)
    read = _reader(type_of(item))
    if limits.least is None and limits.most is None:
        return read
    return _between(read, limits.least, limits.most)


def _is_required(item: Field[Any]) -> bool:
    return item.default is MISSING and item.default_factory is MISSING

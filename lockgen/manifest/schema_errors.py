"""Errors of pydantic in the words of versions.toml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import NamedTuple

from lockgen.core.close_match import close_match
from lockgen.core.key_path import KeyPath
from lockgen.core.toml_positions import dotted
from lockgen.core.urls import without_password
from lockgen.manifest.tables import MEANING, keys_of, table_at

Explanation = tuple[str, str | None]
"""A message and a hint."""

_SHOWN = 30
"""Characters that a message shows of a string that is too long."""

_EXPECTED_TYPES = {
    "string_type": "a string",
    "int_type": "an integer",
    "list_type": "an array",
    "dict_type": "a table",
    "model_type": "a table",
    "datetime_type": "a date-time with an offset",
    "date_type": "a date",
    "date_from_datetime_inexact": "a date",
}
_TYPE_NAMES: dict[type, str] = {
    str: "a string",
    int: "an integer",
    float: "a float",
    bool: "a boolean",
    datetime: "a date-time",
    date: "a date",
    list: "an array",
    dict: "a table",
}
_DATE_HINT = "without quotes and without a time, as in 2026-12-31"
_TYPE_HINTS = {
    "string_type": "in quotes",
    "datetime_type": "a date, a time and an offset, as in 2025-11-04T00:00:00Z",
    "date_type": _DATE_HINT,
    "date_from_datetime_inexact": _DATE_HINT,
}


class SchemaError(NamedTuple):
    """One error of pydantic: its type, location, context and input."""

    kind: str
    location: KeyPath
    context: Mapping[str, object]
    value: object

    @property
    def path(self) -> KeyPath:
        """The path in versions.toml.

        pydantic adds further parts: "[key]" if the key itself is wrong, and "=text" or "=table" for the shape that
        it chose for a value.
        """
        parts = self.location[:-1] if self._is_key else self.location
        # The first part is always a key, which may look like one of pydantic's parts.
        inner = [part for part in parts[1:] if part not in {"=text", "=table", "=list"}]
        return (*parts[:1], *inner)

    @property
    def _is_key(self) -> bool:
        return len(self.location) > 1 and self.location[-1] == "[key]"

    @property
    def wrong(self) -> object:
        """What is wrong: the key or its value."""
        return self.path[-1] if self._is_key else self.value


def type_name(value: object) -> str:
    """The TOML name of the type of ``value``."""
    return _TYPE_NAMES.get(type(value), type(value).__name__)


def explain(error: SchemaError) -> Explanation:
    """The message and the hint for an error."""
    if error.kind in _EXPECTED_TYPES:
        return _wrong_type(error)
    handler = _HANDLERS.get(error.kind, _other)
    return handler(error)


def _wrong_type(error: SchemaError) -> Explanation:
    value = error.value
    message = f"expected {_EXPECTED_TYPES[error.kind]}, got {type_name(value)}"
    in_table_of_names = not {"pins", "unimported"}.isdisjoint(error.path)
    if error.kind == "string_type" and isinstance(value, dict) and in_table_of_names:
        # TOML reads `pyannote.audio = "3.4.0"` as a table `pyannote` with a key `audio`.
        first = error.path[-1]
        rest = next(iter(value), "…")
        return message, f'quote a name with dots: "{first}.{rest}" = "…"'
    return message, _TYPE_HINTS.get(error.kind)


def _unknown_key(error: SchemaError) -> Explanation:
    *above, key = error.path
    table = table_at(tuple(above))
    hint = close_match(str(key), keys_of(table)) if table else None
    return f"unknown key `{key}`", hint


def _missing_key(error: SchemaError) -> Explanation:
    *above, key = error.path
    where = f"[{dotted(tuple(above))}]" if above else "the file"
    return f"{where} has no `{key}`", "add it: it has no default"


def _wrong_pattern(error: SchemaError) -> Explanation:
    meaning, rule = MEANING[str(error.context["pattern"])]
    wrong = error.wrong
    if isinstance(wrong, str) and error.path[-1] == "url":
        wrong = without_password(wrong)
    return f"{wrong!r} is not {meaning}", rule


def _not_a_choice(error: SchemaError) -> Explanation:
    if error.path == ("format",):
        return f"this lockgen cannot read format {error.value!r}", "use format = 1, or a newer lockgen"
    return f"{error.value!r} is not one of {error.context['expected']}", "use one of these values"


def _too_long(error: SchemaError) -> Explanation:
    text = str(error.wrong)
    limit = error.context["max_length"]
    return f"`{text[:_SHOWN]}…` has {len(text)} characters, at most {limit} are allowed", "choose a shorter one"


def _too_small(error: SchemaError) -> Explanation:
    return f"{error.value!r} is out of range", f"at least {error.context['ge']}"


def _too_large(error: SchemaError) -> Explanation:
    return f"{error.value!r} is out of range", f"at most {error.context['le']}"


def _empty_text(error: SchemaError) -> Explanation:
    return f"`{_last_key(error.path)}` is empty", "write a few words"


def _empty_array(error: SchemaError) -> Explanation:
    return f"`{_last_key(error.path)}` is empty", "name at least one"


def _last_key(path: KeyPath) -> str:
    """The last key of ``path``, with the positions behind it: a position alone names nothing."""
    last = max((at for at, part in enumerate(path) if isinstance(part, str)), default=0)
    return dotted(path[last:])


def _other(error: SchemaError) -> Explanation:
    return f"{error.value!r}: {error.kind.replace('_', ' ')}", None


_HANDLERS: dict[str, Callable[[SchemaError], Explanation]] = {
    "extra_forbidden": _unknown_key,
    "missing": _missing_key,
    "string_pattern_mismatch": _wrong_pattern,
    "literal_error": _not_a_choice,
    "string_too_long": _too_long,
    "greater_than_equal": _too_small,
    "less_than_equal": _too_large,
    "string_too_short": _empty_text,
    "too_short": _empty_array,
}
"""By pydantic's type of error. Wrong types are not here: `explain` treats them alike."""

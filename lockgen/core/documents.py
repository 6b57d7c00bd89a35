"""Parsing JSON and TOML from outside. The one place that calls the parsers of the standard library.

On hostile text, they raise other errors than they document: ValueError for a number with more digits than int()
accepts, RecursionError for lists inside lists. Here both are the documented error. packaging is not imported, as it
takes long.
"""

from __future__ import annotations

import json
import tomllib
from typing import Any


def parse_json(data: bytes | str) -> Any:
    """The JSON document in ``data``.

    Raises:
        ValueError: it is not JSON, not UTF-8, or has thousands of lists inside lists.
    """
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("too many lists or objects inside others") from error


def parse_toml(text: str) -> dict[str, Any]:
    """The TOML document in ``text``.

    Raises:
        tomllib.TOMLDecodeError: it is not TOML.
        ValueError: it has hundreds of arrays inside arrays, or a number with thousands of digits.
    """
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error

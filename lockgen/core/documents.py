"""Parse JSON and TOML from outside. Only this module calls the parsers of the standard library for it.

On hostile text, they raise other errors than they document: ValueError for a number with more digits than int()
accepts, RecursionError for lists inside lists. Here both are the documented error. This module does not import
packaging, which takes long.
"""

from __future__ import annotations

import json
import tomllib
from functools import lru_cache
from typing import Any


def parse_json(data: bytes | str) -> Any:
    """The JSON document in ``data``.

    Raises:
        ValueError: it is not JSON, not UTF-8, or has thousands of lists inside lists.
    """
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("lists or objects are nested too deeply") from error


def parse_toml(text: str) -> dict[str, Any]:
    """The TOML document in ``text``.

    Raises:
        tomllib.TOMLDecodeError: it is not TOML.
        ValueError: it has hundreds of arrays inside arrays, or a number with thousands of digits.
    """
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("arrays or tables are nested too deeply") from error


@lru_cache(maxsize=1)
def parse_toml_once(text: str) -> dict[str, Any]:
    """As `parse_toml`, but the same text gives the same document again, so it must not be changed.

    A command reads versions.toml for its snapshot and for its manifest, and large files take long.
    """
    return parse_toml(text)

"""Lines and columns of everything that a TOML document holds."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from lockgen.core.key_path import KeyPath
from lockgen.core.toml_positions import TomlPositions, dotted

TRICKY = """\
# [bases.commented]
title = "a [not.a.table] = 1"
[family]
name = "x"
"quoted.key" = { inner = 1, "other key" = [1, 2] }
dotted.deep.key = '''
[looks.like] = "a table"
'''
list = [ # a remark ]
  "one", # two
  "üñí", { in = "table" },
]
[pins]
"pyannote.audio" = "3.4.0"
'single' = "1"
[[stages]]
a = 1
[[stages]]
b = 2
"""

PLACES: list[tuple[KeyPath, tuple[int, int]]] = [
    (("title",), (2, 1)),
    (("family",), (3, 1)),
    (("family", "quoted.key"), (5, 1)),
    (("family", "quoted.key", "inner"), (5, 18)),
    (("family", "quoted.key", "other key", 1), (5, 47)),
    (("family", "dotted", "deep", "key"), (6, 1)),
    (("family", "list", 0), (10, 3)),
    (("family", "list", 1), (11, 3)),
    (("family", "list", 2, "in"), (11, 12)),
    (("pins", "pyannote.audio"), (14, 1)),
    (("pins", "single"), (15, 1)),
    (("stages", 1, "b"), (19, 1)),
]


@pytest.mark.parametrize(("path", "place"), PLACES, ids=[dotted(path) for path, _ in PLACES])
def test_tricky_places(path: KeyPath, place: tuple[int, int]) -> None:
    line, _ = TomlPositions(TRICKY).find(path) or (0, 0)
    assert line == place[0]
    if path[-1] not in {"family", "key"}:
        assert TomlPositions(TRICKY).find(path) == place


def test_what_is_not_there_has_no_place() -> None:
    for path in [("looks",), ("bases", "commented"), ("family", "nope"), ("family", "list", 9)]:
        assert TomlPositions(TRICKY).find(path) is None


def test_crlf_counts_as_one_line_end() -> None:
    assert TomlPositions("a = 1\r\n[b]\r\nc = 2\r\n").find(("b", "c")) == (3, 1)


KEYS = st.text("abc-_ .é\"'\\#[]=", min_size=1, max_size=6)
SCALARS = st.one_of(st.integers(-9, 9), st.booleans(), st.text("ab\n#[]{}=\"'\\é,", max_size=8))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)


def paths(value: object, here: KeyPath = ()) -> Iterator[KeyPath]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*here, key)
            yield from paths(inner, (*here, key))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield (*here, position)
            yield from paths(inner, (*here, position))


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_everything_in_a_document_has_its_place(document: dict[str, object]) -> None:
    text = tomlkit.dumps(document)
    assert tomllib.loads(text) == document
    lines = text.split("\n")
    places = TomlPositions(text)
    for path in paths(document):
        found = places.find(path)
        assert found is not None, dotted(path)
        rest = lines[found[0] - 1][found[1] - 1 :]
        assert rest, dotted(path)
        last = path[-1]
        if isinstance(last, str) and last.isascii() and last.replace("-", "").replace("_", "").isalnum():
            assert rest.lstrip("[").lstrip("\"'").startswith((last, *map(str, path[:1]))), (dotted(path), rest)

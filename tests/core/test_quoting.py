"""Literals of TOML and HCL: every text is read as itself again."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgen.core.quoting import array, quoted, readable

ALL = "".join(map(chr, range(256))) + "\u202e\u2028\uffff\U0001f600"


@given(st.text())
def test_toml_reads_each_literal_as_the_same_text(value: str) -> None:
    for literal in (quoted(value), readable(value)):
        assert tomllib.loads(f"text = {literal}") == {"text": value}
        assert "\n" not in literal
    assert quoted(value).isascii()


def test_every_special_character() -> None:
    assert tomllib.loads(f"text = {quoted(ALL)}") == {"text": ALL}
    assert tomllib.loads(f"texts = {array([ALL, '', 'a'])}") == {"texts": [ALL, "", "a"]}


@pytest.mark.parametrize(
    ("value", "ascii_only", "for_people"),
    [
        ("plain", '"plain"', '"plain"'),
        ('a "b" \\', '"a \\"b\\" \\\\"', '"a \\"b\\" \\\\"'),
        ("é\U0001f600", '"\\u00e9\\U0001f600"', '"é\U0001f600"'),
        ("\t\r\n\b\x7f", '"\\t\\r\\n\\u0008\\u007f"', '"\\t\\r\\n\\u0008\\u007f"'),
        ("\u202e\u200b", '"\\u202e\\u200b"', '"\\u202e\\u200b"'),
        # Half of a pair is not a character, and no escape of TOML or HCL makes one.
        ("\ud83d", '"\\ufffd"', '"\\ufffd"'),
    ],
)
def test_literals(value: str, ascii_only: str, for_people: str) -> None:
    assert (quoted(value), readable(value)) == (ascii_only, for_people)

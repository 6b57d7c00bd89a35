"""Additions to the text of versions.toml: where they go, and when they are refused."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime

import pytest

from lockgen.core.toml_positions import TomlPositions
from lockgen.errors import BadInput
from lockgen.manifest.editor import Edit, edited, with_cut_off, with_index, with_item, with_pin


def pinned(text: str) -> str:
    return with_pin(text, "new-one", "2.0", TomlPositions(text).find, "versions.toml")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('[pins]\na = "1"  # why\n\n# next\n[x]\n', '[pins]\na = "1"  # why\nnew-one = "2.0"\n\n# next\n[x]\n'),
        ("[pins]  # empty\n[x]\n", '[pins]  # empty\nnew-one = "2.0"\n[x]\n'),
        ("[x]\n", '[x]\n\n[pins]\nnew-one = "2.0"\n'),
        ("[x]\n\n\n", '[x]\n\n[pins]\nnew-one = "2.0"\n'),
        ("[x]\r\ny = 1\r\n", '[x]\r\ny = 1\r\n\r\n[pins]\r\nnew-one = "2.0"\r\n'),
        ("[x]", '[x]\n\n[pins]\nnew-one = "2.0"\n'),
        (
            '[pins]\n  a = "1"\n[pins.b]\nversion = "1"\n[x]\n',
            '[pins]\n  a = "1"\n  new-one = "2.0"\n[pins.b]\nversion = "1"\n[x]\n',
        ),
        ('[pins.b]\nversion = "1"\n', '[pins.b]\nversion = "1"\n\n[pins]\nnew-one = "2.0"\n'),
    ],
)
def test_a_pin_goes_below_the_last(before: str, after: str) -> None:
    assert pinned(before) == after


@pytest.mark.parametrize("text", ['pins = { a = "1" }\n', '[pins]\na = """\n1"""\n'])
def test_a_pin_that_cannot_be_added_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="cannot make this edit"):
        pinned(text)


INDEX = '[index.old]\nurl = "https://i/cu121"\npackages = [\n  "torch",  # and\n]\n\n# The variants.\n[variants.x]\n'


def test_an_index_goes_below_the_similar_one() -> None:
    added = '\n[index.cu124]\nurl = "https://i/cu124"\npackages = ["torch"]\nrecorded = "locks/index/cu124"\n'
    text = with_index(INDEX, "cu124", "old", "https://i/cu124", "locks/index/cu124", "versions.toml")
    assert text == INDEX.replace("]\n\n#", f"]\n{added}\n#")


def test_an_index_below_a_table_without_a_header_is_refused() -> None:
    with pytest.raises(BadInput, match="could not find the table"):
        with_index('index.old = { url = "u", packages = ["a"] }\n', "new", "old", "u2", None, "versions.toml")


@pytest.mark.parametrize(
    "old", ["2025-11-04T00:00:00Z", "2025-11-04 00:00:00+01:00", "2025-11-04t00:00:00.5z", "2025-11-04T00:00:00-02:30"]
)
def test_exclude_newer_is_replaced(old: str) -> None:
    text = f"[family]\nexclude-newer = {old}     # reproducible: 2025-11-04T00:00:00Z\n"
    when = datetime(2026, 2, 3, tzinfo=UTC)
    after = with_cut_off(text, when, TomlPositions(text).find, "versions.toml")
    assert after == "[family]\nexclude-newer = 2026-02-03T00:00:00Z     # reproducible: 2025-11-04T00:00:00Z\n"


def test_without_exclude_newer_the_edit_is_refused() -> None:
    text = '[family]\nname = "x"\n'
    with pytest.raises(BadInput, match="no exclude-newer"):
        with_cut_off(text, datetime(2026, 2, 3, tzinfo=UTC), TomlPositions(text).find, "versions.toml")


@pytest.mark.parametrize(
    "before",
    ['pins.numpy = "1.0"\n[family]\n', '["pins"]\n[family]\n', "[ 'pins' ]\nnumpy = \"1.0\"\n"],
)
def test_a_pin_is_added_in_any_form_of_the_table(before: str) -> None:
    found = tomllib.loads(with_pin(before, "scipy", "2.0", TomlPositions(before).find, "versions.toml"))
    assert found["pins"]["scipy"] == "2.0"


@pytest.mark.parametrize("header", ['[index."cu121"]', "[ index . cu121 ]", "['index'.'cu121']"])
def test_an_index_is_added_in_any_form_of_the_header(header: str) -> None:
    before = f'{header}\nurl = "https://index.example/cu121"\npackages = ["torch"]\n'
    found = tomllib.loads(with_index(before, "cu124", "cu121", "https://index.example/cu124", None, "versions.toml"))
    assert found["index"]["cu124"] == {"url": "https://index.example/cu124", "packages": ["torch"]}


@pytest.mark.parametrize("text", ["plain", "an \U0001f600, é", "it's", 'a "word"', "back\\slash", "\x7f\x1b\u2028"])
def test_every_text_is_written_as_itself(text: str) -> None:
    before = '[x]\na = \'old\'\nb = "old"\nc = ["one"]\n'
    position = TomlPositions(before).find
    after = edited(before, [Edit(("x", "a"), "old", text), Edit(("x", "b"), "old", text)], position, "versions.toml")
    after = with_item(after, ("x", "c"), text, TomlPositions(after).find, "versions.toml")
    assert tomllib.loads(after)["x"] == {"a": text, "b": text, "c": ["one", text]}
    indexed = with_index(INDEX, "cu124", "old", f"https://i/{text}", None, "versions.toml")
    assert tomllib.loads(indexed)["index"]["cu124"]["url"] == f"https://i/{text}"

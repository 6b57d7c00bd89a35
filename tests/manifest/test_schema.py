"""The JSON schema agrees with the reader on the reference, and on what is wrong with a file."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from support.families import SMALL

from lockgen.errors import BadInput
from lockgen.manifest.reader import parse_manifest
from lockgen.manifest.schema import SCHEMA_PATH

ROOT = Path(__file__).parent.parent.parent


def wrong(text: str) -> list[str]:
    schema: dict[str, Any] = json.loads((ROOT / SCHEMA_PATH).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    document = json.loads(json.dumps(tomllib.loads(text), default=lambda when: when.isoformat()))
    validator = jsonschema.Draft202012Validator(schema)
    return [error.message for error in validator.iter_errors(document)]


def test_the_reference_names_the_schema_and_keeps_to_it() -> None:
    text = (ROOT / "versions.toml").read_text()
    assert text.splitlines()[0] == f"#:schema {SCHEMA_PATH}"
    assert wrong(text) == []
    assert wrong(SMALL) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[pins]", "[pin]"),
        ('python = "3.11"', "python = 3.11"),
        ('python = "3.11"', 'python = "2.7"'),
        ("[stages.asr]", '[stages."a b"]'),
        ('from = "ml"', ""),
        ('packages = ["torch"]', 'packages = "torch"'),
        ('name = "small"', 'name = "small"\ncolour = "blue"'),
    ],
)
def test_schema_and_reader_refuse_the_same(old: str, new: str) -> None:
    assert old in SMALL
    text = SMALL.replace(old, new)
    assert wrong(text)
    with pytest.raises(BadInput):
        parse_manifest(text.encode())

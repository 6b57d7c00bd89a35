"""Errors of [audit] and [lint] in versions.toml, and of dumps: message, place, hint, exit code, nothing written."""

from __future__ import annotations

import json
import tomllib
from datetime import date
from pathlib import Path

import jsonschema
import pytest
from support.families import SMALL

from lockgen.errors import BadInput
from lockgen.manifest.reader import parse_manifest
from lockgen.manifest.schema import SCHEMA_PATH

ROOT = Path(__file__).parent.parent.parent
GOOD = """
[[audit.ignore]]
id = "CVE-2025-32434"
reason = "no weights of strangers are loaded"
until = 2026-12-31

[[audit.ignore]]
id = "GHSA-53q9-r3pm-6pq6"
reason = "the same, for good"

[lint.unimported]
"pyannote.audio" = "speech loads it by its entry point"
"""
LINES = SMALL.count("\n")


def refused_by_schema(text: str) -> bool:
    schema = json.loads((ROOT / SCHEMA_PATH).read_text())
    document = json.loads(json.dumps(tomllib.loads(text), default=lambda when: when.isoformat()))
    return not jsonschema.Draft202012Validator(schema).is_valid(document)


def test_parses_ignores_and_unimported_packages() -> None:
    manifest = parse_manifest((SMALL + GOOD).encode())
    first, second = manifest.ignores
    assert (first.id, first.until, first.path) == ("CVE-2025-32434", date(2026, 12, 31), ("audit", "ignore", 0))
    assert second.until is None
    assert manifest.unimported["pyannote-audio"].reason == "speech loads it by its entry point"
    assert not refused_by_schema(SMALL + GOOD)


CASES = {
    "no reason": ('reason = "the same, for good"', "", "[audit.ignore[1]] has no `reason`", 7, True),
    "empty reason": ('"the same, for good"', '""', "`reason` is empty", 9, True),
    "blank reason": ('"the same, for good"', '"  "', "is not a reason", 9, False),
    "a reason of two lines": ('"the same, for good"', '"a\\nb"', "contains U+000A", 9, False),
    "no id": ('id = "GHSA-53q9-r3pm-6pq6"', "", "[audit.ignore[1]] has no `id`", 7, True),
    "an invalid id": ('"GHSA-53q9-r3pm-6pq6"', '"torch"', "'torch' is not the name of an advisory", 8, True),
    "the same twice": ('"GHSA-53q9-r3pm-6pq6"', '"CVE-2025-32434"', "`CVE-2025-32434` is named twice", 8, False),
    "a date in quotes": ("2026-12-31", '"2026-12-31"', "expected a date, got a string", 5, False),
    "a moment": ("2026-12-31", "2026-12-31T12:00:00Z", "expected a date, got a date-time", 5, False),
    "an unknown key": ("until =", "untill =", "unknown key `untill`", 5, True),
    "another table": ("[lint.unimported]", "[lint.unused]", "unknown key `unused`", 11, True),
    "an invalid name": ('"pyannote.audio"', '"a b"', "'a b' is not a package name", 12, False),
    "a name without quotes": ('"pyannote.audio"', "pyannote.audio", "expected a string, got a table", 12, True),
}


@pytest.mark.parametrize("case", CASES)
def test_a_fault_has_its_line_and_a_hint(case: str) -> None:
    old, new, message, line, by_schema = CASES[case]
    assert GOOD.count(old) == 1
    text = SMALL + GOOD.replace(old, new)
    with pytest.raises(BadInput) as caught:
        parse_manifest(text.encode())
    (fault,) = caught.value.faults
    assert message in fault.message
    assert fault.place is not None
    assert (fault.place.line or 0) - LINES == line
    assert fault.hint
    assert refused_by_schema(text) or not by_schema


def test_all_faults_are_reported_at_once() -> None:
    text = SMALL + GOOD.replace('"CVE-2025-32434"', '"none"').replace("2026-12-31", "7").replace('"GHSA', '"no GHSA')
    with pytest.raises(BadInput) as caught:
        parse_manifest(text.encode())
    assert len(caught.value.faults) == 3


def test_the_samples_of_the_documentation_parse() -> None:
    text = (ROOT / "docs/versions-toml.md").read_text() + (ROOT / "docs/commands.md").read_text()
    samples = [sample.partition("```")[0] for sample in text.split("```toml\n")[1:]]
    whole = next(sample for sample in samples if "[family]" in sample)
    tables = "\n".join(sample for sample in samples if "[family]" not in sample)
    assert "[[audit.ignore]]" in tables
    assert "[lint.unimported]" in tables
    assert len(parse_manifest(f"{whole}\n{tables}".encode()).ignores) == 1

"""All faults of a file at once, of its shape and of its meaning; and none that only another fault causes."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from lockgen.errors import BadInput
from lockgen.manifest.reader import parse_manifest

GOOD = """\
[family]
name = "fam"
python = "3.11"
glibc = "2.31"
exclude-newer = 2025-11-04T00:00:00Z
uid = 1001
build = ["srcpkg"]

[index.cu121]
url = "https://index.example/whl/cu121"
packages = ["torch"]

[variants.cuda]
index = "cu121"
from = "nvidia/cuda:12.1.0-runtime-ubuntu22.04"
pins = { torch = "2.5.1+cu121" }

[variants.cpu]
from = "python:3.11-slim"

[pins]
numpy = "2.0.0"
torch = "2.5.1"
scipy = { version = "1.14.0", held = true }

[common]
packages = ["numpy"]

[budgets]
max-image = "8 GB"

[bases.base]
apt = ["ffmpeg"]

[bases.ml]
from = "base"
variants = ["cuda"]
packages = ["torch"]

[stages.asr]
from = "ml"
variants = ["cuda"]
packages = ["scipy"]
copy = ["shared"]
env = { MODE = "fast" }
entrypoint = "asr.py"

[compat]
torch = ["2.5.1"]
variants = ["cuda"]
exclude = [{ torch = "2.1.*" }]

[update]
labels = ["deps"]

[update.groups.science]
packages = ["numpy", "scipy"]

[audit]
ignore = [{ id = "CVE-2025-1", reason = "not reachable" }]

[lint.unimported]
scipy = "a plugin"
"""
WRONG: tuple[object, ...] = (1, 1.5, True, "\n", [], [1], {"x": 1}, {})


def faults_of(text: str) -> list[tuple[str | None, str]]:
    try:
        parse_manifest(text.encode())
    except BadInput as error:
        return [(fault.place.dotted if fault.place else None, fault.message) for fault in error.faults]
    return []


def values(table: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in table.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from values(value, (*path, key))


def written(value: object) -> str:
    """``value`` in TOML, in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, str | bool | int | float):
        return json.dumps(value)
    return str(value).replace(" ", "T")


def document_of(document: dict[str, Any]) -> str:
    return "".join(f"{key} = {written(value)}\n" for key, value in document.items())


PATHS = list(values(tomllib.loads(GOOD)))


def test_the_file_without_faults() -> None:
    assert faults_of(GOOD) == faults_of(document_of(tomllib.loads(GOOD))) == []


@pytest.mark.parametrize("path", PATHS, ids=".".join)
def test_a_wrong_value_causes_no_other_fault(path: tuple[str, ...]) -> None:
    for wrong in WRONG:
        document = copy.deepcopy(tomllib.loads(GOOD))
        table = document
        for key in path[:-1]:
            table = table[key]
        if isinstance(wrong, dict) and isinstance(table[path[-1]], dict):
            # Without its entries, the file is indeed wrong elsewhere.
            continue
        table[path[-1]] = wrong
        for place, message in faults_of(document_of(document)):
            assert place is not None
            # A pin is one value, however it is written.
            assert place.startswith(".".join(path[:2] if path[0] == "pins" else path)), (wrong, place, message)


MEANINGS = {
    "unknown index": ('index = "cu121"', 'index = "nope"', "unknown index `nope`"),
    "unknown base": ('from = "ml"', 'from = "nope"', "unknown base `nope`"),
    "unknown variant": ('variants = ["cuda"]\npackages = ["torch"]', 'variants = ["x"]', "unknown variant `x`"),
    "pin": ('numpy = "2.0.0"', 'numpy = ">=2"', "the pin '>=2' is not an exact version"),
    "requirement": ('packages = ["scipy"]', 'packages = ["scipy >< 1"]', "is not a requirement"),
    "musl": ('"python:3.11-slim"', '"python:3.11-alpine"', "cannot be the base: it has musl"),
    "program": ('"asr.py"', '"asr.sh"', "`asr.sh` is not a Python program"),
    "folder": ('copy = ["shared"]', 'copy = [".git"]', "belongs to git"),
    "root": ("uid = 1001", 'user = "root"', "not as root"),
    "glibc": ('glibc = "2.31"', 'glibc = "2.1"', "is not a glibc version"),
    "url": ("index.example/whl/cu121", "index.example/whl/cu121?x=1", "has a query or a fragment"),
    "reason": ('reason = "not reachable"', 'reason = " "', ""),
}
SHAPES = {
    "type": ('name = "fam"', "name = 1", "expected a string, got an integer"),
    "unknown key": ('apt = ["ffmpeg"]', 'aptt = ["ffmpeg"]', "unknown key `aptt`"),
    "size": ('max-image = "8 GB"', 'max-image = "much"', "is not a size"),
    "environment": ('MODE = "fast"', 'MODE = "$fast"', "is not a plain value"),
    "unprintable": ('labels = ["deps"]', 'labels = ["de\\u200bps"]', "which is not printable"),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("first", MEANINGS)
def test_faults_of_shape_and_of_meaning_at_once(first: str, shape: str) -> None:
    names = list(MEANINGS)
    second = names[(names.index(first) + 1) % len(names)]
    text = GOOD
    messages = []
    for old, new, message in (MEANINGS[first], MEANINGS[second], SHAPES[shape]):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
        messages.append(message)
    found = faults_of(text)
    assert len(found) == len(messages), found
    for message in messages:
        assert any(message in said for _, said in found), (message, found)


def test_all_faults_of_meaning() -> None:
    text = GOOD
    for old, new, _ in MEANINGS.values():
        text = text.replace(old, new)
    found = faults_of(text)
    for _, _, message in MEANINGS.values():
        assert any(message in said for _, said in found), (message, found)


def test_what_refers_to_an_invalid_name_is_judged_later() -> None:
    text = GOOD.replace("[index.cu121]", "[index.CU121]").replace('"cu121"\nfrom', '"CU121"\nfrom')
    (found,) = faults_of(text)
    assert "'CU121' is not an index name" in found[1]
    text = GOOD.replace("[index.cu121]", "[indexes.cu121]")
    (found,) = faults_of(text)
    assert found[1] == "unknown key `indexes`"


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        ("[[]]", "`tests[0]` is empty"),
        ('[["python"], ["python", ""]]', "`tests[1][1]` is empty"),
    ],
)
def test_an_empty_value_in_an_array_is_named_with_its_array(tests: str, message: str) -> None:
    text = (
        f'[family]\nname = "x"\npython = "3.11"\n[variants.cpu]\nfrom = "python:3.11"\n[bases.base]\ntests = {tests}\n'
    )
    with pytest.raises(BadInput) as raised:
        parse_manifest(text.encode(), "versions.toml")
    assert [fault.message for fault in raised.value.faults] == [message]

"""The reader without pydantic accepts only what the schema accepts, and reads the same."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.budget import examples
from support.families import SMALL

from lockgen.manifest.schema import validate
from lockgen.manifest.table_reader import UnlikeSchema, read_tables
from lockgen.manifest.tables import VersionsFile

ROOT = Path(__file__).parent.parent.parent
EVERY_KEY = """
[family]
registry = "registry.example:5000/team"
glibc = "2.35"
user = "worker"
uid = 1234
[variants.cuda]
ppa = "deadsnakes/ppa"
pins = { torch = { version = "2.5.1", held = true }, numpy = "2.0.0" }
[budgets]
max-image = "8 GB"
max-layer = "500 MiB"
[bases.base]
apt = ["libsndfile1=1.0-1"]
build-apt = ["gcc"]
copy = ["shared/x"]
env = { HF_HOME = "/models" }
folders = ["out"]
preload = ["spacy download en_core_web_sm"]
max-image = "1.5GB"
[stages.asr]
entrypoint = "main.py"
[compat]
python = ["3.11"]
variants = ["cuda"]
exclude = [{ python = "3.12", torch = "2.1.*" }]
held = ["numpy"]
torch = ">=2.1"
numpy = ["2.0.0", "2.1.0"]
axes = ">=1"
[compat.pairs."2.5.1"]
torchaudio = "2.5.1"
python = ["3.11"]
[update]
ignore = [{ package = "numpy", variant = "cuda", versions = ">=3", reason = "none" }]
steps = ["patch"]
cooldown = 7
max-open = 3
labels = ["dependencies"]
base = "main"
prefix = "lockgen/"
forge = "gitlab"
base-images = false
move-exclude-newer = true
[update.groups.torch]
packages = ["torch*"]
base-images = ["nvidia/*"]
steps = ["minor"]
cooldown = 3
partial = true
[audit]
ignore = [{ id = "CVE-2025-1", reason = "not used", until = 2026-12-31 }]
[lint]
unimported = { numpy = "a plugin" }
"""


def merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    both = dict(first)
    for key, value in second.items():
        both[key] = merged(both[key], value) if isinstance(both.get(key), dict) and isinstance(value, dict) else value
    return both


REFERENCE = tomllib.loads((ROOT / "versions.toml").read_text())
FULL = merged(tomllib.loads(SMALL), tomllib.loads(EVERY_KEY))

VALUES: list[Any] = [
    *(
        "",
        "a",
        "A",
        "a\n",
        "a b",
        "-a",
        "a$",
        "é",
        "a,b",
        " a",
        "a\x1c",
        "\x85a",
        "x" * 501,
        "3.11\n",
        "3.7",
        "2.28",
        "8 GB",
    ),
    *(
        "linux/arm64",
        "github",
        "patch",
        "CVE-1",
        "https://a.example/x",
        "https://a b",
        "n/a",
        "lockgen/",
        "main.py",
        "=text",
    ),
    *(True, False, 0, 1, -1, 10**30, 1.0, 60000, 3650),
    *([], ["a"], [1], [[]], {}, {"a": "b"}, {"version": "1"}, {"version": 1}, {"held": True}, {"version": "1", "x": 1}),
    *(date(2026, 1, 1), datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC), time(1)),
]


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of each table, array and value."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


PLACES = {"reference": list(places(REFERENCE))[1:], "full": list(places(FULL))[1:]}
DOCUMENTS = {"reference": REFERENCE, "full": FULL}
VALUE = st.sampled_from(VALUES) | st.text(max_size=12) | st.integers()


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A document in which some keys and values are replaced, added or missing."""
    name = draw(st.sampled_from(sorted(DOCUMENTS)))
    document = copy.deepcopy(DOCUMENTS[name])
    for _ in range(draw(st.integers(0, 3))):
        change(draw, document, draw(st.sampled_from(PLACES[name])))
    return document


def change(draw: st.DrawFn, document: Any, path: tuple[str | int, ...]) -> None:
    parent = document
    for part in path[:-1]:
        try:
            parent = parent[part]
        except (KeyError, IndexError, TypeError):
            return  # an earlier change removed it
    key = path[-1]
    match draw(st.sampled_from(["replace", "remove", "add"])), parent:
        case "remove", dict():
            parent.pop(key, None)
        case "add", dict():
            parent[draw(st.sampled_from(["new", "Bad Name", "axes", "", "max_image"]) | st.text(max_size=8))] = draw(
                VALUE
            )
        case "add", list():
            parent.append(draw(VALUE))
        case _, dict():
            parent[key] = draw(VALUE)
        case _, list() if isinstance(key, int) and key < len(parent):
            parent[key] = draw(VALUE)


def fast(document: dict[str, Any]) -> VersionsFile | None:
    try:
        return read_tables(document)
    except UnlikeSchema:
        return None


@settings(max_examples=examples(300))
@given(documents())
@example(FULL)
@example(REFERENCE)
def test_what_the_reader_accepts_the_schema_reads_alike(document: dict[str, Any]) -> None:
    found = fast(document)
    if found is not None:
        assert found == validate(document)


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_valid_documents_need_no_pydantic(name: str) -> None:
    assert fast(DOCUMENTS[name]) is not None


def test_each_value_at_each_place() -> None:
    """Both agree, except where Python's and pydantic's white space differ: there the reader accepts less."""
    accepted = 0
    for path in PLACES["full"]:
        document = copy.deepcopy(FULL)
        parent: Any = document
        for part in path[:-1]:
            parent = parent[part]
        for value in VALUES:
            parent[path[-1]] = value
            found = fast(document)
            schema = validate(document)
            assert found == schema if found is not None else isinstance(schema, list) or "\x1c" in str(value)
            accepted += found is not None
    assert accepted > len(PLACES["full"])

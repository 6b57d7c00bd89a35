"""An unchanged resolve sends no request, and writes what a full one writes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.families import SMALL
from support.index import LocalIndex
from support.project import Project


@pytest.fixture
def resolved(small: Project) -> Project:
    small.ok("resolve")
    return small


def requests(index: LocalIndex, project: Project, *options: str) -> int:
    """How many requests a resolve sends."""
    before = len(index.headers)
    project.ok("resolve", *options)
    return len(index.headers) - before


def forget(tmp_path: Path) -> None:
    for kind in ("resolved", "unchanged"):
        shutil.rmtree(tmp_path / "cache-LOCKGEN" / kind)


def test_an_unchanged_resolve_sends_no_request(resolved: Project, index: LocalIndex) -> None:
    before = resolved.tree
    assert requests(index, resolved) == 0
    assert requests(index, resolved, "--offline") == 0
    assert requests(index, resolved, "--check") == 0
    assert resolved.tree == before


@pytest.mark.parametrize("text", [SMALL, SMALL.replace('packages = ["torch"]', 'packages = ["torchaudio"]')])
def test_a_full_resolve_writes_the_same(small: Project, index: LocalIndex, tmp_path: Path, text: str) -> None:
    small.write(text)
    small.ok("resolve")
    assert requests(index, small) == 0
    short = small.tree
    forget(tmp_path)
    assert requests(index, small) > 0
    assert small.tree == short


@pytest.mark.parametrize("options", [["-U"], ["-P", "numpy"], ["--no-cache"]])
def test_options_that_ask_for_a_resolution(resolved: Project, index: LocalIndex, options: list[str]) -> None:
    assert requests(index, resolved, *options) > 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("exclude-newer = 2025-06-01T00:00:00Z\n", ""),
        ("2025-06-01", "2999-06-01"),
    ],
)
def test_an_index_that_moves(small: Project, index: LocalIndex, old: str, new: str) -> None:
    small.write(SMALL.replace(old, new))
    small.ok("resolve")
    assert requests(index, small) > 0


def test_changed_inputs(resolved: Project, index: LocalIndex) -> None:
    resolved.write(SMALL.replace('packages = ["speech[fast]"]', 'packages = ["speech"]'))
    assert requests(index, resolved) > 0
    assert requests(index, resolved) == 0
    record = resolved.root / "locks/index/cpu/index.json"
    record.write_text(record.read_text().replace('"format"', ' "format"', 1))
    assert requests(index, resolved) > 0


def test_a_lock_that_was_edited(resolved: Project, index: LocalIndex) -> None:
    lock = resolved.root / "locks/lock.json"
    whole = resolved.tree
    lock.write_text(lock.read_text().replace('"family": "small"', '"family": "other"'))
    assert requests(index, resolved) > 0
    assert resolved.tree == whole


def test_a_missing_file_is_written_without_a_request(resolved: Project, index: LocalIndex) -> None:
    whole = resolved.tree
    (resolved.root / "docker/ml/Dockerfile").unlink()
    assert requests(index, resolved) == 0
    assert resolved.tree == whole


def test_another_default_index(resolved: Project, index: LocalIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url + "/")
    assert requests(index, resolved) > 0


def test_what_was_noted_is_noted_again(small: Project, index: LocalIndex) -> None:
    small.write(SMALL.replace('numpy = "2.0.0"', 'numpy = "2.0.0"\nfilelok = "3.0.0"').replace("[fast]", "[fst]"))
    small.ok("resolve")
    before = len(index.headers)
    ran = small.ok("resolve")
    assert len(index.headers) == before
    assert "the pin of filelok has no effect" in ran.err
    assert "speech 1.0 has no extra `fst`" in ran.err


@pytest.mark.parametrize("damaged", ["", "{", json.dumps({"notes": 1})])
def test_a_damaged_entry_counts_as_missing(resolved: Project, index: LocalIndex, tmp_path: Path, damaged: str) -> None:
    shutil.rmtree(tmp_path / "cache-LOCKGEN/unchanged")
    for path in (tmp_path / "cache-LOCKGEN/resolved").rglob("*"):
        if path.is_file():
            path.write_text(damaged)
    assert requests(index, resolved) > 0

"""Guarantee 8: `check` finds every drift, and its cache of passes hides none."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest
from support.families import SMALL
from support.project import Project


@pytest.fixture
def locked(small: Project) -> Project:
    """Resolved, and checked once, so that the pass is cached."""
    small.ok("resolve")
    assert small.ok("check").out == ""
    return small


def test_a_pass_says_what_was_checked(small: Project) -> None:
    resolved = small.ok("resolve").err.splitlines()[-1]
    checked = f"{resolved.partition(':')[0]}: all as locked\n"
    assert "packages for" in checked
    # The second is a recorded pass.
    for _ in range(2):
        assert small.ok("check").err == checked
        assert small.ok("check", "-q").err == ""
        assert small.ok("check", "--json").err == ""


def test_any_edited_byte_of_any_file_is_found(locked: Project) -> None:
    chance = random.Random(8)
    for path, data in locked.tree.items():
        if path == "versions.toml":
            continue
        for _ in range(3):
            at = chance.randrange(len(data)) if data else 0
            edited = data[:at] + bytes([data[at] ^ 1] if data else b"x") + data[at + 1 :]
            (locked.root / path).write_bytes(edited)
            assert locked.run("check").code in (1, 2), (path, at)
        (locked.root / path).write_bytes(data)
    assert locked.run("check").code == 0


def test_any_missing_and_any_extra_file_is_found(locked: Project) -> None:
    for path, data in locked.tree.items():
        (locked.root / path).unlink()
        assert locked.run("check").code in (1, 2), path
        (locked.root / path).write_bytes(data)
    for extra in ("docker/asr/requirements-old.txt", "docker/requirements-common.old.txt", "locks/cuda/gone.txt"):
        locked.write("# Generated from versions.toml by `lockgen resolve`", extra)
        ran = locked.run("check")
        assert (ran.code, extra in ran.out) == (1, True)
        (locked.root / extra).unlink()
    assert locked.run("check").code == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('numpy = "2.0.0"', 'numpy = "1.26.4"'),
        ('"speech[fast]"', '"speech"'),
        ('packages = ["numpy", "tqdm"]', 'packages = ["numpy"]'),
        ('python = "3.11"', 'python = "3.12"'),
        ("2025-06-01", "2025-06-02"),
        ("python:3.11-slim", "python:3.11-slim-bookworm"),
        ("[stages.demux]", "[stages.remux]"),
        ('variants = ["cpu"]', 'variants = ["cpu", "cuda"]'),
        ("whl/cpu", "whl/cpu2"),
    ],
)
def test_a_changed_input_is_drift(locked: Project, old: str, new: str) -> None:
    assert old in SMALL
    locked.write(SMALL.replace(old, new))
    ran = locked.run("check")
    assert ran.code in (1, 2)
    assert "versions.toml" in ran.out + ran.err
    locked.write(SMALL)
    assert locked.run("check").code == 0


def test_comments_order_and_spelling_are_not_drift(locked: Project) -> None:
    text = "# a remark\n" + SMALL.replace('["numpy", "tqdm"]', '["TQDM", "NumPy"] # two').replace("\n\n", "\n\n\n")
    locked.write(text)
    assert locked.run("check").code == 0


def test_a_finding_has_a_diff_and_a_fix(locked: Project) -> None:
    path = "docker/asr/requirements-asr.txt"
    locked.write((locked.root / path).read_text().replace("rapid==2.0", "rapid==2.1"), path)
    ran = locked.run("check")
    assert ran.code == 1
    assert f"{path}: does not match the lock" in ran.out
    assert "-rapid==2.1" in ran.out
    assert "+rapid==2.0" in ran.out
    assert "To fix: lockgen resolve" in ran.out
    found = json.loads(locked.run("check", "--json").out)["findings"]
    assert [(f["path"], f["kind"], f["mend"]) for f in found] == [(path, "edited", "lockgen resolve")]
    locked.ok("resolve", "--offline")
    assert locked.run("check").code == 0


def test_a_missing_lock_is_found(small: Project) -> None:
    ran = small.run("check")
    assert (ran.code, "the lock does not exist yet" in ran.out) == (1, True)


def test_a_link_out_of_the_project_is_refused_even_with_the_same_bytes(locked: Project, tmp_path: Path) -> None:
    (locked.root / "docker").rename(tmp_path / "elsewhere")
    (locked.root / "docker").symlink_to(tmp_path / "elsewhere")
    ran = locked.run("check")
    assert ran.code == 2
    assert "points outside of the project's folder" in ran.err


def test_a_recorded_index_outside_of_locks_is_checked(small: Project) -> None:
    small.write(SMALL.replace("locks/index/", "vendor/"))
    (small.root / "locks/index").rename(small.root / "vendor")
    small.ok("resolve")
    assert small.run("check").code == 0
    record = small.root / "vendor/cpu/index.json"
    record.write_text(record.read_text().replace('"size": ', '"size": 1'))
    assert small.run("check").code in (1, 2)


@pytest.mark.parametrize("path", ["versions.toml", "locks/lock.json"])
def test_a_fifo_or_a_folder_is_reported_without_waiting(locked: Project, path: str) -> None:
    (locked.root / path).unlink()
    os.mkfifo(locked.root / path)
    ran = locked.run("check")
    assert (ran.code, "not a regular file" in ran.err) == (2, True)
    (locked.root / path).unlink()
    (locked.root / path).mkdir()
    ran = locked.run("check")
    assert (ran.code, f"{path} is a folder" in ran.err) == (2, True)


def test_a_file_name_that_is_not_utf_8(locked: Project) -> None:
    name = os.fsencode(locked.root / "docker/asr/requirements-") + b"\xff.txt"
    with open(name, "w"):
        pass
    assert locked.run("check").code in (0, 1)


LOCK_EDITS = {
    "circle": ('"base": "base"', '"base": "ml"'),
    "ghost-base": ('"base": "base"', '"base": "ghost"'),
    "renamed-image": ('{"name": "base"', '{"name": "bass"'),
    "ghost-variant": ('"variants": ["cuda"]', '"variants": ["ghost"]'),
    "no-variant": ('"variants": ["cuda"]', '"variants": []'),
    "no-version": ('"version": "12.1"', '"version": "not-a-version!"'),
    "renamed-package": ('{"name": "filelock"', '{"name": "filelook"'),
    "no-bound": ('"filelock<3.1"', '"filelock<<3.1"'),
    "unknown-need": ('"filelock<3.1"', '"zzz<3.1"'),
    "ghost-index": ('"index": "cu121"', '"index": "cu999"'),
    "hash": ('"sha256": "', '"sha256": "x'),
}


@pytest.mark.parametrize("edit", LOCK_EDITS)
def test_an_inconsistent_lock_is_refused_and_resolved_again(locked: Project, edit: str) -> None:
    before = locked.tree
    old, new = LOCK_EDITS[edit]
    text = before["locks/lock.json"].decode()
    assert old in text
    locked.write(text.replace(old, new), "locks/lock.json")
    for command in (["check"], ["why", "numpy"]):
        ran = locked.run(*command)
        assert ran.code == 2, ran.err
        assert "locks/lock.json" in ran.err
        assert "hint: restore it from version control" in ran.err
    ran = locked.ok("resolve", "--offline")
    assert "resolving without it" in ran.err
    assert locked.tree == before


@pytest.mark.parametrize("text", ["", "[" * 100_000, '{"format": 1}', '{"format": 2}', "null", "<<<<<<< ours"])
def test_an_unreadable_lock_is_refused_and_resolved_again(locked: Project, text: str) -> None:
    before = locked.tree
    locked.write(text, "locks/lock.json")
    assert locked.run("check").code == 2
    locked.ok("resolve", "--offline")
    assert locked.tree == before

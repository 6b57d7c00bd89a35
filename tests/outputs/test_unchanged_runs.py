"""A command that has nothing to do prints what a full run prints, and parses nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support.families import SMALL
from support.project import Project, Ran

from lockgen.core.documents import parse_toml_once

WARNED = SMALL.replace('packages = ["speech[fast]"]', 'packages = ["speech[fst]"]\ncopy = ["shared"]')
"""A family with two warnings."""

PROGRESS = re.compile("(building|checking|comparing|looking|measuring|reading|resolving|waiting) ")


@pytest.fixture
def resolved(small: Project) -> Project:
    small.write(WARNED)
    small.ok("resolve")
    return small


def forget(tmp_path: Path) -> None:
    for kind in ("unchanged", "resolved", "checked"):
        shutil.rmtree(tmp_path / "cache-LOCKGEN" / kind, ignore_errors=True)


def without_progress(ran: Ran) -> Ran:
    """``ran`` without the line that says what it waits for, which a command prints on stderr if it takes a second."""
    lines = [line for line in ran.err.splitlines(keepends=True) if not PROGRESS.match(line)]
    return replace(ran, err="".join(lines))


def modules(project: Project, *arguments: str) -> set[str]:
    """The modules that a command imports."""
    command = [sys.executable, "-X", "importtime", "-m", "lockgen", "-C", str(project.root), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), check=True)
    lines = [line for line in ran.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.parametrize("options", [[], ["--offline"], ["--check"], ["--json"], ["--json", "--check"]])
def test_an_unchanged_resolve_prints_what_a_full_one_prints(
    resolved: Project, tmp_path: Path, options: list[str]
) -> None:
    short = resolved.ok("resolve", *options)
    forget(tmp_path)
    full = resolved.ok("resolve", *options)
    assert without_progress(short) == without_progress(full)
    assert "speech 1.0 has no extra `fst`" in short.err
    assert "copies shared, which is not a folder" in short.err


@pytest.mark.parametrize("command", [["resolve"], ["resolve", "--offline"], ["resolve", "--check"], ["check"]])
def test_nothing_is_parsed_if_nothing_changed(resolved: Project, command: list[str]) -> None:
    resolved.ok("check")
    imported = modules(resolved, *command)
    assert "lockgen.io.snapshot" in imported
    assert not imported & {"pydantic", "jinja2", "packaging", "requests", "rich", "lockgen.manifest.reader"}


def test_a_check_prints_its_warnings_again(resolved: Project, tmp_path: Path) -> None:
    full = resolved.ok("check")
    assert resolved.ok("check") == full
    assert "copies shared, which is not a folder" in full.err
    assert resolved.run("check", "--strict").code == 1
    forget(tmp_path)
    assert resolved.ok("check") == full


def test_warnings_of_a_known_run_are_errors_if_strict(resolved: Project) -> None:
    ran = resolved.run("resolve", "--strict")
    assert ran.code == 2
    assert "copies shared, which is not a folder" in ran.err


def test_a_folder_that_is_copied_counts(resolved: Project) -> None:
    (resolved.root / "shared").mkdir()
    for command in ("resolve", "check"):
        assert "copies shared" not in resolved.ok(command).err
    (resolved.root / "shared").rmdir()
    for command in ("resolve", "check"):
        assert "copies shared" in resolved.ok(command).err


def test_a_cut_off_in_the_future_is_looked_at_each_time(small: Project) -> None:
    small.write(SMALL.replace("2025-06-01", "2999-06-01"))
    small.ok("resolve")
    small.ok("check")
    assert "lockgen.manifest.reader" in modules(small, "check")


@pytest.mark.parametrize(
    "path",
    [
        ".dockerignore",
        "locks/lock.json",
        "locks/cpu/asr.txt",
        "docker/ml/Dockerfile",
        "docker/requirements-common.txt",
    ],
)
def test_an_edited_or_missing_file_is_written_again(resolved: Project, path: str) -> None:
    whole = resolved.tree
    (resolved.root / path).unlink()
    assert f"{path} written" in resolved.ok("resolve").out
    (resolved.root / path).write_bytes(whole[path] + b"\n")
    resolved.ok("resolve")
    assert resolved.tree == whole


def test_an_extra_file_is_named_each_time(resolved: Project) -> None:
    resolved.write("mine\n", "locks/cpu/notes.txt")
    for _ in range(3):
        assert "not written by lockgen, remove it yourself: locks/cpu/notes.txt" in resolved.ok("resolve").err


def test_a_link_is_never_known(resolved: Project) -> None:
    bake = resolved.root / "docker/docker-bake.hcl"
    shutil.move(bake, resolved.root / "bake.hcl")
    bake.symlink_to("../bake.hcl")
    resolved.ok("resolve")
    (resolved.root / "bake.hcl").write_text("other\n")
    assert "docker/docker-bake.hcl written" in resolved.ok("resolve").out


@pytest.mark.parametrize("damaged", ["", "{", json.dumps({"notes": 1})])
def test_a_damaged_entry_counts_as_missing(resolved: Project, tmp_path: Path, damaged: str) -> None:
    def runs() -> list[Ran]:
        return [resolved.ok("resolve"), resolved.ok("check")]

    before = runs()
    entries = [path for kind in ("unchanged", "checked") for path in (tmp_path / "cache-LOCKGEN" / kind).iterdir()]
    assert entries
    for path in entries:
        path.write_text(damaged)
    assert runs() == before


def test_the_cache_keeps_the_latest_runs(resolved: Project, tmp_path: Path) -> None:
    cache = tmp_path / "cache-LOCKGEN/checked"
    cache.mkdir(exist_ok=True)
    for number in range(250):
        entry = cache / f"{number:064x}"
        entry.write_text("[]")
        os.utime(entry, (number, number))
    resolved.ok("check")
    kept = {path.name for path in cache.iterdir()}
    assert len(kept) == 200
    assert f"{249:064x}" in kept
    assert f"{50:064x}" not in kept


@pytest.mark.parametrize("command", ["resolve", "check"])
def test_versions_toml_is_parsed_once(small: Project, command: str) -> None:
    small.ok("resolve")
    small.write(f"{SMALL}\n# another file for the caches\n")
    parse_toml_once.cache_clear()
    small.ok(command)
    parses = parse_toml_once.cache_info()
    assert parses.misses == 1
    assert parses.hits >= 1

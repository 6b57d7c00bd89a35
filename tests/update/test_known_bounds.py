"""What a proof found is remembered on this machine: `outdated` and `explain` say which versions do not run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from support.index import LocalIndex
from support.planted import plant
from support.project import Project
from support.remotes import Clone, MemoryForge
from update.conftest import FAMILY
from update.test_proving import groups

from lockgen.io.cache import FileCache
from lockgen.manifest.reader import parse_manifest
from lockgen.proof.known_bounds import KIND, KnownBounds
from lockgen.proof.model import ProofBound

FAILS = "raise RuntimeError('no')"


def row(project: Project, name: str, *arguments: str) -> dict[str, Any]:
    ran = project.ok("outdated", "--json", *arguments)
    found: dict[str, Any] = next(pin for pin in json.loads(ran.out)["pins"] if pin["name"] == name)
    return found


def bounds_in_explain(project: Project) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(project.run("explain", "--json").out)["bounds"]
    return found


@pytest.fixture
def bound(clone: Clone, forge: MemoryForge, index: LocalIndex) -> Clone:
    """numpy 1.3 and 1.4 do not run, and an update found that."""
    plant(index, "numpy", "1.2", "")
    plant(index, "numpy", "1.3", FAILS)
    plant(index, "numpy", "1.4", FAILS)
    assert groups(clone)["numpy"]["moves"][0]["to"] == "1.2"
    return clone


def test_outdated_shows_the_newest_that_runs(bound: Clone) -> None:
    found = row(bound.project, "numpy")
    assert (found["fits"]["version"], found["newest-that-runs"]) == ("1.4", "1.2")
    (known,) = found["bounds"]
    assert (known["does-not-run"], known["tried"]) == ("1.3", ["1.3", "1.4"])
    assert (known["image"], known["reason"]) == ("base:cpu", "numpy cannot be imported: RuntimeError: no")
    assert row(bound.project, "speech")["bounds"] == []
    out = bound.project.ok("outdated").out
    assert "pin     current  days  fits  runs  newest  days" in out
    assert "numpy       1.0" in out
    assert "1 of 3 pins can be upgraded on their own (for 1, the version that fits does not run), 0" in out
    text = " ".join(out.split())
    assert "numpy >=1.3 does not run: base:cpu: numpy cannot be imported: RuntimeError: no (tried 1.3 and 1.4;" in text
    assert "newest that runs: 1.2" in text
    assert "newest that runs: 1.2" in bound.project.ok("outdated", "--markdown").out
    assert row(bound.project, "numpy", "--no-cache")["bounds"] == []


def test_explain_says_that_a_pin_that_resolves_does_not_run(bound: Clone) -> None:
    project = bound.project
    assert bounds_in_explain(project) == []
    project.write(FAMILY.replace('numpy = "1.0" ', 'numpy = "1.4" '))
    out = project.ok("explain").out
    assert "no conflict was found" in out
    assert "  numpy >=1.3 does not run: base:cpu: numpy cannot be imported" in out
    assert [known["newest-that-runs"] for known in bounds_in_explain(project)] == ["1.2"]


def test_explain_names_the_bound_of_a_package_in_a_conflict(bound: Clone, index: LocalIndex) -> None:
    index.add("speech", "1.1", ["numpy>=1.1"])
    bound.project.write(FAMILY.replace('speech = "1.0"', 'speech = "1.1"'))
    ran = bound.project.run("explain")
    assert ran.code == 3
    assert "numpy >=1.3 does not run" in ran.out


def test_a_package_without_a_pin_is_in_the_notes(clone: Clone) -> None:
    """`update` moves it for a security fix."""
    text = FAMILY.replace('tokens = "1.0"\n', "")
    clone.project.write(text)
    clone.project.ok("resolve")
    bound = ProofBound("tokens", None, "1.1", "text:cpu", "it says no", refused=("1.1",), before="1.0")
    KnownBounds(FileCache(KIND), parse_manifest(text.encode(), "versions.toml")).keep([bound], "2026-01-02")
    notes = json.loads(clone.project.ok("outdated", "--json").out)["notes"]
    assert (
        "tokens >=1.1 does not run: text:cpu: it says no (tried 1.1; found on this machine on 2026-01-02);"
        " newest that runs: 1.0"
    ) in notes


DISABLES = 'import sys\nsys.stderr.write("Disabling Numpy because numpy >= 1.1 is required but found 1.0\\n")\n'


def test_a_bound_falls_when_what_its_message_requires_is_there(
    clone: Clone, forge: MemoryForge, index: LocalIndex
) -> None:
    plant(index, "tokens", "2.0", DISABLES)
    assert groups(clone)["tokens"]["outcome"] == "unresolved"
    found = row(clone.project, "tokens")
    assert found["newest-that-runs"] == "1.0"
    assert found["bounds"][0]["requires"] == {"by": "tokens", "package": "numpy", "specifier": ">=1.1"}
    text = clone.project.ok("outdated").out
    assert "valid without numpy>=1.1" in text
    assert "newest that runs: 1.0" in text
    clone.project.write(FAMILY.replace('numpy = "1.0" ', 'numpy = "1.1" '))
    assert row(clone.project, "tokens")["bounds"] == []


def test_a_bound_falls_when_a_version_beside_it_changes(clone: Clone, forge: MemoryForge, index: LocalIndex) -> None:
    plant(index, "speech", "1.1", FAILS, requires=("numpy<2",))
    groups(clone)
    assert row(clone.project, "speech")["bounds"][0]["versions"] == {"numpy": "1.0"}
    assert "valid with numpy 1.0" in clone.project.ok("outdated").out
    clone.project.write(FAMILY.replace('numpy = "1.0" ', 'numpy = "1.1" '))
    assert row(clone.project, "speech")["bounds"] == []


def test_a_bound_falls_when_the_image_is_checked_otherwise(clone: Clone, forge: MemoryForge, index: LocalIndex) -> None:
    checked = FAMILY.replace('packages = ["tokens"]', 'packages = ["tokens"]\ncheck-imports = ["tokens.models"]')
    plant(index, "tokens", "1.0", "", models="")
    clone.project.write(checked)
    clone.project.ok("resolve", "--upgrade")
    clone.commit("check tokens.models")
    plant(index, "tokens", "1.1", "", models=FAILS)
    groups(clone)
    assert row(clone.project, "tokens")["newest-that-runs"] == "1.0"
    clone.project.write(FAMILY)
    assert row(clone.project, "tokens")["bounds"] == []


def test_a_later_release_that_runs_ends_a_bound(clone: Clone, forge: MemoryForge, index: LocalIndex) -> None:
    plant(index, "tokens", "1.1", FAILS)
    assert groups(clone)["tokens"]["outcome"] == "unresolved"
    assert row(clone.project, "tokens")["newest-that-runs"] == "1.0"
    plant(index, "tokens", "1.2", "")
    assert groups(clone)["tokens"]["outcome"] == "created"
    assert row(clone.project, "tokens")["bounds"] == []


def test_a_damaged_memory_is_ignored(bound: Clone) -> None:
    folder = Path(os.environ["LOCKGEN_CACHE_DIR"]) / "bounds"
    (path,) = [path for path in folder.rglob("*") if path.is_file()]
    whole = path.read_text()
    for text in ("", "[]", "{}", '{"bounds": [1]}', whole.replace('"1.3"', '"one"'), whole[:-5]):
        path.write_text(text)
        assert row(bound.project, "numpy")["bounds"] == [], text


IGNORE = '[update]\nignore = [{ package = "numpy", versions = ">=1.3", reason = "does not run: it says no" }]\n'


def test_an_ignore_of_versions_toml_is_shown_with_its_reason(clone: Clone, index: LocalIndex) -> None:
    for version in ("1.2", "1.3"):
        index.add("numpy", version)
    clone.project.write(FAMILY + IGNORE)
    found = row(clone.project, "numpy")
    assert (found["ignored"], found["newest-not-ignored"]) == (["does not run: it says no"], "1.2")
    text = " ".join(clone.project.ok("outdated").out.split())
    assert "numpy 1.3 is ignored by [update] (does not run: it says no); newest that is not ignored: 1.2" in text
    clone.project.write(FAMILY.replace('numpy = "1.0" ', 'numpy = "1.3" ') + IGNORE)
    assert "[update] ignores numpy 1.3: does not run: it says no" in clone.project.ok("explain").out
    assert json.loads(clone.project.ok("explain", "--json").out)["ignored"] == [
        {"package": "numpy", "version": "1.3", "reason": "does not run: it says no"}
    ]

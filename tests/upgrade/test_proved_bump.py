"""`lockgen bump --prove`: planted releases that resolve and do not run, in real environments."""

from __future__ import annotations

import json
import re

import pytest
from support.families import cpu_family
from support.index import LocalIndex
from support.planted import DISABLES, plant
from support.project import Project

RAISES = "raise RuntimeError('no')"
FAMILY = cpu_family(
    "voices",
    """\
[pins]
speech = "1.0"
tokens = "1.0"

[bases.base]

[stages.asr]
from = "base"
packages = ["speech", "free"]

[stages.text]
from = "base"
packages = ["tokens"]
""",
)


@pytest.fixture
def voices(index: LocalIndex, project: Project) -> Project:
    for name in ("speech", "tokens", "free"):
        plant(index, name, "1.0", "")
    project.write(FAMILY)
    project.ok("resolve")
    return project


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (RAISES, "speech cannot be imported: RuntimeError: no"),
        (DISABLES, "speech disables its use of Numpy: it requires numpy >=3"),
    ],
)
def test_latest_version_that_runs_is_written(voices: Project, index: LocalIndex, code: str, reason: str) -> None:
    plant(index, "speech", "1.1", "")
    plant(index, "speech", "1.2", "")
    plant(index, "speech", "1.3", code)
    plant(index, "speech", "1.4", code)
    ran = voices.ok("bump", "speech", "--prove")
    assert 'speech = "1.2"' in (voices.root / "versions.toml").read_text()
    assert f"speech 1.3: asr:cpu does not run: {reason}; 1.2 is the newest version that runs" in ran.out
    assert re.search(r"^asr:cpu +runs ", ran.out, re.MULTILINE)
    voices.ok("check")


def test_json_has_the_runs_and_bounds(voices: Project, index: LocalIndex) -> None:
    plant(index, "speech", "1.1", "import sys\nsys.stderr.write('be careful\\n')")
    plant(index, "speech", "1.2", RAISES)
    data = json.loads(voices.ok("bump", "--json", "--prove", "speech").out)
    (bound,) = data["bounds"]
    assert (bound["package"], bound["newest-that-runs"], bound["does-not-run"]) == ("speech", "1.1", "1.2")
    (run,) = data["runs"]
    assert (run["image"], run["before"]["status"], run["after"]["status"]) == ("asr:cpu", "yes", "yes")
    assert run["after"]["lines"] == [{"by": "speech", "kind": "stderr", "text": "be careful"}]


def test_if_nothing_newer_runs_nothing_is_written(voices: Project, index: LocalIndex) -> None:
    plant(index, "speech", "1.1", RAISES)
    plant(index, "speech", "1.2", RAISES)
    before = voices.tree
    ran = voices.run("bump", "speech", "--prove")
    assert ran.code == 1
    assert "asr:cpu does not run: speech cannot be imported: RuntimeError: no" in ran.err
    assert "No files were changed" in ran.err
    assert voices.tree == before


def test_an_exact_version_that_does_not_run_is_refused(voices: Project, index: LocalIndex) -> None:
    plant(index, "speech", "1.1", "")
    plant(index, "speech", "1.2", RAISES)
    before = voices.tree
    ran = voices.run("bump", "speech==1.2", "--prove")
    assert ran.code == 1
    assert "lockgen bump speech --prove" in ran.err
    assert voices.tree == before
    voices.ok("bump", "speech==1.2")


def test_other_packages_move_without_one_that_does_not_run(voices: Project, index: LocalIndex) -> None:
    plant(index, "speech", "1.1", RAISES)
    plant(index, "tokens", "1.1", "")
    ran = voices.ok("bump", "speech", "tokens", "--prove")
    assert "no newer version runs" in ran.out
    text = (voices.root / "versions.toml").read_text()
    assert 'speech = "1.0"' in text
    assert 'tokens = "1.1"' in text


def test_a_package_without_a_pin_gets_the_newest_version_that_runs(voices: Project, index: LocalIndex) -> None:
    plant(index, "free", "1.1", "")
    plant(index, "free", "1.2", RAISES)
    voices.ok("bump", "free", "--prove")
    lock = json.loads((voices.root / "locks/lock.json").read_text())
    assert {package["version"] for package in lock["packages"] if package["name"] == "free"} == {"1.1"}
    voices.ok("check")


def test_a_dry_run_runs_images_and_writes_nothing(voices: Project, index: LocalIndex) -> None:
    plant(index, "speech", "1.1", "")
    plant(index, "speech", "1.2", RAISES)
    before = voices.tree
    ran = voices.ok("bump", "speech", "--prove", "--dry-run")
    assert "1.1 is the newest version that runs" in ran.out
    assert voices.tree == before


def test_the_tests_of_an_image_count(voices: Project, index: LocalIndex) -> None:
    voices.write(FAMILY + 'tests = [["python", "-c", "import tokens; tokens.version()"]]\n')
    plant(index, "tokens", "1.1", "def version(): return 1")
    voices.ok("bump", "tokens==1.1")
    plant(index, "tokens", "1.2", "")
    ran = voices.run("bump", "tokens", "--prove")
    assert ran.code == 1
    assert "has no attribute 'version'" in ran.err

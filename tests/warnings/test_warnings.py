"""Input that works but is probably not meant: `resolve` and `check` say so, with --strict they refuse it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.families import cpu_family
from support.index import LocalIndex
from support.project import Project

FAMILY = cpu_family(
    "acme",
    """\
[pins]
idna = "3.7"

[common]
packages = ["idna"]

[bases.base]

[stages.api]
from = "base"
packages = ["six"]
""",
    settings="exclude-newer = 2030-01-01T00:00:00Z",
)


@pytest.fixture
def family(project: Project, index: LocalIndex) -> Project:
    for name, version in (("idna", "3.7"), ("six", "1.17.0"), ("numpy", "2.0.2")):
        index.add(name, version)
    index.add("opencv-python", "4.10.0")
    index.add("opencv-python-headless", "4.10.0")
    index.add("nvidia-cublas-cu12", "12.1.3")
    index.add("torch", "2.5.1", requires=["nvidia-cublas-cu12"])
    return project


def text(old: str = "", new: str = "", *, cut_off: bool = False) -> str:
    family = FAMILY if cut_off else FAMILY.replace("exclude-newer = 2030-01-01T00:00:00Z\n", "")
    assert old in family
    return family.replace(old, new, 1) if old else family


CASES = {
    "no-tag": (text('"python:3.11-slim"', '"debian"'), "base-image", "`debian` is another image with each release", 6),
    "latest": (text('"python:3.11-slim"', '"debian:latest"'), "base-image", "it has no tag, or `latest`", 6),
    "no-python-in-the-tag": (
        text('"python:3.11-slim"', '"python:3-slim"'),
        "base-image",
        "the tag of `python:3-slim` does not say which Python it has",
        6,
    ),
    "another-python-in-a-tag": (
        text('"python:3.11-slim"', '"team/base:cuda-py3.10"'),
        "base-image",
        "shows Python 3.10, and [family] python is 3.11",
        6,
    ),
    "patch-release-only-in-the-tag": (
        text('"python:3.11-slim"', '"python:3.11.4-slim"'),
        "base-image",
        "`python:3.11.4-slim` has Python 3.11.4, and the lock is for every 3.11",
        6,
    ),
    "patch-release-only-in-the-family": (
        text('python = "3.11"', 'python = "3.11.9"'),
        "base-image",
        "the patch release of `python:3.11-slim` is open, and [family] python is 3.11.9",
        6,
    ),
    "missing-folder": (
        text('packages = ["six"]', 'packages = ["six"]\ncopy = ["shared"]'),
        "copied-folder",
        "`api` copies shared, which is not a folder of the project",
        19,
    ),
    "future": (text(cut_off=True), "cut-off", "exclude-newer is in the future: 2030-01-01", 4),
    "unused-pin": (
        text('idna = "3.7"', 'idna = "3.7"\nsixx = "1.0"'),
        "unused-pin",
        "the pin of sixx has no effect: no image needs it",
        10,
    ),
    "cuda-in-cpu": (
        text('["six"]', '["torch"]'),
        "cuda-in-cpu",
        "variant `cpu` installs 1 package of NVIDIA",
        5,
    ),
    "same-files": (
        text('["six"]', '["opencv-python", "opencv-python-headless"]'),
        "shared-files",
        "opencv-python and opencv-python-headless install the same files in api:cpu",
        None,
    ),
    "unknown-extra": (text('["six"]', '["six[fast]"]'), "unknown-extra", "six 1.17.0 has no extra `fast`", None),
}


@pytest.mark.parametrize("case", CASES)
def test_a_warning(case: str, family: Project) -> None:
    versions, rule, message, line = CASES[case]
    family.write(versions)
    ran = family.run("resolve", "--json")
    assert ran.code == 0, ran.err
    (warning,) = json.loads(ran.out)["warnings"]
    assert (warning["rule"], warning["line"]) == (rule, line)
    assert message in warning["message"]
    assert warning["hint"]
    assert f"warning: {warning['message']}" in ran.err


@pytest.mark.parametrize("case", [case for case in CASES if case != "unknown-extra"])
def test_check_finds_it_again(case: str, family: Project) -> None:
    versions, rule, message, _ = CASES[case]
    family.write(versions)
    assert family.run("resolve").code == 0
    for _ in range(2):
        ran = family.run("check")
        assert (ran.code, f"warning: {message}" in ran.err or message in ran.err) == (0, True), ran.err
    assert [row["rule"] for row in json.loads(family.run("check", "--json").out)["warnings"]] == [rule]
    assert family.run("check", "--strict").code == 1


@pytest.mark.parametrize("case", CASES)
def test_strict_makes_it_an_error_and_writes_nothing(case: str, family: Project) -> None:
    versions, _, message, _ = CASES[case]
    family.write(versions)
    before = family.tree
    ran = family.run("resolve", "--strict")
    assert ran.code == 2
    assert message in ran.err
    assert family.tree == before


def test_without_warnings_strict_changes_nothing(family: Project) -> None:
    family.write(text())
    assert family.run("resolve", "--strict").code == 0
    ran = family.run("check", "--strict", "-q")
    assert (ran.code, ran.err) == (0, "")


def test_all_warnings_at_once(family: Project, tmp_path: Path) -> None:
    versions = text('"python:3.11-slim"', '"debian"', cut_off=True).replace('["six"]', '["six[fast]"]\ncopy = ["x"]')
    family.write(versions)
    ran = family.run("resolve", "--strict")
    assert ran.err.count("error: ") == 4

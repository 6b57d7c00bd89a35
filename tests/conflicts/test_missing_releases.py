"""`explain` and `repair` say what the index lacks, as `resolve` does, and only for packages that are in a conflict."""

from __future__ import annotations

import json

import pytest
from support.families import cpu_family
from support.index import LocalIndex
from support.project import Project

FAMILY = cpu_family(
    "acme",
    """\
[pins]
PINS

[bases.base]
packages = ["other", "PACKAGE"]
""",
)


def written(project: Project, index: LocalIndex, package: str, pins: str = "") -> None:
    for name in ("requests", "other", "torch"):
        index.add(name, "1.0")
    project.write(FAMILY.replace("PACKAGE", package).replace("PINS", pins))


CASES = {
    "a misspelt name": ("reqests", "", "no such package: reqests", "did you mean `requests`?"),
    "a version": ("requests", 'requests = "7.0"', "there is no requests 7.0; the newest is 1.0", ""),
    "a build": ("torch", 'torch = "1.0+cu121"', "torch 1.0+cu121 is not on the default index", "add [index.cu121]"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("command", ["explain", "repair"])
def test_what_the_index_lacks(case: str, command: str, project: Project, index: LocalIndex) -> None:
    package, pins, message, hint = CASES[case]
    written(project, index, package, pins)
    ran = project.run(command)
    # Only another version of the same build is a repair.
    assert ran.code == (0 if command == "repair" and case == "a version" else 3)
    assert message in ran.err
    assert hint in ran.err
    assert "versions.toml:" in ran.err


def test_json_is_only_json(project: Project, index: LocalIndex) -> None:
    written(project, index, "reqests")
    ran = project.run("explain", "--json")
    assert json.loads(ran.out)
    assert "did you mean `requests`?" in ran.err


def test_a_conflict_between_packages_reads_no_page(project: Project, index: LocalIndex) -> None:
    written(project, index, "first", 'torch = "1.0"')
    index.add("first", "1.0", ["torch>=2"])
    ran = project.run("explain")
    assert ran.code == 3
    assert "note: " not in ran.err
    assert "first" in ran.out

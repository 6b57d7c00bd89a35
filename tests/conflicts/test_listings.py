"""`repair` proposes to take a package from an index of the family that has it, and proves it by a resolution."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator

import pytest
from support.index import LocalIndex, serving
from support.project import Project

FAMILY = """\
[family]
name = "acme"
python = "3.11"

[index.team]
url = "URL"
packages = [
  "torch",  # ours
]

[index.empty]
url = "EMPTY"
packages = ["nothing"]

[variants.cpu]
from = "python:3.11-slim"

[bases.base]
[stages.app]
from = "base"
packages = ["six"]
[stages.api]
from = "base"
packages = [PACKAGES]
"""


@pytest.fixture
def team(index: LocalIndex) -> Iterator[LocalIndex]:
    index.add("six", "1.0")
    index.add("numpy", "1.0")
    with serving(LocalIndex()) as other:
        other.add("torch", "1.0")
        other.add("xformers", "9.0", ["six"])
        other.add("tool", "1.0")
        yield other


def written(project: Project, team: LocalIndex, packages: str, *changes: tuple[str, str]) -> str:
    text = FAMILY.replace("URL", team.url).replace("EMPTY", f"{team.url}/no").replace("PACKAGES", packages)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    project.write(text)
    return text


VARIANTS = {
    "a table": ('[variants.cpu]\nfrom = "python:3.11-slim"', '[variants.cpu]\nfrom = "python:3.11-slim"'),
    "an inline table": (
        '[variants.cpu]\nfrom = "python:3.11-slim"',
        '[variants]\ncpu = { from = "python:3.11-slim" }',
    ),
    "dotted keys": ('[variants.cpu]\nfrom = "python:3.11-slim"', '[variants]\n  cpu.from = "python:3.11-slim"'),
    "its index": ("[variants.cpu]\n", '[variants.cpu]\nindex = "team"\n'),
}


@pytest.mark.parametrize("form", VARIANTS)
def test_a_package_that_only_another_index_has(project: Project, team: LocalIndex, form: str) -> None:
    text = written(project, team, '"xformers"', VARIANTS[form])
    assert project.run("resolve").code == 3
    ran = project.ok("repair")
    assert ran.out.startswith("1. 1 change, for api\n")
    assert 'xformers: index team has it. Add "xformers" to [index.team] packages' in ran.out
    assert ('[variants.cpu] index = "team"' in ran.out) is (form != "its index")
    assert "2. " not in ran.out
    project.ok("repair", "--apply", "1")
    repaired = (project.root / "versions.toml").read_text()
    assert '  "torch", "xformers",  # ours\n' in repaired
    expected = tomllib.loads(text)
    expected["index"]["team"]["packages"].append("xformers")
    expected["variants"]["cpu"]["index"] = "team"
    assert tomllib.loads(repaired) == expected
    project.ok("resolve")
    assert "xformers==9.0" in (project.root / "docker/api/requirements-api.txt").read_text()


def test_a_version_that_only_another_index_has(project: Project, team: LocalIndex, index: LocalIndex) -> None:
    index.add("xformers", "8.0")
    written(project, team, '"xformers"', ("[bases.base]", '[pins]\nxformers = "9.0"\n[bases.base]'))
    proposals = json.loads(project.ok("repair", "--json").out)["proposals"]
    assert [len(proposal["changes"]) for proposal in proposals] == [0, 1]
    listing = {"package": "xformers", "index": "team", "variants": ["cpu"], "record": False}
    assert proposals[0]["listings"] == [listing]
    assert proposals[0]["versions"]["cpu"]["xformers"] == "9.0"
    assert proposals[1]["changes"][0]["to"] == "8.0"


def test_a_listing_together_with_a_pin(project: Project, team: LocalIndex, index: LocalIndex) -> None:
    index.add("numpy", "2.0")
    index.add("user", "1.0", ["numpy>=2"])
    written(project, team, '"xformers", "user"', ("[bases.base]", '[pins]\nnumpy = "1.0"\n[bases.base]'))
    ran = project.ok("repair", "--apply", "1")
    assert ran.out.startswith("1. 2 changes, for api, app, base\n")
    assert "numpy==1.0  -> 2.0" in ran.out
    project.ok("resolve")


def test_several_packages_are_listed_at_once(project: Project, team: LocalIndex) -> None:
    written(project, team, '"xformers", "tool==1.0"')
    assert project.ok("repair", "--apply", "1").out.startswith("1. 2 changes, for api\n")
    project.ok("resolve")


def test_a_recorded_index_is_recorded_again(project: Project, team: LocalIndex) -> None:
    recorded = ("[index.empty]", 'recorded = "locks/index/team"\n[index.empty]')
    use = ("[variants.cpu]\n", '[variants.cpu]\nindex = "team"\n')
    written(project, team, '"xformers"', recorded, use)
    project.ok("index", "record", "team")
    ran = project.ok("repair", "--apply", "1")
    assert "then record the index: lockgen index record team" in ran.out
    assert "run `lockgen index record team`, then `lockgen resolve`" in ran.err
    project.ok("index", "record", "team")
    project.ok("resolve")


@pytest.mark.parametrize(
    "change",
    [
        # The variant has another index already.
        ("[variants.cpu]\n", '[variants.cpu]\nindex = "empty"\n'),
        # The index has it for another Python only.
        ('python = "3.11"\n', 'python = "3.10"\n'),
    ],
)
def test_what_would_not_resolve_is_not_proposed(project: Project, team: LocalIndex, change: tuple[str, str]) -> None:
    team.pages["xformers"].clear()
    team.add("xformers", "9.0", tag="cp311-cp311-manylinux_2_17_x86_64")
    written(project, team, '"xformers"', change, ("3.11-slim", "3.10-slim") if "3.10" in change[1] else ("api", "api"))
    ran = project.run("repair")
    assert ran.code == 3
    assert ran.out == ""
    assert "no such package: xformers is not on the default index" in ran.err

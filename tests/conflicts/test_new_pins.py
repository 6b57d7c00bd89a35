"""`repair` pins a package that only others require where that helps: the resolver finds every other release itself."""

from __future__ import annotations

import json

import pytest
from support.index import LocalIndex
from support.project import Project

FAMILY = """\
[family]
name = "acme"
python = "3.11"
build = ["built"]
[variants.cpu]
from = "python:3.11-slim"
[variants.gpu]
from = "python:3.11"
[bases.base]
packages = ["user"]
"""


def release(index: LocalIndex, kind: str, version: str) -> None:
    """A release of the package that user requires, at which a resolver may stop."""
    if kind == "built":
        index.add("built", version, source=True, builds=["no-such-backend"])
    elif kind == "by-url":
        index.add("by-url", version, ["other @ https://example.org/other-1.0-py3-none-any.whl"])
    elif kind == "unusable":
        index.add("unusable", version, tag="cp310-cp310-manylinux_2_17_x86_64")
    elif kind == "unbuilt":
        index.add("unbuilt", version, source=True)
    elif kind == "broken":
        index.add("broken", version, ["other >=== 1"])
    elif kind == "too-new":
        index.add("too-new", version, python=">=3.12")
    elif kind == "narrow":
        index.add("narrow", version, ["absent>=2"])
    else:
        index.add("capped", version, python="<3.11")


def family(project: Project, index: LocalIndex, *kinds: str, good: bool = True) -> None:
    index.add_backend("1.0")
    index.add("user", "1.0", list(kinds))
    for kind in kinds:
        if good:
            source = kind == "built"
            index.add(kind, "1.0", source=source, builds=["tinybackend"] if source else [])
        release(index, kind, "2.0")
        release(index, kind, "3.0")
    project.write(FAMILY)


WHY = {"built": "does not build", "by-url": "requires other by URL"}


@pytest.mark.parametrize("kind", WHY)
def test_a_release_at_which_the_resolver_stops(project: Project, index: LocalIndex, kind: str) -> None:
    family(project, index, kind)
    assert project.run("resolve").code in {3, 4}
    ran = project.ok("repair", "--apply", "1")
    assert ran.out == f'1. 1 change, for base\n   new: [pins] {kind} = "1.0"   {kind} 2.0 {WHY[kind]}\n'
    assert f'[pins]\n{kind} = "1.0"\n' in (project.root / "versions.toml").read_text()
    project.ok("resolve")


def test_several_packages(project: Project, index: LocalIndex) -> None:
    family(project, index, "built", "by-url")
    (proposal,) = json.loads(project.ok("repair", "--json").out)["proposals"]
    assert [(pin["package"], pin["version"]) for pin in proposal["new-pins"]] == [("built", "1.0"), ("by-url", "1.0")]
    assert proposal["versions"]["gpu"]["built"] == "1.0"


@pytest.mark.parametrize("kind", WHY)
def test_no_pin_helps_without_a_good_release(project: Project, index: LocalIndex, kind: str) -> None:
    family(project, index, kind, good=False)
    ran = project.run("repair")
    assert ran.code in {3, 4}
    assert ran.out == ""


@pytest.mark.parametrize("kind", ["unusable", "unbuilt", "broken", "too-new", "narrow", "capped"])
def test_the_resolver_finds_another_release_itself(project: Project, index: LocalIndex, kind: str) -> None:
    family(project, index, kind)
    assert project.ok("repair").out == "versions.toml resolves: nothing to repair\n"
    project.ok("resolve")
    assert f"{kind}==1.0" in (project.root / "docker/base/requirements-base.txt").read_text()

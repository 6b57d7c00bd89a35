"""Messages about a family without a solution lead to something that versions.toml can do."""

from __future__ import annotations

import pytest
from support.index import LocalIndex
from support.project import Project, Ran

RESOLVERS = ["uv", "pip-compile"]
CP312 = "cp312-cp312-manylinux_2_17_x86_64"


def family(packages: str, pins: str = "", *, extra: str = "", more: str = "") -> str:
    """A family of one stage; ``extra`` are lines of [family]."""
    return (
        f'[family]\nname = "one"\npython = "3.11"\n{extra}\n[variants.cpu]\nfrom = "python:3.11-slim"\n'
        f'[pins]\n{pins}\n[bases.base]\n[stages.app]\nfrom = "base"\npackages = [{packages}]\n{more}'
    )


def fails(project: Project, text: str, *arguments: str, code: int = 3) -> Ran:
    project.write(text)
    ran = project.run("resolve", *arguments)
    assert ran.code == code, ran.err + ran.out
    for foreign in ("exclude-newer-package", "tool.uv", "--prerelease", "--index-strategy", "--no-build-isolation"):
        assert foreign not in ran.err
    return ran


def test_a_build_that_needs_an_old_setuptools(
    project: Project, index: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("support.index.TINY_BACKEND", "import pkg_resources\n")
    index.add_backend("1.0")
    index.add("whisper", "1.0", source=True, builds=["tinybackend"])
    ran = fails(project, family('"whisper"', extra='build = ["whisper"]'), code=4)
    assert "No module named 'pkg_resources'" in ran.err
    assert 'A pin of setuptools applies to builds too: [pins] setuptools = "80.9.0"' in ran.err


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_a_pin_of_setuptools_applies_to_builds(project: Project, index: LocalIndex, resolver: str) -> None:
    for version in ("80.9.0", "82.0.0"):
        index.add("setuptools", version)
    index.add_backend("1.0")
    index.add("whisper", "1.0", source=True, builds=["tinybackend", "setuptools"])
    project.write(family('"whisper"', 'setuptools = "80.9.0"', extra='build = ["whisper"]'))
    ran = project.ok("resolve", "--resolver", resolver)
    assert "has no effect" not in ran.err
    assert "setuptools==80.9.0" in (project.root / "docker/requirements-build.txt").read_text()

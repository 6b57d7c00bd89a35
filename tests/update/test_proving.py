"""Updates that resolve and do not run: planted releases, real installations, real pull request texts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.index import LocalIndex, metadata, wheel
from support.remotes import Clone, MemoryForge
from update.conftest import FAMILY


def plant(index: LocalIndex, name: str, version: str, code: str, requires: tuple[str, ...] = (), **more: str) -> None:
    """Add a release whose module ``name`` has ``code``; ``more`` are its submodules."""
    text = metadata(name, version, list(requires), [], None)
    files = {f"{name}/__init__.py": code.encode()}
    files |= {f"{name}/{module}.py": body.encode() for module, body in more.items()}
    filename, data = wheel(name, version, "py3-none-any", text, files=files)
    index.add_file(name, filename, data, text)


@pytest.fixture(autouse=True)
def proved(clone: Clone) -> None:
    """An update must pass the imports."""
    clone.project.write(FAMILY + '[update]\nprove = "imports"\n')
    clone.commit("prove imports")


def groups(clone: Clone, *arguments: str) -> dict[str, dict[str, Any]]:
    ran = clone.update("--json", *arguments)
    assert ran.code == 0, ran.err
    return {group["group"]: group for group in json.loads(ran.out)["groups"]}


DISABLES = 'import sys\nsys.stderr.write("Disabling Numpy because numpy >= 3 is required but found 1.0\\n")\n'


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise RuntimeError('no')", "numpy cannot be imported: RuntimeError: no"),
        (DISABLES, "numpy disables its use of Numpy: it requires numpy >=3"),
        ("import os\nos._exit(3)", "importing numpy ended the process with exit code 3"),
    ],
)
def test_a_release_that_does_not_run_is_not_opened_and_the_newest_that_runs_is(
    clone: Clone, forge: MemoryForge, index: LocalIndex, code: str, reason: str
) -> None:
    plant(index, "numpy", "1.2", "")
    plant(index, "numpy", "1.3", code)
    plant(index, "numpy", "1.4", code)
    assert groups(clone)["numpy"]["outcome"] == "created"
    (request,) = forge.requests.values()
    assert request.title == "update numpy 1.0 -> 1.2"
    assert reason in request.body
    assert 'numpy = "1.2"' in clone.show("lockgen/numpy", "versions.toml")


def test_if_no_newer_release_runs_nothing_is_opened(clone: Clone, forge: MemoryForge, index: LocalIndex) -> None:
    plant(index, "numpy", "1.1", "raise RuntimeError('no')")
    found = groups(clone)["numpy"]
    assert found["outcome"] == "unresolved"
    assert "does not run: numpy cannot be imported: RuntimeError: no" in found["why"]
    assert forge.requests == {}


def test_with_resolve_nothing_is_run(clone: Clone, forge: MemoryForge, index: LocalIndex) -> None:
    plant(index, "numpy", "1.2", "raise RuntimeError('no')")
    clone.project.write(FAMILY + '[update]\nprove = "resolve"\n')
    clone.commit("resolve only")
    assert groups(clone)["numpy"]["outcome"] == "created"
    assert forge.requests[1].title == "update numpy 1.0 -> 1.2"

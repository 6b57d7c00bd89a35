"""Updates that resolve and do not run: planted releases, real installations, real pull request texts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.index import LocalIndex
from support.planted import DISABLES, plant
from support.remotes import Clone, MemoryForge
from update.conftest import FAMILY

from lockgen.update.model import PullRequest


@pytest.fixture(autouse=True)
def proved(clone: Clone) -> None:
    """An update must pass the imports."""
    clone.project.write(FAMILY + '[update]\nprove = "imports"\n')
    clone.commit("prove imports")


def groups(clone: Clone, *arguments: str) -> dict[str, dict[str, Any]]:
    ran = clone.update("--json", *arguments)
    assert ran.code == 0, ran.err
    return {group["group"]: group for group in json.loads(ran.out)["groups"]}


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


GROUP = FAMILY + '[update.groups.models]\npackages = ["speech", "tokens"]\n'


def _grouped(clone: Clone, text: str) -> None:
    clone.project.write(text)
    clone.commit("one group")


def _request(forge: MemoryForge, branch: str) -> PullRequest:
    """The pull request of ``branch``: numpy has one, too."""
    return next(request for request in forge.requests.values() if request.branch == branch)


def test_a_module_of_an_image_is_what_must_be_imported(clone: Clone, forge: MemoryForge, index: LocalIndex) -> None:
    _grouped(clone, FAMILY.replace('packages = ["tokens"]', 'packages = ["tokens"]\ncheck-imports = ["tokens.models"]'))
    plant(index, "tokens", "1.1", "", models="")
    plant(index, "tokens", "1.2", "", models="import tokens.gone")
    assert groups(clone)["tokens"]["outcome"] == "created"
    request = _request(forge, "lockgen/tokens")
    assert request.title == "update tokens 1.0 -> 1.1"
    assert "No module named" in request.body


LAZY = """\
def __getattr__(name):
    import importlib

    return importlib.import_module(f"tokens.{name}")
"""


def test_a_module_that_is_loaded_on_first_use_must_still_load(
    clone: Clone, forge: MemoryForge, index: LocalIndex
) -> None:
    _grouped(clone, FAMILY.replace('tokens = "1.0"', 'tokens = "1.1"'))
    plant(index, "tokens", "1.1", LAZY, models="", extra="import nowhere", old="1 / 0")
    clone.project.ok("resolve")
    clone.commit("a package that loads its modules on first use")
    # Not every module worked before, and one may lack what only an extra brings.
    plant(index, "tokens", "1.2", LAZY, models="", extra="import elsewhere", old="2 / 0", new="import nowhere")
    plant(index, "tokens", "1.3", LAZY, models="import sys\nsys.trapz", extra="import elsewhere", old="2 / 0")
    assert groups(clone)["tokens"]["outcome"] == "created"
    request = _request(forge, "lockgen/tokens")
    assert request.title == "update tokens 1.1 -> 1.2"
    assert "tokens.models cannot be imported any more: AttributeError" in request.body


def test_a_module_on_first_use_may_end_the_process(clone: Clone, forge: MemoryForge, index: LocalIndex) -> None:
    plant(index, "tokens", "1.1", LAZY, program="import os\nos._exit(3)")
    assert groups(clone)["tokens"]["outcome"] == "created"
    assert _request(forge, "lockgen/tokens").title == "update tokens 1.0 -> 1.1"


def test_a_release_that_hangs_is_not_opened(clone: Clone, forge: MemoryForge, index: LocalIndex) -> None:
    _grouped(clone, FAMILY + "[checks]\nseconds = 2\n")
    plant(index, "tokens", "1.1", "import time\ntime.sleep(600)")
    found = groups(clone)["tokens"]
    assert found["outcome"] == "unresolved"
    assert "does not run" in found["why"]
    assert "within 2 s" in found["why"]
    assert "lockgen/tokens" not in {request.branch for request in forge.requests.values()}


def test_a_problem_of_a_package_that_only_a_member_requires_holds_that_member(
    clone: Clone, forge: MemoryForge, index: LocalIndex
) -> None:
    plant(index, "helper", "1.0", "")
    plant(index, "wrap", "1.0", "import helper", requires=("helper",))
    _grouped(clone, GROUP.replace('packages = ["numpy"]', 'packages = ["numpy", "wrap"]'))
    clone.project.ok("resolve")
    clone.commit("with wrap")
    plant(index, "helper", "2.0", "raise RuntimeError('no')")
    plant(index, "speech", "1.1", "", requires=("numpy<2",))
    plant(index, "speech", "1.2", "", requires=("numpy<2", "helper>=2"))
    plant(index, "tokens", "1.1", "")
    found = groups(clone)["models"]
    assert found["outcome"] == "created", found["why"]
    request = _request(forge, "lockgen/models")
    assert request.title == "update speech 1.1, tokens 1.1"
    assert 'package = "speech", versions = ">=1.2"' in request.body


def test_the_other_members_of_a_partial_group_move_without_one_that_does_not_run(
    clone: Clone, forge: MemoryForge, index: LocalIndex
) -> None:
    _grouped(clone, GROUP + "partial = true\n")
    plant(index, "speech", "1.1", "raise RuntimeError('no')", requires=("numpy<2",))
    plant(index, "tokens", "1.1", "")
    found = groups(clone)["models"]
    assert found["outcome"] == "created", found["why"]
    request = _request(forge, "lockgen/models")
    assert request.title == "update tokens 1.0 -> 1.1"
    assert "no newer version runs" in request.body


def test_a_version_that_fails_in_another_image_than_the_newest_one_is_not_opened(
    clone: Clone, forge: MemoryForge, index: LocalIndex
) -> None:
    plant(index, "reader", "1.0", "import numpy\nassert getattr(numpy, 'V', 0) < 3, 'too new'")
    plant(index, "writer", "1.0", "import numpy\nassert getattr(numpy, 'V', 0) != 2, 'not this one'")
    text = FAMILY.replace('["speech"]', '["speech", "reader"]').replace('["tokens"]', '["tokens", "writer"]')
    _grouped(clone, text)
    clone.project.ok("resolve")
    clone.commit("with reader and writer")
    for number in (1, 2, 3):
        plant(index, "numpy", f"1.{number + 1}", f"V = {number}")
    assert groups(clone)["numpy"]["outcome"] == "created"
    request = _request(forge, "lockgen/numpy")
    assert request.title == "update numpy 1.0 -> 1.2"
    assert "too new" in request.body

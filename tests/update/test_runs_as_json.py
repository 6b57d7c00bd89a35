"""The runs in `lockgen update --json`: what was run, where, and what it took before and after."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.index import LocalIndex
from support.planted import plant
from support.remotes import Clone, MemoryForge
from update.conftest import FAMILY
from update.test_proving import groups


@pytest.fixture(autouse=True)
def checked(clone: Clone) -> None:
    """Images have a test, and updates must pass it."""
    text = FAMILY.replace('packages = ["tokens"]', 'packages = ["tokens"]\ntests = [["python", "-c", "import tokens"]]')
    clone.project.write(text + '[update]\nprove = "tests"\n')
    clone.commit("prove tests")


def test_a_group_has_the_runs_of_its_images_before_and_after(
    clone: Clone, forge: MemoryForge, index: LocalIndex
) -> None:
    plant(index, "tokens", "1.1", "import sys\nsys.stderr.write('tokens is new\\n')\n")
    found = groups(clone)["tokens"]
    assert found["bounds"] == []
    (run,) = found["runs"]
    assert (run["image"], run["fails"], run["new-problems"], run["gone-lines"]) == ("text:cpu", False, [], [])
    assert run["new-lines"] == [{"by": "tokens", "kind": "stderr", "text": "tokens is new"}]
    for part in (run["before"], run["after"]):
        assert part["status"] == "yes"
        assert part["where"].startswith("on this machine")
        assert [step["name"] for step in part["imports"]] == ["numpy", "tokens"]
        assert [step["name"] for step in part["tests"]] == ["python -c import tokens"]
        assert 0 < part["import-seconds"] < part["seconds"]
        assert part["memory"] > 1_000_000


def test_a_group_that_is_held_back_has_its_bound(clone: Clone, forge: MemoryForge, index: LocalIndex) -> None:
    plant(index, "tokens", "1.1", "")
    plant(index, "tokens", "1.2", "raise RuntimeError('no')")
    found = groups(clone)["tokens"]
    assert found["bounds"] == [
        {
            "package": "tokens",
            "does-not-run": "1.2",
            "newest-that-runs": "1.1",
            "before": "1.0",
            "tried": ["1.2"],
            "versions": {},
            "requires": None,
            "image": "text:cpu",
            "kind": "import",
            "by": "tokens",
            "reason": "tokens cannot be imported: RuntimeError: no",
        }
    ]
    assert [run["after"]["status"] for run in found["runs"]] == ["yes"]


def test_a_group_that_cannot_be_made_says_what_was_run(clone: Clone, forge: MemoryForge, index: LocalIndex) -> None:
    plant(index, "tokens", "1.1", "raise RuntimeError('no')")
    found = groups(clone)["tokens"]
    assert found["outcome"] == "unresolved"
    assert [bound["newest-that-runs"] for bound in found["bounds"]] == [None]
    (run,) = found["runs"]
    assert (run["image"], run["fails"], run["before"]["status"], run["after"]["status"]) == (
        "text:cpu",
        True,
        "yes",
        "no",
    )
    assert [problem["kind"] for problem in run["new-problems"]] == ["import", "test"]


def test_images_are_in_the_order_of_their_names_and_known_runs_are_equal(
    clone: Clone, forge: MemoryForge, index: LocalIndex
) -> None:
    plant(index, "numpy", "1.2", "")

    def runs() -> list[dict[str, Any]]:
        ran = clone.update("--json", "--dry-run")
        group = next(group for group in json.loads(ran.out)["groups"] if group["group"] == "numpy")
        return list(group["runs"])

    first = runs()
    assert [run["image"] for run in first] == ["asr:cpu", "base:cpu", "text:cpu"]
    assert runs() == first


def test_with_resolve_there_are_no_runs(clone: Clone, forge: MemoryForge, index: LocalIndex) -> None:
    plant(index, "tokens", "1.1", "")
    clone.project.write(FAMILY + '[update]\nprove = "resolve"\n')
    clone.commit("resolve only")
    assert groups(clone)["tokens"]["runs"] == []

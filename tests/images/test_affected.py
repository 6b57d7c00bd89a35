"""Which images a change affects."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockgen.images.affected import affected
from lockgen.io.workspace import Folder
from lockgen.lock.reader import parse_lock
from lockgen.manifest.fingerprints import read_inputs
from lockgen.outputs.generated_files import GeneratedFiles
from lockgen.outputs.model import FamilyPlan

GOLDEN = Path(__file__).parent.parent / "golden" / "small"
ALL = ["base-cpu", "base-cuda", "ml-cpu", "ml-cuda", "asr-cpu", "asr-cuda", "demux-cpu"]


@pytest.fixture(scope="module")
def plan() -> FamilyPlan:
    folder = Folder(GOLDEN)
    lock = parse_lock((GOLDEN / "locks" / "lock.json").read_bytes(), "lock.json")
    return GeneratedFiles(read_inputs(folder).manifest, lock).plan


@pytest.fixture(scope="module")
def bake() -> str:
    return (GOLDEN / "docker" / "docker-bake.hcl").read_text()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ([], []),
        (["README.md", "locks/lock.json", "docker/versions.txt"], []),
        (["docker/asr/Dockerfile"], ["asr-cpu", "asr-cuda"]),
        (["locks/cuda/asr.txt"], ["asr-cuda"]),
        (["docker/ml/requirements-ml.cpu.txt"], ["ml-cpu", "asr-cpu"]),
        (["docker/requirements-common.txt"], ALL),
        (["docker/base/Dockerfile"], ALL),
    ],
)
def test_a_changed_path_affects_the_images_that_read_it(
    plan: FamilyPlan, bake: str, changed: list[str], expected: list[str]
) -> None:
    assert sorted(affected(plan, changed, bake, bake)) == sorted(expected)


def test_another_base_image_affects_its_variant(plan: FamilyPlan, bake: str) -> None:
    before = bake.replace('default = "python:3.11-slim"', 'default = "python:3.11-slim-bookworm"')
    assert before != bake
    assert sorted(affected(plan, ["docker/docker-bake.hcl"], before, bake)) == [
        "asr-cpu",
        "base-cpu",
        "demux-cpu",
        "ml-cpu",
    ]


def test_a_changed_bake_target_is_affected(plan: FamilyPlan, bake: str) -> None:
    before = bake.replace('"dev.lockgen.lock"                   = "sha256:', '"dev.lockgen.lock" = "sha256:0', 1)
    assert len(affected(plan, [], before, bake)) >= 1


def test_every_image_is_affected_if_there_was_no_bake_file(plan: FamilyPlan, bake: str) -> None:
    assert sorted(affected(plan, [], "", bake)) == sorted(ALL)

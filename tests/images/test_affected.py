"""Which images a change touches."""

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
    ("changed", "touched"),
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
def test_paths(plan: FamilyPlan, bake: str, changed: list[str], touched: list[str]) -> None:
    assert sorted(affected(plan, changed, bake, bake)) == sorted(touched)


def test_a_base_image_touches_its_variant(plan: FamilyPlan, bake: str) -> None:
    before = bake.replace('default = "python:3.11-slim"', 'default = "python:3.11-slim-bookworm"')
    assert before != bake
    assert sorted(affected(plan, ["docker/docker-bake.hcl"], before, bake)) == [
        "asr-cpu",
        "base-cpu",
        "demux-cpu",
        "ml-cpu",
    ]


def test_an_argument_of_one_target_touches_it_alone(plan: FamilyPlan, bake: str) -> None:
    before = bake.replace('"dev.lockgen.lock"                   = "sha256:', '"dev.lockgen.lock" = "sha256:0', 1)
    assert len(affected(plan, [], before, bake)) >= 1


def test_without_a_bake_file_before_everything_is_new(plan: FamilyPlan, bake: str) -> None:
    assert sorted(affected(plan, [], "", bake)) == sorted(ALL)

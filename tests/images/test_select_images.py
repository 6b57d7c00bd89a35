"""Which images a name on the command line selects."""

from __future__ import annotations

import pytest
from support.families import SMALL
from support.project import Project


@pytest.mark.parametrize(
    ("name", "images"),
    [
        ("base-cpu", ["base-cpu:cpu", "base-cpu:cuda"]),  # also the target of base in variant cpu
        ("base:cpu", ["base:cpu"]),
        ("base-cuda", ["base:cuda"]),  # not an image, so the target
        ("asr-cpu", ["asr:cpu"]),
    ],
)
def test_a_name_selects_an_image_before_a_target(small: Project, name: str, images: list[str]) -> None:
    small.write(SMALL.replace("[bases.ml]", "[bases.base-cpu]").replace('from = "ml"', 'from = "base-cpu"'))
    small.ok("resolve")
    assert small.ok("build", "--dry-run", name).out.split() == images

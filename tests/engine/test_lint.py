"""Every Dockerfile that lockgen writes passes hadolint; each ignored rule has its reason in the line above."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent.parent
FILES = [
    *sorted(TOP.glob("docker/*/Dockerfile")),
    *sorted((TOP / "tests" / "golden").glob("*/docker/*/Dockerfile")),
]


def test_the_reference_family_has_a_dockerfile_for_each_image() -> None:
    assert len([path for path in FILES if path.is_relative_to(TOP / "docker")]) == 14


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TOP)))
def test_hadolint_accepts_the_dockerfile(path: Path) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, "--no-color", "--format", "json", path], capture_output=True, text=True)
    assert json.loads(done.stdout) == []
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines):
        if "hadolint ignore" in line:
            assert lines[number - 1].startswith("# "), "the line above has the reason"

"""The work of a resolve grows with the number of images, not with its square."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import packaging
import pytest
from support.families import SMALL
from support.project import Project

import lockgen

FEW, MANY = 30, 120
FOLDERS = tuple(str(Path(package.__file__ or "").parent) for package in (lockgen, packaging))


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """The lines that each function of lockgen and packaging executes. A loop in one line counts each time."""
    lines: Counter[CodeType] = Counter()
    by_name: Counter[str] = Counter()

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if not code.co_filename.startswith(FOLDERS):
            return None
        lines[code] += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield by_name
    finally:
        sys.settrace(before)
        for code, count in lines.items():
            by_name[f"{code.co_filename}:{code.co_qualname}"] += count


def family(stages: int) -> str:
    """Stages of two bases and of both variants, with a package of their own."""
    tables = []
    for number in range(stages):
        base = "ml" if number % 2 else "base"
        tables.append(f'\n[stages.s{number}]\nfrom = "{base}"\npackages = ["speech"]\n')
    return SMALL + "".join(tables)


@pytest.mark.slow
def test_no_function_looks_at_all_images_for_each_image(small: Project) -> None:
    small.ok("resolve")
    found = []
    for stages in (FEW, MANY):
        small.write(family(stages))
        with counted() as lines:
            small.ok("resolve", "--offline")
            # With the lock, but not only a comparison of digests.
            (small.root / "docker/docker-bake.hcl").unlink()
            small.ok("resolve", "--offline")
            small.ok("check")
        found.append(lines)
    few, many = found
    growth = MANY / FEW
    quadratic = {name: (few[name], many[name]) for name in many if many[name] > 1.3 * growth * few[name] + 500}
    assert not quadratic

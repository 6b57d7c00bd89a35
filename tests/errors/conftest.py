"""A small family on a small index."""

from __future__ import annotations

import pytest
from support.families import SMALL, add_small_packages, add_small_records
from support.index import LocalIndex
from support.project import Project


@pytest.fixture
def small(index: LocalIndex, project: Project) -> Project:
    add_small_packages(index)
    add_small_records(project.root)
    project.write(SMALL)
    return project

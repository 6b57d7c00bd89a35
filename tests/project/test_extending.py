"""A new forge or resolver is one file and one line in a table, as ARCHITECTURE.md says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lockgen.cli import RESOLVERS as CHOICES
from lockgen.resolvers import _MODULES as RESOLVERS
from lockgen.update.forges.table import FORGES

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "ARCHITECTURE.md").read_text()

SHARED = {"__init__", "failures", "forge_type", "locate", "model", "table"}
"""The modules of lockgen/update/forges that are not forges."""


def section(title: str) -> str:
    found = re.search(rf"^### {title}\n(.*?)(?=^##)", TEXT, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


def test_every_forge_is_one_module_in_the_table() -> None:
    modules = {path.stem for path in (ROOT / "lockgen/update/forges").glob("*.py")}
    assert modules - SHARED == set(FORGES)


def test_every_resolver_is_one_module_in_the_table() -> None:
    assert tuple(RESOLVERS) == CHOICES
    modules = {name.rpartition(".")[2] for name in RESOLVERS.values()}
    there = {path.stem for path in (ROOT / "lockgen/resolvers").glob("*.py")}
    assert modules <= there
    assert all("def create(" in (ROOT / f"lockgen/resolvers/{name}.py").read_text() for name in modules)


@pytest.mark.parametrize("title", ["a forge", "a resolver"])
def test_the_files_to_touch_exist(title: str) -> None:
    named = re.findall(r"`((?:lockgen|tests)/[\w/.]+)`", section(title))
    assert len(named) >= 3
    assert [path for path in named if not (ROOT / path).exists()] == []

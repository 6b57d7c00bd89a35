"""A new forge, resolver, lint rule or export format is one file and one line in a table, as ARCHITECTURE.md says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lockgen.cli import RESOLVERS as CHOICES
from lockgen.cli import SBOM_FORMATS
from lockgen.lint.rules.table import RULES
from lockgen.resolvers import _MODULES as RESOLVERS
from lockgen.sbom.formats.table import FORMATS
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


def modules_in(folder: str, *shared: str) -> set[str]:
    """The modules in ``folder``, without those ``shared`` by all entries of its table."""
    stems = {path.stem for path in (ROOT / folder).glob("*.py")}
    return stems - {"__init__", "table", *shared}


def test_every_lint_rule_is_one_module_in_the_table() -> None:
    ids = [rule.id for rule in RULES]
    assert len(ids) == len(set(ids))
    assert modules_in("lockgen/lint/rules", "messages", "rule_type") == set(ids)
    assert all(rule.check.__module__ == f"lockgen.lint.rules.{rule.id}" for rule in RULES)


def test_every_export_format_is_a_module_in_the_table() -> None:
    assert tuple(FORMATS) == SBOM_FORMATS
    modules = {entry.render.__module__.rpartition(".")[2] for entry in FORMATS.values()}
    assert modules_in("lockgen/sbom/formats", "format_type") == modules
    suffixes = [entry.suffix for entry in FORMATS.values()]
    assert len(suffixes) == len(set(suffixes)), "formats overwrite each other's files"


@pytest.mark.parametrize("title", ["an accelerator", "a forge", "a resolver", "a lint rule", "an export format"])
def test_the_files_to_touch_exist(title: str) -> None:
    named = re.findall(r"`((?:lockgen|tests)/[\w/.]+)`", section(title))
    assert len(named) >= 3
    assert [path for path in named if not (ROOT / path).exists()] == []

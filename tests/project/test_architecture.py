"""Imports point inward, and each effect has one door."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent.parent / "lockgen"

# What each part may import of lockgen's own, from the inside out.
INWARD = {
    "errors": set(),
    "model": {"model"},
    "ports": {"model"},
    "planning": {"errors", "model", "planning", "ports"},
    "rendering": {"model", "ports", "rendering"},
    "parsing": {"errors", "model", "parsing", "ports"},
    "tooling": {"errors", "model", "planning", "ports"},
    "engine": {"errors", "model", "planning", "ports", "tooling"},
    "remembering": {"model", "ports"},
    "asking": {"errors", "model", "planning", "ports", "remembering"},
    "explaining": {"asking", "model", "planning", "ports"},
    "updating": {"errors", "model", "planning", "ports", "rendering"},
    "bumping": {"asking", "errors", "model", "planning", "ports"},
    "outdating": {"bumping", "errors", "model", "planning", "ports"},
    "compatibility": {"asking", "errors", "explaining", "model", "planning", "ports", "remembering"},
    "repairing": {"asking", "explaining", "model", "planning", "ports"},
    "fixing": {"asking", "model", "planning", "ports"},
    "adapters": {"adapters", "errors", "model", "parsing", "ports", "rendering"},
    "commands": {
        "adapters",
        "asking",
        "bumping",
        "commands",
        "compatibility",
        "engine",
        "errors",
        "explaining",
        "fixing",
        "model",
        "outdating",
        "parsing",
        "planning",
        "ports",
        "remembering",
        "rendering",
        "repairing",
        "updating",
    },
    "cli": {"adapters", "commands", "errors"},
    "nox": {"adapters", "errors"},
    "__main__": {"cli"},
}

PURE = (
    "errors",
    "model",
    "ports",
    "planning",
    "rendering",
    "parsing",
    "tooling",
    "engine",
    "remembering",
    "asking",
    "bumping",
    "outdating",
    "explaining",
    "compatibility",
    "repairing",
    "fixing",
    "updating",
)
OUTSIDE = {
    "http",
    "os",
    "pathlib",
    "requests",
    "shutil",
    "socket",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
}

DOORS = {
    "subprocess": {"adapters/process.py"},
    "requests": {"adapters/transport.py"},
    "urllib3": {"adapters/transport.py"},
    "rich": {"adapters/terminal.py"},
    "fcntl": {"adapters/locking.py"},
    "platformdirs": {"adapters/caches.py"},
    "tomlkit": set(),
    "github": {"adapters/forges/github.py"},
    "gitlab": {"adapters/forges/gitlab.py"},
    "jinja2": {"rendering/templating.py"},
    "build": {"adapters/pep517.py"},
    "elftools": {"adapters/elf.py"},
    "nox": {"nox.py"},
    "cvss": {"parsing/severity.py"},
    "cyclonedx": {"rendering/sbom.py"},
    "packageurl": {"rendering/sbom.py"},
}
"""An outside part, and the one module that may know it."""


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_inward(path: Path) -> None:
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    own = {name.split(".")[1] for name in imports(path) if name.startswith("lockgen.")}
    if part != "__init__":
        assert own <= INWARD[part], f"{part} may not know {own - INWARD[part]}"
    outside = {name.split(".")[0] for name in imports(path)}
    if part in PURE:
        assert not outside & OUTSIDE, "the core reads and writes nothing"
    relative = str(path.relative_to(PACKAGE))
    for name, doors in DOORS.items():
        assert name not in outside or relative in doors, f"{name} is reached through {doors} only"


def test_the_parts_named_here_are_those_that_there_are() -> None:
    there = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES} - {"__init__"}
    assert there == INWARD.keys()


def test_commands_are_imported_only_when_called() -> None:
    """`lockgen check` stays quick: the command line itself loads nothing heavy."""
    tree = ast.parse((PACKAGE / "cli.py").read_text())
    top = {
        name
        for node in tree.body
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [])
        if name.startswith("lockgen.")
    }
    assert top == {"lockgen.errors"}

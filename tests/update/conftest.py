"""A family in a clone, with releases newer than its pins."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.families import cpu_family
from support.index import LocalIndex
from support.project import Project
from support.remotes import Clone, MemoryForge, cloned

from lockgen.update.forges.model import Token

FAMILY = cpu_family(
    "voices",
    """\
[pins]                       # what everybody agreed on
numpy = "1.0"                # old, but known
speech = "1.0"
tokens = "1.0"

[common]
packages = ["numpy"]

[bases.base]

[stages.asr]
from = "base"
packages = ["speech"]

[stages.text]
from = "base"
packages = ["tokens"]
""",
)


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the test's own git settings, and no token from the machine."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    names = (
        "GITHUB_TOKEN",
        "GH_TOKEN",
        "GITLAB_TOKEN",
        "CI_JOB_TOKEN",
        "GITHUB_REPOSITORY",
        "GITHUB_API_URL",
        "CI_SERVER_URL",
    )
    for name in (*names, "CI_PROJECT_PATH", "GITHUB_SERVER_URL", "GITHUB_ACTIONS", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def clone(index: LocalIndex, project: Project, tmp_path: Path) -> Clone:
    """numpy has 1.1 and 2.0, but speech requires numpy below 2; tokens has no newer release."""
    for version in ("1.0", "1.1"):
        index.add("numpy", version)
    index.add("speech", "1.0", ["numpy<2"])
    index.add("tokens", "1.0")
    project.write(FAMILY)
    project.ok("resolve")
    return cloned(project, tmp_path)


@pytest.fixture
def forge(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> MemoryForge:
    """A forge in memory, which the command uses as GitHub."""
    made = MemoryForge(clone.remote)
    monkeypatch.setattr("lockgen.update.command.connect", lambda *_: made)
    # A run removes the token from the environment of its process, and tests share one process.
    monkeypatch.setattr("lockgen.update.command.take_tokens", lambda: {"github": Token("a-token", "GITHUB_TOKEN")})
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_REPOSITORY", "ada/voices")
    return made

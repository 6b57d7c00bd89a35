"""`lockgen update` on the reference family: an old pin, and the releases on the real index."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.forges import PATH, TOKEN, ForgeServer, serving_forge
from support.project import Project
from support.remotes import Clone, cloned, git

ROOT = Path(__file__).parent.parent.parent
LEFT_OUT = [*(f"{letter}*" for letter in "abcdefghijklmnopqrsuvwxyz"), "tm*", "to*", "tr*"]
POLICY = """
[update]
labels = ["dependencies", "python"]
base-images = false
ignore = [{ignored}]
"""


@pytest.fixture
def forge(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ForgeServer]:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    with serving_forge("github") as served:
        settings = {"API_URL": served.url, "REPOSITORY": PATH, "ACTIONS": "true"}
        for name, value in settings.items():
            monkeypatch.setenv(f"GITHUB_{name}", value)
        yield served
        assert served.wrong == []


def policy(*more: str) -> str:
    """A policy that updates only tqdm: the other pins are deliberate."""
    ignored = [f'{{ package = "{pattern}" }}' for pattern in LEFT_OUT]
    return POLICY.format(ignored=", ".join([*ignored, *more]))


@pytest.fixture
def clone(project: Project, tmp_path: Path, forge: ForgeServer) -> Clone:
    """The reference family with an old pin and without its matrix; `tests/update` covers matrices on a small family."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "versions.toml", "locks", "docker", ".dockerignore", "shared", "scripts"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for path in filter(None, listed.stdout.decode().split("\0")):
        target = project.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / path).read_bytes())
    (project.root / "locks/COMPAT.md").unlink()
    text = (ROOT / "versions.toml").read_text().partition("# `lockgen compat`")[0]
    project.write(text.replace('tqdm = "4.66.0"', 'tqdm = "4.65.0"'))
    project.ok("resolve")
    return cloned(project, tmp_path)


@pytest.mark.network
@pytest.mark.slow
def test_update_creates_and_refreshes_a_pull_request(
    clone: Clone, forge: ForgeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def updated() -> Any:
        monkeypatch.setenv("GITHUB_TOKEN", TOKEN)  # each run removes it from the environment
        (group,) = json.loads(clone.project.ok("update", "--no-audit", "--json").out)["groups"]
        return group

    def allow(*more: str) -> None:
        text = (clone.root / "versions.toml").read_text().partition("\n[update]")[0]
        clone.project.write(text + policy(*more))
        clone.commit("a policy")

    allow('{ package = "tqdm", versions = ">=4.67.1" }')
    group = updated()
    assert (group["outcome"], group["branch"]) == ("created", "lockgen/tqdm")
    (request,) = forge.requests.values()
    assert (request["title"], request["labels"]) == ("update tqdm 4.65.0 -> 4.67.0", ["dependencies", "python"])
    assert "15 images change" in request["body"]
    assert "| asr:cuda | " in request["body"]
    assert "lockgen bump tqdm==4.67.0" in request["body"]
    there = tmp_path / "reviewed"
    git(tmp_path, "clone", "-q", "-b", "lockgen/tqdm", str(clone.remote), str(there))
    assert clone.project.run("--project", str(there), "check").code == 0
    assert updated()["outcome"] == "unchanged"
    allow()  # for `update`, this is like a new release
    assert updated()["outcome"] == "refreshed"
    assert list(forge.requests) == [1]
    assert forge.requests[1]["title"] == "update tqdm 4.65.0 -> 4.67.1"

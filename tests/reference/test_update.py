"""`lockgen update` on the reference family: an old pin and the releases that the real index has of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from support.project import Project
from support.remotes import cloned, git

ROOT = Path(__file__).parent.parent.parent
LEFT_OUT = [*(f"{letter}*" for letter in "abcdefghijklmnopqrsuvwxyz"), "tm*", "to*", "tr*"]
POLICY = f"""
[update]
labels = []
ignore = [{", ".join(f'{{ package = "{pattern}" }}' for pattern in LEFT_OUT)}]
"""


@pytest.mark.network
@pytest.mark.slow
def test_old_pins_of_the_reference_become_branches_that_pass_check(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its matrix, which takes minutes: `tests/updating` has that on a small family."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
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
    project.write(text.replace('tqdm = "4.66.0"', 'tqdm = "4.65.0"') + POLICY)
    project.ok("resolve")
    clone = cloned(project, tmp_path)
    ran = project.ok("update", "--no-forge", "--no-audit", "--json")
    (told,) = json.loads(ran.out)["groups"]
    assert (told["outcome"], told["branch"]) == ("created", "lockgen/tqdm")
    assert told["title"] == "update tqdm 4.65.0 -> 4.67.1"
    assert "15 images change" in told["body"]
    there = tmp_path / "reviewed"
    git(tmp_path, "clone", "-q", "-b", "lockgen/tqdm", str(clone.remote), str(there))
    assert clone.project.run("--project", str(there), "check").code == 0
    assert (
        json.loads(project.ok("update", "--no-forge", "--no-audit", "--json").out)["groups"][0]["outcome"]
        == "unchanged"
    )

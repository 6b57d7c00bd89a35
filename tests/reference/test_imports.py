"""The reference family with the imports of its real programs, and the real wheels of the default index."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
HERE = Path(__file__).parent

pytestmark = pytest.mark.network


def linted(root: Path) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "lockgen", "-C", str(root), "lint", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "CI": "1"})
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, found


def test_lint_finds_the_packages_that_no_stage_imports(tmp_path: Path) -> None:
    """imports.toml was written by hand from the programs."""
    for name in ("docker", "locks"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "versions.toml", tmp_path)
    truth = tomllib.loads((HERE / "imports.toml").read_text())
    stages = tomllib.loads((ROOT / "versions.toml").read_text())["stages"]
    for stage, table in stages.items():
        program = "".join(f"import {module}\n" for module in truth[stage])
        (tmp_path / "docker" / stage / table["entrypoint"]).write_text(f"import sys\n{program}")
    code, found = linted(tmp_path)
    assert code == 1
    assert found["unknown"] == {}
    assert found["unjudged"] == {}
    assert {row["kind"] for row in found["findings"]} == {"unused"}
    lines = (ROOT / "versions.toml").read_text().splitlines()
    unused: dict[str, set[str]] = {}
    for row in found["findings"]:
        assert row["subject"] in lines[row["line"] - 1].replace(".", "-")
        table = row["message"].partition("]")[0].removeprefix("[stages.")
        unused.setdefault(table, set()).add(row["subject"])
    for stage, table in stages.items():
        required = {text.partition(">")[0].replace(".", "-") for text in table.get("packages", [])}
        imported = {module.replace(".", "-") for module in truth[stage]}
        assert unused.get(stage, set()) == required - imported, stage
    assert unused["[bases.base-ml"] == {"torchaudio", "huggingface-hub", "sentencepiece"}
    assert unused["[common"] == {"python-dotenv", "tqdm", "rich", "pysubs2"}

"""The reference family with programs that import what its real ones did, and the real wheels of the real index."""

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


def test_what_the_stages_ask_for_and_do_not_import(tmp_path: Path) -> None:
    """The truth is what people read off the programs; whisperx is no wheel's name of its module by chance, av is."""
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
    told: dict[str, set[str]] = {}
    for row in found["findings"]:
        assert row["subject"] in lines[row["line"] - 1].replace(".", "-")
        table = row["message"].partition("]")[0].removeprefix("[stages.")
        told.setdefault(table, set()).add(row["subject"])
    for stage, table in stages.items():
        asked = {text.partition(">")[0].replace(".", "-") for text in table.get("packages", [])}
        imported = {module.replace(".", "-") for module in truth[stage]}
        assert told.get(stage, set()) == asked - imported, stage
    assert told["[bases.base-ml"] == {"torchaudio", "huggingface-hub", "sentencepiece"}
    assert told["[common"] == {"python-dotenv", "tqdm", "rich", "pysubs2"}

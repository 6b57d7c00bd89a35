"""The pins that the owners of the reference family wanted, as one list; seed-pins/ has the expected results.

`explain` must find the ten conflicts and the seven minimal corrections. `repair` must find versions at least as near as
the pins that versions.toml has now.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.project import Project

TOP = Path(__file__).parent.parent.parent
FOLDER = Path(__file__).parent / "seed-pins"

pytestmark = [pytest.mark.network, pytest.mark.slow]


def lines(name: str) -> list[str]:
    return (FOLDER / name).read_text().splitlines()


def explained(project: Project, versions: str) -> Any:
    project.write((FOLDER / versions).read_text())
    ran = project.run("explain", "--json")
    assert ran.code == 3, ran.err
    (solve,) = json.loads(ran.out)["solves"]
    assert solve["complete"]
    assert solve["unknown"] == []
    assert all(conflict["minimal"] for conflict in solve["conflicts"])
    return solve


def texts(solve: Any) -> list[str]:
    return sorted(" ".join(sorted(e["text"] for e in conflict["elements"])) for conflict in solve["conflicts"])


def test_explain_finds_ten_conflicts_and_seven_corrections(project: Project) -> None:
    solve = explained(project, "versions.toml")
    assert texts(solve) == lines("conflicts.txt")
    assert len(solve["without"]) == 7
    said = [sentence for conflict in solve["conflicts"] for sentence in conflict["sentences"]]
    assert said == lines("sentences.txt")


def test_repair_on_cu121_is_at_least_as_near_as_the_current_pins(project: Project) -> None:
    shutil.copytree(TOP / "locks" / "index", project.root / "locks" / "index")
    solve = explained(project, "versions-cu121.toml")
    assert texts(solve) == lines("conflicts-cu121.txt")
    alone = next(c for c in solve["conflicts"] if [e["text"] for e in c["elements"]] == ["whisperx==3.7.2"])
    assert alone["never"] == ["the newest torch on index cu121 is 2.5.1+cu121"]
    first = json.loads(project.ok("repair", "--json", "--count", "1", "--apply").out)["proposals"][0]
    found = sorted(f"{change['text'].partition('==')[0]} {change['to']}" for change in first["changes"])
    assert found == lines("repair-cu121.txt")
    assert "no conflict was found" in project.ok("explain").out

"""The workflows, issue forms and hooks of this repository, judged by the linters of their trade."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent.parent
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")


def output_of(name: str, *arguments: str | Path) -> str:
    """What the linter ``name`` prints if it finds something, else nothing."""
    done = subprocess.run([Path(sys.executable).parent / name, *arguments], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def test_actionlint_finds_nothing_in_the_workflows() -> None:
    assert WORKFLOWS
    assert output_of("actionlint", "-no-color", *WORKFLOWS) == ""


def test_zizmor_finds_nothing_in_the_workflows() -> None:
    assert output_of("zizmor", "--offline", "--no-progress", "--persona", "pedantic", *WORKFLOWS) == ""


def test_issue_forms_follow_the_schema_of_github() -> None:
    assert FORMS
    assert output_of("check-jsonschema", "--builtin-schema", "vendor.github-issue-forms", *FORMS) == ""


def test_ci_runs_the_sessions_of_the_noxfile() -> None:
    """On every supported Python."""
    jobs = YAML(typ="safe").load(GITHUB / "workflows/ci.yml")["jobs"]
    matrix = jobs["tests"]["strategy"]["matrix"]
    pythons = [*matrix["python"], *(entry["python"] for entry in matrix["include"])]
    assert pythons == ["3.11", "3.12", "3.13", "3.14"]
    commands = [step["run"] for step in jobs["lint"]["steps"] if "run" in step]
    assert "nox -s lint types" in commands

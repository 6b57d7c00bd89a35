"""What the documents say is so."""

from __future__ import annotations

import re
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest
from click import Group
from click.testing import CliRunner
from uv import find_uv_bin

from lockgen.cli import cli
from lockgen.io.uv import OLDEST
from lockgen.manifest.reader import parse_manifest

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_ci_runs_the_commands_of_the_readme() -> None:
    main_job, test_job = (block.strip() for block in blocks("sh")[:2])
    script = (ROOT / ".ci/run").read_text()
    assert main_job.endswith("lockgen resolve")
    assert "nox -s tests" in test_job
    assert main_job in script
    assert test_job in script


def test_every_sample_of_versions_toml_is_one() -> None:
    samples = [text for text in blocks("toml") if "[family]" in text]
    assert samples
    for text in samples:
        assert parse_manifest(text.encode()).images


def test_the_commands_of_the_readme_are_those_there_are() -> None:
    named = set(re.findall(r"^\| `lockgen ([a-z]+(?: [a-z]+)?)", README, re.MULTILINE))
    group = cli.commands["index"]
    assert isinstance(group, Group)
    there = {name for name in cli.commands if name != "index"} | {f"index {name}" for name in group.commands}
    assert named == there


def test_the_help_in_the_readme_is_the_real_one() -> None:
    shown = next(text for text in blocks("text") if text.startswith("$ lockgen resolve --help"))
    real = CliRunner().invoke(cli, ["resolve", "--help"], prog_name="lockgen", terminal_width=100).output
    assert shown == "$ lockgen resolve --help\n" + real


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_every_link_to_a_file_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text()):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_what_the_documents_name_in_the_code_exists() -> None:
    for name in ("ARCHITECTURE.md", "CONTRIBUTING.md"):
        for path in re.findall(r"`((?:lockgen|tests|bench)/[\w/.-]*)`", (ROOT / name).read_text()):
            assert (ROOT / path).exists(), f"{name}: {path}"


def test_the_oldest_uv_is_the_one_that_is_declared() -> None:
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert f"uv>={OLDEST}" in needed


def test_the_changelog_has_the_version() -> None:
    from lockgen import __version__

    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["name"] == "lockgen"


def test_a_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    """Templates, schema and the pair table are read as files: one that is left out fails only at its reader's."""
    subprocess.run(
        [find_uv_bin(), "build", "--wheel", "--quiet", "--out-dir", tmp_path, ROOT], check=True, capture_output=True
    )
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    package = ROOT / "lockgen"
    there = {
        str(path.relative_to(ROOT)) for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == there

"""What the documents say is so."""

from __future__ import annotations

import re
import subprocess
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click import Group
from click.testing import CliRunner
from uv import find_uv_bin

from lockgen.cli import cli
from lockgen.io.uv import OLDEST
from lockgen.manifest.reader import parse_manifest
from lockgen.manifest.schema import json_schema

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_ci_runs_the_commands_of_the_readme() -> None:
    main_job, test_job = (block.strip() for block in blocks("sh")[:2])
    script = (ROOT / ".ci/run").read_text()
    assert main_job.endswith("lockgen resolve")
    assert "nox -s tests" in test_job
    assert main_job in script
    assert test_job in script


def test_every_sample_of_versions_toml_is_one() -> None:
    texts = [README, (ROOT / "docs/versions-toml.md").read_text()]
    samples = [sample for text in texts for sample in blocks("toml", text) if "[family]" in sample]
    assert len(samples) == 2
    for text in samples:
        assert parse_manifest(text.encode()).images


def all_commands() -> set[str]:
    group = cli.commands["index"]
    assert isinstance(group, Group)
    return {name for name in cli.commands if name != "index"} | {f"index {name}" for name in group.commands}


def test_the_readme_lists_all_commands() -> None:
    named = set(re.findall(r"^\| `lockgen ([a-z]+(?: [a-z]+)?)", README, re.MULTILINE))
    assert named == all_commands()


def test_the_readme_fits_on_two_screens() -> None:
    assert len(README.splitlines()) <= 120


def with_help(text: str) -> str:
    """``text`` with the real help in each block that shows one."""

    def block(found: re.Match[str]) -> str:
        words = [*found[1].split(), "--help"]
        shown = CliRunner().invoke(cli, words, prog_name="lockgen", terminal_width=100).output
        return f"```text\n$ lockgen {found[1]} --help\n{shown}```\n"

    return re.sub(r"^```text\n\$ lockgen ([a-z ]+) --help\n.*?^```\n", block, text, flags=re.MULTILINE | re.DOTALL)


def test_the_help_in_the_documentation_is_the_real_one(pytestconfig: pytest.Config) -> None:
    path = ROOT / "docs/commands.md"
    text = path.read_text()
    assert set(re.findall(r"^## lockgen ([a-z ]+)$", text, re.MULTILINE)) == all_commands()
    if pytestconfig.getoption("accept"):
        path.write_text(with_help(text))
    assert path.read_text() == with_help(text)


def definition(part: dict[str, Any]) -> dict[str, Any]:
    """What ``part`` of the schema refers to, optional or not; else ``part`` itself."""
    for option in [part, *part.get("anyOf", [])]:
        if "$ref" in option:
            name = option["$ref"].rpartition("/")[2]
            return dict(json_schema()["$defs"][name])
    return part


def section(title: str, table: dict[str, Any]) -> list[str]:
    """The lines that document the keys of ``table``."""
    lines = [f"### `{title}`", "", "| key | description |", "|---|---|"]
    for key, value in table["properties"].items():
        description = value.get("description") or definition(value).get("description", "")
        lines.append(f"| `{key}` | {' '.join(description.split())} |")
    return [*lines, ""]


def named_tables(table: dict[str, Any]) -> dict[str, Any] | None:
    """The table that stands behind each name in ``table``, as in [stages.NAME]; None if names lead to plain values."""
    patterns = list(table.get("patternProperties", {}).values())
    for entry in [table.get("additionalProperties"), *patterns]:
        if isinstance(entry, dict) and "properties" in definition(entry):
            return definition(entry)
    return None


def with_keys(text: str) -> str:
    """``text`` with the tables of all keys of versions.toml, from the schema."""
    schema = json_schema()
    lines = section("versions.toml", schema)
    for key, value in schema["properties"].items():
        table = definition(value)
        if "properties" in table:
            lines += section(f"[{key}]", table)
        elif (entry := named_tables(table)) is not None:
            lines += section(f"[{key}.NAME]", entry)
    lines += section("[update.groups.NAME]", definition({"$ref": "/GroupTable"}))
    lines += section("[[update.ignore]]", definition({"$ref": "/LeftOutEntry"}))
    lines += section("[[audit.ignore]]", definition({"$ref": "/IgnoreEntry"}))
    lines += section("[compat.pairs.VERSION]", definition({"$ref": "/PairEntry"}))
    body = "\n".join(lines)
    return re.sub(r"(<!-- keys -->\n).*(<!-- end of keys -->)", lambda m: m[1] + body + m[2], text, flags=re.DOTALL)


def test_the_documented_keys_are_those_of_the_schema(pytestconfig: pytest.Config) -> None:
    path = ROOT / "docs/versions-toml.md"
    text = path.read_text()
    if pytestconfig.getoption("accept"):
        path.write_text(with_keys(text))
    assert path.read_text() == with_keys(text)


DOCUMENTS = [
    *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("*.md")),
    *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*.md")),
]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_to_a_file_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text()):
        assert target.startswith("https://") or ((ROOT / name).parent / target).exists(), target


def test_what_the_documents_name_in_the_code_exists() -> None:
    for name in ("ARCHITECTURE.md", "CONTRIBUTING.md"):
        for path in re.findall(r"`((?:lockgen|tests|bench)/[\w/.-]*)`", (ROOT / name).read_text()):
            assert (ROOT / path).exists(), f"{name}: {path}"


def test_the_oldest_uv_is_the_one_that_is_declared() -> None:
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert f"uv>={OLDEST}" in needed


def test_the_changelog_has_the_version() -> None:
    from lockgen import __version__

    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text()
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

"""Cells that resolve, and cells that run: installed for real, in every output."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from support.families import cpu_family
from support.index import LocalIndex, metadata, wheel
from support.project import Project

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
FAMILY = (
    cpu_family("voices", '[pins]\nnumpy = "1.0"\n[bases.base]\n[common]\npackages = ["numpy"]\n')
    + f"""
[compat]
python = ["{PYTHON}"]
numpy = ["1.0", "1.1", "1.2", "2.0"]
"""
)


@pytest.fixture
def family(index: LocalIndex, project: Project) -> Project:
    """numpy 1.0 runs, 1.1 and 1.2 resolve and cannot be imported, 2.0 does not exist."""
    index.add("numpy", "1.0")
    for version in ("1.1", "1.2"):
        text = metadata("numpy", version, (), (), None)
        code = f"raise RuntimeError('numpy {version} needs a newer libc')\n".encode()
        filename, data = wheel("numpy", version, "py3-none-any", text, files={"numpy/__init__.py": code})
        index.add_file("numpy", filename, data, text)
    project.write(FAMILY)
    return project


REASON = "numpy cannot be imported: RuntimeError: numpy 1.1 to 1.2 needs a newer libc"


def test_without_install_cells_only_resolve(family: Project) -> None:
    out = family.ok("compat").out
    assert "1.0 to 1.2  resolves\n" in out
    assert "runs" not in out.split("runs: resolves as pinned")[0]
    found = json.loads(family.ok("compat", "--json").out)
    assert [cell["results"][0]["verdict"] for cell in found["cells"]] == ["resolves", "resolves", "resolves", "no"]


def test_installed_cells_run_or_do_not_run_and_the_reason_is_shown(family: Project) -> None:
    out = family.ok("compat", "--install").out
    rows = [line.split(maxsplit=1) for line in out.splitlines() if line.startswith(("1.", "2."))]
    assert rows == [["1.0", "runs"], ["1.1", "to 1.2  does not run"], ["2.0", "no"]]
    assert f"numpy 1.1 and 1.2: {REASON}\n" in out
    text = (family.root / "locks/COMPAT.md").read_text()
    assert "| 1.0 | runs |\n| 1.1 to 1.2 | does not run |\n| 2.0 | no |\n" in text
    assert f"Does not run:\n\n* Python {PYTHON}, numpy 1.1 and 1.2: numpy cannot be imported" in text
    found = json.loads(family.ok("compat", "--json", "--install").out)
    assert [cell["results"][0]["verdict"] for cell in found["cells"]] == ["runs", "does-not-run", "does-not-run", "no"]
    # A later run says what it has found out itself.
    assert "| 1.0 to 1.2 | resolves |\n" in family.ok("compat", "--markdown").out


def test_shards_say_what_they_ran(family: Project, tmp_path: Path) -> None:
    paths = []
    for part in ("1/2", "2/2"):
        path = tmp_path / f"{part[0]}.json"
        path.write_text(family.ok("compat", "--install", "--json", "--shard", part).out)
        paths.append(str(path))
    merged = family.ok("compat", "--merge", *paths, "--markdown").out
    assert "| 1.1 to 1.2 | does not run |\n" in merged
    assert "does not run</b>" in family.ok("compat", "--merge", *paths, "--html").out
    assert family.run("compat", "--merge", *paths, "--fail-on", "does-not-run").code == 1


def test_a_cell_that_does_not_run_can_be_an_error(family: Project) -> None:
    assert family.run("compat", "--install", "--fail-on", "does-not-run", "numpy=1.0").code == 0
    assert family.run("compat", "--install", "--fail-on", "does-not-run", "numpy=1.2").code == 1
    ran = family.run("compat", "--fail-on", "does-not-run")
    assert (ran.code, "hint: add --install" in ran.err) == (2, True)


def test_the_modules_that_an_image_is_checked_with_are_imported(family: Project) -> None:
    checked = FAMILY.replace("[bases.base]\n", '[bases.base]\ncheck-imports = ["numpy.linalg"]\n')
    family.write(checked)
    found = json.loads(family.ok("compat", "--install", "--json", "numpy=1.0").out)
    (result,) = found["cells"][0]["results"]
    assert result["verdict"] == "does-not-run"
    assert result["installed"]["reason"].startswith("numpy.linalg cannot be imported: ModuleNotFoundError")


def test_a_known_run_is_not_repeated(
    family: Project, index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def verdict(*arguments: str) -> str:
        found = json.loads(family.ok("compat", "--install", "--json", "numpy=1.0", *arguments).out)
        word: str = found["cells"][0]["results"][0]["verdict"]
        return word

    assert verdict() == "runs"
    # From here on the file cannot be downloaded, and uv has no copy.
    index.answers["/files/numpy-1.0-py3-none-any.whl"] = (403, {}, b"")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "empty"))
    assert verdict() == "runs"
    assert verdict("--no-cache") == "resolves"

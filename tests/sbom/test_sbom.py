"""`lockgen sbom`: validated with CycloneDX's own schemas, and compared with the lock."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from cyclonedx.validation.xml import XmlValidator
from support.project import Project

from lockgen.cli import guarded

ROOT = Path(__file__).parent.parent.parent


def bill(project: Project, *arguments: str) -> dict[str, Any]:
    text = project.ok("sbom", *arguments).out
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    assert error is None, error
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.fixture
def resolved(small: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    small.ok("resolve")
    return small


def test_components_are_the_locked_packages(resolved: Project) -> None:
    found = bill(resolved, "asr:cuda")
    locked = {
        p["name"]: p
        for p in json.loads((resolved.root / "locks/lock.json").read_text())["packages"]
        if "cuda" in p["variants"]
    }
    libraries = {part["name"]: part for part in found["components"] if part["type"] == "library"}
    lines = (resolved.root / "locks/cuda/asr.txt").read_text().splitlines()
    assert {f"{n}=={p['version']}" for n, p in libraries.items()} == {line.split()[0] for line in lines if "==" in line}
    for name, part in libraries.items():
        hashes = {file["sha256"] for file in locked[name]["files"]}
        assert part["hashes"][0]["content"] in hashes
        assert {ref["hashes"][0]["content"] for ref in part["externalReferences"]} == hashes
        assert "licenses" not in part
    assert libraries["numpy"]["purl"] == "pkg:pypi/numpy@2.0.0"
    assert libraries["torch"]["purl"] == ("pkg:pypi/torch@2.5.1%2Bcu121?repository_url=https://index.example/whl/cu121")


def test_the_graph_has_packages_and_images(resolved: Project) -> None:
    found = bill(resolved, "asr:cuda")
    graph = {row["ref"]: row.get("dependsOn", []) for row in found["dependencies"]}
    root = found["metadata"]["component"]
    assert (root["type"], root["name"], root["version"]) == ("container", "small-asr", "cuda")
    assert graph[root["bom-ref"]] == ["image:small-ml:cuda", "pypi:speech==1.0"]
    assert graph["image:small-ml:cuda"] == ["image:small-base:cuda", "pypi:torch==2.5.1+cu121"]
    assert graph["image:small-base:cuda"] == [
        "image:nvidia/cuda:12.1.0-runtime-ubuntu22.04",
        "pypi:numpy==2.0.0",
        "pypi:tqdm==4.66.0",
    ]
    # rapid comes with the extra that asr requests. Nothing requires colorama and slow.
    assert graph["pypi:speech==1.0"] == ["pypi:numpy==2.0.0", "pypi:rapid==2.0", "pypi:torch==2.5.1+cu121"]
    assert graph["pypi:rapid==2.0"] == ["pypi:filelock==3.0.0"]
    assert set(graph) == {root["bom-ref"], *(part["bom-ref"] for part in found["components"])}
    base = next(part for part in found["components"] if part["name"] == "nvidia/cuda")
    assert base["purl"] == "pkg:docker/nvidia/cuda@12.1.0-runtime-ubuntu22.04"


def test_bills_are_reproducible_and_each_image_has_another_serial_number(
    resolved: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bill(resolved, "asr:cuda")
    assert first == bill(resolved, "asr:cuda")
    assert first["metadata"]["timestamp"] == "2025-06-01T00:00:00+00:00"
    assert first["serialNumber"] != bill(resolved, "asr:cpu")["serialNumber"]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert bill(resolved, "asr:cuda")["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"
    # CI systems pass an unset variable as an empty one.
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "")
    assert bill(resolved, "asr:cuda") == first
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    ran = resolved.run("sbom", "asr:cuda")
    assert ran.code == 2
    assert "invalid SOURCE_DATE_EPOCH: 'yesterday'" in ran.err


def test_without_exclude_newer_there_is_no_timestamp(resolved: Project) -> None:
    text = (resolved.root / "versions.toml").read_text()
    resolved.write("\n".join(line for line in text.splitlines() if "exclude-newer" not in line))
    resolved.ok("resolve")
    found = bill(resolved, "demux")
    assert "timestamp" not in found["metadata"]
    assert found == bill(resolved, "demux")


def test_output_has_a_file_for_each_image(resolved: Project, tmp_path: Path) -> None:
    folder = tmp_path / "bills"
    paths = resolved.ok("sbom", "--output", str(folder)).out.splitlines()
    assert [Path(path).name for path in paths] == [
        "asr-cpu.cdx.json",
        "asr-cuda.cdx.json",
        "base-cpu.cdx.json",
        "base-cuda.cdx.json",
        "demux-cpu.cdx.json",
        "ml-cpu.cdx.json",
        "ml-cuda.cdx.json",
    ]
    assert json.loads((folder / "asr-cuda.cdx.json").read_text()) == bill(resolved, "asr:cuda")
    resolved.ok("sbom", "asr:cuda", "--format", "xml", "--output", str(folder))
    error = XmlValidator(SchemaVersion.V1_6).validate_str((folder / "asr-cuda.cdx.xml").read_text())
    assert error is None, error
    (tmp_path / "file").write_text("")
    assert resolved.run("sbom", "--output", str(tmp_path / "file" / "x")).code == 4


def test_bad_input_is_rejected(resolved: Project) -> None:
    ran = resolved.run("sbom", "asr")
    assert ran.code == 2
    assert "2 images are selected (asr:cpu, asr:cuda), but only one can be printed" in ran.err
    assert "did you mean `asr`" in resolved.run("sbom", "asrr").err
    lines = (resolved.root / "versions.toml").read_text().replace('"tqdm"', '"tqdm", "filelock"')
    resolved.write(lines)
    ran = resolved.run("sbom", "asr:cuda")
    assert ran.code == 2
    assert "generated files do not match the lock" in ran.err


def test_a_base_image_with_a_digest_and_a_registry(resolved: Project) -> None:
    digest = "ab" * 32
    text = (resolved.root / "versions.toml").read_text()
    resolved.write(text.replace('"python:3.11-slim"', f'"registry.example:5000/team/python@sha256:{digest}"'))
    resolved.ok("resolve")
    found = bill(resolved, "demux")
    base = next(part for part in found["components"] if "team" in part["name"])
    assert base["name"] == "registry.example:5000/team/python"
    assert base["hashes"] == [{"alg": "SHA-256", "content": digest}]
    assert base["purl"] == f"pkg:docker/team/python@sha256:{digest}?repository_url=registry.example:5000"


@pytest.mark.slow
def test_the_reference_family(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert guarded(["--project", str(ROOT), "sbom", "--output", str(tmp_path)]) == 0
    capsys.readouterr()
    assert len(list(tmp_path.iterdir())) == 15
    # The largest and the smallest: validation takes seconds for each.
    for name in ("diarization-cuda", "demux-cpu"):
        text = (tmp_path / f"{name}.cdx.json").read_text()
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    family = tomllib.loads((ROOT / "versions.toml").read_text())
    assert f'"{family["variants"]["cuda"]["from"].split(":")[1]}"' in (tmp_path / "asr-cuda.cdx.json").read_text()

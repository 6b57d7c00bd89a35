"""The reference family on the real index: the committed files, checked by code that is independent of lockgen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.reader import Line, Written, read_requirements, tree_of
from uv import find_uv_bin

from lockgen.index.record_reader import parse_record
from lockgen.index.server import RecordedIndexes, serving

ROOT = Path(__file__).parent.parent.parent
TARGET = ["--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_35"]

pytestmark = pytest.mark.network


def lockgen(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lockgen", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "CI": "1"})


def copy_to(folder: Path) -> Path:
    for name in ("docker", "locks"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("versions.toml", ".dockerignore"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture
def family(tmp_path: Path) -> Path:
    return copy_to(tmp_path)


@pytest.fixture(scope="module")
def cu121() -> Iterator[str]:
    """The recorded index on loopback."""
    record = parse_record(lambda path: (ROOT / path).read_bytes(), "locks/index/cu121", "cu121")
    with serving(RecordedIndexes({"cu121": record})) as (base, _):
        yield f"{base}/cu121/simple/"


def document() -> dict[str, Any]:
    return tomllib.loads((ROOT / "versions.toml").read_text())


def chain(file: dict[str, Any], image: str) -> list[str]:
    table = file["bases"].get(image) or file["stages"][image]
    return [*(chain(file, table["from"]) if "from" in table else []), image]


def asks(file: dict[str, Any], image: str) -> list[str]:
    tables = {**file["bases"], **file["stages"]}
    return [
        *file["common"]["packages"],
        *(ask for link in chain(file, image) for ask in tables[link].get("packages", [])),
    ]


def test_there_are_fifteen_images() -> None:
    written = Written(committed())
    tags = {f"{image}:{variant}" for image, variant in written.tags()}
    assert len(tags) == 15
    assert {"base:cpu", "base:cuda", "base-ml:cuda"} <= tags
    assert sum(tag.endswith(":cuda") for tag in tags) == 8
    assert sum(tag.endswith(":cpu") for tag in tags) == 7


def committed() -> dict[str, bytes]:
    return {f"{top}/{path}": data for top in ("docker", "locks") for path, data in tree_of(ROOT / top).items()}


def test_resolving_again_changes_nothing(family: Path) -> None:
    before = tree_of(family)
    for extra in ((), ("--offline",)):
        ran = lockgen(family, "resolve", *extra)
        assert ran.returncode == 0, ran.stderr
        assert tree_of(family) == before
    assert lockgen(family, "check").returncode == 0


def test_resolving_from_scratch_gives_the_committed_files(family: Path) -> None:
    before = tree_of(family)
    shutil.rmtree(family / "docker")
    for path in (family / "locks").iterdir():
        if path.name not in {"index", "COMPAT.md"}:  # `lockgen compat` writes it
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    ran = lockgen(family, "resolve")
    assert ran.returncode == 0, ran.stderr
    after = tree_of(family)
    # Including the programs of the stages: unchanged since lockgen wrote them.
    assert after == before


def test_every_closure_equals_that_of_uv_with_the_same_pins(cu121: str, tmp_path: Path) -> None:
    """Closures are exact (guarantee 3): one plain compile per image, constrained to the versions of the lock."""
    file, written = document(), Written(committed())
    for image, variant in written.tags():
        closure = written.closure(image, variant)
        requirements, constraints = tmp_path / "in", tmp_path / "pins"
        requirements.write_text("\n".join(asks(file, image)))
        pins = {p["name"]: p["version"] for p in written.lock["packages"] if variant in p["variants"]}
        constraints.write_text("\n".join(f"{name}=={version}" for name, version in pins.items()))
        command = [find_uv_bin(), "pip", "compile", "-q", str(requirements), "-c", str(constraints), *TARGET]
        command += ["--no-header", "--no-annotate", "--no-strip-extras", "--only-binary", ":all:"]
        for name in file["family"]["build"]:
            command += ["--no-binary", name]
        if variant == "cuda":
            command += ["--index", cu121, "--index-strategy", "unsafe-best-match"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        bare = {line.partition("==")[0].partition("[")[0]: line.partition("==")[2] for line in done.stdout.splitlines()}
        assert {name: line.version for name, line in closure.items()} == bare, f"{image}:{variant}"


def test_layers_are_disjoint_and_together_the_closure() -> None:
    written = Written(committed())
    for image, variant in written.tags():
        layers = written.layers(image, variant)
        together = [name for layer in layers for name in layer]
        assert len(together) == len(set(together))
        assert {n: line for layer in layers for n, line in layer.items()} == written.closure(image, variant)
    commons = [path for path in written.tree if path.startswith("docker/requirements-common")]
    assert commons == ["docker/requirements-common.txt"], "the same bytes for every variant"


def files_in_order(written: Written, image: str, variant: str) -> list[str]:
    stems = ["docker/requirements-common", *(f"docker/{i}/requirements-{i}" for i in written.chain(image, variant))]
    return [next(p for p in (f"{s}.{variant}.txt", f"{s}.txt") if p in written.tree) for s in stems]


def test_uv_would_install_each_layer_in_order(cu121: str, tmp_path: Path) -> None:
    written = Written(committed())
    python = tmp_path / "venv"
    subprocess.run([find_uv_bin(), "venv", "-q", str(python), "--python", sys.executable], check=True)
    checked: dict[str, dict[str, Line]] = {}
    for image, variant in written.tags():
        for path in files_in_order(written, image, variant):
            checked[path] = read_requirements(written.text(path))
    assert len(checked) > 12
    for path, lines in sorted(checked.items()):
        command = [find_uv_bin(), "pip", "install", "--dry-run", "--require-hashes", "--no-deps", *TARGET]
        command += ["--python", str(python), "-r", str(ROOT / path)]
        command += ["--index", cu121, "--index-strategy", "unsafe-best-match"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{path}: {done.stderr}"
        installed = {tuple(line[3:].split("==")) for line in done.stderr.splitlines() if line.startswith(" + ")}
        assert installed == {(line.name, line.version) for line in lines.values()}, path


TORCH_23 = {
    "2.5.1+cu121": "2.3.1+cu121",
    'numpy = "2.3.4"': 'numpy = "1.24.3"',
    'scipy = "1.16.3"': 'scipy = "1.11.4"',
    'whisperx = "3.4.3"': 'whisperx = "3.3.1"',
    '"pyannote.audio" = "3.4.0"': '"pyannote.audio" = "3.3.2"',
    'faster-whisper = "1.2.0"': 'faster-whisper = "1.1.0"',
    'whisper-ctranslate2 = "0.5.5"': 'whisper-ctranslate2 = "0.4.8"',
}


def test_another_torch_from_the_record_resolves(family: Path) -> None:
    text = (family / "versions.toml").read_text()
    for old, new in TORCH_23.items():
        assert old in text
        text = text.replace(old, new)
    (family / "versions.toml").write_text(text)
    ran = lockgen(family, "resolve")
    assert ran.returncode == 0, ran.stderr
    written = Written(tree_of(family))
    stage = next(image for image, variant in written.tags() if variant == "cuda" and image.startswith("asr"))
    closure = written.closure(stage, "cuda")
    assert closure["torch"].version == closure["torchaudio"].version == "2.3.1+cu121"
    assert closure["nvidia-cudnn-cu12"].version.startswith("8.9.2"), "torch 2.3 brings cuDNN 8"
    assert written.closure("base", "cpu")["numpy"].version == "1.24.3"
    checked = lockgen(family, "check")
    assert "1 found. To fix: lockgen compat" in checked.stdout, "the matrix was made for another torch"


def test_numpy_without_a_wheel_for_python_3_12_is_an_error(family: Path) -> None:
    text = (family / "versions.toml").read_text().replace('numpy = "2.3.4"', 'numpy = "1.24.3"')
    text = text.replace('python = "3.11"', 'python = "3.12"').replace("python:3.11-slim", "python:3.12-slim")
    (family / "versions.toml").write_text(text)
    before = tree_of(family)
    ran = lockgen(family, "resolve")
    assert ran.returncode == 3, ran.stderr
    assert "numpy" in ran.stderr
    assert "versions.toml:" in ran.stderr
    assert tree_of(family) == before


@pytest.mark.slow
def test_pip_compile_locks_the_same_bytes(family: Path) -> None:
    before = tree_of(family)
    (family / "locks/lock.json").unlink()
    ran = lockgen(family, "resolve", "--resolver", "pip-compile")
    assert ran.returncode == 0, ran.stderr
    assert tree_of(family) == before

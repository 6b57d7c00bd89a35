"""Whole trees: what `lockgen resolve` writes, byte for byte. `pytest tests/golden --accept` writes them anew."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.families import SMALL, add_small_packages, add_small_records
from support.index import LocalIndex
from support.project import Project

HERE = Path(__file__).parent


def small(project: Project, index: LocalIndex) -> None:
    """Two accelerators, an extra, markers; a stage in one variant only."""
    project.write(SMALL)


def legacy(project: Project, index: LocalIndex) -> None:
    """A third variant with a pin of its own in the common file, and no torch."""
    index.add("vintage", "1.0", ["numpy<2", "tqdm"])
    variant = '[variants.legacy]\nfrom = "python:3.11-slim"\npins = { numpy = "1.26.4" }\n\n[pins]'
    text = SMALL.replace("[pins]", variant).replace("[bases.ml]\n", '[bases.ml]\nvariants = ["cpu", "cuda"]\n')
    project.write(text + '\n[stages.old]\nfrom = "base"\nvariants = ["legacy"]\npackages = ["vintage"]\n')


def sources(project: Project, index: LocalIndex) -> None:
    """A package that is built from source, one without common packages, and two root bases."""
    index.add("ancient", "0.9", ["tqdm"], source=True)
    text = SMALL.replace('python = "3.11"\n', 'python = "3.11"\nbuild = ["ancient"]\n')
    text = text.replace('packages = ["numpy", "tqdm"]', "packages = []")
    project.write(text + '\n[bases.other]\nvariants = ["cpu"]\npackages = ["ancient"]\n')


def backends(project: Project, index: LocalIndex) -> None:
    """Sources whose builds require what does not go together, one of them in one variant only."""
    for version in ("1.0", "2.0"):
        index.add_backend(version)
    index.add("ancient", "0.9", source=True, builds=["tinybackend<2"])
    index.add("modern", "1.0", source=True, builds=["tinybackend>=2"])
    index.add("plain", "1.0", source=True)
    text = SMALL.replace('python = "3.11"\n', 'python = "3.11"\nbuild = ["ancient", "modern", "plain"]\n')
    text = text.replace('packages = ["speech[fast]"]', 'packages = ["speech[fast]", "modern", "plain"]')
    project.write(text + '\n[stages.old]\nfrom = "base"\nvariants = ["cpu"]\npackages = ["ancient", "modern"]\n')


def system(project: Project, index: LocalIndex) -> None:
    """What images hold beside Python packages: a PPA, system packages, a builder's, models, a program, a digest."""
    index.add("ancient", "0.9", ["tqdm"], source=True)
    digest = "c0ffee" * 10 + "beef"
    text = SMALL.replace('python = "3.11"\n', 'python = "3.11"\nbuild = ["ancient"]\n')
    text = text.replace("[variants.cuda]\n", '[variants.cuda]\nppa = "deadsnakes/ppa"\n')
    text = text.replace("python:3.11-slim", f"python:3.11-slim@sha256:{digest}")
    text = text.replace("[bases.base]\n", '[bases.base]\napt = ["libgomp1"]\nenv = { PYTHONPATH = "/app" }\n')
    models = 'apt = ["ffmpeg"]\nenv = { MODE = "100%" }\npreload = ["tqdm download x", "numpy fetch y"]\n'
    talk = '[stages.talk]\nfrom = "base"\npackages = ["ancient"]\nentrypoint = "talk.py"\n'
    project.write(f'{text}\n{talk}build-apt = ["gcc", "libc6-dev"]\n{models}')


@pytest.mark.parametrize("family", [small, legacy, sources, backends, system], ids=lambda family: str(family.__name__))
def test_the_tree_is_the_golden_one(
    family: Callable[[Project, LocalIndex], None], project: Project, index: LocalIndex, pytestconfig: pytest.Config
) -> None:
    add_small_packages(index)
    add_small_records(project.root)
    family(project, index)
    project.ok("resolve")
    written = {path: data for path, data in project.tree.items() if not path.startswith("locks/index/")}
    golden = HERE / family.__name__
    if pytestconfig.getoption("--accept"):
        shutil.rmtree(golden, ignore_errors=True)
        for path, data in written.items():
            (golden / path).parent.mkdir(parents=True, exist_ok=True)
            (golden / path).write_bytes(data)
    expected = {str(p.relative_to(golden)): p.read_bytes() for p in golden.rglob("*") if p.is_file()}
    assert written.keys() == expected.keys()
    for path, data in expected.items():
        assert written[path].decode() == data.decode(), path

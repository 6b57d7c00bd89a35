"""The cells of the matrix: product, exclusions, groups, names, shards, and requirements."""

from __future__ import annotations

import pytest
from support.families import SMALL

from lockgen.compat.cells import (
    axes_of,
    cells_of,
    cells_of_shard,
    groups_of,
    images_solved,
    scenario_of,
    select_cells,
    unknown_torch_releases,
)
from lockgen.compat.model import Axis, Cell, CellStatus
from lockgen.core.compat_axes import Member, TorchRelease
from lockgen.core.index import CoreMetadata, ExplicitIndex, IndexFile, ProjectPage
from lockgen.core.manifest import Manifest
from lockgen.errors import BadInput
from lockgen.manifest.reader import parse_manifest

COMPAT = """
[compat]
python = ["3.11", "3.12"]
torch = ["2.4.1", "2.5.1"]
numpy = ["1.26.4", "2.0.0"]
held = ["numpy"]
exclude = [{ python = "3.12", torch = "2.4.*" }, { numpy = "<2", variant = "cpu" }]
"""
PAIRS = {
    "2.4.1": TorchRelease({"torch": Member("2.4.1", ("3.11",)), "torchaudio": Member("2.4.1", ("3.11", "3.12"))}),
    "2.5.1": TorchRelease({"torch": Member("2.5.1", ("3.11", "3.12")), "torchaudio": Member(None)}),
}


def family(compat: str = COMPAT, text: str = SMALL) -> Manifest:
    return parse_manifest((text + compat).encode())


def matrix(manifest: Manifest) -> tuple[tuple[Axis, ...], tuple[Cell, ...]]:
    assert manifest.compat is not None
    axes = axes_of(manifest.compat, {})
    return axes, cells_of(manifest.compat, axes)


def test_the_product_marks_excluded_cells() -> None:
    axes, cells = matrix(family())
    assert [axis.name for axis in axes] == ["python", "torch", "numpy", "variant"]
    assert len(cells) == 16
    assert len({cell.name for cell in cells}) == 16
    for cell in cells:
        at = cell.at
        old = at["python"] == "3.12" and at["torch"] == "2.4.1"
        assert cell.excluded == (old or (at["numpy"] == "1.26.4" and at["variant"] == "cpu"))


def test_a_bound_selects_every_matching_release_on_the_index() -> None:
    from packaging.version import Version

    compat = family('\n[compat]\ntorch = ">=2.2,<2.6"\n').compat
    assert compat is not None
    offered = [Version(v) for v in ("2.10.0", "2.2.0+cu121", "2.5.1+cu121", "2.5.1+cpu", "2.4.0", "2.5.0rc1", "2.1.0")]
    axes = axes_of(compat, {"torch": offered})
    assert axes == (
        Axis("python", ("3.11",)),
        Axis("torch", ("2.2.0", "2.4.0", "2.5.1")),
        Axis("variant", ("cpu", "cuda")),
    )
    with pytest.raises(BadInput, match="no version of torch that matches"):
        axes_of(compat, {"torch": [Version("2.1.0")]})


def test_exclusions_of_no_cell_and_of_every_cell() -> None:
    for exclude, message in (('{ python = "3.13" }', "exclusion matches no cell"), ('{ python = ">3" }', "every cell")):
        compat = family(f'\n[compat]\npython = ["3.11"]\nexclude = [{exclude}]\n').compat
        assert compat is not None
        with pytest.raises(BadInput, match=message):
            cells_of(compat, axes_of(compat, {}))


def test_images_on_one_base_are_solved_together() -> None:
    manifest = family()
    groups = {group.name: group.images for group in groups_of(manifest, ["cuda", "cpu"])}
    assert groups == {
        "ml:cuda": ("asr", "base", "ml"),
        "base:cpu": ("base", "demux"),
        "ml:cpu": ("asr", "ml"),
    }
    solved = {g.name: set(images_solved(manifest, g)) for g in groups_of(manifest, ["cpu"])}
    assert solved == {"base:cpu": {"base", "demux"}, "ml:cpu": {"base", "ml", "asr"}}


@pytest.mark.parametrize(
    ("word", "count"),
    [
        ("python=3.11 torch=2.5.1 numpy=2.0.0 variant=cuda", 1),
        ("3.11, 2.5.1, 2.0.0, cuda", 1),
        ("torch=2.5.1", 8),
        ("variant=cpu python=3.12", 4),
    ],
)
def test_a_cell_by_its_name(word: str, count: int) -> None:
    axes, cells = matrix(family())
    assert len(select_cells(cells, axes, [word])) == count
    assert len(select_cells(cells, axes, [word, word])) == count


@pytest.mark.parametrize("word", ["torch=9", "scipy=1", "3.11, 2.5.1", "cuda", "3.11, 2.5.1, 2.0.0, rocm"])
def test_a_name_that_matches_no_cell(word: str) -> None:
    axes, cells = matrix(family())
    with pytest.raises(BadInput):
        select_cells(cells, axes, [word])


@pytest.mark.parametrize("of", [1, 2, 3, 7, 40])
def test_every_cell_is_in_exactly_one_shard(of: int) -> None:
    _, cells = matrix(family())
    parts = [cells_of_shard(cells, number, of) for number in range(1, of + 1)]
    assert sorted(cell.name for part in parts for cell in part) == sorted(cell.name for cell in cells)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_torch_that_is_not_in_the_pair_table() -> None:
    manifest = family('\n[compat]\ntorch = ["2.5.1", "9.9.0"]\n')
    assert manifest.compat is not None
    (fault,) = unknown_torch_releases(manifest.compat, axes_of(manifest.compat, {}), PAIRS)
    assert "torch 9.9.0 is not in the pair table" in fault.message
    assert fault.path == ("compat", "torch", 1)


# -- what a cell requires -------------------------------------------------------


def record(*wheels: str) -> dict[str, ExplicitIndex]:
    files: dict[str, list[IndexFile]] = {"torch": [], "torchaudio": []}
    metadata: dict[str, CoreMetadata] = {}
    for wheel in wheels:
        name, version, *_ = wheel.split("-")
        files[name].append(IndexFile(wheel, f"https://index.example/{wheel}", "0" * 64))
        metadata[wheel] = CoreMetadata(name, version)
    pages = {name: ProjectPage(name, tuple(found)) for name, found in files.items()}
    index = ExplicitIndex("cu121", "https://index.example", pages, metadata, recorded=True)
    return {"cu121": index}


def pins(manifest: Manifest, variant: str) -> dict[str, tuple[str, bool]]:
    return {name: (str(pin.version), pin.held) for name, pin in manifest.pins_of(variant).items()}


REQUESTED = SMALL.replace('packages = ["torch"]', 'packages = ["torch", "torchaudio"]')


def test_the_torch_family_changes_together_to_the_builds_of_the_variants_index() -> None:
    manifest = family(text=REQUESTED)
    group = groups_of(manifest, ["cuda"])[0]
    cell = Cell({"python": "3.11", "torch": "2.4.1", "numpy": "1.26.4", "variant": "cuda"})
    indexes = record(
        "torch-2.4.1+cu121-cp311-cp311-linux_x86_64.whl", "torchaudio-2.4.1+cu121-cp311-cp311-linux_x86_64.whl"
    )
    found = scenario_of(manifest, cell, group, PAIRS, indexes)
    assert pins(found.manifest, "cuda") == {
        "numpy": ("1.26.4", True),
        "torch": ("2.4.1+cu121", True),
        "torchaudio": ("2.4.1+cu121", True),
    }
    assert not found.gaps
    assert not found.unrequested
    assert found.manifest.target.python == "3.11"


def test_a_cell_pin_that_no_image_requests_is_unrequested() -> None:
    manifest = family()
    group = next(g for g in groups_of(manifest, ["cpu"]) if g.name == "base:cpu")
    cell = Cell({"python": "3.12", "torch": "2.4.1", "numpy": "2.0.0", "variant": "cpu"})
    found = scenario_of(manifest, cell, group, PAIRS, {})
    assert found.unrequested == {"torch"}
    assert pins(found.relaxed.manifest, "cpu") == {"numpy": ("2.0.0", True)}


@pytest.mark.parametrize(
    ("python", "torch", "wheels", "name", "status"),
    [
        ("3.12", "2.4.1", [], "torch", CellStatus.NO),
        ("3.11", "2.4.1", [], "torch", CellStatus.UNKNOWN),
        ("3.11", "2.4.1", ["torch-2.4.1+cu121-cp311-cp311-linux_x86_64.whl"], "torchaudio", CellStatus.UNKNOWN),
        ("3.11", "2.5.1", ["torch-2.5.1+cu121-cp311-cp311-linux_x86_64.whl"], "torchaudio", CellStatus.UNKNOWN),
    ],
    ids=["never built", "missing in the record", "partner missing in the record", "unknown partner"],
)
def test_a_missing_file(python: str, torch: str, wheels: list[str], name: str, status: CellStatus) -> None:
    """A record may be incomplete: the status is "no" only if the wheel is known not to exist anywhere."""
    manifest = family(text=REQUESTED)
    cell = Cell({"python": python, "torch": torch, "numpy": "2.0.0", "variant": "cuda"})
    found = scenario_of(manifest, cell, groups_of(manifest, ["cuda"])[0], PAIRS, record(*wheels))
    gaps = {gap.name: gap for gap in found.gaps}
    assert gaps[name].status is status
    assert name in gaps[name].reason

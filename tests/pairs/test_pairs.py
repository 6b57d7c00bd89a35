"""The pair table contains exactly what package metadata says about torch's family."""

from __future__ import annotations

import json

import pytest
from packaging.version import Version

from lockgen.core.compat_axes import Member, TorchRelease, merged
from lockgen.core.index import CoreMetadata, IndexFile
from lockgen.errors import BadInput
from lockgen.pairs.plan import SeenReleases, accelerator_of, pair_up, pythons_of, wheels_of
from lockgen.pairs.reader import parse_pairs
from lockgen.pairs.render import render_pairs
from lockgen.pairs.table import shipped


def seen(name: str, releases: dict[str, tuple[str, ...]], pythons: tuple[str, ...] = ("cp311",)) -> SeenReleases:
    wheels = [f"{name}-{version}-{python}-{python}-linux_x86_64.whl" for version in releases for python in pythons]
    return SeenReleases(
        tuple(wheels), {Version(v): CoreMetadata(name, v, None, needs) for v, needs in releases.items()}
    )


def test_a_partner_requires_exactly_that_torch() -> None:
    table = pair_up(
        {
            "torch": seen("torch", {"2.0.1": (), "2.5.1": ("nvidia-cuda-runtime-cu12==12.4.127",), "2.11.0": ()}),
            "torchaudio": seen("torchaudio", {"2.5.1": ("torch==2.5.1",), "2.11.0": ()}),
            "torchvision": seen("torchvision", {"0.20.1": ("torch (==2.5.1)",), "0.29.2": ("torch>=2.11",)}),
        }
    )
    assert list(table) == ["2.5.1", "2.11.0"], "the table begins with 2.1"
    known = ("3.11",)
    assert table["2.5.1"] == TorchRelease(
        {
            "torch": Member("2.5.1", known),
            "torchaudio": Member("2.5.1", known),
            "torchvision": Member("0.20.1", known),
        },
        "cu124",
    )
    assert table["2.11.0"].members["torchaudio"].version is None, "equal version numbers prove nothing"
    assert table["2.11.0"].members["torchvision"].version is None, "a range does not make a partner"
    assert table["2.11.0"].accelerator is None


def test_the_newest_of_two_partners_is_chosen() -> None:
    vision = seen("torchvision", {"0.20.0": ("torch==2.5.1",), "0.20.1": ("torch==2.5.1",)})
    table = pair_up(
        {"torch": seen("torch", {"2.5.1": ()}), "torchaudio": seen("torchaudio", {}), "torchvision": vision}
    )
    assert table["2.5.1"].members["torchvision"].version == "0.20.1"


@pytest.mark.parametrize(
    ("need", "accelerator"),
    [
        ('nvidia-cuda-runtime-cu12==12.1.105 ; platform_system == "Linux"', "cu121"),
        ("nvidia-cuda-runtime==13.0.96", "cu130"),
        ("cuda-toolkit[cublas]==13.2.*", "cu132"),
        ("nvidia-cuda-runtime-cu12>=12", None),
        ("numpy", None),
        ("no requirement at all !", None),
    ],
)
def test_the_accelerator_follows_from_the_required_cuda(need: str, accelerator: str | None) -> None:
    assert accelerator_of(CoreMetadata("torch", "2.5.1", None, (need,))) == accelerator


def test_only_released_wheels_for_linux_count() -> None:
    names = [
        "torch-2.5.1-cp311-cp311-manylinux1_x86_64.whl",
        "torch-2.5.1-cp313-cp313t-manylinux1_x86_64.whl",
        "torch-2.5.1-cp312-cp312-win_amd64.whl",
        "torch-2.5.1-cp312-none-macosx_11_0_arm64.whl",
        "torch-2.6.0rc1-cp311-cp311-manylinux1_x86_64.whl",
        "torch-2.4.1.tar.gz",
    ]
    found = wheels_of([IndexFile(name, f"https://index.example/{name}", None) for name in names])
    assert {str(v): pythons_of(file.name for file in files) for v, files in found.items()} == {"2.5.1": ("3.11",)}
    yanked = IndexFile(names[0], "https://index.example/x", None, yanked="broken")
    assert not wheels_of([yanked])


def test_merged_tables_prefer_known_values_of_the_second() -> None:
    known = {
        "2.5.1": TorchRelease({"torchaudio": Member("2.5.1", ("3.11",)), "torchvision": Member("0.20.1")}, "cu124")
    }
    over = {"2.5.1": TorchRelease({"torchaudio": Member("2.5.2"), "torchvision": Member(None)})}
    assert merged(known, over)["2.5.1"] == TorchRelease(
        {"torchaudio": Member("2.5.2", None), "torchvision": Member("0.20.1")}, "cu124"
    )


def test_the_shipped_table_is_in_the_written_format() -> None:
    table = shipped()
    assert parse_pairs(render_pairs(table).encode(), "x") == table
    reference = table["2.5.1"]
    assert {name: member.version for name, member in reference.members.items()} == {
        "torch": "2.5.1",
        "torchaudio": "2.5.1",
        "torchvision": "0.20.1",
    }
    assert table["2.1.0"].accelerator == "cu121"
    assert "3.12" not in (table["2.1.0"].members["torch"].pythons or ())


@pytest.mark.parametrize("text", ["", "[]", '{"format": 2, "releases": {}}', '{"format": 1, "releases": {"2.5": 1}}'])
def test_an_invalid_table_is_an_error(text: str) -> None:
    with pytest.raises(BadInput, match="not a pair table"):
        parse_pairs(text.encode(), "locks/pairs.json")


def test_the_json_is_sorted_by_version() -> None:
    table = {v: TorchRelease({}) for v in ("2.10.0", "2.9.0")}
    assert list(json.loads(render_pairs(table))["releases"]) == ["2.9.0", "2.10.0"]

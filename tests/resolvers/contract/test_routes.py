"""Routed packages come from their index, all others from the default index."""

from __future__ import annotations

import pytest
from support.asking import CP, CU121, MACHINE, ask, comparable, explicit, files, versions
from support.index import LocalIndex

from lockgen.core.resolution import Resolver, Solution
from lockgen.errors import NoResolution

ROUTED = ("torch", "torchaudio", "torchvision")
PIN = "torch==2.5.1+cu121"


@pytest.fixture(autouse=True)
def packages(index: LocalIndex) -> None:
    """The default index has a newer torch; the explicit one an older numpy."""
    for name in ROUTED:
        index.add(name, "2.9.0", ["filelock"])
        index.add(name, "2.5.1", ["filelock"])
    index.add("numpy", "2.0")
    index.add("filelock", "3.0")
    index.add("exact", "1.0", ["torch==2.5.1"])
    index.add("lower", "1.0", ["torch>=2.4"])
    index.add("upper", "1.0", ["torch<=2.5.1"])
    index.add("deep", "1.0", ["lower"])
    index.add("speech", "1.0", ["torchaudio>=2.0"])


def indexes(solution: Solution) -> dict[str, str | None]:
    return {name: package.index for name, package in sorted(solution.packages.items())}


def test_a_local_version_satisfies_a_requirement_for_the_public_one(resolver: Resolver) -> None:
    solution = resolver.solve(ask("torch", "exact", "lower", "upper", pins=[PIN], routed=ROUTED))
    assert versions(solution)["torch"] == "2.5.1+cu121"
    assert indexes(solution) == {
        "exact": None, "filelock": None, "lower": None, "numpy": None, "torch": "cu121", "upper": None,
    }  # fmt: skip
    assert versions(solution)["numpy"] == "2.0"


@pytest.mark.parametrize("pins", [(PIN,), ()], ids=["pinned", "free"])
@pytest.mark.parametrize("asked", ["torch", "deep", "speech"])
def test_routed_packages_come_from_their_index_alone(resolver: Resolver, asked: str, pins: tuple[str, ...]) -> None:
    solution = resolver.solve(ask(asked, pins=pins, routed=ROUTED))
    found = indexes(solution)
    assert {name for name, where in found.items() if where == "cu121"} == found.keys() & set(ROUTED)
    assert versions(solution)["torch"] == "2.5.1+cu121"
    assert files(solution, "torch") == [f"torch-2.5.1+cu121-{CP}-{CP}-linux_{MACHINE}.whl"]


@pytest.mark.parametrize("pins", [(PIN,), ()], ids=["pinned", "free"])
@pytest.mark.parametrize("elsewhere", [("2.9.0",), ()], ids=["newer-elsewhere", "nowhere-else"])
def test_a_chain_of_routed_packages_needs_nothing_of_the_default_index(
    index: LocalIndex, resolver: Resolver, elsewhere: tuple[str, ...], pins: tuple[str, ...]
) -> None:
    for name in ROUTED:
        del index.pages[name]
        for version in elsewhere:
            index.add(name, version)
    solution = resolver.solve(ask("speech", "exact", pins=pins, routed=ROUTED))
    assert indexes(solution)["torch"] == indexes(solution)["torchaudio"] == "cu121"
    assert versions(solution)["torchaudio"] == "2.5.1+cu121"


def test_an_unused_pin_that_conflicts_with_another_is_ignored(resolver: Resolver) -> None:
    pins = ["torch==2.4.1+cu121", "torchvision==0.20.1+cu121", "torchaudio==2.5.1+cu121"]
    found = versions(resolver.solve(ask("deep", pins=pins, routed=ROUTED)))
    assert found["torch"] == "2.4.1+cu121"
    assert not found.keys() & {"torchvision", "torchaudio"}


def test_a_routed_file_is_the_one_of_the_record(resolver: Resolver) -> None:
    index = explicit()
    (found,) = resolver.solve(ask("torch", pins=[PIN], routed=ROUTED, explicit_index=index)).packages["torch"].files
    (listed,) = (file for file in index.pages["torch"].files if "2.5.1" in file.name)
    assert (found.name, found.url, found.sha256, found.size) == (listed.name, listed.url, listed.sha256, listed.size)


def test_versions_of_routed_packages_move_together(resolver: Resolver) -> None:
    solution = resolver.solve(ask("torchaudio", "torch<2.5", routed=ROUTED))
    assert versions(solution) == {"filelock": "3.0", "torch": "2.4.1+cu121", "torchaudio": "2.4.1+cu121"}


def test_an_unused_pin_that_does_not_exist_is_ignored(resolver: Resolver) -> None:
    request = ask("deep", pins=[PIN, "torchvision==0.1+cu121"], routed=ROUTED)
    found = versions(resolver.solve(request))
    assert found["torch"] == "2.5.1+cu121"
    assert "torchvision" not in found


def test_a_pin_that_only_the_default_index_has_is_not_satisfied(resolver: Resolver) -> None:
    with pytest.raises(NoResolution) as raised:
        resolver.solve(ask("deep", pins=["torch==2.9.0"], routed=ROUTED))
    assert "torch" in str(raised.value.faults[0].reason)


def test_a_package_missing_on_its_index_is_not_taken_from_another(resolver: Resolver) -> None:
    only_torch = explicit([package for package in CU121 if package[0] == "torch"])
    with pytest.raises(NoResolution) as raised:
        resolver.solve(ask("speech", routed=ROUTED, explicit_index=only_torch))
    assert "torchaudio" in str(raised.value.faults[0].reason)


def test_without_a_route_packages_come_from_the_default_index(resolver: Resolver) -> None:
    solution = resolver.solve(ask("torch"))
    assert indexes(solution) == {"filelock": None, "torch": None}
    assert versions(solution)["torch"] == "2.9.0"


def test_foreign_wheels_of_the_record_are_left_out(resolver: Resolver) -> None:
    index = explicit(more=[f"{CP}-{CP}-win_amd64", "cp39-cp39-linux_x86_64"])
    solution = resolver.solve(ask("torch", pins=[PIN], routed=ROUTED, explicit_index=index))
    assert files(solution, "torch") == [f"torch-2.5.1+cu121-{CP}-{CP}-linux_{MACHINE}.whl"]


def test_a_second_solve_with_all_preferences_is_the_same(resolver: Resolver) -> None:
    first = resolver.solve(ask("speech", "numpy", routed=ROUTED))
    second = resolver.solve(ask("speech", "numpy", routed=ROUTED, kept=versions(first)))
    assert comparable(first) == comparable(second)

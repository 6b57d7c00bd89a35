"""Chosen versions: the newest that all bounds, pins, preferences, dates and markers allow."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from support.asking import LINUX, NEXT_CP, NEXT_PYTHON, PYTHON, ask, files, versions
from support.index import LocalIndex

from lockgen.core.resolution import Resolver
from lockgen.errors import NoResolution


def test_the_newest_allowed_version_wins(index: LocalIndex, resolver: Resolver) -> None:
    for version in ("1.0", "1.9", "1.10", "2.0rc1"):
        index.add("pkg", version, ["other<3"])
    for version in ("2.0", "2.5", "3.0"):
        index.add("Other", version)
    assert versions(resolver.solve(ask("Pkg"))) == {"other": "2.5", "pkg": "1.10"}


def test_a_pin_applies_and_an_unused_one_adds_nothing(index: LocalIndex, resolver: Resolver) -> None:
    for version in ("1.0", "2.0", "3.0"):
        index.add("pkg", version, ["other"])
        index.add("other", version)
    request = ask("pkg", pins=["pkg==2.0", "other==1.0", "unasked==9.9"])
    assert versions(resolver.solve(request)) == {"other": "1.0", "pkg": "2.0"}


def test_preferences_are_kept_if_they_fit(index: LocalIndex, resolver: Resolver) -> None:
    for name in ("pkg", "other", "third"):
        for version in ("1.0", "2.0", "3.0"):
            index.add(name, version, ["third"] if name == "pkg" else [])
    kept = {"pkg": "1.0", "other": "2.0", "third": "1.0", "gone": "1.0", "other-gone": "0.1"}
    assert versions(resolver.solve(ask("pkg", "other", kept=kept))) == {"other": "2.0", "pkg": "1.0", "third": "1.0"}
    changed = ask("pkg", "other", pins=["third>=2"], kept=kept)
    assert versions(resolver.solve(changed)) == {"other": "2.0", "pkg": "1.0", "third": "3.0"}


def test_a_preference_that_is_no_longer_on_the_index_is_replaced(index: LocalIndex, resolver: Resolver) -> None:
    index.add("pkg", "1.0")
    index.add("pkg", "3.0")
    assert versions(resolver.solve(ask("pkg", kept={"pkg": "2.0"}))) == {"pkg": "3.0"}


def test_a_cut_off_hides_newer_and_undated_files(index: LocalIndex, resolver: Resolver) -> None:
    index.add("pkg", "1.0", uploaded="2025-01-01T00:00:00Z")
    index.add("pkg", "2.0", uploaded="2025-05-31T23:59:59.5Z")
    index.add("pkg", "3.0", uploaded="2025-06-01T00:00:00Z")
    index.add("pkg", "4.0", uploaded="2025-06-02T00:00:00+02:00")
    undated = index.add("pkg", "5.0")
    del index.pages["pkg"][undated]["upload-time"]
    # Of a version, only the files of before.
    index.add("pkg", "2.0", tag=LINUX, uploaded="2025-07-01T00:00:00Z")
    solution = resolver.solve(ask("pkg", exclude_newer=datetime(2025, 6, 1, tzinfo=UTC)))
    assert files(solution, "pkg") == ["pkg-2.0-py3-none-any.whl"]


def test_extras_add_only_their_own_requirements(index: LocalIndex, resolver: Resolver) -> None:
    requires = ["core", 'fast-impl ; extra == "fast-mode"', 'slow-impl ; extra == "slow"']
    index.add("pkg", "1.0", requires, extras=["fast-mode", "slow"])
    index.add("asker", "1.0", ["pkg[Fast_Mode]"])
    for name in ("core", "fast-impl", "slow-impl"):
        index.add(name, "1.0")
    everything = {"asker": "1.0", "core": "1.0", "fast-impl": "1.0", "pkg": "1.0"}
    assert versions(resolver.solve(ask("asker"))) == everything
    assert versions(resolver.solve(ask("pkg[fast_mode]"))) == {k: v for k, v in everything.items() if k != "asker"}


def test_markers_are_those_of_the_target(index: LocalIndex, resolver: Resolver) -> None:
    requires = [
        'windows ; sys_platform == "win32"',
        'mac ; platform_system == "Darwin"',
        f'newer-python ; python_version >= "{NEXT_PYTHON}"',
        f'this-python ; python_version == "{PYTHON}"',
        'other-machine ; platform_machine == "riscv64"',
    ]
    index.add("pkg", "1.0", requires)
    index.add("this-python", "1.0")
    asked = ask("pkg", 'windows ; os_name == "nt"')
    assert versions(resolver.solve(asked)) == {"pkg": "1.0", "this-python": "1.0"}


def test_a_version_for_another_python_is_skipped(index: LocalIndex, resolver: Resolver) -> None:
    index.add("pkg", "1.0", python=f">={PYTHON}")
    index.add("pkg", "2.0", python=f">={NEXT_PYTHON}")
    index.add("pkg", "3.0", python=f">={NEXT_PYTHON},<4")
    assert versions(resolver.solve(ask("pkg"))) == {"pkg": "1.0"}


def test_a_version_without_a_wheel_for_the_target_is_skipped(index: LocalIndex, resolver: Resolver) -> None:
    index.add("pkg", "1.0")
    index.add("pkg", "2.0", tag=f"{NEXT_CP}-{NEXT_CP}-{LINUX.rsplit('-', 1)[1]}")
    assert versions(resolver.solve(ask("pkg"))) == {"pkg": "1.0"}
    with pytest.raises(NoResolution) as raised:
        resolver.solve(ask("pkg", pins=["pkg==2.0"]))
    assert "pkg" in str(raised.value.faults[0].reason)


def test_a_yanked_version_is_chosen_only_if_it_is_pinned(index: LocalIndex, resolver: Resolver) -> None:
    index.add("pkg", "1.0")
    index.add("pkg", "2.0", yanked=True)
    assert versions(resolver.solve(ask("pkg"))) == {"pkg": "1.0"}
    assert versions(resolver.solve(ask("pkg", pins=["pkg==2.0"]))) == {"pkg": "2.0"}


def test_the_files_are_those_that_the_target_can_use(index: LocalIndex, resolver: Resolver) -> None:
    machine = LINUX.rsplit("_2_17_", 1)[1]
    cp = LINUX.split("-")[0]
    tags = ["py3-none-any", LINUX, f"{cp}-abi3-manylinux2014_{machine}"]
    foreign = [f"{cp}-{cp}-{where}" for where in (f"musllinux_1_2_{machine}", "win_amd64", "macosx_11_0_arm64")]
    foreign += [f"{cp}-{cp}-manylinux_2_17_ppc64le", f"{cp}-{cp}-manylinux_2_39_{machine}", f"pp311-none-{machine}"]
    for tag in [*tags, *foreign]:
        index.add("pkg", "1.0", tag=tag)
    index.add("pkg", "1.0", source=True)
    found = resolver.solve(ask("pkg")).packages["pkg"].files
    assert {file.name: file.sha256 for file in found} == {
        name: index.sha256(name) for name in (f"pkg-1.0-{tag}.whl" for tag in tags)
    }
    assert {file.name: file.size for file in found} == {file.name: len(index.files[file.name]) for file in found}

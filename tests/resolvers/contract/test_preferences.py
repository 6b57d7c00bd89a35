"""Versions of an older lock are wishes: a resolver keeps those that fit, and drops the others."""

from __future__ import annotations

import pytest
from support.asking import CP, MACHINE, ask, explicit, versions
from support.index import LocalIndex

from lockgen.core.resolution import Resolver

LIBRARIES = [f"cuda-lib-{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
"""More than the rounds of pip-compile, which drops one preference in each."""


def add_torch(index: LocalIndex, torch: str, library: str) -> dict[str, str]:
    """A torch that requires one version of each library; the versions of a lock with it."""
    for name in LIBRARIES:
        index.add(name, library)
    index.add("torch", torch, [f"{name}=={library}" for name in LIBRARIES])
    return {"torch": torch, **dict.fromkeys(LIBRARIES, library)}


def test_a_pin_moves_all_packages_that_its_version_requires(index: LocalIndex, resolver: Resolver) -> None:
    old = add_torch(index, "2.5.1", "12.1")
    new = add_torch(index, "2.8.0", "12.8")
    for version in ("1.0", "2.0"):
        index.add("numpy", version)
    request = ask("torch", "numpy", pins=["torch==2.8.0"], kept={**old, "numpy": "1.0"})
    assert versions(resolver.solve(request)) == {"numpy": "1.0", **new}


def test_another_build_may_require_other_versions(index: LocalIndex, resolver: Resolver) -> None:
    """The lock of one variant is the preference of the next, which has another build of torch."""
    old = add_torch(index, "2.5.1", "12.4")
    for name in LIBRARIES:
        index.add(name, "12.1")
    cuda = ("torch", "2.5.1+cu121", [f"{name}==12.1" for name in LIBRARIES])
    request = ask("torch", pins=["torch==2.5.1+cu121"], routed=["torch"], explicit_index=explicit([cuda]), kept=old)
    expected = {"torch": "2.5.1+cu121", **dict.fromkeys(LIBRARIES, "12.1")}
    assert versions(resolver.solve(request)) == expected


def test_preferences_that_exclude_each_other_are_dropped(index: LocalIndex, resolver: Resolver) -> None:
    for version in ("1.0", "2.0"):
        index.add("left", version, [f"shared=={version}"])
        index.add("right", version, [f"shared=={version}"])
        index.add("shared", version)
    found = versions(resolver.solve(ask("left", "right", kept={"left": "1.0", "right": "2.0", "shared": "3.0"})))
    assert found in ({"left": v, "right": v, "shared": v} for v in ("1.0", "2.0"))


@pytest.mark.parametrize("file", [f"{CP}-{CP}-win_amd64", f"{CP}-{CP}-manylinux_2_99_{MACHINE}"])
def test_a_preference_without_a_file_for_the_target_is_dropped(
    index: LocalIndex, resolver: Resolver, file: str
) -> None:
    index.add("pkg", "1.0", ["other"], tag=file)
    index.add("pkg", "2.0", ["other>=2"])
    for version in ("1.0", "2.0"):
        index.add("other", version)
    assert versions(resolver.solve(ask("pkg", kept={"pkg": "1.0", "other": "1.0"}))) == {"other": "2.0", "pkg": "2.0"}

"""The target decides which files and requirements count, not the machine that the resolver runs on."""

from __future__ import annotations

import platform
from dataclasses import replace

import pytest
from support.asking import CP, HERE, MACHINE, NEXT_CP, NEXT_PYTHON, PYTHON, ask, explicit, files, versions
from support.index import LocalIndex

from lockgen.core.resolution import Resolver
from lockgen.core.target import MACHINES, Target

NEXT = replace(HERE, python=NEXT_PYTHON)
OTHER_PLATFORM = replace(HERE, platform=next(name for name in MACHINES if name != HERE.platform))


@pytest.fixture
def by_glibc(index: LocalIndex) -> LocalIndex:
    """Version N.0 of pkg needs glibc 2.N."""
    for minor in range(17, 60):
        index.add("pkg", f"{minor}.0", tag=f"{CP}-{CP}-manylinux_2_{minor}_{MACHINE}")
    return index


# Older and newer than that of the machines that run this test.
@pytest.mark.parametrize("glibc", ["2.17", "2.28", "2.31", "2.39", "2.40"])
@pytest.mark.usefixtures("by_glibc")
def test_the_glibc_of_the_target_decides(resolver: Resolver, glibc: str) -> None:
    solution = resolver.solve(ask("pkg", target=replace(HERE, glibc=glibc)))
    minor = glibc.removeprefix("2.")
    assert versions(solution) == {"pkg": f"{minor}.0"}
    assert files(solution, "pkg") == [f"pkg-{minor}.0-{CP}-{CP}-manylinux_2_{minor}_{MACHINE}.whl"]


@pytest.mark.parametrize("glibc", ["2.17", "2.40"])
def test_the_glibc_of_the_target_decides_on_other_indexes(resolver: Resolver, glibc: str) -> None:
    tags = [f"{CP}-{CP}-manylinux_2_{minor}_{MACHINE}" for minor in (17, 40, 59)]
    index = explicit([("torch", "2.5.1+cu121", [])], more=tags)
    request = ask("torch", routed=["torch"], explicit_index=index, target=replace(HERE, glibc=glibc))
    usable = [f"torch-2.5.1+cu121-{tag}.whl" for tag in reversed(tags) if int(tag.split("_")[2]) <= int(glibc[2:])]
    assert files(resolver.solve(request), "torch") == [*usable, f"torch-2.5.1+cu121-{CP}-{CP}-linux_{MACHINE}.whl"]


@pytest.mark.parametrize("marker", ['platform_release >= "1"', 'platform_version != ""', 'platform_release != ""'])
def test_markers_about_this_machine_have_no_effect(index: LocalIndex, resolver: Resolver, marker: str) -> None:
    index.add("pkg", "1.0", ["needed", f"host-only ; {marker}", f'extra-only ; extra == "more" and {marker}'])
    index.add("needed", "1.0", [f'neither ; python_version == "{PYTHON}" and {marker}'])
    assert versions(resolver.solve(ask("pkg", f"direct ; {marker}"))) == {"needed": "1.0", "pkg": "1.0"}


@pytest.mark.parametrize("bound", ["<{0}.1", ">={0}.0,!={1}", "!={1}"])
def test_the_patch_release_of_this_machine_has_no_effect(index: LocalIndex, resolver: Resolver, bound: str) -> None:
    """Some patch release of the target is admitted, whichever runs the resolver."""
    index.add("pkg", "1.0")
    index.add("pkg", "2.0", python=bound.format(PYTHON, platform.python_version()))
    assert versions(resolver.solve(ask("pkg"))) == {"pkg": "2.0"}


def test_an_extra_with_other_markers_is_read_for_the_target(index: LocalIndex, resolver: Resolver) -> None:
    requires = [
        f'both ; extra == "Fast_Mode" and python_version == "{PYTHON}"',
        f'either ; extra == "fast_mode" or python_version == "{PYTHON}"',
        'windows ; extra == "fast_mode" and sys_platform == "win32"',
        'slow ; extra == "slow"',
    ]
    index.add("pkg", "1.0", requires, extras=["fast_mode", "slow"])
    for name in ("both", "either"):
        index.add(name, "1.0")
    assert versions(resolver.solve(ask("pkg[fast-mode]"))) == {"both": "1.0", "either": "1.0", "pkg": "1.0"}
    assert versions(resolver.solve(ask("pkg"))) == {"either": "1.0", "pkg": "1.0"}


@pytest.mark.parametrize("target", [NEXT, OTHER_PLATFORM, replace(NEXT, platform=OTHER_PLATFORM.platform)])
def test_the_python_and_the_machine_may_be_others(index: LocalIndex, resolver: Resolver, target: Target) -> None:
    cp = f"cp{target.python.replace('.', '')}"
    requires = [f'needed ; python_version == "{target.python}" and platform_machine == "{target.machine}"']
    index.add("pkg", "1.0", requires, python=f"=={target.python}.*")
    index.add("pkg", "2.0", python=f"<{target.python}")
    for machine in MACHINES.values():
        for tag in (CP, NEXT_CP):
            index.add("needed", "1.0", tag=f"{tag}-{tag}-manylinux_2_17_{machine}")
    if resolver.name == "uv":
        index.pages["pkg"].pop("pkg-2.0-py3-none-any.whl")  # uv ignores upper bounds of Requires-Python
    solution = resolver.solve(ask("pkg", target=target))
    assert versions(solution) == {"needed": "1.0", "pkg": "1.0"}
    assert files(solution, "needed") == [f"needed-1.0-{cp}-{cp}-manylinux_2_17_{target.machine}.whl"]

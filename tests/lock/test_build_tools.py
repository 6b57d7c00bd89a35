"""Build tools for source distributions: one set if their requirements fit together, else as few sets as possible."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.families import cpu_family
from support.index import LocalIndex
from support.project import Project

FAMILY = cpu_family(
    "small",
    """\
[bases.base]

[stages.first]
from = "base"
packages = ["ancient", "plain"]

[stages.second]
from = "base"
packages = ["modern", "newer"]
""",
    settings='build = ["ancient", "helped", "modern", "newer", "plain"]',
)


@pytest.fixture
def mixed(project: Project, index: LocalIndex) -> Project:
    """`ancient` conflicts with `modern` and `newer`, which share a backend. `plain` has no build requirements."""
    for version in ("1.0", "2.0"):
        index.add_backend(version)
    index.add("ancient", "0.9", source=True, builds=["tinybackend<2"])
    index.add("modern", "1.0", source=True, builds=["tinybackend>=2"])
    index.add("newer", "1.0", source=True, builds=["tinybackend>1"])
    index.add("plain", "1.0", source=True)
    project.write(FAMILY)
    return project


def lock_of(project: Project) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((project.root / "locks/lock.json").read_text())
    return data


def pins(packages: list[dict[str, Any]]) -> list[str]:
    return [f"{package['name']}=={package['version']}" for package in packages]


def second(project: Project) -> tuple[list[str], list[str]]:
    (tools,) = lock_of(project)["more-tools"]
    return tools["builds"], pins(tools["packages"])


@pytest.mark.slow
@pytest.mark.parametrize("resolver", ["uv", "pip-compile"])
def test_conflicting_builds_get_the_fewest_sets_of_tools(mixed: Project, resolver: str) -> None:
    mixed.ok("resolve", "--resolver", resolver)
    assert pins(lock_of(mixed)["tools"]) == ["tinybackend==1.0", "uv==0.9.7"]
    assert second(mixed) == (["modern==1.0", "newer==1.0"], ["tinybackend==2.0"])
    assert list(mixed.written.tree) == sorted(mixed.written.tree)
    assert "docker/first/build-first-2.txt" not in mixed.tree
    assert "docker/second/build-second.txt" not in mixed.tree
    mixed.ok("check")


def test_the_order_in_versions_toml_does_not_change_the_sets(mixed: Project) -> None:
    mixed.ok("resolve")
    before = {path: data for path, data in mixed.tree.items() if path != "versions.toml"}
    for path in ("locks/lock.json", "docker/requirements-build-2.txt"):
        (mixed.root / path).unlink()
    first, second = FAMILY.split("[stages.second]")
    start, stage = first.split("[stages.first]")
    text = start.replace('"ancient", "helped", "modern", "newer", "plain"', '"plain", "newer", "modern", "ancient"')
    swapped = second.replace('["modern", "newer"]', '["newer", "modern"]')
    mixed.write(text.replace('build = ["plain",', 'build = ["helped", "plain",') + f"[stages.second]{swapped}\n"
                + f"[stages.first]{stage}")  # fmt: skip
    mixed.ok("resolve")
    assert {path: data for path, data in mixed.tree.items() if path != "versions.toml"} == before


def test_one_set_of_tools_is_one_file(mixed: Project, index: LocalIndex) -> None:
    """The files of a second set are removed as soon as nothing conflicts."""
    mixed.ok("resolve")
    assert "docker/requirements-build-2.txt" in mixed.tree
    mixed.write(FAMILY.replace('packages = ["ancient", "plain"]', 'packages = ["plain"]'))
    mixed.ok("resolve")
    assert "more-tools" not in lock_of(mixed)
    assert pins(lock_of(mixed)["tools"]) == ["tinybackend==2.0", "uv==0.9.7"]
    assert not [path for path in mixed.tree if path.endswith("-2.txt")]


def test_tools_are_kept_until_an_upgrade(mixed: Project, index: LocalIndex) -> None:
    mixed.ok("resolve")
    index.add_backend("1.5")
    index.add_backend("2.5")
    before = mixed.tree
    mixed.ok("resolve")
    assert mixed.tree == before
    mixed.ok("resolve", "--upgrade")
    assert pins(lock_of(mixed)["tools"]) == ["tinybackend==1.5", "uv==0.9.7"]
    assert second(mixed) == (["modern==1.0"], ["tinybackend==2.5"])


def test_a_new_package_does_not_move_others_to_another_set(mixed: Project, index: LocalIndex) -> None:
    """A new backend release would fit both `newer` and `ancient`, but `newer` stays in its set."""
    mixed.ok("resolve")
    index.add_backend("1.5")
    index.add("helped", "1.0", source=True, builds=["tinybackend==1.0"])
    mixed.write(FAMILY.replace('"newer"]\n', '"newer", "helped"]\n'))
    mixed.ok("resolve")
    assert pins(lock_of(mixed)["tools"]) == ["tinybackend==1.0", "uv==0.9.7"]
    assert second(mixed) == (["modern==1.0", "newer==1.0"], ["tinybackend==2.0"])


def test_check_verifies_the_second_set(mixed: Project) -> None:
    mixed.ok("resolve")
    path = mixed.root / "docker/requirements-build-2.txt"
    path.write_text(path.read_text().replace("2.0", "2.1"))
    (mixed.root / "docker/requirements-build-3.txt").write_text("tinybackend==3.0\n")
    found = mixed.run("check")
    assert found.code == 1
    assert "docker/requirements-build-2.txt: does not match the lock" in found.out
    assert "docker/requirements-build-3.txt: the lock generates no such file" in found.out


def test_fetch_puts_each_set_where_it_is_needed(mixed: Project, index: LocalIndex, tmp_path: Path) -> None:
    mixed.ok("resolve")
    mixed.ok("fetch", str(tmp_path / "wheelhouse"))
    held = {
        folder.name: sorted(path.name for path in folder.iterdir())
        for folder in (tmp_path / "wheelhouse").iterdir()
        if folder.is_dir() and folder.name != "files"
    }
    assert held == {
        "base-cpu": [],
        "first-cpu": ["ancient-0.9.tar.gz", "plain-1.0.tar.gz"],
        "second-cpu": ["modern-1.0.tar.gz", "newer-1.0.tar.gz", "tinybackend-2.0-py3-none-any.whl"],
        "tools": ["tinybackend-1.0-py3-none-any.whl", "uv-0.9.7-py3-none-any.whl"],
    }


def test_fetch_does_not_remove_user_files(mixed: Project, tmp_path: Path) -> None:
    """Even if the folder already contains a folder named `tools`."""
    mixed.ok("resolve")
    own = tmp_path / "wheelhouse/tools/mine.py"
    own.parent.mkdir(parents=True)
    own.write_text("mine\n")
    mixed.ok("fetch", str(tmp_path / "wheelhouse"))
    assert own.read_text() == "mine\n"


def test_a_build_that_requires_a_source_distribution_has_no_solution(mixed: Project, index: LocalIndex) -> None:
    """Tools have to be wheels: images do not build tools, unlike isolated builds."""
    index.add("tinyhelper", "1.0", source=True)
    index.add("helped", "1.0", source=True, builds=["tinybackend>=2", "tinyhelper"], static=True)
    mixed.write(FAMILY.replace('"newer"]\n', '"newer", "helped"]\n'))
    failed = mixed.run("resolve")
    assert failed.code == 3
    assert "the requirements to build helped==1.0 have no solution" in failed.err
    assert "tinyhelper  required to build helped==1.0" in failed.err
    assert "ancient==0.9" not in failed.err


def test_a_lock_with_invalid_tools_is_rejected(mixed: Project) -> None:
    mixed.ok("resolve")
    good = (mixed.root / "locks/lock.json").read_text()
    broken: list[dict[str, Any]] = [
        {"builds": []},
        {"packages": []},
        {"builds": ["unknown==1.0"]},
        {"builds": ["uv==0.9.7"]},
        {"builds": [3]},
        {"builds": ["modern==1.0", "modern==1.0"]},
        {"packages": [json.loads(good)["tools"][0] | {"index": "nowhere"}]},
    ]
    for change in broken:
        lock = json.loads(good)
        lock["more-tools"][0] |= change
        (mixed.root / "locks/lock.json").write_text(json.dumps(lock))
        failed = mixed.run("check")
        assert (failed.code, failed.out) == (2, ""), change
        assert "locks/lock.json" in failed.err

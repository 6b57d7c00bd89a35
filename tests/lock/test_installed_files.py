"""The locked file of a release is the one that installers take, with its own metadata (guarantee 12)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.asking import CP, HERE, MACHINE
from support.budget import examples
from support.families import one_stage_family
from support.index import LocalIndex, serving
from support.project import Project

from lockgen.core.index import IndexFile
from lockgen.index.wheel_ranking import usable_files
from lockgen.io.find_uv import find_uv

RESOLVERS = ("uv", "pip-compile")
FAMILY = one_stage_family("pkg")
PLATFORMS = ("any", f"linux_{MACHINE}", *(f"manylinux_2_{n}_{MACHINE}" for n in (17, 28, 35)))
TAGS = tuple(
    f"{python}-{abi}-{platform}"
    for python, abi in ((CP, CP), (CP, "abi3"), ("cp39", "abi3"), (CP, "none"), ("py3", "none"), ("py2.py3", "none"))
    for platform in PLATFORMS
    if platform != "any" or abi == "none"
)
BUILDS = ("", "1-", "2-", "9-", "10-", "10a-", "2b-")


def add(index: LocalIndex, number: int, tag: str, *, same: bool = False, **more: object) -> str:
    """Add a file of pkg 1.0. It requires a package that no other file requires, unless the metadata is the ``same``."""
    helper = "helper" if same else f"helper{number}"
    index.add(helper, "1.0")
    return index.add("pkg", "1.0", [helper], tag=tag, **more)  # type: ignore[arg-type]


def locked(project: Project) -> tuple[list[str], list[str]]:
    """The locked files of pkg, and the locked helper packages."""
    packages = json.loads((project.root / "locks/lock.json").read_text())["packages"]
    files = next([file["name"] for file in p["files"]] for p in packages if p["name"] == "pkg")
    return files, sorted(p["name"] for p in packages if p["name"].startswith("helper"))


@pytest.mark.parametrize("resolver", RESOLVERS)
@pytest.mark.parametrize(
    ("tags", "best"),
    [
        (["9-py3-none-any", "17-py3-none-any", "20-py3-none-any"], 2),
        (["9-py3-none-any", "10-py3-none-any"], 1),
        (["py3-none-any", "1-py3-none-any"], 1),
        (["2a-py3-none-any", "2b-py3-none-any", "2-py3-none-any"], 1),
        ([f"{CP}-{CP}-linux_{MACHINE}", f"{CP}-{CP}-manylinux_2_28_{MACHINE}"], 1),
        (["99-py3-none-any", f"{CP}-{CP}-manylinux_2_17_{MACHINE}"], 1),
        (["py2.py3-none-any", "py3-none-any"], 0),
    ],
    ids=["three-builds", "numbers", "build-or-none", "letters", "linux-or-manylinux", "tag-before-build", "a-tie"],
)
@pytest.mark.parametrize("reverse", [False, True], ids=["as-listed", "reversed"])
def test_the_best_file_is_locked_with_its_own_requirements(
    project: Project, index: LocalIndex, resolver: str, tags: Sequence[str], best: int, reverse: bool
) -> None:
    numbered = list(enumerate(tags))
    names = {number: add(index, number, tag) for number, tag in (reversed(numbered) if reverse else numbered)}
    project.write(FAMILY)
    project.ok("resolve", "--resolver", resolver)
    assert locked(project) == ([names[best]], [f"helper{best}"])
    project.ok("check")


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_all_files_with_the_same_metadata_are_locked_with_the_installed_one_first(
    project: Project, index: LocalIndex, resolver: str
) -> None:
    names = [add(index, n, f"{tag}-py3-none-any", same=True) for n, tag in enumerate(("9", "10"))]
    other = add(index, 3, "1-py3-none-any")
    project.write(FAMILY)
    project.ok("resolve", "--resolver", resolver)
    assert locked(project) == ([names[1], names[0]], ["helper"])
    assert index.sha256(other) not in (project.root / "locks/cpu/api.txt").read_text()


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_a_file_for_another_python_is_not_the_best(project: Project, index: LocalIndex, resolver: str) -> None:
    """uv ignores the upper bound of Requires-Python (uv#4022), pip does not: the locked file suits both."""
    add(index, 0, f"{CP}-{CP}-linux_{MACHINE}", python="<3.11")
    good = add(index, 1, "py3-none-any")
    project.write(FAMILY)
    project.ok("resolve", "--resolver", resolver)
    assert locked(project) == ([good], ["helper1"])


def test_the_best_file_of_an_explicit_index_is_locked(project: Project, index: LocalIndex) -> None:
    with serving(LocalIndex()) as other:
        for number, build in enumerate(("9", "17", "20")):
            index.add(f"helper{number}", "1.0")
            other.add("pkg", "1.0", [f"helper{number}"], tag=f"{build}-py3-none-any")
        text = FAMILY.replace(
            "[variants.cpu]", f'[index.own]\nurl = "{other.url}"\npackages = ["pkg"]\n\n[variants.cpu]'
        )
        project.write(text.replace('slim"\n', 'slim"\nindex = "own"\n', 1))
        project.ok("resolve")
    assert locked(project) == (["pkg-1.0-20-py3-none-any.whl"], ["helper2"])


def test_the_lock_is_the_same_offline(project: Project, index: LocalIndex) -> None:
    for number, build in enumerate(("9", "10", "2")):
        add(index, number, f"{build}-py3-none-any")
    project.write(FAMILY)
    project.ok("resolve")
    before = project.tree
    (project.root / "locks/lock.json").unlink()
    project.ok("resolve", "--offline")
    assert project.tree == before


releases = st.lists(st.tuples(st.sampled_from(BUILDS), st.sampled_from(TAGS)), min_size=2, max_size=5, unique=True)


@settings(max_examples=examples(25), suppress_health_check=list(HealthCheck))
@given(releases)
def test_the_order_of_files_is_the_order_of_uv(release: Sequence[tuple[str, str]]) -> None:
    with serving(LocalIndex()) as index:
        names = [add(index, number, f"{build}{tag}") for number, (build, tag) in enumerate(release)]
        files = [IndexFile(name, f"https://index.example/{name}", "0" * 64) for name in names]
        best = usable_files("pkg", files, HERE, frozenset())[0].name
        found = compiled(index)
    assert found == f"helper{names.index(best)}"


def compiled(index: LocalIndex) -> str:
    """The helper of the file that uv chooses for the target."""
    command = [find_uv(), "pip", "compile", "-", "-q", "--no-header", "--no-annotate", "--no-config", "--no-cache"]
    command += ["--default-index", index.url, "--python-version", HERE.python, "--python-platform", HERE.uv_platform]
    done = subprocess.run([*command, "--only-binary", ":all:"], input="pkg", capture_output=True, text=True, check=True)
    return next(line.partition("==")[0] for line in done.stdout.splitlines() if line.startswith("helper"))


@pytest.mark.slow
@settings(max_examples=examples(6), suppress_health_check=list(HealthCheck))
@given(releases)
def test_pip_and_uv_install_the_locked_file(
    tmp_path_factory: pytest.TempPathFactory, release: Sequence[tuple[str, str]]
) -> None:
    """They install it by its hash, although each tool has its own order of files."""
    with serving(LocalIndex()) as index:
        names = [add(index, number, f"{build}{tag}") for number, (build, tag) in enumerate(release)]
        files = [IndexFile(name, f"https://index.example/{name}", index.sha256(name)) for name in names]
        best = usable_files("pkg", files, HERE, frozenset())[0].name
        folder = tmp_path_factory.mktemp("installed")
        line = f"pkg==1.0 --hash=sha256:{index.sha256(best)}\n"
        (folder / "requirements.txt").write_text(line)
        assert (piped(index, folder), Path(by_uv(index, folder)).name) == (best, best)


def piped(index: LocalIndex, folder: Path) -> str:
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "-q"]
    command += ["--require-hashes", "--no-cache-dir", "--index-url", index.url, "--report", str(folder / "report.json")]
    subprocess.run([*command, "-r", str(folder / "requirements.txt")], check=True, capture_output=True)
    report = json.loads((folder / "report.json").read_text())
    return str(report["install"][0]["download_info"]["url"]).rpartition("/")[2]


def by_uv(index: LocalIndex, folder: Path) -> str:
    """The file that uv downloaded, according to the index."""
    index.asked.clear()
    command = [find_uv(), "pip", "install", "-q", "--no-deps", "--require-hashes", "--no-config", "--no-cache"]
    command += ["--default-index", index.url, "--target", str(folder / "site"), "--python", sys.executable]
    subprocess.run([*command, "-r", str(folder / "requirements.txt")], check=True, capture_output=True, env=os.environ)
    return next(path for path in index.asked if path.endswith(".whl"))


@pytest.mark.parametrize("resolver", RESOLVERS)
@pytest.mark.parametrize("pin", ["", '[pins]\npkg = "1.0"\n'], ids=["free", "pinned"])
@pytest.mark.parametrize("same", [False, True], ids=["other-needs", "same-needs"])
def test_a_yanked_file_is_not_locked_if_there_is_another(
    project: Project, index: LocalIndex, resolver: str, pin: str, same: bool
) -> None:
    """PEP 592 yanks files, not releases. uv may take the yanked file of a pinned version; pip does not."""
    add(index, 0, f"{CP}-{CP}-linux_{MACHINE}", same=same, yanked=True)
    good = add(index, 1, "py3-none-any", same=same)
    project.write(FAMILY.replace("[bases.base]", f"{pin}\n[bases.base]"))
    project.ok("resolve", "--resolver", resolver)
    assert locked(project) == ([good], ["helper" if same else "helper1"])
    before = project.tree
    if resolver == "uv":
        (project.root / "locks/lock.json").unlink()
        project.ok("resolve", "--offline")
        assert project.tree == before


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_a_completely_yanked_release_is_locked_if_pinned(project: Project, index: LocalIndex, resolver: str) -> None:
    best = add(index, 0, "2-py3-none-any", yanked=True)
    add(index, 1, "1-py3-none-any", yanked=True)
    project.write(FAMILY.replace("[bases.base]", '[pins]\npkg = "1.0"\n\n[bases.base]'))
    project.ok("resolve", "--resolver", resolver)
    assert locked(project) == ([best], ["helper0"])


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_a_yanked_file_of_a_build_tool_is_not_locked(project: Project, index: LocalIndex, resolver: str) -> None:
    """The same rule for the installer."""
    del index.pages["uv"]
    index.add("uv", "1.0", tag=f"{CP}-{CP}-linux_{MACHINE}", yanked=True)
    good = index.add("uv", "1.0")
    add(index, 0, "py3-none-any")
    project.write(FAMILY)
    project.ok("resolve", "--resolver", resolver)
    (tool,) = json.loads((project.root / "locks/lock.json").read_text())["tools"]
    assert [file["name"] for file in tool["files"]] == [good]

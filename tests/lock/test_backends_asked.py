"""What a source distribution requires is read without a build where standards allow it (PEP 643, PEP 621, PEP 517)."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest
from support.families import one_stage_family
from support.index import LocalIndex
from support.project import Project

RESOLVERS = ("uv", "pip-compile")
BOTH_RESOLVERS = pytest.mark.parametrize("resolver", RESOLVERS)
FAMILY = one_stage_family("srcpkg", settings='build = ["srcpkg"]')
# Each hook leaves its name in a file.
BACKEND = """
import os, sys, zipfile
def note(name):
    with open({log!r}, "a") as log:
        log.write(name + "\\n")
def python():
    with open({log!r} + ".python", "w") as log:
        log.write("%d.%d" % sys.version_info[:2])
def get_requires_for_build_wheel(config_settings=None):
    python()
    note("requires")
    return {requires!r}
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    note("wheel")
    with zipfile.ZipFile(os.path.join(wheel_directory, "srcpkg-1.0-py3-none-any.whl"), "w") as wheel:
        wheel.writestr("srcpkg-1.0.dist-info/METADATA", open("METADATA").read())
        tags = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr("srcpkg-1.0.dist-info/WHEEL", tags)
        wheel.writestr("srcpkg-1.0.dist-info/RECORD", "")
    return "srcpkg-1.0-py3-none-any.whl"
"""
PREPARE = """
def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    note("metadata")
    folder = os.path.join(metadata_directory, "srcpkg-1.0.dist-info")
    os.mkdir(folder)
    for name in ("METADATA", "WHEEL"):
        with open(os.path.join(folder, name), "w") as file:
            file.write(open("METADATA").read() if name == "METADATA" else "Wheel-Version: 1.0\\n")
    return "srcpkg-1.0.dist-info"
"""
METADATA = "Metadata-Version: {version}\nName: srcpkg\nVersion: 1.0\n{lines}"
SYSTEM = '[build-system]\nrequires = {requires}\nbuild-backend = "backend"\nbackend-path = ["."]\n'
DYNAMIC = METADATA.format(version="2.2", lines="Dynamic: Requires-Dist\n")
OLD = METADATA.format(version="2.1", lines="Requires-Dist: wrong\n")
STATIC = METADATA.format(version="2.2", lines="Requires-Dist: helper\n")
PROJECT = '[project]\nname = "srcpkg"\nversion = "1.0"\ndependencies = ["helper"]\n'


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "hooks"


def add_source(
    index: LocalIndex,
    log: Path,
    *,
    info: str = DYNAMIC,
    prepare: bool = True,
    project: str = "",
    static: tuple[str, ...] = (),
    dynamic: tuple[str, ...] = (),
) -> None:
    """Add the source distribution of srcpkg, whose backend notes in ``log`` which hooks are called."""
    backend = BACKEND.format(log=str(log), requires=list(dynamic))
    files = {
        "PKG-INFO": info,
        "METADATA": METADATA.format(version="2.1", lines="Requires-Dist: helper\n"),
        "pyproject.toml": project + SYSTEM.format(requires=json.dumps(list(static))),
        "backend.py": backend + (PREPARE if prepare else ""),
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"srcpkg-1.0/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    index.add_file("srcpkg", "srcpkg-1.0.tar.gz", gzip.compress(buffer.getvalue(), mtime=0), None)
    index.add("helper", "1.0")


def called(log: Path) -> set[str]:
    return set(log.read_text().split()) if log.exists() else set()


def requires(project: Project) -> list[str]:
    packages = json.loads((project.root / "locks/lock.json").read_text())["packages"]
    found: list[str] = next(package.get("requires", []) for package in packages if package["name"] == "srcpkg")
    return found


@BOTH_RESOLVERS
@pytest.mark.parametrize("info", [DYNAMIC, OLD, "Name: srcpkg\nVersion: 1.0\n"], ids=["dynamic", "old", "ancient"])
def test_a_backend_that_prepares_metadata_builds_no_wheel(
    project: Project, index: LocalIndex, log: Path, resolver: str, info: str
) -> None:
    add_source(index, log, info=info)
    project.write(FAMILY)
    project.ok("resolve", "--resolver", resolver)
    assert requires(project) == ["helper"]
    assert called(log) == {"requires", "metadata"}
    assert log.with_name("hooks.python").read_text() == "3.11"
    project.ok("check")


@BOTH_RESOLVERS
def test_a_wheel_is_built_only_without_that_hook(project: Project, index: LocalIndex, log: Path, resolver: str) -> None:
    add_source(index, log, prepare=False)
    project.write(FAMILY)
    project.ok("resolve", "--resolver", resolver)
    assert requires(project) == ["helper"]
    assert called(log) == {"requires", "wheel"}


@BOTH_RESOLVERS
@pytest.mark.parametrize(
    ("info", "head"), [(STATIC, ""), (OLD, PROJECT), (DYNAMIC, PROJECT)], ids=["PKG-INFO", "old", "pyproject"]
)
def test_static_requirements_need_no_hook(
    project: Project, index: LocalIndex, log: Path, resolver: str, info: str, head: str
) -> None:
    add_source(index, log, info=info, project=head, prepare=False)
    project.write(FAMILY)
    project.ok("resolve", "--resolver", resolver)
    assert requires(project) == ["helper"]
    # The lock needs the requirements of the build.
    assert called(log) == {"requires"}


def test_a_dynamic_project_is_not_static(project: Project, index: LocalIndex, log: Path) -> None:
    head = '[project]\nname = "srcpkg"\nversion = "1.0"\ndynamic = ["dependencies"]\n'
    add_source(index, log, project=head)
    project.write(FAMILY)
    project.ok("resolve")
    assert requires(project) == ["helper"]
    assert "metadata" in called(log)


def test_extras_of_a_static_project(project: Project, index: LocalIndex, log: Path) -> None:
    for name in ("more", "never"):
        index.add(name, "1.0")
    head = PROJECT + (
        "[project.optional-dependencies]\nFoo_Bar = [\"more>=1 ; python_version >= '3'\","
        " \"never ; sys_platform == 'win32' or python_version < '3'\"]\n"
    )
    add_source(index, log, project=head, prepare=False)
    project.write(FAMILY.replace('packages = ["srcpkg"]', 'packages = ["srcpkg[foo-bar]"]'))
    project.ok("resolve")
    locked = json.loads((project.root / "locks/lock.json").read_text())["packages"]
    assert sorted(package["name"] for package in locked) == ["helper", "more", "srcpkg"]


def test_a_budget_needs_the_size_of_a_wheel(project: Project, index: LocalIndex, log: Path) -> None:
    add_source(index, log)
    project.write(FAMILY + '[budgets]\nmax-image = "1 GB"\n')
    project.ok("resolve")
    assert "wheel" in called(log)
    project.ok("check")


@BOTH_RESOLVERS
@pytest.mark.parametrize("info", [STATIC, DYNAMIC], ids=["static-metadata", "dynamic-metadata"])
@pytest.mark.parametrize("place", ["static", "dynamic"])
def test_a_build_requirement_by_url_is_refused(
    project: Project, index: LocalIndex, log: Path, resolver: str, place: str, info: str
) -> None:
    line = "torch @ http://127.0.0.1:9/torch-1.0-py3-none-any.whl"
    add_source(index, log, info=info, **{place: (line,)})  # type: ignore[arg-type]
    project.write(FAMILY)
    ran = project.run("resolve", "--resolver", resolver)
    assert ran.code == 3
    assert "srcpkg" in ran.err
    assert line in ran.err
    assert "by URL cannot be locked" in " ".join(ran.err.split())
    assert "pin a version" in ran.err
    assert not (project.root / "locks").exists()


def test_a_missing_python_is_named(project: Project, index: LocalIndex, log: Path) -> None:
    add_source(index, log)
    project.write(FAMILY.replace("3.11", "3.19"))
    ran = project.run("resolve")
    assert ran.code == 4
    assert "Python 3.19, which is not on this machine" in ran.err
    assert "uv python install 3.19" in ran.err


def test_the_matrix_answers_for_a_python_that_is_missing(project: Project, index: LocalIndex, log: Path) -> None:
    add_source(index, log)
    project.write(FAMILY + '\n[compat]\npython = ["3.19"]\n')
    cell = json.loads(project.ok("compat", "--json").out)["cells"][0]
    assert [result["status"] for result in cell["results"]] == ["yes"]
    # What was read with another Python is not locked.
    project.write(FAMILY.replace("3.11", "3.19"))
    ran = project.run("resolve")
    assert (ran.code, "Python 3.19, which is not on this machine" in ran.err) == (4, True)

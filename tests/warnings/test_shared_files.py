"""Packages of one image that install the same files: by the contents of their wheels, and builds of one project."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from support.families import cpu_family
from support.index import LocalIndex
from support.project import Project

from lockgen.warnings.rules.shared_files import _project


@pytest.mark.parametrize(
    "names",
    [
        ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless"),
        ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino"),
        ("tensorflow", "tensorflow-cpu", "tensorflow-intel"),
        ("psycopg2", "psycopg2-binary"),
        ("faiss-cpu", "faiss-gpu", "faiss-gpu-cu12"),
        ("nvidia-cublas-cu11", "nvidia-cublas-cu12"),
        ("cupy-cuda11x", "cupy-cuda12x", "cupy"),
        ("pillow", "pillow-simd"),
        ("paddlepaddle", "paddlepaddle-gpu"),
    ],
)
def test_builds_of_one_project(names: tuple[str, ...]) -> None:
    assert len({_project(name) for name in names}) == 1


@pytest.mark.parametrize(
    "names",
    [
        ("psycopg", "psycopg-binary"),
        ("torch", "torchaudio"),
        ("nvidia-cublas-cu12", "nvidia-cudnn-cu12"),
        ("uvicorn", "uvloop"),
        ("django", "django-webtest"),
        ("google-cloud-storage", "google-cloud-core"),
    ],
)
def test_other_projects(names: tuple[str, ...]) -> None:
    assert len({_project(name) for name in names}) == len(names)


FAMILY = cpu_family(
    "acme",
    """\
[bases.base]
packages = ["first"]

[stages.api]
from = "base"
packages = ["second"]

[stages.job]
from = "base"
packages = ["third"]
""",
)


def publish(index: LocalIndex, first: Mapping[str, bytes], second: Mapping[str, bytes]) -> None:
    index.add("first", "1.0", files=first)
    index.add("second", "2.0", files=second)
    index.add("third", "3.0")


def warned(project: Project, *command: str) -> list[str]:
    ran = project.run(*command, "--json")
    assert ran.code == 0, ran.err
    return [warning["message"] for warning in json.loads(ran.out)["warnings"]]


COLLISIONS = {
    "a module": ({"shared/core.py": b"A = 1"}, {"shared/core.py": b"A = 2"}, "shared/core.py"),
    "the same module": ({"shared.py": b"A = 1"}, {"shared.py": b"A = 1"}, "shared.py"),
    "a package": ({"shared/__init__.py": b"A = 1"}, {"shared/__init__.py": b"A = 2"}, "shared/__init__.py"),
    "an extension": ({"x/fast.so": b"1"}, {"x/fast.so": b"2"}, "x/fast.so"),
    "data of a package": ({"x/table.json": b"1"}, {"x/table.json": b"2"}, "x/table.json"),
    "through .data": ({"x.py": b"1"}, {"second-2.0.data/purelib/x.py": b"2"}, "x.py"),
    "a program": (
        {"first-1.0.data/scripts/run": b"1"},
        {"second-2.0.data/scripts/run": b"2"},
        "../../../bin/run",
    ),
    "two modules": ({"a.py": b"1", "b.py": b"1"}, {"a.py": b"2", "b.py": b"2"}, "a.py and 1 more"),
}


@pytest.mark.parametrize("case", COLLISIONS)
def test_a_path_of_two_packages(case: str, project: Project, index: LocalIndex) -> None:
    first, second, path = COLLISIONS[case]
    publish(index, first, second)
    project.write(FAMILY)
    message = f"first and second install the same files ({path}) in api:cpu"
    assert warned(project, "resolve") == [message]
    # The second time from the cache: of `check`, and of an unchanged resolution.
    for command in ("check", "check", "resolve"):
        assert warned(project, command) == [message]
    assert project.run("resolve", "--strict").code == 2
    assert project.run("check", "--strict").code == 1


APART = {
    "a namespace": ({"google/one.py": b"1"}, {"google/two.py": b"2"}),
    "the same __init__.py": (
        {"nvidia/__init__.py": b"", "nvidia/cublas.py": b""},
        {"nvidia/__init__.py": b"", "nvidia/cudnn.py": b""},
    ),
    "tests next to the package": ({"tests/__init__.py": b"1"}, {"tests/__init__.py": b"2"}),
    "a license": ({"LICENSE": b"1"}, {"LICENSE": b"2"}),
    "bytecode": ({"x/__pycache__/a.cpython-311.pyc": b"1"}, {"x/__pycache__/a.cpython-311.pyc": b"2"}),
    "headers": ({"first-1.0.data/headers/a.h": b"1"}, {"second-2.0.data/headers/a.h": b"2"}),
}


@pytest.mark.parametrize("case", APART)
def test_no_warning(case: str, project: Project, index: LocalIndex) -> None:
    publish(index, *APART[case])
    project.write(FAMILY)
    assert warned(project, "resolve") == warned(project, "check") == []


@pytest.mark.parametrize(("content", "count"), [(b"1", 0), (b"2", 1)])
def test_parts_of_one_project_with_the_same_content(
    content: bytes, count: int, project: Project, index: LocalIndex
) -> None:
    # As mlflow and mlflow-skinny.
    index.add("first", "1.0", files={"x.py": b"1"})
    index.add("second", "2.0", ["first"], files={"x.py": content})
    index.add("third", "3.0")
    project.write(FAMILY)
    assert len(warned(project, "resolve")) == count


def test_images_that_have_only_one_of_them(project: Project, index: LocalIndex) -> None:
    publish(index, {"alone.py": b"1"}, {"shared.py": b"2"})
    index.add("third", "4.0", files={"shared.py": b"3"})
    project.write(FAMILY)
    assert warned(project, "resolve") == []


def test_a_damaged_cache_costs_a_warning_at_most(
    project: Project, index: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = project.root / "cache"
    monkeypatch.setenv("LOCKGEN_CACHE_DIR", str(cache))
    first, second, _ = COLLISIONS["a module"]
    publish(index, first, second)
    project.write(FAMILY)
    expected = warned(project, "resolve")
    for kind in ("shared-paths-2", "checked"):
        for entry in cache.glob(f"{kind}/*/*"):
            entry.write_text('[["first==1.0"], {}, 1]')
    assert warned(project, "check") == expected
    for entry in cache.glob("*/*/*"):
        entry.write_bytes(b"\xff\x00 no text")
    assert project.run("check").code == 0

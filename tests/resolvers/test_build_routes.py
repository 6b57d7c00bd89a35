"""Build requirements come from the same indexes as the family: the default index never gets a listed name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.index import TINY_BACKEND, LocalIndex, metadata, sdist, serving, wheel
from support.project import Project

RESOLVERS = ("uv", "pip-compile")
FAMILY = """\
[family]
name = "small"
python = "3.11"
build = ["srcpkg"]

[index.cu121]
url = "{url}"
packages = ["torch"]

[variants.cuda]
from = "python:3.11-slim"
index = "cu121"
{pins}
[bases.base]

[stages.api]
from = "base"
packages = ["srcpkg"]
"""
# The backend itself requires torch, not pyproject.toml.
ASKING_BACKEND = """
from tinybackend import build_wheel as _build
def get_requires_for_build_wheel(config_settings=None):
    return ["tinybackend", "torch"]
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    from tinybackend import build_wheel
    import torch
    return build_wheel(wheel_directory, config_settings, metadata_directory)
"""


@pytest.fixture
def cu121() -> Iterator[LocalIndex]:
    with serving(LocalIndex()) as other:
        add_wheel(other, "2.5.1+cu121", "")
        yield other


@pytest.fixture
def payload(tmp_path: Path) -> Path:
    """The file that the foreign torch creates when its code runs."""
    return tmp_path / "it-ran"


@pytest.fixture
def hostile(project: Project, index: LocalIndex, cu121: LocalIndex, payload: Path) -> Project:
    """The default index offers newer and equal builds of torch, whose import creates ``payload``."""
    code = f"open({str(payload)!r}, 'w').close()\n"
    for version in ("99.0", "2.5.1", "2.5.1+cu121"):
        add_wheel(index, version, code)
    backend = TINY_BACKEND.format(version="1.0").replace("import os, zipfile", "import os, zipfile, torch", 1)
    text = metadata("tinybackend", "1.0", [], [], None)
    name, data = wheel("tinybackend", "1.0", "py3-none-any", text, backend)
    index.add_file("tinybackend", name, data, text)
    write(project, cu121)
    return project


def add_wheel(index: LocalIndex, version: str, code: str) -> None:
    text = metadata("torch", version, [], [], None)
    name, data = wheel("torch", version, "py3-none-any", text, code)
    index.add_file("torch", name, data, text)


def write(project: Project, cu121: LocalIndex, pins: str = "") -> None:
    project.write(FAMILY.format(url=cu121.url, pins=pins))


def asked_for_torch(index: LocalIndex) -> list[str]:
    return [path for path in index.asked if "torch" in path.lower()]


def tools(project: Project) -> dict[str, tuple[str, str | None]]:
    lock = json.loads((project.root / "locks/lock.json").read_text())
    return {tool["name"]: (tool["version"], tool.get("index")) for tool in lock["tools"]}


def check_nothing_foreign(index: LocalIndex, payload: Path) -> None:
    assert not payload.exists(), "code of the default index's torch ran"
    assert asked_for_torch(index) == []


@pytest.mark.parametrize("resolver", RESOLVERS)
@pytest.mark.parametrize("pin", ['pins = { torch = "2.5.1+cu121" }', ""], ids=["pinned", "free"])
@pytest.mark.parametrize("static", [True, False], ids=["static-metadata", "built-metadata"])
def test_requirements_in_pyproject_use_the_routed_index(
    hostile: Project, index: LocalIndex, cu121: LocalIndex, payload: Path, resolver: str, pin: str, static: bool
) -> None:
    write(hostile, cu121, pin)
    index.add("srcpkg", "1.0", source=True, builds=["tinybackend", "torch"], static=static)
    hostile.ok("resolve", "--resolver", resolver)
    check_nothing_foreign(index, payload)
    assert tools(hostile)["torch"] == ("2.5.1+cu121", "cu121")
    text = (hostile.root / "docker/requirements-build.txt").read_text()
    assert f"torch==2.5.1+cu121 \\\n    --hash=sha256:{cu121.sha256('torch-2.5.1+cu121-py3-none-any.whl')}\n" in text
    hostile.ok("check")


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_dependencies_of_build_requirements_use_the_routed_index(
    hostile: Project, index: LocalIndex, payload: Path, resolver: str
) -> None:
    """A package of the default index requires torch."""
    index.add("helper", "1.0", ["torch"])
    index.add("srcpkg", "1.0", source=True, builds=["tinybackend", "helper"])
    hostile.ok("resolve", "--resolver", resolver)
    check_nothing_foreign(index, payload)
    assert tools(hostile)["torch"] == ("2.5.1+cu121", "cu121")


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_requirements_of_the_backend_use_the_routed_index(
    hostile: Project, index: LocalIndex, payload: Path, resolver: str
) -> None:
    name, data = sdist("srcpkg", "1.0", metadata("srcpkg", "1.0", [], [], None), ["tinybackend"])
    index.add_file("srcpkg", name, with_backend(data), None)
    index.add_backend("1.0")  # does not import torch, as pyproject.toml does not require it
    hostile.ok("resolve", "--resolver", resolver)
    check_nothing_foreign(index, payload)
    assert tools(hostile)["torch"] == ("2.5.1+cu121", "cu121")


def with_backend(archive: bytes) -> bytes:
    """The source distribution with its own backend, which requires torch (get_requires_for_build_wheel)."""
    import gzip
    import io
    import tarfile

    pyproject = '[build-system]\nrequires = ["tinybackend"]\nbuild-backend = "asking"\nbackend-path = ["."]\n'
    packed = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as old, tarfile.open(fileobj=packed, mode="w") as new:
        contents = {m.name: opened.read() for m in old if (opened := old.extractfile(m)) is not None}
        contents["srcpkg-1.0/pyproject.toml"] = pyproject.encode()
        contents["srcpkg-1.0/asking.py"] = ASKING_BACKEND.encode()
        for path, content in contents.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            new.addfile(info, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_a_variant_without_the_index_gets_an_error_before_any_code_runs(
    hostile: Project, index: LocalIndex, cu121: LocalIndex, payload: Path, resolver: str
) -> None:
    hostile.write(FAMILY.format(url=cu121.url, pins="").replace('index = "cu121"\n', ""))
    index.add("srcpkg", "1.0", source=True, builds=["tinybackend", "torch"])
    ran = hostile.run("resolve", "--resolver", resolver)
    assert ran.code in (3, 4), ran.err
    assert "torch" in ran.err
    check_nothing_foreign(index, payload)
    assert not (hostile.root / "locks").exists()


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_dependencies_of_an_image_use_the_routed_index(
    hostile: Project, index: LocalIndex, cu121: LocalIndex, resolver: str
) -> None:
    """torch is neither pinned nor required directly."""
    index.add("deep", "1.0", ["torch>=2"])
    hostile.write(FAMILY.format(url=cu121.url, pins="").replace('["srcpkg"]\n', '["deep"]\n').replace(
        'build = ["deep"]\n', ""))  # fmt: skip
    hostile.ok("resolve", "--resolver", resolver)
    assert asked_for_torch(index) == []
    lock = json.loads((hostile.root / "locks/lock.json").read_text())
    assert [(p["version"], p["index"]) for p in lock["packages"] if p["name"] == "torch"] == [("2.5.1+cu121", "cu121")]


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_the_error_of_a_variant_without_the_index_names_the_index(
    hostile: Project, index: LocalIndex, cu121: LocalIndex, resolver: str
) -> None:
    text = FAMILY.format(url=cu121.url, pins="").replace('index = "cu121"\n', "")
    index.add("deep", "1.0", ["torch>=2"])
    hostile.write(text.replace('["srcpkg"]\n', '["deep"]\n').replace('build = ["deep"]\n', ""))
    ran = hostile.run("resolve", "--resolver", resolver)
    assert ran.code == 3, ran.err
    assert "variant cuda needs torch, which comes only from cu121" in ran.err
    assert asked_for_torch(index) == []


def test_a_cached_build_of_an_earlier_version_is_not_used(
    hostile: Project, index: LocalIndex, cu121: LocalIndex, payload: Path, tmp_path: Path
) -> None:
    """Earlier versions took build requirements from any index."""
    name = index.add("srcpkg", "1.0", source=True, builds=["tinybackend", "torch"])
    digest = hashlib.sha256(index.files[name]).hexdigest()
    entry = tmp_path / "cache-LOCKGEN" / "artifacts" / digest[:2] / f"{digest}.json"
    entry.parent.mkdir(parents=True)
    entry.write_text(json.dumps({"format": 1, "build": {"requires": ["foreign"], "installed": 1}}))
    hostile.ok("resolve")
    assert "foreign" not in tools(hostile)
    check_nothing_foreign(index, payload)

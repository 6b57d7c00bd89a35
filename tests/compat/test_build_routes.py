"""Builds by `compat --install` and `lint` also get listed packages only from their index."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.asking import HERE
from support.index import TINY_BACKEND, LocalIndex, metadata, serving, wheel

from lockgen.compat.install_check import install
from lockgen.core.index import CoreMetadata, ExplicitIndex, IndexFile, ProjectPage
from lockgen.core.resolution import Request, Resolved
from lockgen.index.artifacts import ArtifactReader
from lockgen.io.http import Http

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the target is Linux")


def add_torch(index: LocalIndex, version: str, code: str) -> IndexFile:
    text = metadata("torch", version, [], [], None)
    name, data = wheel("torch", version, "py3-none-any", text, code)
    index.add_file("torch", name, data, text)
    url = index.url.removesuffix("simple") + f"files/{name.replace('+', '%2B')}"
    return IndexFile(name, url, index.sha256(name))


@pytest.fixture
def listed() -> Iterator[ExplicitIndex]:
    """An index with torch, as data. Its wheel can be downloaded."""
    with serving(LocalIndex()) as other:
        file = add_torch(other, "2.5.1+cu121", "")
        known = {file.name: CoreMetadata("torch", "2.5.1+cu121")}
        yield ExplicitIndex("cu121", other.url, {"torch": ProjectPage("torch", (file,))}, known)


@pytest.fixture
def payload(index: LocalIndex, tmp_path: Path) -> Path:
    """The file that the torch of the default index creates on import. Building `srcpkg` imports torch."""
    mark = tmp_path / "it-ran"
    for version in ("99.0", "2.5.1+cu121"):
        add_torch(index, version, f"open({str(mark)!r}, 'w').close()\n")
    backend = TINY_BACKEND.format(version="1.0").replace("import os, zipfile", "import os, zipfile, torch", 1)
    text = metadata("tinybackend", "1.0", [], [], None)
    name, data = wheel("tinybackend", "1.0", "py3-none-any", text, backend)
    index.add_file("tinybackend", name, data, text)
    return mark


def source(index: LocalIndex) -> IndexFile:
    name = index.add("srcpkg", "1.0", source=True, builds=["tinybackend", "torch"])
    return IndexFile(name, index.url.removesuffix("simple") + f"files/{name}", index.sha256(name))


def request(listed: ExplicitIndex) -> Request:
    build = frozenset({"srcpkg"})
    return Request("small", HERE, (), (), {"torch": "cu121"}, {"cu121": listed}, {}, build, None)


def test_installing_a_cell(index: LocalIndex, listed: ExplicitIndex, payload: Path) -> None:
    rows = [Resolved("srcpkg", "1.0", None, (source(index),))]
    assert install(rows, request(listed), ["srcpkg"]).status == "yes"
    assert not payload.exists()
    assert not [path for path in index.asked if "torch" in path]


def test_reading_which_modules_a_source_has(index: LocalIndex, listed: ExplicitIndex, payload: Path) -> None:
    assert "srcpkg.py" in ArtifactReader(Http()).members(source(index), request(listed))
    assert not payload.exists()
    assert not [path for path in index.asked if "torch" in path]


def test_a_build_takes_the_pinned_version(index: LocalIndex, payload: Path) -> None:
    """An extension that was compiled against another torch does not load in the image."""
    with serving(LocalIndex()) as other:
        files = [add_torch(other, version, "") for version in ("2.5.1+cu121", "2.6.0+cu121")]
        known = {file.name: CoreMetadata("torch", file.name.split("-")[1]) for file in files}
        both = ExplicitIndex("cu121", other.url, {"torch": ProjectPage("torch", tuple(files))}, known)
        pinned = replace(request(both), constraints=("torch==2.5.1+cu121",))
        rows = [Resolved("srcpkg", "1.0", None, (source(index),))]
        assert install(rows, pinned, ["srcpkg"]).status == "yes"
        assert [path for path in other.asked if path.endswith(".whl")] == [
            "/files/torch-2.5.1%2Bcu121-py3-none-any.whl"
        ]

"""Packages that a layer replaces, deletes or installs a second time, in layers that the tests build."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from lockgen.core.target import Target
from lockgen.errors import BadInput
from lockgen.images.inspection import installed, shared_files, unmet_requirements
from lockgen.images.layer_model import Layer, LayeredImage, Waste
from lockgen.images.layer_reader import read_layer
from lockgen.images.layer_source import read_image
from lockgen.images.layer_waste import wasted
from lockgen.io.http import Http

SITE = "opt/venv/lib/python3.11/site-packages"


def package(name: str, version: str, size: int, site: str = SITE, needs: str = "") -> dict[str, bytes]:
    """The files of an installed package; its one module has ``size`` bytes."""
    info = f"{site}/{name}-{version}.dist-info"
    record = f"{name}/__init__.py,,\n{name}-{version}.dist-info/METADATA,,\n{name}-{version}.dist-info/RECORD,,\n"
    return {
        f"{site}/{name}/__init__.py": b"x" * size,
        f"{info}/METADATA": f"Name: {name}\nVersion: {version}\n{needs}".encode(),
        f"{info}/RECORD": record.encode(),
    }


def layer(*parts: dict[str, bytes], gone: tuple[str, ...] = (), packed: bool = False) -> Layer:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz" if packed else "w") as archive:
        for part in parts:
            for path, data in part.items():
                info = tarfile.TarInfo(path)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        for path in gone:
            folder, _, name = path.rpartition("/")
            archive.addfile(tarfile.TarInfo(f"{folder}/.wh.{name}"), io.BytesIO())
    buffer.seek(0)
    return read_layer(buffer, "sha256:0")


def image(*layers: Layer) -> LayeredImage:
    return LayeredImage("image", layers)


def test_disjoint_layers_waste_nothing() -> None:
    clean = image(layer(package("torch", "2.1.0", 9000)), layer(package("numpy", "1.26.4", 500), packed=True))
    assert wasted(clean) == []
    assert shared_files(clean) == []
    assert installed(clean) == {SITE: {"torch": "2.1.0", "numpy": "1.26.4"}}


def test_a_replaced_version_is_wasted() -> None:
    """As pip does it: it deletes files of the old version, and overwrites others with those of the new one."""
    old = package("torch", "2.1.0+cu121", 9000)
    info = f"{SITE}/torch-2.1.0+cu121.dist-info"
    stacked = image(layer(old), layer(package("torch", "2.9.0", 100), gone=(info,)))
    total = sum(map(len, old.values()))
    assert wasted(stacked) == [Waste("torch", "2.1.0+cu121", 1, 2, "replaced", total, "2.9.0")]
    assert installed(stacked) == {SITE: {"torch": "2.9.0"}}
    assert shared_files(stacked) == [(f"{SITE}/torch/__init__.py", 1, 2)]


def test_a_package_deleted_in_an_upper_layer_is_wasted() -> None:
    old = package("torch", "2.1.0", 9000)
    gone = (f"{SITE}/torch", f"{SITE}/torch-2.1.0.dist-info")
    assert wasted(image(layer(old), layer(gone=gone))) == [
        Waste("torch", "2.1.0", 1, 2, "deleted", sum(map(len, old.values())))
    ]


def test_an_emptied_folder_hides_its_lower_content() -> None:
    old = package("torch", "2.1.0", 9000)
    emptied = layer({f"{SITE}/torch/.wh..wh..opq": b"", f"{SITE}/torch/other.py": b"y"})
    found = wasted(image(layer(old), emptied))
    assert found == [Waste("torch", "2.1.0", 1, 2, "deleted", 9000)]


def test_a_second_copy_elsewhere_is_wasted() -> None:
    """Both are installed, and sys.path decides which one is imported."""
    other = "usr/local/lib/python3.11/site-packages"
    found = wasted(image(layer(package("numpy", "1.26.4", 50, other)), layer(package("numpy", "2.0.0", 700))))
    assert [(w.package, w.version, w.layer, w.kind, w.now) for w in found] == [("numpy", "1.26.4", 1, "twice", "2.0.0")]


def test_bytecode_belongs_to_its_module() -> None:
    compiled = {f"{SITE}/torch/__pycache__/__init__.cpython-311.pyc": b"z" * 300}
    old = package("torch", "2.1.0", 9000)
    gone = (f"{SITE}/torch", f"{SITE}/torch-2.1.0.dist-info")
    (found,) = wasted(image(layer(old, compiled), layer(gone=gone)))
    assert found.bytes == sum(map(len, old.values())) + 300


def test_reports_unmet_requirements_like_pip_check() -> None:
    target = Target("3.11", "linux/amd64", "2.35")
    needs = "Requires-Dist: numpy>=2\nRequires-Dist: ghost\nRequires-Dist: pywin32; sys_platform == 'win32'\n"
    held = image(layer(package("torch", "2.1.0", 9, needs=needs), package("numpy", "1.26.4", 9)))
    assert unmet_requirements(held, target, SITE) == [
        "torch 2.1.0 requires numpy>=2, and 1.26.4 is installed",
        "torch 2.1.0 requires ghost, which is not installed",
    ]


def test_a_layer_that_is_not_a_tar_file() -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_layer(io.BytesIO(b"\1" * 2000), "sha256:1")


@pytest.mark.parametrize("name", ["/nonexistent", "./image.tar"])
def test_a_missing_path_is_not_looked_up_in_a_registry(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(BadInput, match="no such file or folder"):
        read_image(Http(), tmp_path, name)


def test_a_vendored_copy_is_not_an_installed_package() -> None:
    """setuptools contains other packages in setuptools/_vendor. They are not installed, required or duplicated."""
    vendored = package("wheel", "0.45", 10, f"{SITE}/setuptools/_vendor", "Requires-Dist: not-there\n")
    image = LayeredImage("x", (layer(package("setuptools", "80.0", 5), vendored),))
    assert installed(image) == {SITE: {"setuptools": "80.0"}}
    assert unmet_requirements(image, Target("3.11", "linux/amd64", "2.35"), "opt/venv/lib/") == []
    assert wasted(image) == []

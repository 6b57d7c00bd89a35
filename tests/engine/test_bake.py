"""The bake file, parsed by bake itself: names and values are those of versions.toml."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.slots import DEFAULT, rendered

pytestmark = pytest.mark.usefixtures("engine")


def read(tmp_path: Path, *targets: str, **changed: str) -> dict[str, Any]:
    """The output of `docker buildx bake --print` for a family with ``changed`` values."""
    (tmp_path / "docker-bake.hcl").write_text(rendered(**changed)["docker/docker-bake.hcl"])
    command = ["docker", "buildx", "bake", "--file", "docker-bake.hcl", "--print", *targets]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(
    "url",
    [
        "https://index.example/%{if(true)}x%{endif}",
        "https://index.example/a%%{b};d(e)*[f]&g|h{i}",
        "https://index.example/a%7Bb",
    ],
)
def test_bake_reads_index_urls_unchanged(tmp_path: Path, url: str) -> None:
    found = read(tmp_path, url=url)["target"]["ml-cuda"]
    assert found["args"]["PAGES"] == f"{url}/torch/"
    assert found["args"]["SOURCES"] == ""


def test_bake_reads_names_unchanged(tmp_path: Path) -> None:
    names = {
        "family": "a__b.c-d",
        "registry": "localhost:5000/a.b-c_d/e",
        "variant": "x.y_z-1",
        "stage": "s.t__u",
        "ppa": "a.b+c-d/e.f+g",
        "image": "localhost:5000/n/cuda:12.1.0_X.y@sha256:" + "0123456789abcdef" * 4,
    }
    bake = read(tmp_path, **names)
    built = bake["target"]["s_t__u-x_y_z-1"]
    assert built["tags"] == ["localhost:5000/a.b-c_d/e/a__b.c-d-s.t__u:x.y_z-1"]
    assert built["dockerfile"] == "docker/s.t__u/Dockerfile"
    assert built["args"]["VARIANT"] == "x.y_z-1"
    assert built["labels"]["org.opencontainers.image.base.name"] == names["image"]
    root = bake["target"]["_base-x_y_z-1-system"]
    assert root["args"] == {"BASE_IMAGE": names["image"], "VARIANT": "x.y_z-1", "PPA": names["ppa"]}


@pytest.mark.parametrize("names", [{"stage": "default"}, {"base": "base-cpu"}, {"stage": "all-cpu"}, {"base": "tools"}])
def test_every_image_has_its_own_target(tmp_path: Path, names: dict[str, str]) -> None:
    """Even if an image has the name of a group, or of another image's target."""
    tree = rendered(**names)
    images = [(path.split("/")[1], path) for path in tree if path.endswith("/Dockerfile")]
    bake = read(tmp_path, **names)
    built = {target["tags"][0] for target in bake["target"].values() if "tags" in target}
    used = DEFAULT | names
    expected = {f"{name}:{variant}" for name, _ in images for variant in ("cpu", used["variant"])} - {"demux:cuda"}
    assert {tag.partition("/team/small-")[2] for tag in built} == expected
    assert sorted(bake["group"]["default"]["targets"]) == sorted(name for name in bake["target"] if name[0] != "_")

"""Builders other than the engine of the machine: another engine, its context, and the remote driver of buildx."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

from support.engines import Engine, buildkit, client_settings
from support.tiny import Tiny, docker

IMAGES = {"base:cpu", "base:cuda", "ml:cuda", "asr:cuda", "demux:cpu", "old:cpu"}


def _elsewhere(tiny: Tiny, **env: str) -> Tiny:
    return replace(tiny, env={**tiny.env, **env})


def test_docker_host_selects_the_engine(tiny: Tiny, other: Engine) -> None:
    there = _elsewhere(tiny, DOCKER_HOST=other.tcp)
    done = there.ok("build", "--json", *tiny.fetched())
    assert {row["image"] for row in done.json["images"]} == IMAGES
    assert all(row["bytes"] > 1_000_000 for row in done.json["images"])
    # An install counts for the image of its layer, although the images on top list it too.
    installed = {row["image"]: row["installed"] for row in done.json["images"]}
    assert {image: installed[image] for image in IMAGES if "base" not in image} == dict.fromkeys(
        ("ml:cuda", "asr:cuda", "demux:cpu", "old:cpu"), 1
    )
    progress = done.err.splitlines()
    assert progress[0] == "building 6 images"
    assert {image: progress.count(f"built {image}") for image in IMAGES} == dict.fromkeys(IMAGES, 1)
    assert all(progress.count(f"building {image}") <= 1 for image in IMAGES)
    assert "building base:cpu" in progress or "building base:cuda" in progress
    assert len(progress) < 30, "progress output is short"
    verdicts = there.ok("verify", "--json").json["images"]
    assert {row["image"]: row["faults"] for row in verdicts} == {image: [] for image in IMAGES}
    here = docker("images", "-q", f"{tiny.registry}/*")
    assert here == "", "the engine of the machine has none of the images"


def test_a_docker_context_as_builder(tiny: Tiny, other: Engine, tmp_path: Path) -> None:
    there = _elsewhere(tiny, **client_settings(tmp_path))
    _client(there, "context", "create", "elsewhere", "--docker", f"host={other.host}")
    reference = tiny.reference("demux", "cpu")
    tiny.edit("docker/demux/demux.py", "The demux stage.", "The demux stage, elsewhere.")
    built = there.build("--builder", "elsewhere", "demux")
    # The size is that on the engine that built it; the engine of the machine does not have the image.
    assert built["demux:cpu"]["bytes"] == int(other.docker("image", "inspect", "--format", "{{.Size}}", reference))
    assert "elsewhere" in other.docker("run", "--rm", "--network", "none", reference, "--help")
    assert docker("images", "-q", reference) == ""
    refused = there.run("build", "--builder", "nowhere", "demux")
    assert refused.code == 4
    assert "builder 'nowhere' not found" in refused.err


def test_the_remote_driver_as_builder(tiny: Tiny, other: Engine, tmp_path: Path) -> None:
    """BuildKit over its own protocol, like a buildkitd on another machine: images are loaded into the engine here, or
    pushed.
    """
    there = _elsewhere(tiny, **client_settings(tmp_path))
    reference = tiny.reference("demux", "cpu")
    with buildkit(other) as address:
        _client(there, "buildx", "create", "--name", "far", "--driver", "remote", address)
        tiny.edit("docker/demux/demux.py", "stage, elsewhere.", "stage, far away.")
        other.docker("rmi", reference)
        built = there.build("--builder", "far", "demux")["demux:cpu"]
        assert built["bytes"] == int(docker("image", "inspect", "--format", "{{.Size}}", reference))
        assert tiny.ok("verify", "demux").out == "demux:cpu: 2 packages as locked, in disjoint layers\n"
        assert "far away" in docker("run", "--rm", reference, "--help")
        pushed = there.build("--builder", "far", "--push", "demux")["demux:cpu"]
        assert pushed["bytes"] is None, "the engine here has another image than the pushed one"
    docker("rmi", reference)
    docker("pull", reference)
    assert "far away" in docker("run", "--rm", reference, "--help")
    lost = there.run("build", "--builder", "far", "demux")
    assert lost.code == 4
    assert "the engine does not answer" in lost.err
    assert f"nothing answers at {address}" in lost.err


def _client(tiny: Tiny, *arguments: str) -> None:
    subprocess.run(["docker", *arguments], env=tiny.env, check=True, capture_output=True, timeout=60)

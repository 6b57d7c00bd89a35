"""The tiny family, from versions.toml to running images. Each test leaves the family ready for the next one."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

from support.index import wheel
from support.tiny import Tiny, add_torch, docker

IMAGES = {"base:cpu", "base:cuda", "ml:cuda", "asr:cuda", "demux:cpu", "old:cpu"}


def test_all_images_build_and_match_the_lock(tiny: Tiny) -> None:
    built = tiny.build()
    assert built.keys() == IMAGES
    assert all(row["bytes"] > 1_000_000 for row in built.values())
    verdicts = tiny.ok("verify", "--json").json["images"]
    assert {row["image"]: row["faults"] for row in verdicts} == {image: [] for image in IMAGES}
    said = docker("run", "--rm", tiny.reference("asr", "cuda"), "--self-check")
    assert said == "3 packages as locked, 3 imported"


def test_the_image_is_small_and_unprivileged(tiny: Tiny) -> None:
    reference = tiny.reference("asr", "cuda")
    assert docker("run", "--rm", "--entrypoint", "id", reference, "-u") == "1000"
    gone = "for path in /tools /wheelhouse /wheels /tmp/requirements.txt /root/.cache/uv; do test ! -e $path; done"
    docker("run", "--rm", "--user", "0", "--entrypoint", "sh", reference, "-euc", gone)
    found = docker("run", "--rm", "--entrypoint", "find", reference, "/opt/venv", "-name", "*.pyc")
    assert found == ""
    labels = json.loads(docker("image", "inspect", "--format", "{{json .Config.Labels}}", reference))
    assert labels["org.opencontainers.image.revision"] == tiny.git("rev-parse", "HEAD").strip()
    assert labels["org.opencontainers.image.base.digest"].startswith("sha256:")
    docker("run", "--rm", "--entrypoint", "sh", reference, "-euc", "touch /app/in/x; test ! -w /app/asr.py")


def test_the_size_forecast_matches_the_engine(tiny: Tiny) -> None:
    """The forecast of every Python layer of every image differs by at most 2 % from the engine's layer."""
    layouts = {row["layout"]: row for row in tiny.ok("size", "--json").json["layouts"]}
    compared = 0
    for image in layouts["layered"]["images"]:
        name, variant = image["image"].split(":")
        layers = tiny.ok("inspect", "--json", tiny.reference(name, variant)).json["layers"]
        held = [layer["bytes"] for layer in layers if "uv pip install" in layer["created-by"]]
        forecast = [layer["installed"] for layer in image["layers"]]
        for expected, real in zip(reversed(forecast), reversed(held), strict=False):
            assert abs(expected - real) <= 0.02 * real, (image["image"], forecast, held)
            compared += 1
    assert compared == 6


def test_a_change_of_code_runs_no_install_step(tiny: Tiny) -> None:
    tiny.edit("docker/asr/asr.py", "The asr stage.", "The asr stage, better.")
    dry = tiny.ok("build", "--dry-run", "--affected", "HEAD").out.split()
    assert dry == ["asr:cuda"]
    built = tiny.build()
    assert {image: row["installed"] for image, row in built.items()} == dict.fromkeys(built, 0)
    assert built["asr:cuda"]["steps"] - built["asr:cuda"]["cached"] == 1
    assert all(row["steps"] == row["cached"] for image, row in built.items() if image != "asr:cuda")
    assert "better" in docker("run", "--rm", tiny.reference("asr", "cuda"), "--help")
    tiny.git("commit", "-qam", "better")


def test_a_changed_pin_rebuilds_only_images_with_the_package(tiny: Tiny) -> None:
    tiny.build()
    before = {image: docker("image", "inspect", "--format", "{{.Id}}", _tagged(tiny, image)) for image in IMAGES}
    tiny.edit("versions.toml", 'gamma = "1.0"', 'gamma = "2.0"')
    tiny.ok("resolve")
    assert tiny.ok("build", "--dry-run", "--affected", "HEAD").out.split() == ["demux:cpu"]
    tiny.git("commit", "-qam", "gamma 2.0")
    built = tiny.build()
    assert {image for image, row in built.items() if row["installed"]} == {"demux:cpu"}
    after = {image: docker("image", "inspect", "--format", "{{.Id}}", _tagged(tiny, image)) for image in IMAGES}
    assert {image for image in IMAGES if before[image] != after[image]} == {"demux:cpu"}
    tiny.ok("verify")


def test_push_pull_and_inspect_from_every_source(tiny: Tiny, tmp_path: Path) -> None:
    reference = tiny.reference("demux", "cpu")
    tiny.build("--push", "demux")
    docker("rmi", "-f", reference)
    from_registry = tiny.ok("inspect", "--json", reference).json
    docker("pull", reference)
    assert docker("run", "--rm", reference, "--self-check") == "2 packages as locked, 2 imported"
    docker("save", "-o", str(tmp_path / "demux.tar"), reference)
    from_file = tiny.ok("inspect", "--json", str(tmp_path / "demux.tar")).json
    with tarfile.open(tmp_path / "demux.tar") as archive:
        archive.extractall(tmp_path / "layout", filter="data")
    from_layout = tiny.ok("inspect", "--json", str(tmp_path / "layout")).json
    sizes = [[layer["bytes"] for layer in found["layers"]] for found in (from_registry, from_file, from_layout)]
    assert sizes[0] == sizes[1] == sizes[2]
    assert from_registry["wasted"] == []


def test_another_torch_installed_by_hand_is_detected_three_times(tiny: Tiny) -> None:
    add_torch(tiny.index, "2.6.0+cu121")
    name = next(name for name in tiny.index.files if name.startswith("torch-2.6.0"))
    (tiny.root / "shared" / name).write_bytes(tiny.index.files[name])
    by_hand = (
        "USER 0\nRUN --mount=type=bind,from=tools,source=/tools,target=/tools "
        "/tools/bin/uv pip install --no-index --find-links /app/shared torch==2.6.0\nUSER 1000:1000\n"
    )
    tiny.edit("docker/asr/Dockerfile", "USER 1000:1000\n", by_hand)
    found = tiny.run("check")
    assert found.code == 1
    assert "docker/asr/Dockerfile: does not match the lock" in found.out
    refused = tiny.run("build", "asr")
    assert refused.code == 2
    assert "docker/asr/Dockerfile" in refused.err
    tiny.build("--accept-drift", "asr")
    verdict = tiny.run("verify", "asr")
    assert verdict.code == 1
    assert "torch 2.6.0+cu121 is installed, but 2.5.1+cu121 is locked" in verdict.out
    inspected = tiny.run("inspect", "--json", tiny.reference("asr", "cuda"))
    assert inspected.code == 1
    waste = inspected.json["wasted"]
    assert [(w["package"], w["version"], w["now"], w["kind"]) for w in waste] == [
        ("torch", "2.5.1+cu121", "2.6.0+cu121", "replaced")
    ]
    assert waste[0]["bytes"] > 0
    tiny.git("checkout", "docker/asr/Dockerfile")
    (tiny.root / "shared" / name).unlink()


def test_a_tampered_wheel_stops_the_build(tiny: Tiny) -> None:
    # A file of this run only: an earlier run's is still in the engine's uv cache.
    name = tiny.index.add("gamma", "3.0", extras=[tiny.registry.rpartition("/")[2]])
    tiny.edit("versions.toml", 'gamma = "2.0"', 'gamma = "3.0"')
    tiny.ok("resolve")
    where = tiny.fetched()
    (tiny.wheelhouse / "demux-cpu" / name).unlink()  # a link: the file itself stays unchanged
    (tiny.wheelhouse / "demux-cpu" / name).write_bytes(wheel("gamma", "3.0", "py3-none-any", "Name: gamma")[1])
    failed = tiny.run("build", *where, "demux")
    assert failed.code == 4
    assert "hash mismatch of gamma" in failed.err
    assert "docker/demux/requirements-demux.txt" in failed.err
    assert tiny.build("demux")["demux:cpu"]["installed"] == 1


def test_a_wheelhouse_needs_no_index(tiny: Tiny) -> None:
    """Every step runs again, with wheels, torch and source distributions, and the index is not reachable."""
    where = tiny.fetched()
    lost = tiny.lost()
    tiny.index.asked.clear()
    built = lost.ok("build", "--json", "--no-cache", *where, "asr", "old").json["images"]
    assert {row["image"] for row in built if row["installed"]} == {"asr:cuda", "old:cpu"}
    assert tiny.index.asked == []
    assert lost.run("build", "--no-cache", "old").code == 4
    tiny.ok("verify", "asr", "old")


def test_a_missing_base_image_is_reported(tiny: Tiny) -> None:
    failed = tiny.run("build", *tiny.fetched(), "--base", "cpu=localhost:5000/missing/image:1", "demux")
    assert failed.code == 4
    assert "base image localhost:5000/missing/image:1 was not found" in failed.err
    assert tiny.run("build", "--base", "gpu=x", "demux").code == 2


def test_a_missing_engine_is_reported(tiny: Tiny, tmp_path: Path) -> None:
    lost = Tiny(tiny.root, tiny.index, {**tiny.env, "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}, tiny.registry)
    failed = lost.run("build")
    assert failed.code == 4
    assert "the engine does not answer" in failed.err
    bare = Tiny(tiny.root, tiny.index, {**tiny.env, "PATH": str(tmp_path)}, tiny.registry)
    (tmp_path / "git").symlink_to("/usr/bin/git")
    assert "docker was not found" in bare.run("build").err


def _tagged(tiny: Tiny, image: str) -> str:
    name, variant = image.split(":")
    return tiny.reference(name, variant)

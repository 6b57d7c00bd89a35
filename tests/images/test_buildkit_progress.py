"""BuildKit's progress in plain words: the current activity, and the few lines that stay in the log."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from lockgen.images.build_model import BuildStep, owner
from lockgen.images.builder_reader import Builder, parse_builder
from lockgen.images.buildkit_progress import ProgressReader

IMAGES = {"base-cpu": "base:cpu", "_base-cpu-system": "base:cpu", "ml-cpu": "ml:cpu"}
INSTALL = (
    "RUN --mount=type=bind,from=tools,source=/tools,target=/tools     "
    "--mount=type=bind,source=docker/ml/requirements-ml.txt,target=/tmp/requirements.txt "
    "export UV_LINK_MODE=copy && /tools/bin/uv pip install --no-deps -r /tmp/requirements.txt"
)


def _messages(reader: ProgressReader, *vertices: Mapping[str, object]) -> list[tuple[str, bool]]:
    text = json.dumps({"vertexes": vertices})
    return [(news.text, news.stays) for news in reader.feed(text + "\n")]


def _at(second: int) -> str:
    return f"2026-01-01T00:00:{second:02}.123456789Z"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"[ml-cpu image 1/2] {INSTALL}", "installing docker/ml/requirements-ml.txt"),
        ("[ml-cpu image 2/2] COPY --chmod=0755 shared/ scripts/ /app/", "copying shared/ scripts/"),
        ("[base-cpu internal] load metadata for docker.io/library/python:3.11-slim", "looking up python:3.11-slim"),
        ("[base-cpu system 1/4] FROM docker.io/nvidia/cuda:12.1@sha256:07", "pulling the base image nvidia/cuda:12.1"),
        ("[base-cpu internal] load build context", "sending files"),
        ("[base-cpu] exporting to image", "exporting the image"),
        ("[base-cpu system 3/4] RUN <<'EOF' (set -eu...)", "RUN <<'EOF' (set -eu...)"),
    ],
)  # fmt: skip
def test_a_step_has_a_short_description(text: str, words: str) -> None:
    assert BuildStep((), text, False, 0.0).description == words


def test_the_log_names_each_image_once_and_its_long_steps() -> None:
    reader = ProgressReader(IMAGES)
    system = {"digest": "1", "name": "[_base-cpu-system system 2/4] WORKDIR /app", "started": _at(0)}
    assert _messages(reader, system) == [("building base:cpu", True), ("base:cpu: WORKDIR /app", False)]
    assert _messages(reader, {**system, "completed": _at(1)}) == []
    # ml is built on base and reports its steps too: they still belong to base.
    assert _messages(reader, {**system, "name": "[ml-cpu system 2/4] WORKDIR /app", "completed": _at(1)}) == []
    install = {"digest": "2", "name": f"[ml-cpu image 1/2] {INSTALL}", "started": _at(2)}
    description = "ml:cpu: installing docker/ml/requirements-ml.txt"
    assert _messages(reader, install) == [("building ml:cpu", True), (description, False)]
    done = {**install, "completed": _at(14)}
    assert _messages(reader, done) == [(f"{description} took 12 s", True)]
    assert _messages(reader, done) == []
    stored = {"digest": "3", "name": "[ml-cpu] exporting to image", "started": _at(14)}
    assert _messages(reader, stored) == [("ml:cpu: exporting the image", False)]
    assert _messages(reader, {**stored, "completed": _at(15)}) == [("built ml:cpu", True)]
    stage = {"digest": "4", "name": "[_base-cpu-system] exporting to image", "started": _at(14), "completed": _at(15)}
    assert _messages(reader, stage) == []
    steps = reader.steps()[:2]
    assert [step.targets for step in steps] == [("_base-cpu-system", "ml-cpu"), ("ml-cpu",)]


def test_a_shared_step_belongs_to_the_lowest_image() -> None:
    reader = ProgressReader(IMAGES)
    _messages(reader, {"digest": "1", "name": "[ml-cpu system 2/4] WORKDIR /app"})
    lower = {"digest": "1", "name": "[base-cpu system 2/4] WORKDIR /app", "started": _at(0), "completed": _at(1)}
    _messages(reader, lower)
    assert [owner(step, IMAGES) for step in reader.steps()] == ["base:cpu"]


def test_a_cached_step_is_not_reported() -> None:
    reader = ProgressReader(IMAGES)
    cached = {"name": "[base-cpu system 2/4] WORKDIR /app", "started": _at(0), "completed": _at(9), "cached": True}
    assert _messages(reader, {"digest": "1", **cached}) == []


@pytest.mark.parametrize(
    ("driver", "endpoint", "status", "builder"),
    [
        ("docker", "far", "running", Builder("docker", "far", None)),
        ("remote", "tcp://10.0.0.1:1234", "running", Builder("remote", None, None)),
        ("remote", "tcp://10.0.0.1:1234", "inactive", Builder("remote", None, "nothing answers at tcp://10.0.0.1:1234")),
        ("kubernetes", "kubernetes:///k8s", "inactive", Builder("kubernetes", None, None)),
    ],
)  # fmt: skip
def test_parses_the_output_of_buildx_inspect(driver: str, endpoint: str, status: str, builder: Builder) -> None:
    text = f"Name:   far\nDriver: {driver}\n\nNodes:\nName:     far0\nEndpoint: {endpoint}\nStatus:   {status}\n"
    assert parse_builder(text) == builder

"""Newer tags of the same kind, and never another Python or another CUDA."""

from __future__ import annotations

import pytest

from lockgen.core.image_reference import ImageReference, parse_reference
from lockgen.registry.tags import may_be_newer, newer_tags, parse_tag, tag_for

PYTHON = ["3.11-slim", "3.11.4-slim", "3.11.9-slim", "3.11.10-slim", "3.11.11", "3.12-slim", "3.12.1-slim", "latest"]
PYTHON += ["3.11.10-slim-bookworm", "3.11.0rc1-slim", "3.14.0a1-slim", "slim", "3-slim"]
CUDA = [
    f"{version}-{flavour}-ubuntu{ubuntu}"
    for version in ("12.1.0", "12.1.1", "12.2.0", "12.3.2")
    for flavour in ("cudnn8-runtime", "cudnn8-devel", "runtime", "base")
    for ubuntu in ("20.04", "22.04")
]
CUDA += ["12.4.0-runtime-ubuntu22.04", "12.4.1-cudnn-runtime-ubuntu22.04", "12.4.1-runtime-ubuntu22.04"]
TORCH = ["2.5.1-cuda12.1-cudnn9-runtime", "2.5.1-cuda12.4-cudnn9-runtime", "2.6.0-cuda12.4-cudnn9-runtime"]
TORCH += ["2.5.0-cuda12.1-cudnn9-runtime", "2.6.0-cuda12.4-cudnn9-devel"]


@pytest.mark.parametrize(
    ("reference", "tags", "newest"),
    [
        ("python:3.11-slim", PYTHON, None),
        ("python:3.11.4-slim", PYTHON, "3.11.10-slim"),
        ("registry.example:5000/mirror/python:3.11.9-slim", PYTHON, "3.11.10-slim"),
        ("python:3.11.10-slim", PYTHON, None),
        ("python:latest", PYTHON, None),
        ("python", PYTHON, None),
        ("nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04", CUDA, "12.1.1-cudnn8-runtime-ubuntu22.04"),
        ("nvidia/cuda:12.1.1-cudnn8-runtime-ubuntu22.04", CUDA, None),
        ("nvidia/cuda:12.4.0-runtime-ubuntu22.04", CUDA, "12.4.1-runtime-ubuntu22.04"),
        ("pytorch/pytorch:2.5.0-cuda12.1-cudnn9-runtime", TORCH, "2.5.1-cuda12.1-cudnn9-runtime"),
        ("debian:bookworm-20250101-slim", ["bookworm-20250203-slim", "trixie-20250203-slim"], "bookworm-20250203-slim"),
        ("team/base:v1.2", ["v1.3", "1.4", "v2", "v1.10", "w1.11"], "v1.10"),
        ("team/torch:cu121", ["cu124", "cu128"], None),
        ("registry.example/astral-sh/uv:python3.11-bookworm-slim", ["python3.12-bookworm-slim"], None),
        ("registry.example/astral-sh/uv:0.4.0-python3.11-slim", ["0.9.0-python3.12-slim", "0.5-python3.11-slim"], None),
        ("registry.example/astral-sh/uv:0.4.0-python3.11-slim", ["0.9.0-python3.11-slim"], "0.9.0-python3.11-slim"),
        ("team/base:py3.11.2", ["py3.12.1", "py3.11.9"], "py3.11.9"),
        ("team/base:cp311", ["cp312"], None),
        ("pypy:3.10.1-slim", ["3.11.1-slim", "3.10.14-slim"], "3.10.14-slim"),
        ("registry.example/bitnami-python:3.11.4", ["3.12.1", "3.11.9"], "3.11.9"),
        ("registry.example/python-slim:3.11.4", ["3.12.1"], None),
        ("registry.example/python3_base:3.11.4", ["3.12.1"], None),
        ("registry.example/pythonic:3.11.4", ["3.12.1"], "3.12.1"),
        ("alpine:3", ["3", "4", "20240606"], "4"),
        ("alpine:20240606", ["4", "20250108"], "20250108"),
        ("mambaorg/micromamba:1.5.8", ["2.0.5", "2024.1.1"], "2.0.5"),
        ("registry.example/nvidia/pytorch:24.01-py3", ["24.02-py3", "25.10-py3"], None),
        ("mirror.example/nvidia/tritonserver:24.01-py3", ["24.02-py3"], None),
        ("registry.example/nvidia/cuda:12.1.0-base-ubuntu22.04", CUDA, "12.1.1-base-ubuntu22.04"),
        ("tensorflow/tensorflow:2.15.0-gpu", ["2.16.1-gpu"], None),
        ("ubuntu:22.04", ["24.04"], "24.04"),
        ("rocm/dev-ubuntu-22.04:6.2", ["6.2", "6.2.4", "6.3", "7.0"], None),
        ("rocm/dev-ubuntu-22.04:6.2.1-complete", ["6.2.4-complete", "6.3.1-complete"], "6.2.4-complete"),
        ("team/base:rocm6.2.1", ["rocm6.2.4", "rocm6.3.0"], "rocm6.2.4"),
        ("python:3.11.4-slim", ["3.11.9-rc-slim", "3.11.9rc1-slim", "rc-3.11.9-slim", "3.11.9-slim-rc1"], None),
        ("debian:12.4", ["12.5-dev", "12.5.0", "nightly12.5", "12.5-beta1", "alpha-12.5", "12.5a1"], None),
    ],
)
def test_the_newest_tag_of_the_same_kind(reference: str, tags: list[str], newest: str | None) -> None:
    found = newer_tags(parse_reference(reference), tags, python="3.11", cuda=True)
    assert (found[-1] if found else None) == newest


def test_without_an_accelerator_the_cuda_of_a_base_image_may_move() -> None:
    reference = parse_reference("nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04")
    assert newer_tags(reference, CUDA, python="3.11", cuda=False)[-1] == "12.3.2-cudnn8-runtime-ubuntu22.04"


def test_without_an_accelerator_a_hidden_cuda_may_move_but_not_rocm() -> None:
    hides = parse_reference("registry.example/nvidia/pytorch:24.01-py3")
    assert newer_tags(hides, ["25.10-py3"], python="3.11", cuda=False) == ["25.10-py3"]
    rocm = parse_reference("rocm/dev-ubuntu-22.04:6.2")
    assert newer_tags(rocm, ["6.3"], python="3.11", cuda=False) == []


@pytest.mark.parametrize(
    ("reference", "may"),
    [
        ("python:3.11-slim", False),
        ("registry.example/astral-sh/uv:python3.11-bookworm-slim", False),
        ("rocm/dev-ubuntu-22.04:6.2", False),
        ("python:3.11.4-slim", True),
        ("alpine:3", True),
        ("alpine:latest", False),
    ],
)
def test_tags_that_cannot_have_newer_ones(reference: str, may: bool) -> None:
    assert may_be_newer(parse_reference(reference), python="3.11") is may


@pytest.mark.parametrize("tag", ["3.14.0rc1-slim", "3.14.0a1", "2.0.dev3", "nightly", "v1.2beta-x", "\u0663.\u0661"])
def test_tags_without_a_plain_number_have_no_version(tag: str) -> None:
    assert parse_tag(tag) is None


@pytest.mark.parametrize(
    ("reference", "accelerator", "tags", "found"),
    [
        ("nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04", "cu122", CUDA, "12.2.0-cudnn8-runtime-ubuntu22.04"),
        ("nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04", "cu124", CUDA, "12.4.1-cudnn-runtime-ubuntu22.04"),
        ("nvidia/cuda:12.1.0-runtime-ubuntu22.04", "cu124", CUDA, "12.4.1-runtime-ubuntu22.04"),
        ("nvidia/cuda:12.1.0-base-ubuntu22.04", "cu124", CUDA, None),
        ("nvidia/cuda:12.1.0-runtime-ubuntu22.04", "cu128", CUDA, None),
        ("pytorch/pytorch:2.5.1-cuda12.1-cudnn9-runtime", "cu124", TORCH, "2.5.1-cuda12.4-cudnn9-runtime"),
        ("pytorch/pytorch:2.5.0-cuda12.1-cudnn9-runtime", "cu124", TORCH, "2.6.0-cuda12.4-cudnn9-runtime"),
    ],
)
def test_the_same_image_for_another_accelerator(
    reference: str, accelerator: str, tags: list[str], found: str | None
) -> None:
    assert tag_for(parse_reference(reference), accelerator, tags) == found


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("python", ImageReference("python")),
        ("python:3.11-slim", ImageReference("python", "3.11-slim")),
        ("localhost:5000/a/b", ImageReference("localhost:5000/a/b")),
        ("localhost:5000/a/b:c@sha256:00", ImageReference("localhost:5000/a/b", "c", "sha256:00")),
        ("a/b@sha256:00", ImageReference("a/b", "latest", "sha256:00")),
    ],
)
def test_references_are_split_into_their_parts(text: str, reference: ImageReference) -> None:
    assert parse_reference(text) == reference

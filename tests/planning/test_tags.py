"""Newer tags of the same kind, and never another Python or another CUDA."""

from __future__ import annotations

import pytest

from lockgen.model.references import Reference, parse_reference
from lockgen.planning.tags import newer_tag, tag_for

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
    ],
)
def test_a_newer_tag_of_the_same_kind(reference: str, tags: list[str], newest: str | None) -> None:
    assert newer_tag(parse_reference(reference), tags, python="3.11", cuda=True) == newest


def test_without_an_accelerator_the_cuda_of_a_base_image_may_move() -> None:
    reference = parse_reference("nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04")
    assert newer_tag(reference, CUDA, python="3.11", cuda=False) == "12.3.2-cudnn8-runtime-ubuntu22.04"


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
        ("python", Reference("python")),
        ("python:3.11-slim", Reference("python", "3.11-slim")),
        ("localhost:5000/a/b", Reference("localhost:5000/a/b")),
        ("localhost:5000/a/b:c@sha256:00", Reference("localhost:5000/a/b", "c", "sha256:00")),
        ("a/b@sha256:00", Reference("a/b", "latest", "sha256:00")),
    ],
)
def test_a_reference_taken_apart(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference

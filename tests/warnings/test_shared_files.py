"""Which distributions count as builds of one project."""

from __future__ import annotations

import pytest

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

"""The accelerators that labels, local versions and base images name."""

from __future__ import annotations

import pytest
from packaging.version import Version

from lockgen.core import accelerator


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("cpu", "cpu"),
        ("cu92", "cuda"),
        ("cu121", "cuda"),
        ("rocm6.2", "rocm"),
        ("rocm6.2.4", "rocm"),
        ("xpu", "xpu"),
        ("cuda", None),
        ("cu12.1", None),
        ("rocm", None),
        ("", None),
    ],
)
def test_labels(label: str, kind: str | None) -> None:
    found = accelerator.kind_of(label)
    assert (found.name if found else None) == kind
    assert accelerator.is_label(label) == (kind is not None)
    assert accelerator.of_index(f"https://download.pytorch.org/whl/{label}/") == (label if kind else None)


def test_local_versions() -> None:
    assert accelerator.of_version(Version("2.5.1+rocm6.2")) == "rocm6.2"
    assert accelerator.of_version(Version("2.5.1+abi3")) is None
    assert accelerator.of_version(Version("2.5.1")) is None


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04", "cu121"),
        ("pytorch/pytorch:2.5.1-cuda12.1-cudnn9-runtime", "cu121"),
        ("team/base:cu121", "cu121"),
        ("mirror.example:5000/nvidia/cuda:13.0.1-base-ubi9", "cu130"),
        ("rocm/pytorch:rocm6.2_ubuntu22.04_py3.10_pytorch_release_2.3.0", "rocm6.2"),
        ("rocm/dev-ubuntu-22.04:6.2.1-complete", "rocm6.2"),
        ("mirror.example/rocm/dev-ubuntu-22.04:6.2", "rocm6.2"),
        ("rocm/vllm:0.6", None),
        ("team/base:rocm-6.2.1", "rocm6.2"),
        ("intel/intel-extension-for-pytorch:2.5.10-xpu", "xpu"),
        ("team/xpulse:1.0", None),
        ("python:3.11-slim", None),
        ("python:3.11@sha256:cu121", None),
    ],
)
def test_base_images(image: str, label: str | None) -> None:
    assert accelerator.of_image(image) == label


def test_a_label_of_an_image_is_one_of_its_kind() -> None:
    for kind in accelerator.KINDS:
        if kind.images:
            assert kind.label.fullmatch(kind.image_label.format("12", "1"))

"""Which accelerator a build, an index or a base image is for: "cpu", "cu121", "rocm6.2", "xpu"."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from packaging.version import Version

FAMILY = ("torch", "torchaudio", "torchvision")
"""Packages that are built for one another: their versions change together."""

_LABEL = re.compile(r"cpu|cu\d{2,3}|rocm\d+(?:\.\d+)*|xpu")
# Only the major and minor version count: a build for cu121 runs on every CUDA 12.1.x.
# nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04, pytorch/pytorch:2.5.1-cuda12.1-cudnn9-runtime, x:cu121
_IMAGE_CUDA = re.compile(r"(?:^|[/:_-])cuda?[:_-]?v?(\d+)\.(\d+)")
# Two digits of the major version and one of the minor: cu121 is CUDA 12.1.
_IMAGE_LABEL = re.compile(r"(?:^|[/:_-])cu(\d{2})(\d)(?![\d.])")


def is_label(text: str) -> bool:
    """Whether ``text`` names an accelerator, as the last part of an index's URL does."""
    return _LABEL.fullmatch(text) is not None


def of_index(url: str) -> str | None:
    """The accelerator in the last part of an index's URL; None if it names none."""
    try:
        path = urlsplit(url).path
    except ValueError:  # not a URL: the reader of versions.toml reports it
        return None
    last = path.rstrip("/").rsplit("/", 1)[-1]
    return last if is_label(last) else None


def of_version(version: Version) -> str | None:
    """The accelerator in a local version ("2.5.1+cu121"); None if it has none, or if it names something else."""
    local = version.local or ""
    return local if is_label(local) else None


def of_image(reference: str) -> str | None:
    """The CUDA version in a base image's name and tag, as "cu121"; None if it names none."""
    # The digits of a digest could look like a version.
    name = reference.split("@")[0]
    found = _IMAGE_CUDA.search(name) or _IMAGE_LABEL.search(name)
    return f"cu{found[1]}{found[2]}" if found else None

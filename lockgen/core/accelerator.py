"""Which accelerator a build, an index or a base image is for: "cpu", "cu121", "rocm6.2", "xpu"."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from packaging.version import Version

FAMILY = ("torch", "torchaudio", "torchvision")
"""Packages that are built for one another: their versions change together."""

INDEX_OF_BUILDS = "https://download.pytorch.org/whl/{}"
"""Where the builds of that family for one accelerator are published."""


class AcceleratorKind(NamedTuple):
    """One kind of accelerator, and how labels and base images name it. A new kind is one entry of `KINDS`."""

    name: str
    label: re.Pattern[str]
    """The labels, as the last part of an index's URL or a local version has them: cu121, rocm6.2."""
    images: tuple[re.Pattern[str], ...] = ()
    """How an image's name and tag show it. The groups are the parts of the version."""
    image_label: str = ""
    """The label of an image, with those groups as {0} and {1}."""


# In images only the major and minor version count: a build for cu121 runs on every CUDA 12.1.x.
KINDS = (
    AcceleratorKind("cpu", re.compile(r"cpu")),
    AcceleratorKind(
        "cuda",
        re.compile(r"cu\d{2,3}"),
        (
            # nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04, pytorch/pytorch:2.5.1-cuda12.1-cudnn9-runtime
            re.compile(r"(?:^|[/:_-])cuda?[:_-]?v?(\d+)\.(\d+)"),
            # team/base:cu121. Two digits of the major version and one of the minor: CUDA 12.1.
            re.compile(r"(?:^|[/:_-])cu(\d{2})(\d)(?![\d.])"),
        ),
        "cu{0}{1}",
    ),
    AcceleratorKind(
        "rocm",
        re.compile(r"rocm\d+(?:\.\d+)*"),
        (
            # rocm/pytorch:rocm6.2_ubuntu22.04_py3.10_pytorch_release_2.3.0, team/base:rocm-6.2.1
            re.compile(r"(?:^|[/:_-])rocm[:_-]?v?(\d+)\.(\d+)"),
            # rocm/dev-ubuntu-22.04:6.2.1-complete: the tag is ROCm's own version. Other images of that account have
            # the version of their program there.
            re.compile(r"(?:^|/)rocm/dev-[^:]*:(\d+)\.(\d+)"),
        ),
        "rocm{0}.{1}",
    ),
    # intel/intel-extension-for-pytorch:2.5.10-xpu
    AcceleratorKind("xpu", re.compile(r"xpu"), (re.compile(r"(?:^|[/:_-])xpu(?![^/:_-])"),), "xpu"),
)


def is_label(text: str) -> bool:
    """Whether ``text`` names an accelerator, as the last part of an index's URL does."""
    return kind_of(text) is not None


def kind_of(label: str) -> AcceleratorKind | None:
    """The kind that ``label`` belongs to; None if it names no accelerator."""
    for kind in KINDS:
        if kind.label.fullmatch(label):
            return kind
    return None


def of_index(url: str) -> str | None:
    """The accelerator in the last part of an index's URL; None if it names none."""
    try:
        path = urlsplit(url).path
    except ValueError:  # not a URL: the reader of versions.toml reports it
        return None
    last = path.rstrip("/").rsplit("/", 1)[-1]
    return last if is_label(last) else None


def url_of(label: str) -> str | None:
    """The index that publishes builds of torch's family with the local version ``label``; None if there is none."""
    return INDEX_OF_BUILDS.format(label) if is_label(label) else None


def of_version(version: Version) -> str | None:
    """The accelerator in a local version ("2.5.1+cu121"); None if it has none, or if it names something else."""
    local = version.local or ""
    return local if is_label(local) else None


def of_image(reference: str) -> str | None:
    """The accelerator in a base image's name and tag, as a label ("cu121", "rocm6.2"); None if it names none."""
    # The digits of a digest could look like a version.
    name = reference.split("@")[0]
    for kind in KINDS:
        for pattern in kind.images:
            found = pattern.search(name)
            if found is not None:
                return kind.image_label.format(*found.groups())
    return None

"""Tags of base images: newer ones of the same kind, and equivalents for another CUDA version.

A tag is split at its dashes. One part has the version: the first that is a number with dots, with or without letters
before it. All other parts are the kind, and stay the same: slim, ubuntu22.04, cudnn8, runtime. python:3.11-slim has
only two numbers and so never becomes 3.12, but python:3.11.4-slim may become 3.11.9. A pre-release has another part
(3.13.0-rc-slim) or no plain number (3.13.0rc1-slim), so it is never newer than a stable tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from packaging.version import Version

from lockgen.core.accelerator import of_image
from lockgen.core.image_reference import ImageReference
from lockgen.core.parsing import parse_version

# Only ASCII digits: \d also matches others, which int() would read.
_NUMBERS = re.compile(r"([a-z]*)([0-9]+(?:\.[0-9]+)*)")
_PYTHON_NAME = re.compile(r"(c?python|pypy)[0-9.]*")
_PYTHON_LETTERS = ("python", "cpython", "pypy", "py", "cp")
_FIRST_DATE = 1000
"""From this first number on, a version is a date: alpine:20240606 is not a newer alpine:3."""
_CUDNN = re.compile(r"cudnn\d*")
_CUDA = re.compile(r"cu(\d+)(\d)")


@dataclass(frozen=True, slots=True)
class TagKind:
    """A tag without the numbers of its version: the parts around it, and the letters and the count of the numbers."""

    before: tuple[str, ...]
    letters: str
    length: int
    after: tuple[str, ...]
    dated: bool = False


class ParsedTag(NamedTuple):
    """A tag, split into its kind and its version."""

    kind: TagKind
    version: tuple[int, ...]


def parse_tag(tag: str) -> ParsedTag | None:
    """``tag`` as its kind and version, None without a number ("latest", "bookworm")."""
    parts = tag.split("-")
    for position, part in enumerate(parts):
        found = _NUMBERS.fullmatch(part)
        if found is None:
            continue
        version = tuple(int(number) for number in found[2].split("."))
        kind = TagKind(
            before=tuple(parts[:position]),
            letters=found[1],
            length=len(version),
            after=tuple(parts[position + 1 :]),
            dated=version[0] >= _FIRST_DATE,
        )
        return ParsedTag(kind, version)
    return None


def number_of(tag: str) -> Version | None:
    """The version in ``tag``, None without a number."""
    parsed = parse_tag(tag)
    if parsed is None:
        return None
    return parse_version(".".join(str(number) for number in parsed.version))


# -- newer tags -------------------------------------------------------------------------------


def may_be_newer(reference: ImageReference, *, python: str | None) -> bool:
    """Whether a newer tag of the same kind is possible. For python:3.11-slim it is not."""
    parsed = parse_tag(reference.tag)
    if parsed is None:
        return False
    return _fixed_numbers(reference, parsed.kind, python) < parsed.kind.length


def newer_tags(reference: ImageReference, tags: Iterable[str], *, python: str | None, cuda: bool) -> list[str]:
    """The ``tags`` of the same kind that are newer than that of ``reference``, the oldest first.

    For an image of Python they have the same Python version if ``python`` is set, and for ROCm always the same ROCm
    version. With ``cuda`` they have the same CUDA version, so there are none if the reference hides its version.
    """
    parsed = parse_tag(reference.tag)
    if parsed is None or (cuda and _hides_cuda(reference)):
        return []
    fixed = _fixed_numbers(reference, parsed.kind, python)
    keeps_accelerator = cuda or parsed.kind.letters == "cu"
    accelerator = _accelerator(reference, reference.tag)
    found: list[tuple[tuple[int, ...], str]] = []
    for tag in tags:
        other = parse_tag(tag)
        if other is None or other.kind != parsed.kind or other.version <= parsed.version:
            continue
        if other.version[:fixed] != parsed.version[:fixed]:
            continue
        if keeps_accelerator and _accelerator(reference, tag) != accelerator:
            continue
        found.append((other.version, tag))
    return [tag for _, tag in sorted(found)]


def _fixed_numbers(reference: ImageReference, kind: TagKind, python: str | None) -> int:
    """How many numbers of the version must stay: those of the family's Python, or those of its ROCm wheels."""
    *folders, name = reference.name.split("/")
    if kind.letters == "rocm" or "rocm" in folders:
        return 2
    if python is None:
        return 0
    is_python = kind.letters in _PYTHON_LETTERS or any(_PYTHON_NAME.fullmatch(word) for word in _words(name))
    return len(python.split(".")) if is_python else 0


def _hides_cuda(reference: ImageReference) -> bool:
    """Whether neither the name nor the tag shows the CUDA version of the image: nvidia/pytorch:24.01-py3."""
    if _accelerator(reference, reference.tag) is not None:
        return False
    *folders, name = reference.name.split("/")
    words = _words(f"{name}-{reference.tag}")
    return "nvidia" in folders or "cuda" in words or "gpu" in words


def _accelerator(reference: ImageReference, tag: str) -> str | None:
    """The accelerator of the image with ``tag``."""
    return of_image(f"{reference.name}:{tag}")


def _words(text: str) -> list[str]:
    return re.split(r"[-_]", text)


# -- another accelerator ----------------------------------------------------------------------


class _Equivalent(NamedTuple):
    """A tag for another accelerator. The fields before ``tag`` are its rank."""

    same_cudnn: bool
    same_version: bool
    version: tuple[int, ...]
    tag: str


def tag_for(reference: ImageReference, accelerator: str, tags: Iterable[str]) -> str | None:
    """The newest of ``tags`` that is equivalent to that of ``reference``, for the CUDA of ``accelerator`` ("cu124").

    The same cuDNN is preferred, but its major version may differ: NVIDIA's images name it up to CUDA 12.3 (cudnn8), and
    not after that.
    """
    shape = _shape(reference.tag)
    cudnn = _CUDNN.findall(reference.tag)
    own = parse_tag(reference.tag)
    found = []
    for tag in tags:
        parsed = parse_tag(tag)
        if parsed is None or _shape(tag) != shape or _accelerator(reference, tag) != accelerator:
            continue
        # pytorch/pytorch:2.5.1-cuda12.1-... has a version besides that of CUDA, which is kept if possible.
        same_version = own is not None and own.version == parsed.version
        found.append(_Equivalent(_CUDNN.findall(tag) == cudnn, same_version, parsed.version, tag))
    return max(found).tag if found else None


def _shape(tag: str) -> str:
    """``tag`` without the versions of CUDA and cuDNN, and without its own version."""
    without_cudnn = _CUDNN.sub("cudnn", tag)
    without_cuda = re.sub(r"cuda?[:_-]?\d+(\.\d+)+|cu\d{3}(?![\d.])", "cuda", without_cudnn)
    return re.sub(r"^\d+(\.\d+)*", "version", without_cuda)


def is_cuda(accelerator: str | None) -> bool:
    """Whether it is a CUDA version, which base images name."""
    return accelerator is not None and _CUDA.fullmatch(accelerator) is not None

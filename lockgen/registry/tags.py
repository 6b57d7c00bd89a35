"""Tags of base images: which is a newer one of the same kind, and which is for another CUDA.

A tag is taken apart at its dashes. One part holds the version, the first that is a number with dots; what stands before
and after it is the kind, and stays: slim, ubuntu22.04, cudnn8, runtime. python:3.11-slim says no more than 3.11, and so
never becomes 3.12; python:3.11.4-slim may become 3.11.9. A pre-release has a separate part (3.13.0-rc-slim) or no
number at all (3.13.0rc1-slim), so that none is newer than what is stable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from packaging.version import Version

from lockgen.core.accelerator import of_image
from lockgen.core.image_reference import ImageReference

# A registry's tags are ASCII, and so is what int() reads here.
_NUMBERS = re.compile(r"([a-z]*)([0-9]+(?:\.[0-9]+)*)")
_PYTHON = re.compile(r"(c?python|pypy)[0-9.]*")
_PYTHON_LETTERS = ("python", "cpython", "pypy", "py", "cp")
_DATED = 1000
"""From this first number on it is a date: alpine:20240606 is not a newer alpine:3."""
_CUDNN = re.compile(r"cudnn\d*")
_CUDA = re.compile(r"cu(\d+)(\d)")


@dataclass(frozen=True, slots=True)
class TagKind:
    """A tag without the numbers of its version: what is before and after them, how many they are, and whether they
    are a date.
    """

    before: tuple[str, ...]
    letters: str
    length: int
    after: tuple[str, ...]
    dated: bool = False


def kind_of(tag: str) -> tuple[TagKind, tuple[int, ...]] | None:
    """The kind of ``tag`` and its version; None where it has no number ("latest", "bookworm")."""
    parts = tag.split("-")
    for position, part in enumerate(parts):
        found = _NUMBERS.fullmatch(part)
        if found is not None:
            numbers = tuple(map(int, found[2].split(".")))
            before, after = tuple(parts[:position]), tuple(parts[position + 1 :])
            return TagKind(before, found[1], len(numbers), after, numbers[0] >= _DATED), numbers
    return None


def number_of(tag: str) -> Version | None:
    """The version in ``tag``; None where it has no number."""
    known = kind_of(tag)
    return Version(".".join(map(str, known[1]))) if known is not None else None


def may_be_newer(reference: ImageReference, *, python: str | None) -> bool:
    """Whether there can be a newer tag of the kind of ``reference`` at all: of python:3.11-slim there is none."""
    known = kind_of(reference.tag)
    return known is not None and _fixed(reference, python) < known[0].length


def newer_tags(reference: ImageReference, tags: Iterable[str], *, python: str | None, cuda: bool) -> list[str]:
    """Those of ``tags`` that are newer than that of ``reference`` and of its kind, the oldest first.

    Of an image of Python's only the family's ``python``, of ROCm's only the same ROCm, and with ``cuda`` only the
    CUDA that the reference names: none where it has one and does not name it.
    """
    known = kind_of(reference.tag)
    if known is None or (cuda and _hides_cuda(reference)):
        return []
    kind, version = known
    fixed = _fixed(reference, python)
    found: list[tuple[tuple[int, ...], str]] = []
    for tag in tags:
        other = kind_of(tag)
        if other is None or other[0] != kind or other[1] <= version or other[1][:fixed] != version[:fixed]:
            continue
        if (cuda or kind.letters == "cu") and of_image(f"{reference.name}:{tag}") != of_image(
            f"{reference.name}:{reference.tag}"
        ):
            continue
        found.append((other[1], tag))
    return [tag for _, tag in sorted(found)]


def _fixed(reference: ImageReference, python: str | None) -> int:
    """How many numbers of the version stay: an image of Python's is for the family's, one of ROCm's for its wheels."""
    known = kind_of(reference.tag)
    letters = known[0].letters if known is not None else ""
    *folders, last = reference.name.split("/")
    if letters == "rocm" or "rocm" in folders:
        return 2
    of_python = letters in _PYTHON_LETTERS or any(_PYTHON.fullmatch(word) for word in _words(last))
    return 2 if of_python and python is not None else 0


def _hides_cuda(reference: ImageReference) -> bool:
    """Whether the image has a CUDA that neither its name nor its tag shows: nvidia/pytorch:24.01-py3."""
    *folders, last = reference.name.split("/")
    has_one = "nvidia" in folders or not {"cuda", "gpu"}.isdisjoint(_words(f"{last}-{reference.tag}"))
    return has_one and of_image(f"{reference.name}:{reference.tag}") is None


def _words(text: str) -> list[str]:
    return re.split(r"[-_]", text)


def tag_for(reference: ImageReference, accelerator: str, tags: Iterable[str]) -> str | None:
    """The newest of ``tags`` that is what ``reference`` is, for the CUDA of ``accelerator`` ("cu124").

    cuDNN's major version may be another one: NVIDIA's images name it up to CUDA 12.3 (cudnn8), and no longer after.
    The same cuDNN goes first.
    """
    wanted, own = _shape(reference.tag), kind_of(reference.tag)
    found = []
    for tag in tags:
        known = kind_of(tag)
        if known is None or of_image(f"{reference.name}:{tag}") != accelerator or _shape(tag) != wanted:
            continue
        same = _CUDNN.findall(tag) == _CUDNN.findall(reference.tag)
        # pytorch/pytorch:2.5.1-cuda12.1-... has a version besides its CUDA: that stays where it can.
        found.append((same, own is not None and own[1] == known[1], known[1], tag))
    return max(found)[3] if found else None


def _shape(tag: str) -> str:
    """``tag`` without the numbers of CUDA, of cuDNN and of its version."""
    without = re.sub(r"cuda?[:_-]?\d+(\.\d+)+|cu\d{3}(?![\d.])", "cuda", _CUDNN.sub("cudnn", tag))
    return re.sub(r"^\d+(\.\d+)*", "version", without)


def is_cuda(accelerator: str | None) -> bool:
    """Whether it is one of NVIDIA's: base images of those name a CUDA."""
    return accelerator is not None and _CUDA.fullmatch(accelerator) is not None

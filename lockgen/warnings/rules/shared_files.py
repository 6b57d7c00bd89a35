"""Two distributions in one image that install the same files: the one that is installed last wins, file by file."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from lockgen.lock.closure import Closures
from lockgen.warnings.model import FamilyWarning, WarningContext

# Builds of one project under several names: the part that differs.
_BUILD = re.compile(
    r"-(headless|contrib|cpu|gpu|cuda|directml|openvino|rocm|intel|nightly|simd|silicon|training|qnn|web)(?=-|$)"
    r"|-cu\d{2,3}(?=-|$)|-cuda\d+x?(?=-|$)|-rocm[\d-]+$"
)
# Names that no rule describes: each line is one project.
_SAME_FILES = (
    ("psycopg2", "psycopg2-binary"),
    ("pillow", "pillow-simd"),
    ("pycrypto", "pycryptodome"),
    ("jwt", "pyjwt"),
    ("dotenv", "python-dotenv"),
    ("pymupdf", "fitz"),
    ("python-docx", "docx"),
    ("msgpack", "msgpack-python"),
    ("python-magic", "python-magic-bin"),
)
_PROJECT = {name: names[0] for names in _SAME_FILES for name in names}
# Of one project, but with files of their own.
_APART = {"psycopg-binary"}


def shared_files(context: WarningContext) -> Iterator[FamilyWarning]:
    """Warn about an image with two builds of one project, such as opencv-python and opencv-python-headless."""
    closures = Closures(context.lock)
    images: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for image in context.lock.images:
        projects: dict[str, set[str]] = defaultdict(set)
        for name in closures.of(image):
            projects[_project(name)].add(name)
        for names in projects.values():
            if len(names) > 1:
                images[tuple(sorted(names))].append(image.tag)
    for together, tags in sorted(images.items()):
        message = f"{' and '.join(together)} install the same files in {_shown(tags)}"
        hint = "which of them an import finds depends on the order: require one, and see `lockgen why` for the other"
        yield FamilyWarning("shared-files", message, (), hint)


def _project(name: str) -> str:
    known = _PROJECT.get(name)
    if known is not None or name in _APART:
        return known or name
    return _BUILD.sub("", name)


def _shown(tags: list[str]) -> str:
    tags = sorted(tags)
    more = len(tags) - 3
    return ", ".join(tags[:3]) + (f" and {more} more" if more > 0 else "")

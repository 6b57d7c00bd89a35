"""Two distributions in one image that install the same files: the one that is installed last wins, file by file."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence

from lockgen.core.lock import LockedImage, Package
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
    """Warn about an image with several packages that install the same files.

    These are packages whose files are known, and builds of one project, such as opencv-python-headless.
    """
    examples: dict[tuple[str, ...], str] = {}
    images = _images_by_group(context, examples)
    for group, tags in sorted(images.items()):
        example = f" ({examples[group]})" if group in examples else ""
        message = f"{' and '.join(group)} install the same files{example} in {_shown(tags)}"
        hint = "which of them an import finds depends on the order: require one, and see `lockgen why` for the other"
        yield FamilyWarning("shared-files", message, (), hint)


def _images_by_group(context: WarningContext, examples: dict[tuple[str, ...], str]) -> dict[tuple[str, ...], list[str]]:
    """The tags of the images that contain each group of packages with the same files. Adds to ``examples``."""
    closures = Closures(context.lock)
    builds = {variant: list(_builds(packages)) for variant, packages in context.lock.by_variant.items()}
    images: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for image in context.lock.images:
        names = closures.of(image)
        together = {*_among(builds[image.variant], names), *_owners(context, image, names, examples)}
        for group in together:
            # One line for each set of packages.
            is_part = any(set(group) < set(other) for other in together)
            if not is_part:
                images[group].append(image.tag)
    return images


def _builds(names: Collection[str]) -> Iterator[tuple[str, ...]]:
    """The builds of one project among ``names``."""
    projects: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        projects[_project(name)].append(name)
    for builds in projects.values():
        if len(builds) > 1:
            yield tuple(builds)


def _among(builds: Iterable[Collection[str]], names: Collection[str]) -> Iterator[tuple[str, ...]]:
    """The parts of ``builds`` that ``names`` contain, if more than one of the same project."""
    for group in builds:
        together = tuple(name for name in group if name in names)
        if len(together) > 1:
            yield together


def _owners(
    context: WarningContext, image: LockedImage, names: Collection[str], examples: dict[tuple[str, ...], str]
) -> Iterator[tuple[str, ...]]:
    """Packages of an image that install the same paths. Adds one of these paths to ``examples``."""
    packages = context.lock.by_variant[image.variant]
    for shared in context.shared_paths:
        owners = []
        for pin in shared.pins:
            name = pin.partition("==")[0]
            if name in names and packages[name].pin == pin:
                owners.append(name)
        if len(owners) > 1 and not (shared.same and _belong_together([packages[name] for name in owners])):
            more = f" and {shared.count - 1} more" if shared.count > 1 else ""
            group = tuple(sorted(owners))
            examples.setdefault(group, f"{shared.example}{more}")
            yield group


def _belong_together(packages: Sequence[Package]) -> bool:
    """Whether one of ``packages`` requires each of the others, as mlflow does with mlflow-skinny."""
    for package in packages:
        required = {requirement.name for requirement in package.requires}
        if required.issuperset(other.name for other in packages if other is not package):
            return True
    return False


def _project(name: str) -> str:
    known = _PROJECT.get(name)
    if known is not None or name in _APART:
        return known or name
    return _BUILD.sub("", name)


def _shown(tags: list[str]) -> str:
    tags = sorted(tags)
    more = len(tags) - 3
    return ", ".join(tags[:3]) + (f" and {more} more" if more > 0 else "")

"""`lockgen sbom`: bills of materials from the lock, before anything is built and without network access."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lockgen import __version__
from lockgen.errors import BadInput, Exit
from lockgen.images.project_images import Family, SelectedImage, read_family, refuse_drift, select_images
from lockgen.io.export import write_files
from lockgen.io.output import print_text
from lockgen.sbom.formats.table import FORMATS
from lockgen.sbom.plan import bill

TAGS_SHOWN = 4
"""How many images the error about several images names."""


@dataclass(frozen=True)
class SbomOptions:
    """Options of the command line. Without an ``output`` folder, one image is printed."""

    output: Path | None = None
    style: str = "json"


def run(root: Path, names: tuple[str, ...], options: SbomOptions) -> int:
    """Print the bill of one image, or write a file for each of ``names`` (default: all) and print the paths.

    Raises:
        BadInput: the lock is missing or not up to date, an image is unknown, or there is more than one to print.
        ToolFailed: the folder cannot be written.
    """
    family = read_family(root)
    # Without this check, the bill could describe another lock than the image was built from.
    refuse_drift(family)
    selected = select_images(family.plan, names)
    if options.output is None and len(selected) != 1:
        raise _too_many(selected)
    files = _render(family, selected, options.style)
    if options.output is None:
        for text in files.values():
            print_text(text, end="")
        return Exit.DONE
    data = {name: text.encode() for name, text in files.items()}
    for path in write_files(options.output, data, FORMATS[options.style].is_ours):
        print_text(str(path))
    return Exit.DONE


def _too_many(selected: Sequence[SelectedImage]) -> BadInput:
    tags = [image.tag for image in selected]
    shown = ", ".join(tags[:TAGS_SHOWN])
    if len(tags) > TAGS_SHOWN:
        shown += ", ..."
    return BadInput(
        f"{len(tags)} images are selected ({shown}), but only one can be printed",
        hint=f"name one, for example {tags[0]}, or write a file for each with --output FOLDER",
    )


def _render(family: Family, selected: Sequence[SelectedImage], style: str) -> dict[str, str]:
    """The text of each bill, by file name."""
    sbom_format = FORMATS[style]
    timestamp = _timestamp(family.manifest.exclude_newer)
    base_images = dict(family.plan.base_images)
    references = _references(family)
    files = {}
    for image, variant in selected:
        locked = family.lock.by_tag[image.name, variant.variant]
        content = bill(family.lock, locked, references, base_images[variant.variant], timestamp)
        name = f"{image.name}-{variant.variant}.{sbom_format.suffix}"
        files[name] = sbom_format.render(content, __version__)
    return files


def _references(family: Family) -> dict[tuple[str, str], str]:
    """The full reference of each image in each variant. A bill names all images of a chain."""
    found = {}
    for image in family.plan.images:
        for variant in image.variants:
            found[image.name, variant.variant] = variant.reference
    return found


def _timestamp(exclude_newer: datetime | None) -> datetime | None:
    """SOURCE_DATE_EPOCH (reproducible-builds.org), else exclude-newer. Never the current time."""
    value = os.environ.get("SOURCE_DATE_EPOCH")
    # CI systems pass an unset variable as an empty one.
    if not value:
        return exclude_newer.astimezone(UTC) if exclude_newer is not None else None
    try:
        return datetime.fromtimestamp(int(value), UTC)
    except (ValueError, OverflowError, OSError):
        raise BadInput(
            f"invalid SOURCE_DATE_EPOCH: {value!r}", hint="use seconds since 1970, for example 1762214400"
        ) from None

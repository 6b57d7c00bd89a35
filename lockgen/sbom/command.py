"""`lockgen sbom`: what is in an image, as CycloneDX, from the lock: before anything is built, and without a network."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from lockgen import __version__
from lockgen.errors import BadInput, Exit
from lockgen.images.project_images import read_family, refuse_drift, select_images
from lockgen.io.export import write_files
from lockgen.sbom.plan import bill
from lockgen.sbom.render import SbomFormat, is_ours, render


@dataclass(frozen=True)
class SbomOptions:
    """What the command line says. Without an ``output`` folder one image goes to stdout."""

    output: Path | None = None
    style: SbomFormat = "json"


def run(root: Path, names: tuple[str, ...], options: SbomOptions) -> int:
    """Prints the bill of one image, or writes those of ``names`` (all by default), a file each, and prints the paths.

    Raises:
        BadInput: the lock is missing or not up to date, the image is unknown, or several images go to stdout.
        ToolFailed: the folder cannot be written.
    """
    family = read_family(root)
    # A bill says what an image holds: it must not be that of another lock.
    refuse_drift(family)
    wanted = select_images(family.plan, names)
    if options.output is None and len(wanted) != 1:
        tags = ", ".join(f"{image.name}:{variant.variant}" for image, variant in wanted[:4])
        hint = f"name one, as in {tags.split(', ')[0]}, or write them all with --output FOLDER"
        raise BadInput(f"{len(wanted)} images, and one file ({tags}, ...)", hint=hint)
    moment = _moment(family.manifest.exclude_newer)
    references = {(i.name, v.variant): v.reference for i in family.plan.images for v in i.variants}
    bases = dict(family.plan.base_images)
    texts: dict[str, str] = {}
    for image, variant in wanted:
        locked = family.lock.by_tag[image.name, variant.variant]
        found = bill(family.lock, locked, references, bases[variant.variant], moment)
        texts[f"{image.name}-{variant.variant}.cdx.{options.style}"] = render(found, options.style, __version__)
    if options.output is None:
        click.echo(next(iter(texts.values())), nl=False)
        return Exit.DONE
    for path in write_files(options.output, {name: text.encode() for name, text in texts.items()}, is_ours):
        click.echo(str(path))
    return Exit.DONE


def _moment(cut_off: datetime | None) -> datetime | None:
    """SOURCE_DATE_EPOCH (reproducible-builds.org), else the family's cut-off; never the clock."""
    said = os.environ.get("SOURCE_DATE_EPOCH")
    if not said:  # CI systems pass an unset variable as an empty one
        return cut_off.astimezone(UTC) if cut_off is not None else None
    try:
        return datetime.fromtimestamp(int(said), UTC)
    except (ValueError, OverflowError, OSError):
        hint = "seconds since 1970, as in 1762214400"
        raise BadInput(f"SOURCE_DATE_EPOCH is {said!r}, which is no moment", hint=hint) from None

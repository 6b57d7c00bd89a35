"""`lockgen inspect`: what the layers of any image do to one another."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lockgen.core.ports import Progress
from lockgen.core.text_table import megabytes, table
from lockgen.errors import Exit
from lockgen.images.inspection import wasted
from lockgen.images.layer_model import LayeredImage, Waste
from lockgen.images.layer_source import read_image


def run(root: Path, name: str, progress: Progress, *, as_json: bool) -> int:
    """Prints what lies in layers for nothing; Exit.FOUND where anything does.

    Raises:
        LockgenError: there is no such image, or it cannot be read.
    """
    progress.step(f"reading {name}")
    image = read_image(root, name)
    found = wasted(image)
    if as_json:
        click.echo(json.dumps(_data(image, found), indent=2))
    else:
        click.echo(_text(image, found))
    return Exit.FOUND if found else Exit.DONE


def _data(image: LayeredImage, found: list[Waste]) -> dict[str, object]:
    layers = [
        {"digest": layer.digest, "bytes": layer.size, "created-by": layer.created_by, "packages": len(layer.records)}
        for layer in image.layers
    ]
    rows = [
        {
            "package": w.package,
            "version": w.version,
            "now": w.now,
            "layer": w.layer,
            "by": w.by,
            "kind": w.kind,
            "bytes": w.bytes,
        }
        for w in found
    ]
    return {"format": 1, "image": image.name, "layers": layers, "wasted": rows, "bytes": sum(w.bytes for w in found)}


def _text(image: LayeredImage, found: list[Waste]) -> str:
    layers = [
        [f"{number} {_said(layer.created_by)}", megabytes(layer.size), str(len(layer.records) or "")]
        for number, layer in enumerate(image.layers, 1)
    ]
    lines = [table(["layer", "size", "packages"], layers), ""]
    if not found:
        return "\n".join([*lines, "no package is installed twice, replaced or deleted in an upper layer"])
    largest = sorted(found, key=lambda w: (-w.bytes, w))
    rows = [[_sentence(waste), megabytes(waste.bytes)] for waste in largest]
    total = sum(waste.bytes for waste in found)
    return "\n".join([*lines, table(["package", "wasted"], rows), f"{megabytes(total)} in {len(found)} places"])


def _sentence(waste: Waste) -> str:
    what = {"twice": f"{waste.now} lies elsewhere too, in", "deleted": "deleted in"}
    end = what.get(waste.kind, f"replaced by {waste.now or 'others'} in")
    return f"{waste.package} {waste.version} in layer {waste.layer}: {end} layer {waste.by}"


def _said(created_by: str) -> str:
    text = " ".join(created_by.replace("/bin/sh -c", "").split())
    return text[:70]

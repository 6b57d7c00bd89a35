"""`lockgen inspect`: find packages duplicated or overwritten across the layers of any image."""

from __future__ import annotations

from lockgen.app import App
from lockgen.core.text_table import megabytes, table
from lockgen.core.words import counted
from lockgen.errors import Exit
from lockgen.images.layer_model import Layer, LayeredImage, Waste
from lockgen.images.layer_source import read_image
from lockgen.images.layer_waste import wasted
from lockgen.io.output import print_json, print_text

_LONGEST = 70
"""The most characters of an instruction that the table of layers shows."""


def run(app: App, name: str, *, as_json: bool) -> int:
    """Print the layers and their wasted packages; return Exit.FOUND where there are any.

    Raises:
        LockgenError: the image does not exist, or it cannot be read.
    """
    app.progress.step(f"reading {name}")
    image = read_image(app.http, app.root, name)
    found = wasted(image)
    if as_json:
        print_json(_data(image, found))
    else:
        print_text(_text(image, found))
    return Exit.FOUND if found else Exit.DONE


def _data(image: LayeredImage, found: list[Waste]) -> dict[str, object]:
    layers = [
        {"digest": layer.digest, "bytes": layer.size, "created-by": layer.created_by, "packages": len(layer.records)}
        for layer in image.layers
    ]
    rows = [
        {
            "package": waste.package,
            "version": waste.version,
            "now": waste.now,
            "layer": waste.layer,
            "by": waste.by,
            "kind": waste.kind,
            "bytes": waste.bytes,
        }
        for waste in found
    ]
    total = sum(waste.bytes for waste in found)
    return {"format": 1, "image": image.name, "layers": layers, "wasted": rows, "bytes": total}


def _text(image: LayeredImage, found: list[Waste]) -> str:
    rows = [_layer_row(number, layer) for number, layer in enumerate(image.layers, 1)]
    layers = table(["layer", "size", "packages"], rows)
    return f"{layers}\n\n{_waste_text(found)}"


def _waste_text(found: list[Waste]) -> str:
    if not found:
        return "no package is installed twice, replaced or deleted in an upper layer"
    # The most bytes first; ties only need an order that is the same every time.
    largest = sorted(found, key=lambda waste: (-waste.bytes, waste))
    rows = [[_sentence(waste), megabytes(waste.bytes)] for waste in largest]
    places = table(["package", "wasted"], rows)
    total = sum(waste.bytes for waste in found)
    return f"{places}\n{megabytes(total)} in {counted(len(found), 'place')}"


def _layer_row(number: int, layer: Layer) -> list[str]:
    # Legacy builders record each instruction with the shell that ran it.
    command = layer.created_by.replace("/bin/sh -c", "")
    instruction = " ".join(command.split())[:_LONGEST]
    packages = str(len(layer.records) or "")
    size = megabytes(layer.size)
    return [f"{number} {instruction}", size, packages]


def _sentence(waste: Waste) -> str:
    change = {
        "twice": f"another copy, {waste.now}, is in",
        "deleted": "deleted in",
        "replaced": f"replaced by {waste.now or 'other packages'} in",
    }
    return f"{waste.package} {waste.version} in layer {waste.layer}: {change[waste.kind]} layer {waste.by}"

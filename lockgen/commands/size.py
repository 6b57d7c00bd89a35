"""`lockgen size`: what images will weigh, before anything is built, from the lock."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lockgen.commands.locked import read_lock
from lockgen.errors import BadInput, Exit
from lockgen.model.sizes import Bytes, LayoutSize
from lockgen.parsing.manifest import close_match
from lockgen.planning.sizes import layouts, limit
from lockgen.rendering.tables import megabytes, table


def run(root: Path, names: tuple[str, ...], *, as_json: bool) -> int:
    """Prints the layered images layer by layer, and the layouts side by side, with the limit.

    Raises:
        BadInput: there is no lock, or no such image.
    """
    lock = read_lock(root)
    known = {image.name for image in lock.images} | {image.tag for image in lock.images}
    for name in names:
        if name not in known:
            raise BadInput(f"there is no image {name!r} in the lock", hint=close_match(name, known))
    sizes = layouts(lock)
    if as_json:
        click.echo(json.dumps(_data(sizes, limit(lock)), indent=2))
    else:
        click.echo(_text(sizes, limit(lock), names))
    return Exit.DONE


def _row(size: Bytes) -> dict[str, object]:
    unknown = {"unknown": sorted(size.unknown), "unweighed": sorted(size.unweighed)}
    return {"download": size.download, "installed": size.installed, **unknown}


def _data(sizes: list[LayoutSize], least: Bytes) -> dict[str, object]:
    rows = [
        {
            "layout": size.layout,
            "unique": _row(size.unique),
            "images": [
                {
                    "image": image.tag,
                    **_row(image.whole),
                    "layers": [{"layer": label, **_row(layer)} for label, layer in image.layers],
                }
                for image in size.images
            ],
        }
        for size in sizes
    ]
    return {"format": 1, "limit": _row(least), "layouts": rows}


def _text(sizes: list[LayoutSize], least: Bytes, names: tuple[str, ...]) -> str:
    layered = next(size for size in sizes if size.layout == "layered")
    rows = []
    for image in layered.images:
        if names and not {image.image, image.tag} & set(names):
            continue
        rows.append([image.tag, _download(image.whole), _installed(image.whole)])
        rows += [[f"  {label}", _download(layer), _installed(layer)] for label, layer in image.layers]
    parts = [table(["image", "download", "installed"], rows)]
    if not names:
        family = [_layout(size.layout, size.unique, least) for size in sizes] + [_layout("the limit", least, least)]
        parts += ["", table(["layout", "download", "of the limit", "installed", "of the limit"], family)]
    unknown = sorted(least.unknown | least.unweighed)
    if unknown:
        hint = "resolve with --live where their index can be reached"
        parts += ["", f"+ what nobody knows yet of {', '.join(unknown)}: {hint}"]
    return "\n".join(parts)


def _layout(name: str, size: Bytes, least: Bytes) -> list[str]:
    return [
        name,
        _download(size),
        f"{size.download / max(1, least.download):.2f} x",
        _installed(size),
        f"{size.installed / max(1, least.installed):.2f} x",
    ]


def _download(size: Bytes) -> str:
    return megabytes(size.download) + (" +" if size.unweighed else "")


def _installed(size: Bytes) -> str:
    return megabytes(size.installed) + (" +" if size.unknown else "")

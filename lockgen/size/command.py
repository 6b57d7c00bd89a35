"""`lockgen size`: what images will weigh, before anything is built, from the lock."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lockgen.core.lock import Lock
from lockgen.core.sizes import Bytes, LayoutSize
from lockgen.errors import BadInput, Exit
from lockgen.lock.loading import read_lock
from lockgen.manifest.reader import close_match
from lockgen.size.plan import layouts, limit, mends
from lockgen.size.render import images_text, layouts_text, unknown_text


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
        click.echo(json.dumps(_data(lock, sizes), indent=2))
    else:
        click.echo(_text(lock, sizes, names))
    return Exit.DONE


def _row(size: Bytes) -> dict[str, object]:
    unknown = {"unknown": sorted(size.unknown), "unweighed": sorted(size.unweighed)}
    return {"download": size.download, "installed": size.installed, **unknown}


def _data(lock: Lock, sizes: list[LayoutSize]) -> dict[str, object]:
    least = limit(lock)
    lacking = mends(lock, least.unknown | least.unweighed)
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
    return {"format": 1, "limit": _row(least), "layouts": rows, "mends": lacking}


def _text(lock: Lock, sizes: list[LayoutSize], names: tuple[str, ...]) -> str:
    layered = next(size for size in sizes if size.layout == "layered")
    images = [image for image in layered.images if not names or {image.image, image.tag} & set(names)]
    parts = [images_text(images)]
    shown = sum((image.whole for image in images), Bytes())
    if not names:
        shown = limit(lock)
        parts.append(layouts_text(sizes, shown))
    parts.append(unknown_text(shown, mends(lock, shown.unknown | shown.unweighed)))
    return "\n\n".join(part for part in parts if part)

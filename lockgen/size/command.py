"""`lockgen size`: the sizes of images, from the lock, before anything is built."""

from __future__ import annotations

from pathlib import Path

from lockgen.core.close_match import close_match
from lockgen.core.lock import Lock
from lockgen.core.sizes import Bytes, ImageSize, LayoutSize
from lockgen.errors import BadInput, Exit
from lockgen.io.output import print_json, print_text
from lockgen.lock.loading import read_lock
from lockgen.size import render as rendering
from lockgen.size.plan import layouts, limit, remedies


def run(root: Path, names: tuple[str, ...], *, as_json: bool) -> int:
    """Print the images layer by layer. Without ``names`` (images or tags), also compare the layouts with the limit.

    Raises:
        BadInput: the lock is missing, or does not contain one of the images.
    """
    lock = read_lock(root)
    _check_known(lock, names)
    sizes = layouts(lock)
    if as_json:
        least = limit(lock)
        data = rendering.as_json(sizes, least, _remedies(lock, least))
        print_json(data)
    else:
        print_text(_text(lock, sizes, names))
    return Exit.DONE


def _check_known(lock: Lock, names: tuple[str, ...]) -> None:
    known = {image.name for image in lock.images} | {image.tag for image in lock.images}
    for name in names:
        if name not in known:
            raise BadInput(f"no image {name!r} in the lock", hint=close_match(name, known))


def _remedies(lock: Lock, size: Bytes) -> dict[str, list[str]]:
    return remedies(lock, size.unknown | size.unweighed)


def _text(lock: Lock, sizes: list[LayoutSize], names: tuple[str, ...]) -> str:
    images = _selected(sizes, names)
    parts = [rendering.images_text(images)]
    # The layouts and the limit are those of the whole family, so a selection of images has no comparison.
    if names:
        shown = sum((image.whole for image in images), Bytes())
    else:
        shown = limit(lock)
        parts.append(rendering.layouts_text(sizes, shown))
    unknown = rendering.unknown_text(shown, _remedies(lock, shown))
    if unknown:
        parts.append(unknown)
    return "\n\n".join(parts)


def _selected(sizes: list[LayoutSize], names: tuple[str, ...]) -> list[ImageSize]:
    """The images in the layered layout, which is the one that gets built."""
    layered = next(size for size in sizes if size.layout == "layered")
    if not names:
        return list(layered.images)
    return [image for image in layered.images if image.image in names or image.tag in names]

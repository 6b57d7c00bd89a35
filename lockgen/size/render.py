"""Sizes of the family as text: layers and images, the layouts side by side, and what is unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lockgen.core.sizes import Bytes, ImageSize, LayoutSize
from lockgen.core.text_table import megabytes, table

_ABOUT = {
    "independent": "independent: each image by itself",
    "monolith": "monolith: one image for each variant",
    "layered": "layered: as lockgen builds it",
}


def images_text(images: Sequence[ImageSize]) -> str:
    """Each image with all that it holds, and under it the layers that it adds to the image below."""
    rows = []
    for image in images:
        rows.append([image.tag, download(image.whole), installed(image.whole)])
        rows += [[f"  + {label}", download(layer), installed(layer)] for label, layer in image.layers]
    return table(["image, and the layers it adds", "download", "installed"], rows)


def layouts_text(sizes: Sequence[LayoutSize], limit: Bytes) -> str:
    """The family in each layout, with how many times the limit that is."""
    rows = [_layout(_ABOUT[size.layout], size.unique, limit, _largest(size)) for size in sizes]
    rows.append(_layout("the limit: every package once", limit, limit, ""))
    head = ["the family, each layer once", "download", "x limit", "installed", "x limit", "largest image"]
    return table(head, rows)


def unknown_text(size: Bytes, mends: Mapping[str, Sequence[str]]) -> str:
    """What is unknown and what makes it known, "" where all is known. ``mends`` are pins by command."""
    if not size.unknown | size.unweighed:
        return ""
    lines = ["`at least`: what is unknown counts as nothing, in the limit too. To know it:"]
    for command, pins in mends.items():
        lines += [f"  {_lacking(pin, size)} of {pin}" for pin in sorted(pins)]
        lines.append(f"    {command}")
    return "\n".join(lines)


def _lacking(pin: str, size: Bytes) -> str:
    lacking = [word for word, pins in (("download", size.unweighed), ("installed", size.unknown)) if pin in pins]
    return " and ".join(lacking) + " size"


def _largest(size: LayoutSize) -> str:
    return installed(max((image.whole for image in size.images), key=lambda whole: whole.installed))


def _layout(name: str, size: Bytes, limit: Bytes, largest: str) -> list[str]:
    return [
        name,
        download(size),
        _ratio(size.download, limit.download),
        installed(size),
        _ratio(size.installed, limit.installed),
        largest,
    ]


def _ratio(size: int, limit: int) -> str:
    return f"{size / limit:.2f}" if limit else "-"


def download(size: Bytes) -> str:
    return _at_least(size.download, known=not size.unweighed)


def installed(size: Bytes) -> str:
    return _at_least(size.installed, known=not size.unknown)


def _at_least(size: int, *, known: bool) -> str:
    return megabytes(size) if known else f"at least {megabytes(size)}"

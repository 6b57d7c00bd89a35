"""Sizes of the family as text and as plain data: images with their layers, the layouts, and unknown sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap

from lockgen.core.sizes import Bytes, ImageSize, LayoutSize
from lockgen.core.text_table import megabytes, table

FORMAT = 1

_LAYOUTS = """\
independent: each image by itself; monolith: one image for each variant;
layered: as lockgen builds it; limit: every package once"""
_AT_LEAST = ">="
_WIDTH = 80


def images_text(images: Sequence[ImageSize]) -> str:
    """Each image with its total size, followed by the layers that it adds to the image below."""
    rows = []
    for image in images:
        rows.append(_row(image.tag, image.whole))
        rows += [_row(f"  + {label}", layer) for label, layer in image.layers]
    return table(["image, and the layers it adds", "download", "installed"], rows)


def layouts_text(sizes: Sequence[LayoutSize], limit: Bytes) -> str:
    """The family in each layout, each layer once, with the ratio to the limit."""
    rows = [_layout(size.layout, size.unique, limit, _largest(size)) for size in sizes]
    rows.append(_layout("limit", limit, limit, ""))
    head = ["layout", "download", "x limit", "installed", "x limit", "largest image"]
    return f"{table(head, rows)}\n{_LAYOUTS}"


def unknown_text(size: Bytes, remedies: Mapping[str, Sequence[str]]) -> str:
    """The unknown sizes and the commands that determine them, "" if all are known. ``remedies``: pins by command."""
    if not size.unknown | size.unweighed:
        return ""
    lines = [f"`{_AT_LEAST}`: unknown sizes count as 0, also in the limit. To determine them:"]
    for command, pins in remedies.items():
        lines += [f"  {_lacking(pin, size)} of {pin}" for pin in sorted(pins)]
        lines += wrap(command, _WIDTH, initial_indent="    ", subsequent_indent="    ", break_long_words=False)
    return "\n".join(lines)


def _lacking(pin: str, size: Bytes) -> str:
    lacking = []
    if pin in size.unweighed:
        lacking.append("download")
    if pin in size.unknown:
        lacking.append("installed")
    return " and ".join(lacking) + " size"


def _largest(size: LayoutSize) -> str:
    largest = max(size.images, key=lambda image: image.whole.installed)
    return installed(largest.whole)


def _row(name: str, size: Bytes) -> list[str]:
    return [name, download(size), installed(size)]


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
    # Without any known size, the limit is 0.
    return f"{size / limit:.2f}" if limit else "-"


def download(size: Bytes) -> str:
    """The download size for people. With unknown parts it is a lower bound."""
    return _at_least(size.download, known=not size.unweighed)


def installed(size: Bytes) -> str:
    """The installed size for people. With unknown parts it is a lower bound."""
    return _at_least(size.installed, known=not size.unknown)


def _at_least(size: int, *, known: bool) -> str:
    return megabytes(size) if known else f"{_AT_LEAST} {megabytes(size)}"


# -- JSON -------------------------------------------------------------------------------------


def as_json(sizes: Sequence[LayoutSize], limit: Bytes, remedies: Mapping[str, Sequence[str]]) -> dict[str, object]:
    """Plain data. FORMAT is raised when readers of the previous format would misread it."""
    layouts = [_layout_data(size) for size in sizes]
    return {"format": FORMAT, "limit": _bytes_data(limit), "layouts": layouts, "mends": remedies}


def _layout_data(size: LayoutSize) -> dict[str, object]:
    images = [_image_data(image) for image in size.images]
    return {"layout": size.layout, "unique": _bytes_data(size.unique), "images": images}


def _image_data(image: ImageSize) -> dict[str, object]:
    layers = [{"layer": label, **_bytes_data(layer)} for label, layer in image.layers]
    return {"image": image.tag, **_bytes_data(image.whole), "layers": layers}


def _bytes_data(size: Bytes) -> dict[str, object]:
    return {
        "download": size.download,
        "installed": size.installed,
        "unknown": sorted(size.unknown),
        "unweighed": sorted(size.unweighed),
    }

"""The layers of an image as their tar files contain them, and the bytes that layers waste."""

from __future__ import annotations

from dataclasses import dataclass, field

from lockgen.errors import BadInput


class InvalidImage(BadInput):
    """Something that should be an image is not one. The message is the reason, without the name of the image."""


@dataclass(frozen=True)
class Layer:
    """One layer. Paths have no leading slash; sizes are bytes of content.

    ``removed`` are paths that a whiteout hides (a folder hides all below it); ``emptied`` are folders whose lower
    content is hidden. ``records`` maps a `.dist-info` folder to the paths that its RECORD lists, resolved, and
    ``requires`` maps it to the Requires-Dist lines of its METADATA.
    """

    digest: str
    files: dict[str, int]
    removed: frozenset[str] = frozenset()
    emptied: frozenset[str] = frozenset()
    records: dict[str, frozenset[str]] = field(default_factory=dict)
    created_by: str = ""
    requires: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return sum(self.files.values())


@dataclass(frozen=True)
class LayeredImage:
    """An image: its layers from the bottom up, and its config as the registry stores it."""

    name: str
    layers: tuple[Layer, ...]
    user: str = ""
    entrypoint: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, order=True)
class Waste:
    """Bytes of one package in layer ``layer`` (counted from 1) that the final image does not use.

    ``kind`` is "replaced" or "deleted" (by layer ``by``), or "twice" (a second copy elsewhere). ``version`` is the one
    in ``layer``; ``now`` is the one that layer ``by`` installs, "" if none.
    """

    package: str
    version: str
    layer: int
    by: int
    kind: str
    bytes: int
    now: str = ""

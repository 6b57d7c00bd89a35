"""An image's layers as they lie in its tar files, and what they do to one another."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Layer:
    """One layer. Paths have no leading slash; sizes are bytes of content.

    ``removed`` are paths that a whiteout hides (a folder hides all below it), ``emptied`` folders whose lower content
    is hidden. ``records`` maps a `.dist-info` folder to the paths that its RECORD lists, resolved, and ``requires`` to
    the Requires-Dist lines of its METADATA.
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
    """An image: its layers from the bottom up, and its config as the registry holds it."""

    name: str
    layers: tuple[Layer, ...]
    user: str = ""
    entrypoint: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, order=True)
class Waste:
    """Bytes of one package that lie in layer ``layer`` (counted from 1) for nothing.

    ``kind``: "replaced" or "deleted" by layer ``by``, or "twice": a second copy elsewhere. ``version`` is what lies in
    ``layer``, ``now`` what layer ``by`` brings, "" if nothing.
    """

    package: str
    version: str
    layer: int
    by: int
    kind: str
    bytes: int
    now: str = ""

"""The lock cut into layers: along an image's chain they are disjoint and add up to its closure (guarantee 3)."""

from __future__ import annotations

from typing import NamedTuple

from lockgen.core.lock import Dependency, Lock, LockedImage
from lockgen.lock.closure import Closures, closure


class Layers(NamedTuple):
    """The layers of one image: its delta, the common layer if it is a root base, and its closure; names sorted."""

    image: LockedImage
    common: tuple[str, ...]
    delta: tuple[str, ...]
    closure: tuple[str, ...]


def layers_of(lock: Lock) -> dict[tuple[str, str], Layers]:
    """Every image's layers, by (image, variant)."""
    closures = Closures(lock)
    commons = _CommonLayers(lock)
    found: dict[tuple[str, str], Layers] = {}
    for image in lock.images:
        common = commons.of(image)
        # Below a root base's own delta lies the layer of the common packages.
        below = common if image.base is None else closures.of(lock.by_tag[image.base, image.variant])
        whole = closures.of(image)
        found[image.name, image.variant] = Layers(
            image, common=_sorted(common), delta=_sorted(whole - below), closure=_sorted(whole)
        )
    return found


class _CommonLayers:
    """The closures of the common packages. Root bases of one variant usually share them."""

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._known: dict[tuple[str, tuple[Dependency, ...]], frozenset[str]] = {}

    def of(self, image: LockedImage) -> frozenset[str]:
        key = (image.variant, image.common)
        if key not in self._known:
            packages = self._lock.by_variant[image.variant]
            self._known[key] = closure(packages, image.common)
        return self._known[key]


def _sorted(names: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(names))

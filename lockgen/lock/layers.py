"""The lock cut into layers: along an image's chain they are disjoint and add up to its closure (law 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lockgen.core.lock import Lock, LockedImage, Package
from lockgen.lock.closure import Closures, closure


@dataclass(frozen=True, slots=True)
class Layers:
    """Of one image: its own delta, the common layer where it is a root base, and its whole closure; all sorted."""

    image: LockedImage
    common: tuple[str, ...]
    delta: tuple[str, ...]
    closure: tuple[str, ...]


def layers_of(lock: Lock) -> dict[tuple[str, str], Layers]:
    """Every image's layers, by (image, variant)."""
    closures = Closures(lock)
    commons: dict[tuple[str, tuple[object, ...]], frozenset[str]] = {}
    found: dict[tuple[str, str], Layers] = {}
    for image in lock.images:
        key = (image.variant, image.common)
        if key not in commons:
            commons[key] = closure(lock.by_variant[image.variant], image.common)
        held = closures.of(image)
        below = closures.of(lock.by_tag[image.base, image.variant]) if image.base is not None else commons[key]
        found[image.name, image.variant] = Layers(
            image, tuple(sorted(commons[key])), tuple(sorted(held - below)), tuple(sorted(held))
        )
    return found


def packages_of(names: tuple[str, ...], table: Mapping[str, Package]) -> list[Package]:
    return [table[name] for name in names]

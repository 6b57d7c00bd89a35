"""Sizes of layers, images and the family, from the lock alone, in each layout."""

from __future__ import annotations

from collections.abc import Iterable

from lockgen.core.lock import Lock, Package
from lockgen.core.manifest import Manifest
from lockgen.core.sizes import Bytes, Excess, ImageSize, LayoutSize
from lockgen.lock.layers import Layers, layers_of

LAYOUTS = ("independent", "monolith", "layered")


def weigh(packages: Iterable[Package]) -> Bytes:
    """What ``packages`` weigh together, and of which of them nobody knows it."""
    held = [(package.pin, package.chosen) for package in packages]
    return Bytes(
        sum(file.size or 0 for _, file in held),
        sum(file.installed or 0 for _, file in held),
        frozenset(pin for pin, file in held if file.installed is None),
        frozenset(pin for pin, file in held if file.size is None),
    )


def mends(lock: Lock, pins: Iterable[str]) -> dict[str, list[str]]:
    """What makes sizes known that are not: pins by command."""
    wanted = set(pins)
    found: dict[str, list[str]] = {}
    for package in lock.packages:
        if package.pin in wanted:
            found.setdefault(_mend(lock, package), []).append(package.pin)
    return dict(sorted(found.items()))


def _mend(lock: Lock, package: Package) -> str:
    # Of a recorded index nothing is asked of a network: every machine must come to the same lock.
    if package.index is None or f"index {package.index}" not in lock.inputs:
        return "lockgen resolve, where their index can be reached"
    index = package.index
    return (
        f"lockgen index record {index} where that index can be reached, or lockgen index measure {index} WHEEL"
        " where the wheels are; then lockgen resolve"
    )


def layouts(lock: Lock) -> list[LayoutSize]:
    """The family in every layout: each image its own closure, one image for all, layers over layers."""
    layers = layers_of(lock)
    return [_independent(lock, layers), _monolith(lock, layers), layered(lock)]


def limit(lock: Lock) -> Bytes:
    """Every package's bytes once: no layout can do with less."""
    return weigh({package.chosen.sha256: package for package in lock.packages}.values())


def layered(lock: Lock) -> LayoutSize:
    """As the Dockerfiles install it: every image adds its delta to the image below."""
    images = []
    unique = Bytes()
    for (name, variant), layer in sorted(layers_of(lock).items()):
        # No two of them are one, whatever they hold: a layer is known by what lies below it, and by its files' times.
        own = tuple((label, weigh(packages)) for label, packages in _own_layers(lock, layer))
        unique = sum((size for _, size in own), unique)
        images.append(ImageSize(name, variant, own, weigh(_closure(lock, layer))))
    return LayoutSize("layered", tuple(images), unique)


def _own_layers(lock: Lock, layer: Layers) -> list[tuple[str, list[Package]]]:
    table = lock.by_variant[layer.image.variant]
    tag = layer.image.tag
    own = [(f"common:{layer.image.variant}", layer.common)] if layer.image.base is None and layer.common else []
    own += [(tag, layer.delta)] if layer.delta else []
    return [(label, [table[name] for name in names]) for label, names in own]


def _closure(lock: Lock, layer: Layers) -> list[Package]:
    table = lock.by_variant[layer.image.variant]
    return [table[name] for name in layer.closure]


def _independent(lock: Lock, layers: dict[tuple[str, str], Layers]) -> LayoutSize:
    images = []
    for (name, variant), layer in sorted(layers.items()):
        whole = weigh(_closure(lock, layer))
        images.append(ImageSize(name, variant, ((layer.image.tag, whole),), whole))
    return LayoutSize("independent", tuple(images), _sum(images))


def _monolith(lock: Lock, layers: dict[tuple[str, str], Layers]) -> LayoutSize:
    """One image a variant that holds everything; every stage is that image."""
    whole = {variant: weigh(table.values()) for variant, table in lock.by_variant.items()}
    images = [
        ImageSize(name, variant, ((f"all:{variant}", whole[variant]),), whole[variant])
        for name, variant in sorted(layers)
    ]
    return LayoutSize("monolith", tuple(images), sum(whole.values(), Bytes()))


def _sum(images: Iterable[ImageSize]) -> Bytes:
    return sum((image.whole for image in images), Bytes())


def excesses(manifest: Manifest, lock: Lock) -> list[Excess]:
    """Every budget that an image or a layer exceeds, or may exceed where a size is unknown."""
    found = []
    for size in layered(lock).images:
        image = manifest.images.get(size.image)
        if image is None:
            continue
        own, family = image.budget, manifest.budget
        path = ("bases" if image.kind == "base" else "stages", image.name)
        bound = own.image if own.image is not None else family.image
        where = (*path, "max-image") if own.image is not None else ("budgets", "max-image")
        if bound is not None and _over(size.whole, bound):
            found.append(Excess(f"image {size.tag}", where, bound, size.whole))
        bound = own.layer if own.layer is not None else family.layer
        where = (*path, "max-layer") if own.layer is not None else ("budgets", "max-layer")
        for label, layer in size.layers:
            if bound is not None and _over(layer, bound):
                found.append(Excess(f"layer {label}", where, bound, layer))
    return found


def _over(size: Bytes, bound: int) -> bool:
    return size.installed > bound or bool(size.unknown)

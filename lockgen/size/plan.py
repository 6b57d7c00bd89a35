"""Sizes of layers, images and the family in each layout, from the lock alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from lockgen.core.lock import Lock, Package
from lockgen.core.manifest import Budget, Image, Manifest
from lockgen.core.sizes import Bytes, Excess, ImageSize, LayoutSize
from lockgen.lock.layers import Layers, layers_of


def weigh(packages: Iterable[Package]) -> Bytes:
    """The total size of ``packages``, with the pins whose size is unknown."""
    download = installed = 0
    unknown = set()
    unweighed = set()
    for package in packages:
        file = package.chosen
        if file.size is None:
            unweighed.add(package.pin)
        else:
            download += file.size
        if file.installed is None:
            unknown.add(package.pin)
        else:
            installed += file.installed
    return Bytes(download, installed, frozenset(unknown), frozenset(unweighed))


def remedies(lock: Lock, pins: Iterable[str]) -> dict[str, list[str]]:
    """The commands that determine the unknown sizes of ``pins``, each with the pins that it is for."""
    wanted = set(pins)
    found: dict[str, list[str]] = defaultdict(list)
    for package in lock.packages:
        if package.pin in wanted:
            command = _remedy(lock, package)
            found[command].append(package.pin)
    return {command: found[command] for command in sorted(found)}


def _remedy(lock: Lock, package: Package) -> str:
    if package.built:
        return "set a budget, as in [budgets] max-image: then lockgen resolve builds them and measures the wheels"
    index = package.index
    if index is None or f"index {index}" not in lock.inputs:
        return "lockgen resolve, where their index can be reached"
    # `lockgen resolve` does not connect to a recorded index, as every machine has to make the same lock (guarantee 5).
    return (
        f"lockgen index record {index} where that index can be reached, or lockgen index measure {index} WHEEL"
        " where the wheels are; then lockgen resolve"
    )


# -- layouts ----------------------------------------------------------------------------------


def layouts(lock: Lock) -> list[LayoutSize]:
    """The family in every layout: a layer per image, one image for everything, layers on layers."""
    layers = layers_of(lock)
    return [_independent(lock, layers), _monolith(lock, layers), layered(lock)]


def limit(lock: Lock) -> Bytes:
    """The bytes of every package once: no layout needs less."""
    # By file, not by name: a build for another accelerator is another file.
    distinct = {package.chosen.sha256: package for package in lock.packages}
    return weigh(distinct.values())


def layered(lock: Lock) -> LayoutSize:
    """The layout of the Dockerfiles: every image adds its delta to the image below."""
    images = []
    for (name, variant), layer in sorted(layers_of(lock).items()):
        own = _layer_sizes(lock, layer)
        whole = weigh(_closure(lock, layer))
        images.append(ImageSize(name, variant, own, whole))
    # Layers with the same packages count twice: a layer's digest depends on its files' times and on the layers below.
    unique = _total(size for image in images for _, size in image.layers)
    return LayoutSize("layered", tuple(images), unique)


def _own_layers(lock: Lock, layer: Layers) -> list[tuple[str, list[Package]]]:
    """The layers that an image adds to the image below, by label. Empty ones are left out."""
    image = layer.image
    packages = lock.by_variant[image.variant]
    layers = []
    # Only a root base has a layer of common packages: other images inherit it.
    if image.base is None and layer.common:
        common = [packages[name] for name in layer.common]
        layers.append((f"common:{image.variant}", common))
    if layer.delta:
        delta = [packages[name] for name in layer.delta]
        layers.append((image.tag, delta))
    return layers


def _layer_sizes(lock: Lock, layer: Layers) -> tuple[tuple[str, Bytes], ...]:
    return tuple((label, weigh(packages)) for label, packages in _own_layers(lock, layer))


def _closure(lock: Lock, layer: Layers) -> list[Package]:
    table = lock.by_variant[layer.image.variant]
    return [table[name] for name in layer.closure]


def _independent(lock: Lock, layers: dict[tuple[str, str], Layers]) -> LayoutSize:
    """One layer per image, with its whole closure."""
    images = []
    for (name, variant), layer in sorted(layers.items()):
        whole = weigh(_closure(lock, layer))
        own = ((layer.image.tag, whole),)
        images.append(ImageSize(name, variant, own, whole))
    unique = _total(image.whole for image in images)
    return LayoutSize("independent", tuple(images), unique)


def _monolith(lock: Lock, layers: dict[tuple[str, str], Layers]) -> LayoutSize:
    """One image per variant with all its packages, used as every stage."""
    # All images of a variant are one and the same image, so its bytes count once.
    wholes = _variant_sizes(lock)
    images = []
    for name, variant in sorted(layers):
        whole = wholes[variant]
        own = ((f"all:{variant}", whole),)
        images.append(ImageSize(name, variant, own, whole))
    return LayoutSize("monolith", tuple(images), _total(wholes.values()))


def _variant_sizes(lock: Lock) -> Mapping[str, Bytes]:
    return {variant: weigh(packages.values()) for variant, packages in lock.by_variant.items()}


def _total(sizes: Iterable[Bytes]) -> Bytes:
    return sum(sizes, Bytes())


# -- budgets ----------------------------------------------------------------------------------


class _Bound(NamedTuple):
    """A bound in bytes (None: no bound), and the path of its key in versions.toml."""

    size: int | None
    path: tuple[str, ...]

    def exceeded_by(self, what: str, size: Bytes) -> Excess | None:
        """The excess of ``what``. An unknown size counts: it may exceed any bound."""
        if self.size is None:
            return None
        if size.installed <= self.size and not size.unknown:
            return None
        return Excess(what, self.path, self.size, size)


def excesses(manifest: Manifest, lock: Lock) -> list[Excess]:
    """Every budget that an image or a layer exceeds, or may exceed as a size is unknown."""
    found: list[Excess | None] = []
    for size in layered(lock).images:
        image = manifest.images.get(size.image)
        # The lock may be older than versions.toml.
        if image is None:
            continue
        image_bound = _image_bound(image, manifest.budget)
        found.append(image_bound.exceeded_by(f"image {size.tag}", size.whole))
        layer_bound = _layer_bound(image, manifest.budget)
        for label, layer in size.layers:
            found.append(layer_bound.exceeded_by(f"layer {label}", layer))
    return [excess for excess in found if excess is not None]


def _image_bound(image: Image, family: Budget) -> _Bound:
    if image.budget.image is not None:
        return _Bound(image.budget.image, (*_path(image), "max-image"))
    return _Bound(family.image, ("budgets", "max-image"))


def _layer_bound(image: Image, family: Budget) -> _Bound:
    if image.budget.layer is not None:
        return _Bound(image.budget.layer, (*_path(image), "max-layer"))
    return _Bound(family.layer, ("budgets", "max-layer"))


def _path(image: Image) -> tuple[str, str]:
    return ("bases" if image.kind == "base" else "stages", image.name)

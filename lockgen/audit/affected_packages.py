"""The packages of a lock as an audit asks about them: which images hold each, and where versions.toml names it."""

from __future__ import annotations

from packaging.version import Version

from lockgen.audit.model import AffectedPackage
from lockgen.core.key_path import KeyPath
from lockgen.core.lock import Lock, Package
from lockgen.core.manifest import Manifest
from lockgen.lock.closure import Closures


def holders(lock: Lock, manifest: Manifest) -> list[AffectedPackage]:
    """Every package of every variant, then the tools that no image holds."""
    closures = Closures(lock)
    held = [(image, closures.of(image)) for image in lock.images]
    found = [
        _holder(
            package,
            tuple(sorted(i.tag for i, names in held if i.variant in package.variants and package.name in names)),
            manifest,
        )
        for package in sorted(lock.packages, key=lambda package: package.sort_key)
    ]
    seen = {(holder.name, holder.version) for holder in found}
    tools = [*lock.tools, *(package for tools in lock.more_tools for package in tools.packages)]
    for package in sorted(tools, key=lambda package: package.sort_key):
        if (package.name, package.version) not in seen:
            seen.add((package.name, package.version))
            found.append(_holder(package, (), manifest))
    return found


def _holder(package: Package, images: tuple[str, ...], manifest: Manifest) -> AffectedPackage:
    return AffectedPackage(
        name=package.name,
        version=package.version,
        asked=Version(package.version).public,
        index=package.index,
        variants=package.variants,
        images=images,
        paths=_paths(package, manifest) if images else (),
    )


def _paths(package: Package, manifest: Manifest) -> tuple[KeyPath, ...]:
    """Its pins, else whoever asks for it by name; none where it only comes along."""
    pins = [
        manifest.pins_of(variant)[package.name].path
        for variant in package.variants
        if variant in manifest.variants and package.name in manifest.pins_of(variant)
    ]
    asks = [ask.path for ask in manifest.common if ask.name == package.name]
    for image in manifest.images.values():
        if set(image.variants) & set(package.variants):
            asks += [ask.path for ask in image.packages if ask.name == package.name]
    return tuple(dict.fromkeys(pins or asks))

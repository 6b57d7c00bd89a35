"""The packages of a lock as an audit sees them: which images contain each, and where versions.toml names it."""

from __future__ import annotations

from lockgen.audit.model import AffectedPackage
from lockgen.core.key_path import KeyPath
from lockgen.core.lock import Lock, Package
from lockgen.core.manifest import Manifest
from lockgen.core.parsing import parse_version
from lockgen.lock.closure import Closures


def affected_packages(lock: Lock, manifest: Manifest) -> list[AffectedPackage]:
    """Every package of every variant, then the build tools that no image contains."""
    closures = Closures(lock)
    contents = [(image, closures.of(image)) for image in lock.images]
    found = []
    for package in sorted(lock.packages, key=lambda package: package.sort_key):
        tags = sorted(
            image.tag for image, names in contents if image.variant in package.variants and package.name in names
        )
        found.append(_affected_package(package, tuple(tags), _paths(package, manifest) if tags else ()))
    # A tool may be in images as well, at the same version.
    seen = {package.pin for package in found}
    for package in sorted(_tools(lock), key=lambda package: package.sort_key):
        tool = _affected_package(package, (), ())
        if tool.pin not in seen:
            seen.add(tool.pin)
            found.append(tool)
    return found


def _tools(lock: Lock) -> list[Package]:
    tools = list(lock.tools)
    for more in lock.more_tools:
        tools += more.packages
    return tools


def _affected_package(package: Package, images: tuple[str, ...], paths: tuple[KeyPath, ...]) -> AffectedPackage:
    return AffectedPackage(
        name=package.name,
        version=package.version,
        asked=parse_version(package.version).public,
        index=package.index,
        variants=package.variants,
        images=images,
        paths=paths,
    )


def _paths(package: Package, manifest: Manifest) -> tuple[KeyPath, ...]:
    """Its pins, or else the requirements that name it; none for a transitive dependency."""
    return tuple(dict.fromkeys(_pins(package, manifest) or _requirements(package, manifest)))


def _pins(package: Package, manifest: Manifest) -> list[KeyPath]:
    paths = []
    for variant in package.variants:
        # The lock may be older than versions.toml, and have a variant that is gone.
        if variant in manifest.variants:
            pin = manifest.pins_of(variant).get(package.name)
            if pin is not None:
                paths.append(pin.path)
    return paths


def _requirements(package: Package, manifest: Manifest) -> list[KeyPath]:
    declared = list(manifest.common)
    for image in manifest.images.values():
        if not set(image.variants).isdisjoint(package.variants):
            declared += image.packages
    return [requirement.path for requirement in declared if requirement.name == package.name]

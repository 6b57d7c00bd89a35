"""Requests to a resolver: one for variants that are solved together, and one for a variant with its own pins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC

from lockgen.core.index import CoreMetadata, ExplicitIndex
from lockgen.core.lock import Lock
from lockgen.core.manifest import DeclaredRequirement, Manifest
from lockgen.core.resolution import Request, Solution

# -- which variants are solved together --------------------------------------------


def order_of_variants(manifest: Manifest) -> list[str]:
    """The variants that have images, the lead first: it has the most images, and its pins win in a joint solve."""
    counts = {name: len(manifest.images_of(name)) for name in manifest.variants}
    used = [name for name in counts if counts[name]]
    return sorted(used, key=lambda name: (-counts[name], name))


def separate_variants(manifest: Manifest, order: list[str]) -> list[str]:
    """The variants of ``order`` that are solved separately, as they pin packages that no index lists."""
    # In a joint solve such a pin, or only the variant's presence, could move versions of the other variants
    # (guarantees 2 and 7). Pins of listed packages merely select a build, such as torch 2.5.1+cu121.
    return [name for name in order if manifest.variants[name].pins.keys() - manifest.listed]


def joint_variants(manifest: Manifest) -> list[str]:
    """The variants to solve together, the lead first: all except `separate_variants`, and never none."""
    order = order_of_variants(manifest)
    separate = separate_variants(manifest, order)
    joint = [name for name in order if name not in separate]
    return joint or order[:1]


# -- what they require --------------------------------------------------------------


def declared_requirements(manifest: Manifest, variants: Iterable[str]) -> tuple[DeclaredRequirement, ...]:
    """Every requirement of the images that exist in one of ``variants``, the common ones first."""
    wanted = set(variants)
    requirements = list(manifest.common)
    for image in sorted(manifest.images.values(), key=lambda image: image.name):
        if wanted & set(image.variants):
            requirements += image.packages
    return tuple(requirements)


def pins_and_routes(manifest: Manifest, variants: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The pins (name to version) and routes (name to index) of a joint solve. The first variant's value wins."""
    pins: dict[str, str] = {}
    routes: dict[str, str] = {}
    for variant in variants:
        for name, pin in manifest.pins_of(variant).items():
            pins.setdefault(name, str(pin.version))
        index = manifest.variants[variant].index
        if index is not None:
            for name in manifest.indexes[index].packages:
                routes.setdefault(name, index)
    return pins, routes


def blocked_names(manifest: Manifest, variants: Iterable[str], routes: Mapping[str, str]) -> frozenset[str]:
    """The listed packages that have no permitted index in ``variants`` (guarantee 4)."""
    # By pinning a listed package itself, a variant accepts the default index's build of it.
    own_pins = {name for variant in variants for name in manifest.variants[variant].pins}
    return frozenset(manifest.listed - routes.keys() - own_pins)


def request_for(
    manifest: Manifest,
    variants: list[str],
    indexes: Mapping[str, ExplicitIndex],
    preferences: Mapping[str, str],
    *,
    offline: bool = False,
    own_pins: bool = True,
    extra_constraints: Iterable[str] = (),
    known: Iterable[CoreMetadata] = (),
) -> Request:
    """One solve for the images of ``variants``. ``own_pins=False`` leaves out the pins of single variants."""
    pins, routes = pins_and_routes(manifest, variants)
    if not own_pins:
        pins = {name: str(pin.version) for name, pin in manifest.pins.items()}
    constraints = {f"{name}=={version}" for name, version in pins.items()}
    requirements = {declared.text for declared in declared_requirements(manifest, variants)}
    cut_off = manifest.exclude_newer
    # Everything is sorted: the order of tables in versions.toml must not change the lock (guarantee 5).
    return Request(
        family=manifest.family,
        target=manifest.target,
        requirements=tuple(sorted(requirements)),
        constraints=tuple(sorted(constraints | set(extra_constraints))),
        routes=dict(sorted(routes.items())),
        indexes={name: indexes[name] for name in sorted(set(routes.values()))},
        preferences=dict(sorted(preferences.items())),
        build=manifest.build,
        exclude_newer=cut_off.astimezone(UTC) if cut_off is not None else None,
        offline=offline,
        blocked=blocked_names(manifest, variants, routes),
        known=tuple(sorted(known, key=lambda metadata: (metadata.name, metadata.version))),
    )


def differing_packages(manifest: Manifest, variant: str, joint: list[str], names: Iterable[str]) -> set[str]:
    """Those of ``names`` whose pin or index in ``variant`` is not the one that the joint solve of ``joint`` used."""
    joint_pins, joint_routes = pins_and_routes(manifest, joint)
    pins, routes = pins_and_routes(manifest, [variant])
    differing = set()
    for name in names:
        same_pin = pins.get(name) == joint_pins.get(name)
        same_index = routes.get(name) == joint_routes.get(name)
        if not (same_pin and same_index):
            differing.add(name)
    return differing


# -- which versions to prefer --------------------------------------------------------


def kept_versions(old: Lock | None, variants: list[str], upgrade: bool, opened: frozenset[str]) -> dict[str, str]:
    """The old lock's versions, which stay where they fit. An upgrade keeps none, and none of ``opened`` is kept."""
    kept: dict[str, str] = {}
    if old is None or upgrade:
        return kept
    for variant in variants:
        for name, package in old.by_variant.get(variant, {}).items():
            if name not in opened:
                kept.setdefault(name, package.version)
    return kept


def own_preferences(
    old: Lock | None, variant: str, lead: str, joint: Mapping[str, str], kept: Mapping[str, str]
) -> dict[str, str]:
    """Preferences of a variant that is solved separately: the joint versions, so that it differs as little as possible.

    Where the old lock already had another version for the variant than for ``lead``, that version is preferred.
    """
    preferences = {**kept, **joint}
    if old is None:
        return preferences
    lead_packages = old.by_variant.get(lead, {})
    for name, package in old.by_variant.get(variant, {}).items():
        if name not in kept:
            continue
        if name not in lead_packages or lead_packages[name].version != package.version:
            preferences[name] = package.version
    return preferences


def versions_of(solution: Solution) -> dict[str, str]:
    """Package name to version."""
    return {name: package.version for name, package in solution.packages.items()}

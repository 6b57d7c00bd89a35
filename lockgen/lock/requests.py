"""What to ask a resolver: the family as one solve, and a variant on its own where its pins differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC

from lockgen.core.index import CoreMetadata, ExplicitIndex
from lockgen.core.lock import Lock
from lockgen.core.manifest import DeclaredRequirement, Manifest
from lockgen.core.resolution import Request, Solution


def asks_of(manifest: Manifest, variants: Iterable[str]) -> tuple[DeclaredRequirement, ...]:
    """Every requirement of the images that come in one of ``variants``, the common ones first."""
    wanted = set(variants)
    asks = list(manifest.common)
    for image in sorted(manifest.images.values(), key=lambda image: image.name):
        if wanted & set(image.variants):
            asks += image.packages
    return tuple(asks)


def order_of_variants(manifest: Manifest) -> list[str]:
    """The variants that have images, the one with most images first (then by name): it leads the joint solve."""
    counts = {name: len(manifest.images_of(name)) for name in manifest.variants}
    return sorted((name for name in counts if counts[name]), key=lambda name: (-counts[name], name))


def apart(manifest: Manifest, order: list[str]) -> list[str]:
    """The variants that go their own way: those with pins of their own besides the listed packages' builds.

    Another variant must not feel such a pin, nor that the variant is there at all (laws 2 and 7).
    """
    return [name for name in order if manifest.variants[name].pins.keys() - manifest.listed]


def together(manifest: Manifest) -> list[str]:
    """The variants that are solved as one as far as they agree, the lead first: all but those that go their own way."""
    order = order_of_variants(manifest)
    loners = apart(manifest, order)
    return [name for name in order if name not in loners] or order[:1]


def rules_of(manifest: Manifest, variants: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The pins (name to version) and routes (name to index) for a joint solve: the first variant's win."""
    pins: dict[str, str] = {}
    routes: dict[str, str] = {}
    for variant in variants:
        for name, pin in manifest.pins_of(variant).items():
            pins.setdefault(name, str(pin.version))
        index = manifest.variants[variant].index
        for name in manifest.indexes[index].packages if index is not None else ():
            routes.setdefault(name, str(index))
    return pins, routes


def blocked_names(manifest: Manifest, variants: Iterable[str], routes: Mapping[str, str]) -> frozenset[str]:
    """The listed packages that the images of ``variants`` may take from nowhere (guarantee 4).

    Their index is none of these variants'. A variant's own pin says by name that the default index's build is meant.
    """
    own = {name for variant in variants for name in manifest.variants[variant].pins}
    return frozenset(manifest.listed - routes.keys() - own)


def request_for(
    manifest: Manifest,
    variants: list[str],
    indexes: Mapping[str, ExplicitIndex],
    preferences: Mapping[str, str],
    *,
    offline: bool = False,
    own_pins: bool = True,
    extra_constraints: Iterable[str] = (),
    known: Mapping[str, CoreMetadata] | None = None,
) -> Request:
    """One solve for the images of ``variants``. ``own_pins=False`` leaves out what the variants pin for themselves."""
    pins, routes = rules_of(manifest, variants)
    if not own_pins:
        pins = {name: str(pin.version) for name, pin in manifest.pins.items()}
    cut_off = manifest.exclude_newer
    constraints = {f"{name}=={version}" for name, version in pins.items()}
    return Request(
        family=manifest.family,
        target=manifest.target,
        requirements=tuple(sorted({ask.text for ask in asks_of(manifest, variants)})),
        constraints=tuple(sorted(constraints | set(extra_constraints))),
        routes=dict(sorted(routes.items())),
        indexes={name: indexes[name] for name in sorted(set(routes.values()))},
        preferences=dict(sorted(preferences.items())),
        build=manifest.build,
        exclude_newer=cut_off.astimezone(UTC) if cut_off is not None else None,
        offline=offline,
        blocked=blocked_names(manifest, variants, routes),
        known=dict(known or {}),
    )


def differs(manifest: Manifest, variant: str, joint: list[str], names: Iterable[str]) -> set[str]:
    """Those of ``names`` that ``variant`` pins or takes otherwise than the joint solve of ``joint`` did."""
    pins, routes = rules_of(manifest, joint)
    own_pins, own_routes = rules_of(manifest, [variant])
    return {name for name in names if pins.get(name) != own_pins.get(name) or routes.get(name) != own_routes.get(name)}


def kept_versions(old: Lock | None, variants: list[str], upgrade: bool, opened: frozenset[str]) -> dict[str, str]:
    """The versions to keep where they still fit: the old lock's, but for what an upgrade opens."""
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
    """Preferences of a variant on its own: the joint versions, but for what already differed in the old lock."""
    preferences = {**kept, **joint}
    if old is not None:
        before = old.by_variant.get(variant, {})
        leading = old.by_variant.get(lead, {})
        for name, package in before.items():
            if name in kept and (name not in leading or leading[name].version != package.version):
                preferences[name] = package.version
    return preferences


def versions_of(solution: Solution) -> dict[str, str]:
    return {name: package.version for name, package in solution.packages.items()}

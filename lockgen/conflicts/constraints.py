"""The constraints of versions.toml that can be dropped, and requests with only some of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from lockgen.conflicts.model import Constraint
from lockgen.core.index import ExplicitIndex
from lockgen.core.manifest import DeclaredRequirement, Manifest, Pin, render_requirement
from lockgen.core.parsing import parse_requirement
from lockgen.core.resolution import Request
from lockgen.lock.requests import blocked_names, declared_requirements, pins_and_routes

COMMON = "[common]"
"""Stands for all images in `Constraint.requested_by`. No image can have this name."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def bare(requirement: Requirement) -> str:
    """The requirement without its bound."""
    # A copy: the given one belongs to the manifest.
    unbounded = parse_requirement(str(requirement))
    unbounded.specifier = SpecifierSet()
    return render_requirement(unbounded)


class Constraints:
    """The constraints of one variant, or of several variants that are resolved together.

    A constraint is one line: a pin, a requirement with a bound, or a requirement of an unpinned package. So a conflict
    is a set of lines that contradict one another. A pin includes the requirement of its package by the images: without
    it the pin alone would never be in a solution.
    """

    def __init__(self, manifest: Manifest, variants: list[str], indexes: Mapping[str, ExplicitIndex]) -> None:
        self.manifest = manifest
        self.variants = variants
        self.indexes = indexes
        self._requirements = declared_requirements(manifest, variants)
        self._images = _requesting_images(manifest, variants)
        self._unbounded: dict[str, set[str]] = {}
        for requirement in self._requirements:
            # Several texts per package: extras and markers can differ.
            texts = self._unbounded.setdefault(requirement.name, set())
            texts.add(bare(requirement.requirement))
        _, self._routes = pins_and_routes(manifest, variants)
        pins = self._pins()
        pinned = {pin.name for pin in pins}
        self.all: tuple[Constraint, ...] = (*pins, *self._lines(pinned))

    def _pins(self) -> list[Constraint]:
        pins: dict[str, Pin] = {}
        # In reverse: the pins of the first variant win, as in `rules_of`.
        for variant in reversed(self.variants):
            pins |= self.manifest.pins_of(variant)
        constraints: list[Constraint] = []
        for name, pin in sorted(pins.items()):
            constraint = Constraint(
                name=name,
                kind="pin",
                text=f"{name}=={pin.version}",
                path=pin.path,
                requested_by=self._images.get(name, ()),
                held=pin.held,
            )
            constraints.append(constraint)
        return constraints

    def _lines(self, pinned: Collection[str]) -> list[Constraint]:
        """The requirements with a bound, and those of unpinned packages; equal texts are one constraint."""
        by_text: dict[str, list[DeclaredRequirement]] = {}
        for requirement in self._requirements:
            # A bare requirement of a pinned package is part of the pin's constraint.
            if requirement.requirement.specifier or requirement.name not in pinned:
                by_text.setdefault(requirement.text, []).append(requirement)
        constraints: list[Constraint] = []
        for text, (first, *others) in sorted(by_text.items()):
            constraint = Constraint(
                name=first.name,
                kind="bound" if first.requirement.specifier else "ask",
                text=text,
                path=first.path,
                requested_by=_sources([first, *others]),
                other_paths=tuple(other.path for other in others),
            )
            constraints.append(constraint)
        return constraints

    def request(
        self, kept: Collection[Constraint], *, whole: bool = False, offline: bool = False, also: Collection[str] = ()
    ) -> Request:
        """A request with the constraints ``kept``.

        In addition it contains, without bounds, what the images require of the packages ``also``; with ``whole``,
        everything that they require.
        """
        pins = [constraint for constraint in kept if constraint.kind == "pin"]
        requirements = {constraint.text for constraint in kept if constraint.kind != "pin"}
        named: Collection[str] = {*also, *(pin.name for pin in pins)}
        if whole:
            named = self._unbounded
        for name in named:
            requirements.update(self._unbounded.get(name, ()))
        cut_off = self.manifest.exclude_newer
        # Everything is sorted: equal questions must be equal requests, or the cache would miss them.
        return Request(
            family=self.manifest.family,
            target=self.manifest.target,
            requirements=tuple(sorted(requirements)),
            constraints=tuple(sorted(pin.text for pin in pins)),
            routes=dict(sorted(self._routes.items())),
            indexes={name: self.indexes[name] for name in sorted(set(self._routes.values()))},
            preferences={},
            build=self.manifest.build,
            exclude_newer=cut_off.astimezone(UTC) if cut_off is not None else None,
            offline=offline,
            # Guarantee 4: what one variant takes from an explicit index must not come from the default one.
            blocked=blocked_names(self.manifest, self.variants, self._routes),
            # The matrix has Pythons that few machines have.
            other_python=True,
        )


def named_in(reason: str) -> set[str]:
    """The normalized names of the packages in a resolver's reason, among other words of it."""
    return {str(canonicalize_name(word.rstrip("._-"))) for word in _NAME.findall(reason)}


def _sources(requirements: Iterable[DeclaredRequirement]) -> tuple[str, ...]:
    """The images that declare ``requirements``, each once, in order."""
    sources: dict[str, None] = {}
    for requirement in requirements:
        # A path is ("common", ...) or (table, image, ...).
        table, image, *_ = requirement.path
        source = COMMON if table == "common" else str(image)
        sources[source] = None
    return tuple(sources)


def _requesting_images(manifest: Manifest, variants: list[str]) -> dict[str, tuple[str, ...]]:
    """Package to the images that require it by name; COMMON stands for all images."""
    # Dictionaries as ordered sets: an image may require a package twice, with different extras.
    found: dict[str, dict[str, None]] = {}
    for requirement in manifest.common:
        found.setdefault(requirement.name, {})[COMMON] = None
    wanted = set(variants)
    for image in sorted(manifest.images.values(), key=lambda image: image.name):
        if wanted.isdisjoint(image.variants):
            continue
        for requirement in image.packages:
            found.setdefault(requirement.name, {})[image.name] = None
    return {name: tuple(images) for name, images in found.items()}

"""What of versions.toml may be let go of, and the questions that leave some of it out."""

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
from lockgen.core.resolution import Request
from lockgen.lock.requests import blocked_names, declared_requirements, pins_and_routes

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def bare(requirement: Requirement) -> str:
    """The requirement without its bound."""
    free = Requirement(str(requirement))
    free.specifier = SpecifierSet()
    return render_requirement(free)


class Constraints:
    """The elements of one variant's solve, or of a few that are solved together, and requests that keep some of them.

    An element is a line that says something: a pin, which asks for its package too where an image does; a requirement
    with a bound; a requirement of what nobody pins. So a conflict is a set of lines that contradict one another by
    themselves.
    """

    def __init__(self, manifest: Manifest, variants: list[str], indexes: Mapping[str, ExplicitIndex]) -> None:
        self.manifest = manifest
        self.variants = variants
        self.indexes = indexes
        self._asks = declared_requirements(manifest, variants)
        self._askers = _askers(manifest, variants)
        self._bare: dict[str, set[str]] = {}
        for ask in self._asks:
            self._bare.setdefault(ask.name, set()).add(bare(ask.requirement))
        self._routes = pins_and_routes(manifest, variants)[1]
        pins = self._pins()
        self.all: tuple[Constraint, ...] = (*pins, *self._lines({pin.name for pin in pins}))

    def _pins(self) -> list[Constraint]:
        pins: dict[str, Pin] = {}
        for variant in reversed(self.variants):
            pins |= self.manifest.pins_of(variant)
        return [
            Constraint(name, "pin", f"{name}=={pin.version}", pin.path, self._askers.get(name, ()), pin.held)
            for name, pin in sorted(pins.items())
        ]

    def _lines(self, pinned: Collection[str]) -> list[Constraint]:
        found: dict[str, list[DeclaredRequirement]] = {}
        for ask in self._asks:
            if ask.requirement.specifier or ask.name not in pinned:
                found.setdefault(ask.text, []).append(ask)
        return [
            Constraint(
                name=asks[0].name,
                kind="bound" if asks[0].requirement.specifier else "ask",
                text=text,
                path=asks[0].path,
                askers=self._who(asks),
                also=tuple(ask.path for ask in asks[1:]),
            )
            for text, asks in sorted(found.items())
        ]

    def _who(self, asks: Iterable[DeclaredRequirement]) -> tuple[str, ...]:
        return tuple(dict.fromkeys("[common]" if ask.path[0] == "common" else str(ask.path[1]) for ask in asks))

    def request(
        self, kept: Collection[Constraint], *, whole: bool = False, offline: bool = False, also: Collection[str] = ()
    ) -> Request:
        """What ``kept`` says; and what the images ask for of ``also``, or with ``whole`` of all, in any version."""
        lines = {element.text for element in kept if element.kind != "pin"}
        named = self._bare if whole else {element.name for element in kept if element.kind == "pin"} | {*also}
        lines |= {text for name in named for text in self._bare.get(name, ())}
        cut_off = self.manifest.exclude_newer
        return Request(
            family=self.manifest.family,
            target=self.manifest.target,
            requirements=tuple(sorted(lines)),
            constraints=tuple(sorted(element.text for element in kept if element.kind == "pin")),
            routes=dict(sorted(self._routes.items())),
            indexes={name: self.indexes[name] for name in sorted(set(self._routes.values()))},
            preferences={},
            build=self.manifest.build,
            exclude_newer=cut_off.astimezone(UTC) if cut_off is not None else None,
            offline=offline,
            blocked=blocked_names(self.manifest, self.variants, self._routes),
        )


def named_in(reason: str) -> set[str]:
    """The packages that a resolver's reason may name, and other words."""
    return {str(canonicalize_name(word.rstrip("._-"))) for word in _NAME.findall(reason)}


def _askers(manifest: Manifest, variants: list[str]) -> dict[str, tuple[str, ...]]:
    """Package to the images that ask for it by name, "[common]" for what all ask for."""
    found: dict[str, list[str]] = {}
    for ask in manifest.common:
        found.setdefault(ask.name, []).append("[common]")
    for image in sorted(manifest.images.values(), key=lambda image: image.name):
        if set(variants) & set(image.variants):
            for ask in image.packages:
                found.setdefault(ask.name, []).append(image.name)
    return {name: tuple(dict.fromkeys(who)) for name, who in found.items()}

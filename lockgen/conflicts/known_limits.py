"""What is known of the pins besides the resolver's answers: versions that do not run, and those that [update] ignores.

Pure. A resolver cannot find these, as no metadata has them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from lockgen.conflicts.model import Conflict
from lockgen.core.manifest import Manifest
from lockgen.core.parsing import parse_version
from lockgen.proof.known_bounds import Versions, known_document, sentence
from lockgen.proof.model import KnownBound


class IgnoredPin(NamedTuple):
    """A pin whose version [update] ignores for updates."""

    package: str
    version: str
    reason: str


class KnownLimits(NamedTuple):
    """``bounds`` are found by runs on this machine, ``ignored`` are from versions.toml."""

    bounds: tuple[KnownBound, ...] = ()
    ignored: tuple[IgnoredPin, ...] = ()

    @property
    def lines(self) -> list[str]:
        bounds = [sentence(known) for known in self.bounds]
        ignored = [f"[update] ignores {pin.package} {pin.version}: {pin.reason}" for pin in self.ignored]
        return bounds + ignored

    @property
    def data(self) -> dict[str, Any]:
        return {
            "bounds": [known_document(known) for known in self.bounds],
            "ignored": [pin._asdict() for pin in self.ignored],
        }


NOTHING_KNOWN = KnownLimits()


def known_limits(
    manifest: Manifest,
    variants: Collection[str],
    versions: Versions,
    known: Sequence[KnownBound],
    conflicts: Iterable[Conflict],
) -> KnownLimits:
    """The limits of the pins of ``variants``, and of the packages in ``conflicts``.

    ``known`` are the bounds that apply to ``versions``.
    """
    named = _names(conflicts)
    bounds = []
    for one in known:
        _, _, variant = one.bound.image.rpartition(":")
        if variant not in variants:
            continue
        version = versions[variant].get(one.bound.package)
        is_reached = version is not None and one.bound.covers(parse_version(version))
        if is_reached or one.bound.package in named:
            bounds.append(one)
    return KnownLimits(tuple(bounds), tuple(_ignored(manifest, variants)))


def _names(conflicts: Iterable[Conflict]) -> set[str]:
    names: set[str] = set()
    for conflict in conflicts:
        names.update(constraint.name for constraint in conflict.constraints)
        for unmet in conflict.unmet:
            names |= {unmet.name, unmet.needs}
    return names


def _ignored(manifest: Manifest, variants: Collection[str]) -> list[IgnoredPin]:
    found: dict[IgnoredPin, None] = {}
    for variant in sorted(variants):
        own = manifest.variants[variant].pins
        for name, pin in manifest.pins_of(variant).items():
            owners = (variant,) if name in own else ()
            for rule in manifest.update.ignore:
                # A rule without versions is about the package, and one without a reason explains nothing.
                is_telling = rule.versions is not None and rule.reason
                if is_telling and rule.covers(name, pin.version, variants=owners):
                    found[IgnoredPin(name, str(pin.version), rule.reason)] = None
    return list(found)

"""The packages in a resolver's reason: which pin fixes each, and which images require it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from packaging.utils import canonicalize_name

from lockgen.core.key_path import KeyPath
from lockgen.core.manifest import DeclaredRequirement, Manifest, Pin

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class RequiredBy(NamedTuple):
    """An image, or "[common]", that requires a package: the requirement, and its path of keys in versions.toml."""

    who: str
    requirement: str
    path: KeyPath


@dataclass(frozen=True, slots=True)
class Blame:
    """A package that a reason names, its pin, and everything in versions.toml that requires it."""

    name: str
    pin: Pin | None
    required_by: tuple[RequiredBy, ...]


def blame(manifest: Manifest, variants: Iterable[str], reason: str) -> list[Blame]:
    """Every package named in ``reason`` that versions.toml pins or requires, in the order in which they are named."""
    wanted = set(variants)
    pins = _pins(manifest, wanted)
    required_by = _required_by(manifest, wanted)
    # Most words of a reason are not packages, and some packages are only needed indirectly.
    named = [name for name in names_in(reason) if name in pins or name in required_by]
    return [Blame(name, pins.get(name), tuple(required_by.get(name, ()))) for name in named]


def _pins(manifest: Manifest, variants: set[str]) -> dict[str, Pin]:
    pins = dict(manifest.pins)
    for variant in sorted(variants):
        pins |= manifest.variants[variant].pins
    return pins


def _required_by(manifest: Manifest, variants: set[str]) -> dict[str, list[RequiredBy]]:
    """Everything in versions.toml that requires a package, by the package's name."""
    found: dict[str, list[RequiredBy]] = {}
    for who, declared in _requirements(manifest, variants):
        entry = RequiredBy(who, declared.text, declared.path)
        found.setdefault(declared.name, []).append(entry)
    return found


def _requirements(manifest: Manifest, variants: set[str]) -> Iterable[tuple[str, DeclaredRequirement]]:
    for declared in manifest.common:
        yield "[common]", declared
    for image in sorted(manifest.images.values(), key=lambda image: image.name):
        if variants & set(image.variants):
            for declared in image.packages:
                yield image.name, declared


def names_in(reason: str) -> Iterable[str]:
    """Every word of ``reason`` that has the form of a package name, once each."""
    # A full stop or dash behind a name belongs to the sentence, not to the name.
    words = (word.rstrip("._-") for word in _NAME.findall(reason))
    return dict.fromkeys(canonicalize_name(word) for word in words)

"""A resolver's reason in words of images and pins: who asks for each package that it names, and who holds it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from lockgen.core.manifest import Manifest, Pin

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Blame:
    """A package in a reason: the pin that holds it, and what asks for it, as (who, requirement, path in the file)."""

    name: str
    pin: Pin | None
    asks: tuple[tuple[str, str, tuple[str | int, ...]], ...]


def blame(manifest: Manifest, variants: Iterable[str], reason: str) -> list[Blame]:
    """Every package named in ``reason`` that versions.toml pins or asks for, in the order of its first naming."""
    wanted = set(variants)
    pins: dict[str, Pin] = dict(manifest.pins)
    for variant in sorted(wanted):
        pins |= manifest.variants[variant].pins
    asks: dict[str, list[tuple[str, str, tuple[str | int, ...]]]] = {}
    for ask in manifest.common:
        asks.setdefault(ask.name, []).append(("[common]", ask.text, ask.path))
    for image in sorted(manifest.images.values(), key=lambda image: image.name):
        if wanted & set(image.variants):
            for ask in image.packages:
                asks.setdefault(ask.name, []).append((image.name, ask.text, ask.path))
    named = dict.fromkeys(canonicalize_name(word.rstrip("._-")) for word in _NAME.findall(reason))
    return [Blame(name, pins.get(name), tuple(asks.get(name, ()))) for name in named if name in pins or name in asks]

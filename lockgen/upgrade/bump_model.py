"""Pins that are moved on purpose: what is wished for, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from packaging.version import Version

from lockgen.core.key_path import KeyPath
from lockgen.core.manifest import Pin
from lockgen.core.sizes import Weight
from lockgen.diff.model import Changes


@dataclass(frozen=True)
class UpgradeRequest:
    """A package (canonical name) and the exact version that it shall have; None is the newest that is allowed.

    ``among`` are the public versions that are allowed besides; empty: all.
    """

    name: str
    version: str | None = None
    among: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name if self.version is None else f"{self.name}=={self.version}"


@dataclass(frozen=True, slots=True)
class PinSite:
    """One pin of a package, and the variants with images in which it holds."""

    name: str
    pin: Pin
    variants: tuple[str, ...]

    @property
    def version(self) -> Version:
        return self.pin.version


@dataclass(frozen=True, slots=True)
class PinGroup:
    """Pins that move as one: those of a package that agree, or those of torch's family.

    ``name`` is the package that leads: torch, where it is pinned. ``others`` are pins of the same packages that some
    variant has for itself in another version; those move only when their variant is named.
    """

    name: str
    seats: tuple[PinSite, ...]
    others: tuple[PinSite, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(seat.name for seat in self.seats))

    @property
    def variants(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(variant for seat in self.seats for variant in seat.variants))

    @property
    def held(self) -> tuple[PinSite, ...]:
        return tuple(seat for seat in self.seats if seat.pin.held)

    @property
    def current(self) -> Version:
        """The public version of the package that leads."""
        return public(next(seat for seat in self.seats if seat.name == self.name).version)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a unit could become: the public ``version`` of what leads, and the version of each seat, by its path."""

    version: Version
    versions: tuple[tuple[KeyPath, str], ...]

    def of(self, seat: PinSite) -> str:
        """The version, as it would be written, of ``seat``."""
        return dict(self.versions)[seat.pin.path]


@dataclass(frozen=True, slots=True)
class PinMove:
    """One value of versions.toml: a pin, the index of a variant, its base image, the cut-off, or what is added.

    ``name`` is the package or the variant; ``path`` are the keys in the file; ``old`` is None for what is added.
    """

    name: str
    old: str | None
    new: str
    path: KeyPath
    kind: Literal["pin", "index", "base", "cut-off"] = "pin"


@dataclass(frozen=True, slots=True)
class Stay:
    """A wish for the newest that does not get it. ``newest`` is what does not fit, None where there is nothing newer.

    ``current`` is where it stays, or goes instead; ``reason`` is one line: why the newest does not fit.
    """

    name: str
    current: str
    newest: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class Bumped:
    """The result of a bump. ``moves`` are in the order of the file; ``opened`` are packages without a pin, taken anew.
    ``stays`` are wishes that move nothing, ``short`` those that move, and not to the newest.

    ``changes`` is what `lockgen diff` says of the two locks; ``weights`` are those of the images that changed.
    ``text`` is the new versions.toml; ``files`` are the paths that were written, or would be.
    """

    moves: tuple[PinMove, ...]
    changes: Changes
    stays: tuple[Stay, ...] = ()
    short: tuple[Stay, ...] = ()
    opened: tuple[str, ...] = ()
    weights: tuple[Weight, ...] = ()
    text: str = ""
    files: tuple[str, ...] = ()


def public(version: Version) -> Version:
    """Without its local part: PEP 440 sorts +cu124 above +cu121, which makes another accelerator look newer."""
    return Version(version.public)

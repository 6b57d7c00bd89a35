"""Changes of pins on request: the requests, the pins and the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from packaging.version import Version

from lockgen.core.key_path import KeyPath
from lockgen.core.lock import Lock
from lockgen.core.manifest import Pin
from lockgen.core.parsing import parse_version
from lockgen.core.sizes import Weight
from lockgen.diff.model import Change, Changes
from lockgen.proof.model import ProofBound, RunChange


@dataclass(frozen=True)
class UpgradeRequest:
    """A package (canonical name) and the exact version that it shall have; None is the latest compatible one.

    ``among`` are the only public versions to choose from; empty: all.
    """

    name: str
    version: str | None = None
    among: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name if self.version is None else f"{self.name}=={self.version}"


@dataclass(frozen=True, slots=True)
class PinSite:
    """One pin of a package, and the variants with images that it applies to."""

    name: str
    pin: Pin
    variants: tuple[str, ...]

    @property
    def version(self) -> Version:
        return self.pin.version


@dataclass(frozen=True, slots=True)
class PinGroup:
    """Pins that change together: those of one package with the same version, or those of torch's family.

    ``name`` is the leading package, whose version decides: torch if it is pinned. ``others`` are pins of the same
    packages that a variant has at another version. They change only if their variant is named.
    """

    name: str
    sites: tuple[PinSite, ...]
    others: tuple[PinSite, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(site.name for site in self.sites))

    @property
    def variants(self) -> tuple[str, ...]:
        names: dict[str, None] = {}
        for site in self.sites:
            names.update(dict.fromkeys(site.variants))
        return tuple(names)

    @property
    def held(self) -> tuple[PinSite, ...]:
        return tuple(site for site in self.sites if site.pin.held)

    @property
    def leading_site(self) -> PinSite:
        """The first pin of the leading package."""
        return next(site for site in self.sites if site.name == self.name)

    @property
    def current(self) -> Version:
        """The public version of the leading package."""
        return public(self.leading_site.version)


@dataclass(frozen=True, slots=True)
class Choice:
    """New versions for a group: the public ``version`` of the leading package, and the text of each pin by its path."""

    version: Version
    versions: tuple[tuple[KeyPath, str], ...]

    def of(self, site: PinSite) -> str:
        """The version that the pin at ``site`` gets, as written in versions.toml."""
        return dict(self.versions)[site.pin.path]


@dataclass(frozen=True, slots=True)
class PinMove:
    """A changed value of versions.toml: a pin, the index of a variant, its base image, the cut-off, or a new entry.

    ``name`` is the package or the variant; ``path`` are the keys in the file; ``old`` is None for a new entry.
    """

    name: str
    old: str | None
    new: str
    path: KeyPath
    kind: Literal["pin", "index", "base", "cut-off"] = "pin"


@dataclass(frozen=True, slots=True)
class Stay:
    """A pin that does not change to the latest version although that was requested.

    ``newest`` is the version that does not fit, None if none is newer. ``current`` is the version that the pin
    keeps, or gets instead; ``reason`` says in one line why the latest does not fit. ``alone`` are the variants that
    have a newer version if only their own pin changes.
    """

    name: str
    current: str
    newest: str | None = None
    reason: str = ""
    alone: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bumped:
    """The result of a bump.

    ``moves`` are in the order of the file; ``opened`` are packages without a pin, resolved again. ``stays`` are the
    requests that change nothing, ``short`` those that change, but not to the latest version.

    ``changes`` is the difference of the two locks, as `lockgen diff` shows it; ``weights`` are the sizes of the changed
    images. ``text`` is the new versions.toml; ``files`` are the paths that were written, or would be. ``lock`` is the
    new lock; None if nothing changes.

    ``newer`` are the versions that each requested package without an exact version could move to, by name; torch stands
    for its family. ``runs`` are the results of the changed images, if they were run, and ``bounds`` the versions that
    were found not to run.
    """

    moves: tuple[PinMove, ...]
    changes: Changes
    stays: tuple[Stay, ...] = ()
    short: tuple[Stay, ...] = ()
    opened: tuple[str, ...] = ()
    weights: tuple[Weight, ...] = ()
    text: str = ""
    files: tuple[str, ...] = ()
    lock: Lock | None = None
    newer: Mapping[str, tuple[Version, ...]] = field(default_factory=dict)
    runs: tuple[RunChange, ...] = ()
    bounds: tuple[ProofBound, ...] = ()


def new_versions(done: Bumped) -> dict[str, Version]:
    """The public version that each package moves to: of pins, and of packages that were resolved again."""
    found = {move.name: public(parse_version(move.new)) for move in done.moves if move.kind == "pin"}
    for change in unpinned_changes(done):
        found[change.name] = public(parse_version(change.new or ""))
    return found


def unpinned_changes(done: Bumped) -> list[Change]:
    """The changes of packages without a pin that were resolved again, without those that nothing requires any more."""
    changes = {item.change.name: item.change for item in done.changes.packages}
    found = [changes[name] for name in done.opened if name in changes]
    return [change for change in found if change.new is not None]


def public(version: Version) -> Version:
    """Without its local part: PEP 440 sorts +cu124 above +cu121, so another accelerator would look newer."""
    return parse_version(version.public)

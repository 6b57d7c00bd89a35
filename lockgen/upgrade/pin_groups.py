"""Which pins move together, and what they could become.

A package that several tables pin has one version, whatever the build. torch, torchaudio and torchvision are built for
one another, and move as one through the pair table; each stays on its accelerator, as its local version says it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from packaging.version import Version

from lockgen.core.accelerator import FAMILY, is_label
from lockgen.core.compat_axes import TORCH, Pairs
from lockgen.core.key_path import KeyPath
from lockgen.core.manifest import Manifest
from lockgen.lock.requests import order_of_variants
from lockgen.upgrade.bump_model import Choice, PinGroup, PinSite, public

Listed = Mapping[tuple[str, str], Sequence[Version]]
"""Package and variant to the releases that the variant's index has of it, files for the target only."""


def family_of(name: str) -> tuple[str, ...]:
    """The packages that move with ``name``, itself included."""
    return FAMILY if name in FAMILY else (name,)


def unit_of(manifest: Manifest, name: str, only: Collection[str] = ()) -> PinGroup | None:
    """The pins that move when ``name`` does; ``only`` those that hold in no other variants. None where there is none.

    Where tables disagree about the version, the family's pin leads, else that of the variant with most images; a
    variant that pins another version for itself is among ``others``.
    """
    seats = [seat for package in family_of(name) for seat in _seats(manifest, package)]
    if only:
        seats = [seat for seat in seats if seat.variants and set(seat.variants) <= set(only)]
    if not seats:
        return None
    names = {seat.name for seat in seats}
    lead = name if name in names and name not in FAMILY else next(n for n in family_of(name) if n in names)
    versions: dict[str, Version] = {}
    chosen: list[PinSite] = []
    others: list[PinSite] = []
    for table in _tables(seats, lead):
        agrees = all(versions.get(seat.name, public(seat.version)) == public(seat.version) for seat in table)
        (chosen if agrees else others).extend(table)
        if agrees:
            versions |= {seat.name: public(seat.version) for seat in table}
    return PinGroup(lead, tuple(chosen), tuple(others))


def units(manifest: Manifest) -> list[PinGroup]:
    """Every pin of the file, in units: torch's family is one for each table, any other package one for all."""
    found: list[PinGroup] = []
    pinned = [*manifest.pins, *(name for variant in manifest.variants.values() for name in variant.pins)]
    for name in dict.fromkeys(pinned):
        seats = _seats(manifest, name)
        if name not in FAMILY:
            by_version: dict[Version, list[PinSite]] = {}
            for seat in seats:
                by_version.setdefault(public(seat.version), []).append(seat)
            found += [PinGroup(name, tuple(group)) for group in by_version.values()]
    family = [seat for name in FAMILY for seat in _seats(manifest, name)]
    for table in _tables(family, TORCH):
        lead = next(name for name in FAMILY if any(seat.name == name for seat in table))
        found.append(PinGroup(lead, tuple(table)))
    return found


def _seats(manifest: Manifest, name: str) -> list[PinSite]:
    """The pins of one package: the family's, then those of variants, the variant with most images first."""
    order = order_of_variants(manifest)
    own = [variant for variant in order if name in manifest.variants[variant].pins]
    found = [PinSite(name, manifest.variants[variant].pins[name], (variant,)) for variant in own]
    if name in manifest.pins:
        others = tuple(variant for variant in order if variant not in own)
        # A pin that every variant overrides applies nowhere: it follows if it agrees, and never leads.
        shared = PinSite(name, manifest.pins[name], others)
        found = [shared, *found] if others or not found else [*found, shared]
    return found


def _tables(seats: Iterable[PinSite], lead: str) -> list[list[PinSite]]:
    """Seats by the table that they stand in; those with the package that leads first."""
    tables: dict[KeyPath, list[PinSite]] = {}
    for seat in seats:
        tables.setdefault(seat.pin.path[:-1], []).append(seat)
    return sorted(tables.values(), key=lambda table: all(seat.name != lead for seat in table))


@dataclass(frozen=True)
class AvailableVersions:
    """What is offered: the releases by index, torch's pairs, and the accelerators that variants are moved to.

    ``caps`` are versions that a unit, by name, must stay below, ``only`` the public ones that it may become. ``amd64``:
    the pair table knows what the default index's builds for 64-bit Linux on x86 are for, and no others.
    """

    listed: Listed
    pairs: Pairs
    routed: Collection[tuple[str, str]]
    accelerators: Mapping[str, str] = field(default_factory=dict)
    amd64: bool = True
    caps: Mapping[str, Version] = field(default_factory=dict)
    only: Mapping[str, Collection[Version]] = field(default_factory=dict)

    def below(self, unit: PinGroup, version: Version) -> AvailableVersions:
        """The same, but for ``unit`` only releases below ``version``."""
        return replace(self, caps={**self.caps, unit.name: version})

    def choices(self, unit: PinGroup) -> list[Choice]:
        """What ``unit`` could become, the oldest first: its newer releases, any where the accelerator changes.

        No pre-release, unless it is one now; of torch's family only releases whose partners are known and there.
        """
        moved = any(variant in self.accelerators for variant in unit.variants)
        offered = {public(version) for seat in unit.seats for version in self._of(seat) if seat.name == unit.name}
        found = []
        for version in sorted(offered):
            if (version.is_prerelease and not unit.current.is_prerelease) or (version <= unit.current and not moved):
                continue
            if unit.name in self.only and version not in self.only[unit.name]:
                continue
            choice = self.choice(unit, {unit.name: version}, offered_only=True)
            if choice is not None and (unit.name not in self.caps or version < self.caps[unit.name]):
                found.append(choice)
        return found

    def choice(self, unit: PinGroup, named: Mapping[str, Version], *, offered_only: bool = False) -> Choice | None:
        """``unit`` with the versions that are ``named``, the rest through the pair table; None where it is silent.

        With ``offered_only`` None too where an index lacks one, or where the accelerator would be another.
        """
        lead = named.get(unit.name) or self.lead_of(unit, named)
        if lead is None:
            return None
        versions: list[tuple[KeyPath, str]] = []
        for seat in unit.seats:
            wanted = named.get(seat.name) or (lead if seat.name == unit.name else self._partner(unit, lead, seat.name))
            if wanted is None or (offered_only and not self._same_accelerator(unit, seat, wanted)):
                return None
            text = self._written(seat, wanted, offered_only=offered_only)
            if text is None:
                return None
            versions.append((seat.pin.path, text))
        return Choice(public(lead), tuple(versions))

    def lead_of(self, unit: PinGroup, named: Mapping[str, Version]) -> Version | None:
        """The newest torch that goes with what is named of its family."""
        for torch, release in sorted(self.pairs.items(), key=lambda item: Version(item[0]), reverse=True):
            members = {name: release.members.get(name) for name in named}
            if all(m is not None and m.version and Version(m.version) == public(named[n]) for n, m in members.items()):
                return Version(torch)
        return None

    def silent(self, unit: PinGroup) -> str | None:
        """A package of ``unit`` without any known release. An explicit index is always known."""
        for seat in unit.seats:
            for variant in seat.variants:
                if (seat.name, variant) not in self.routed and not self.listed.get((seat.name, variant)):
                    return seat.name
        return None

    def bar(self, unit: PinGroup, version: Version) -> str:
        """Why ``unit`` could not be asked for in a ``version`` that is there."""
        lead = next(seat for seat in unit.seats if seat.name == unit.name)
        text = f"{version}+{lead.version.local}" if lead.version.local else str(version)
        if not all(self._has(lead.name, variant, text) for variant in lead.variants):
            return "no file of it runs on the target"
        if not self._same_accelerator(unit, lead, version):
            known = self.pairs.get(version.public)
            return f"it is built for {known.accelerator if known and known.accelerator else 'what nobody knows'}"
        for seat in unit.seats:
            partner = self._partner(unit, version, seat.name)
            if partner is None:
                return f"no metadata says which {seat.name} goes with it"
        return "a partner of it is not there"

    def _of(self, seat: PinSite) -> Iterable[Version]:
        return (version for variant in seat.variants for version in self.listed.get((seat.name, variant), ()))

    def _partner(self, unit: PinGroup, lead: Version, name: str) -> Version | None:
        if unit.name != TORCH or name == unit.name:
            return lead
        release = self.pairs.get(lead.public)
        member = release.members.get(name) if release is not None else None
        return Version(member.version) if member is not None and member.version else None

    def _same_accelerator(self, unit: PinGroup, seat: PinSite, wanted: Version) -> bool:
        """Of the default index's torch only the pair table says which release is built for what."""
        was = self.default_build(seat, seat.version)
        asked = next((self.accelerators[v] for v in seat.variants if v in self.accelerators), was)
        told = seat.name == TORCH and self.amd64 and not self._routed(seat) and not seat.version.local
        return asked is None or not told or self.default_build(seat, wanted) == asked

    def default_build(self, seat: PinSite, version: Version) -> str | None:
        """What the default index's torch ``version`` is built for; None for other packages, or if unknown."""
        if seat.name != TORCH or self._routed(seat) or seat.version.local or not self.amd64:
            return None
        release = self.pairs.get(version.public)
        return release.accelerator if release is not None else None

    def _written(self, seat: PinSite, wanted: Version, *, offered_only: bool) -> str | None:
        """``wanted`` as the pin of ``seat`` would say it: with its local part, or that of the new accelerator."""
        local = self._local(seat, wanted)
        text = f"{wanted.public}+{local}" if local else wanted.public
        missing = [variant for variant in seat.variants if not self._has(seat.name, variant, text)]
        if missing and local and not offered_only and wanted.local is None and seat.name not in FAMILY:
            # Named by a person: a release without that local part, where there is none with it.
            return wanted.public if all(self._has(seat.name, v, wanted.public) for v in missing) else text
        return None if missing and offered_only else text

    def _local(self, seat: PinSite, wanted: Version) -> str | None:
        """Of a build for an accelerator every table keeps its own, whichever is named: +cpu stays +cpu."""
        moved = [self.accelerators[v] for v in seat.variants if v in self.accelerators and self._routed(seat)]
        if moved:
            return moved[0]
        if wanted.local is None or (is_label(wanted.local) and is_label(seat.version.local or "")):
            return seat.version.local
        return wanted.local

    def _routed(self, seat: PinSite) -> bool:
        return any((seat.name, variant) in self.routed for variant in seat.variants)

    def _has(self, name: str, variant: str, text: str) -> bool:
        wanted = Version(text)
        listed = self.listed.get((name, variant), ())
        return any(version == wanted or (wanted.local is None and public(version) == wanted) for version in listed)

"""Which pins change together, and which versions they could change to.

A package that several tables pin has one version, whatever the build. torch, torchaudio and torchvision are built for
one another, so they change together according to the pair table. Each keeps its accelerator, which its local version
names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from packaging.version import Version

from lockgen.core.accelerator import FAMILY, is_label
from lockgen.core.compat_axes import TORCH, Pairs
from lockgen.core.key_path import KeyPath
from lockgen.core.manifest import Manifest
from lockgen.core.parsing import parse_version
from lockgen.lock.requests import order_of_variants
from lockgen.upgrade.bump_model import Choice, PinGroup, PinSite, public

Listed = Mapping[tuple[str, str], Sequence[Version]]
"""By package and variant, the releases on the variant's index that have a file for the target."""


def family_of(name: str) -> tuple[str, ...]:
    """The packages that change together with ``name``, itself included."""
    return FAMILY if name in FAMILY else (name,)


def pin_group_of(manifest: Manifest, name: str, only: Collection[str] = ()) -> PinGroup | None:
    """The pins that change together with that of ``name``; None if there are none.

    With ``only``, the pins that apply to no other variants. Where tables pin different versions, the shared pin
    decides, else that of the variant with most images; the pins of the other tables are the group's ``others``.
    """
    sites: list[PinSite] = []
    for package in family_of(name):
        sites += _sites(manifest, package)
    if only:
        sites = [site for site in sites if site.variants and set(site.variants) <= set(only)]
    if not sites:
        return None
    lead = _lead(name, sites)
    # A table changes as a whole: torchaudio must not leave the torch of its table.
    versions: dict[str, Version] = {}
    chosen: list[PinSite] = []
    others: list[PinSite] = []
    for table in _tables(sites, lead):
        if not _agrees(table, versions):
            others += table
            continue
        chosen += table
        for site in table:
            versions[site.name] = public(site.version)
    return PinGroup(lead, tuple(chosen), tuple(others))


def _lead(name: str, sites: Collection[PinSite]) -> str:
    """The package whose version decides: torch if it is pinned, as the pair table is keyed by it."""
    pinned = {site.name for site in sites}
    return next(package for package in family_of(name) if package in pinned)


def _agrees(table: Iterable[PinSite], versions: Mapping[str, Version]) -> bool:
    """Whether ``table`` pins no package to a version other than in ``versions``."""
    for site in table:
        version = public(site.version)
        if versions.get(site.name, version) != version:
            return False
    return True


def pin_groups(manifest: Manifest) -> list[PinGroup]:
    """All pins of the file in groups.

    torch's family is one group per table; any other package is one group per version that is pinned.
    """
    pinned = list(manifest.pins)
    for variant in manifest.variants.values():
        pinned += variant.pins
    groups: list[PinGroup] = []
    for name in dict.fromkeys(pinned):
        if name not in FAMILY:
            groups += _groups_by_version(name, _sites(manifest, name))
    family: list[PinSite] = []
    for name in FAMILY:
        family += _sites(manifest, name)
    for table in _tables(family, TORCH):
        groups.append(PinGroup(_lead(TORCH, table), tuple(table)))
    return groups


def _groups_by_version(name: str, sites: Iterable[PinSite]) -> Iterable[PinGroup]:
    by_version: dict[Version, list[PinSite]] = {}
    for site in sites:
        by_version.setdefault(public(site.version), []).append(site)
    for agreeing in by_version.values():
        yield PinGroup(name, tuple(agreeing))


def _sites(manifest: Manifest, name: str) -> list[PinSite]:
    """The pins of one package: the shared one, then those of variants, the variant with most images first."""
    own: list[PinSite] = []
    others: list[str] = []
    for variant in order_of_variants(manifest):
        pin = manifest.variants[variant].pins.get(name)
        if pin is None:
            others.append(variant)
        else:
            own.append(PinSite(name, pin, (variant,)))
    if name not in manifest.pins:
        return own
    shared = PinSite(name, manifest.pins[name], tuple(others))
    if own and not others:
        # Every variant overrides this pin, so it applies nowhere: it follows if it agrees, and never decides.
        return [*own, shared]
    return [shared, *own]


def _tables(sites: Iterable[PinSite], lead: str) -> list[list[PinSite]]:
    """The sites by table; tables that pin the package ``lead`` come first."""
    tables: dict[KeyPath, list[PinSite]] = {}
    for site in sites:
        tables.setdefault(site.pin.path[:-1], []).append(site)
    leading: list[list[PinSite]] = []
    others: list[list[PinSite]] = []
    for table in tables.values():
        has_lead = any(site.name == lead for site in table)
        (leading if has_lead else others).append(table)
    return leading + others


@dataclass(frozen=True)
class AvailableVersions:
    """The releases by index, torch's pairs, and the accelerators that variants change to.

    ``routed`` are the packages and variants that use an explicit index. ``amd64``: the pair table has the
    accelerators of the default index's Linux builds for x86-64 only. ``below`` are exclusive upper bounds, by name of
    a group; ``allowed`` are the public versions a group may change to.
    """

    listed: Listed
    pairs: Pairs
    routed: Collection[tuple[str, str]]
    accelerators: Mapping[str, str] = field(default_factory=dict)
    amd64: bool = True
    below: Mapping[str, Version] = field(default_factory=dict)
    allowed: Mapping[str, Collection[Version]] = field(default_factory=dict)

    def with_only_below(self, group: PinGroup, version: Version) -> AvailableVersions:
        """The same versions, but for ``group`` only those below ``version``."""
        return replace(self, below={**self.below, group.name: version})

    def choices(self, group: PinGroup) -> list[Choice]:
        """The choices for ``group``, in ascending order: newer releases, or any if the accelerator changes.

        Without pre-releases, unless the pin is one; of torch's family only releases whose partners are known and
        available.
        """
        found = []
        for version in sorted(self._candidates(group)):
            choice = self.choice(group, {group.name: version}, available_only=True)
            if choice is not None:
                found.append(choice)
        return found

    def _candidates(self, group: PinGroup) -> set[Version]:
        """The public versions of the leading package that may be chosen."""
        offered: set[Version] = set()
        for site in group.sites:
            if site.name == group.name:
                offered.update(public(version) for version in self._releases(site))
        return {version for version in offered if self._is_candidate(group, version)}

    def _is_candidate(self, group: PinGroup, version: Version) -> bool:
        if version.is_prerelease and not group.current.is_prerelease:
            return False
        # Another accelerator may have no newer release, or not even the current one.
        changes_accelerator = any(variant in self.accelerators for variant in group.variants)
        if version <= group.current and not changes_accelerator:
            return False
        if group.name in self.allowed and version not in self.allowed[group.name]:
            return False
        return group.name not in self.below or version < self.below[group.name]

    def choice(self, group: PinGroup, named: Mapping[str, Version], *, available_only: bool = False) -> Choice | None:
        """``group`` at the versions in ``named``, completed by the pair table; None if the table cannot complete it.

        With ``available_only`` also None if an index lacks a release, or if the accelerator would change.
        """
        lead = self.leading_version(group, named)
        if lead is None:
            return None
        versions: list[tuple[KeyPath, str]] = []
        for site in group.sites:
            wanted = named.get(site.name) or self._partner(group, lead, site.name)
            if wanted is None:
                return None
            if available_only and not self._same_accelerator(site, wanted):
                return None
            text = self._pin_text(site, wanted, available_only=available_only)
            if text is None:
                return None
            versions.append((site.pin.path, text))
        return Choice(public(lead), tuple(versions))

    def leading_version(self, group: PinGroup, named: Mapping[str, Version]) -> Version | None:
        """The version of the leading package: its own if ``named``, else the latest torch that is paired with those."""
        if group.name in named:
            return named[group.name]
        newest_first = sorted(self.pairs, key=parse_version, reverse=True)
        for torch in newest_first:
            if all(self._is_paired(torch, name, version) for name, version in named.items()):
                return parse_version(torch)
        return None

    def _is_paired(self, torch: str, name: str, version: Version) -> bool:
        member = self.pairs[torch].members.get(name)
        if member is None or not member.version:
            return False
        return parse_version(member.version) == public(version)

    def package_without_releases(self, group: PinGroup) -> str | None:
        """A package of ``group`` with no known release. The releases of an explicit index are always known."""
        for site in group.sites:
            for variant in site.variants:
                key = (site.name, variant)
                if key not in self.routed and not self.listed.get(key):
                    return site.name
        return None

    def why_not_allowed(self, group: PinGroup, version: Version) -> str:
        """Why ``version`` of ``group`` is not among the choices although the index has it."""
        site = group.leading_site
        text = f"{version}+{site.version.local}" if site.version.local else str(version)
        if self._missing(site, text):
            return "no file of it runs on the target"
        if not self._same_accelerator(site, version):
            release = self.pairs.get(version.public)
            accelerator = release.accelerator if release is not None else None
            return f"it is built for {accelerator}" if accelerator else "its accelerator is unknown"
        for member in group.sites:
            if self._partner(group, version, member.name) is None:
                return f"no metadata names the matching {member.name}"
        return "a matching package is not available"

    def _releases(self, site: PinSite) -> Iterable[Version]:
        for variant in site.variants:
            yield from self.listed.get((site.name, variant), ())

    def _partner(self, group: PinGroup, lead: Version, name: str) -> Version | None:
        """The version of ``name`` for version ``lead`` of the leading package; None if it is not known."""
        # Without a torch pin nothing but the versions themselves says what belongs together.
        if group.name != TORCH or name == group.name:
            return lead
        release = self.pairs.get(lead.public)
        if release is None:
            return None
        member = release.members.get(name)
        if member is None or not member.version:
            return None
        return parse_version(member.version)

    def _same_accelerator(self, site: PinSite, wanted: Version) -> bool:
        """Whether ``wanted`` is built for the accelerator that ``site`` has, or changes to.

        True for everything but torch from the default index: elsewhere the index or the local version decides.
        """
        if not self._needs_pair_table(site):
            return True
        # Variants that share a pin share its accelerator, so the first new one decides.
        accelerator = self.default_build(site, site.version)
        for variant in site.variants:
            if variant in self.accelerators:
                accelerator = self.accelerators[variant]
                break
        return accelerator is None or self.default_build(site, wanted) == accelerator

    def default_build(self, site: PinSite, version: Version) -> str | None:
        """The accelerator of the default index's torch ``version``; None for other packages, or if unknown."""
        if not self._needs_pair_table(site):
            return None
        release = self.pairs.get(version.public)
        return release.accelerator if release is not None else None

    def _needs_pair_table(self, site: PinSite) -> bool:
        """Whether only the pair table has the accelerator: torch from the default index has no local version."""
        if site.name != TORCH or not self.amd64:
            return False
        return not site.version.local and not self._is_routed(site)

    def _pin_text(self, site: PinSite, wanted: Version, *, available_only: bool) -> str | None:
        """``wanted`` as the pin at ``site`` writes it: with its local part, or that of the new accelerator.

        None if ``available_only`` and an index lacks it.
        """
        local = self._local(site, wanted)
        text = f"{wanted.public}+{local}" if local else wanted.public
        missing = self._missing(site, text)
        if available_only:
            return None if missing else text
        if not missing or not local or wanted.local is not None or site.name in FAMILY:
            return text
        # A version that a person names may exist only without the local part of the current pin.
        exists = all(self._has(site.name, variant, wanted.public) for variant in missing)
        return wanted.public if exists else text

    def _local(self, site: PinSite, wanted: Version) -> str | None:
        """The local part of the new version. A build for an accelerator keeps its own, whatever is named."""
        if self._is_routed(site):
            for variant in site.variants:
                if variant in self.accelerators:
                    return self.accelerators[variant]
        if wanted.local is None:
            return site.version.local
        # torch==2.5.1+cu121 moves every table: the one that pins +cpu keeps +cpu.
        if is_label(wanted.local) and is_label(site.version.local or ""):
            return site.version.local
        return wanted.local

    def _is_routed(self, site: PinSite) -> bool:
        return any((site.name, variant) in self.routed for variant in site.variants)

    def _missing(self, site: PinSite, text: str) -> list[str]:
        """The variants whose index lacks version ``text`` of the package."""
        return [variant for variant in site.variants if not self._has(site.name, variant, text)]

    def _has(self, name: str, variant: str, text: str) -> bool:
        wanted = parse_version(text)
        releases = self.listed.get((name, variant), ())
        # As in PEP 440, a version without local part matches any local part.
        return any(wanted in (release, public(release)) for release in releases)

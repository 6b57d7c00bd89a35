"""Faults for packages and versions that the default index lacks, in terms of versions.toml."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from lockgen.core.accelerator import url_of
from lockgen.core.close_match import close_match
from lockgen.core.key_path import KeyPath
from lockgen.core.manifest import DeclaredRequirement, Index, Manifest
from lockgen.core.parsing import parse_specifiers, parse_version
from lockgen.errors import Fault
from lockgen.index.shortage import Lack, Shortage
from lockgen.lock.requests import declared_requirements


@dataclass(frozen=True, slots=True)
class Demand:
    """A pin, or a requirement without a pin: what the default index has to have. ``version`` is None for a bound."""

    name: str
    bounds: SpecifierSet
    path: KeyPath
    variant: str
    version: Version | None = None

    @property
    def text(self) -> str:
        """The package with its version or bound, for a message."""
        if self.version is not None:
            return f"{self.name} {self.version}"
        return f"{self.name} {self.bounds}".strip()


def demands(manifest: Manifest, variants: Iterable[str], named: Iterable[str]) -> list[Demand]:
    """What ``variants`` demand of the default index, each package and bound once, in the order of the file.

    A pin counts if an image requires its package, or if its package is ``named`` in the reason of the resolver: a
    pin that nothing needs is not an obstacle.
    """
    names = set(named)
    found: dict[tuple[str, str], Demand] = {}
    for variant in variants:
        required = _required(manifest, variant)
        needed = names.union(declared.name for declared in required)
        for demand in (*_pins(manifest, variant, needed), *_bounds(manifest, variant, required)):
            key = (demand.name, str(demand.bounds))
            found.setdefault(key, demand)
    return list(found.values())


def _required(manifest: Manifest, variant: str) -> list[DeclaredRequirement]:
    """The requirements that count on the target."""
    declared = declared_requirements(manifest, [variant])
    return [requirement for requirement in declared if manifest.target.holds(requirement.requirement.marker)]


def _pins(manifest: Manifest, variant: str, needed: Collection[str]) -> Iterable[Demand]:
    own_pins = manifest.variants[variant].pins
    for name, pin in manifest.pins_of(variant).items():
        # A listed package comes from its index, unless the variant itself pins the build of the default index.
        routed = manifest.index_of(name, variant) is not None
        blocked = name in manifest.listed and name not in own_pins
        if name in needed and not routed and not blocked:
            yield Demand(name, parse_specifiers(f"=={pin.version}"), pin.path, variant, pin.version)


def _bounds(manifest: Manifest, variant: str, required: Iterable[DeclaredRequirement]) -> Iterable[Demand]:
    pins = manifest.pins_of(variant)
    for declared in required:
        if declared.name not in pins and declared.name not in manifest.listed:
            bounds = declared.requirement.specifier
            yield Demand(declared.name, bounds, declared.path, variant, _exact(bounds))


def _exact(bounds: SpecifierSet) -> Version | None:
    parts = list(bounds)
    if len(parts) == 1 and parts[0].operator == "==" and not parts[0].version.endswith(".*"):
        return parse_version(parts[0].version)
    return None


@dataclass(frozen=True)
class ShortageFaults:
    """Makes faults. ``spellings`` maps a missing package to names of the index that are like it.

    ``owners`` are the indexes of versions.toml that have what the default index lacks, by demand.
    """

    manifest: Manifest
    spellings: Mapping[str, Sequence[str]]
    owners: Mapping[Demand, Index] = field(default_factory=dict)

    def of(self, found: Sequence[tuple[Demand, Shortage]]) -> list[Fault]:
        """A fault for each demand; those with the same way out share one hint, at the last of them."""
        faults: list[Fault] = []
        undated: list[int] = []
        sources: list[int] = []
        for number, (demand, lacking) in enumerate(found):
            faults.append(self._fault(demand, lacking))
            if lacking.lack is Lack.TIMES:
                undated.append(number)
            if lacking.lack is Lack.WHEEL and lacking.has_source and demand not in self.owners:
                sources.append(number)
        if undated:
            names = [found[number][0].name for number in undated]
            faults[undated[-1]] = replace(faults[undated[-1]], hint=_undated_hint(names))
        if sources:
            names = [found[number][0].name for number in sources]
            faults[sources[-1]] = replace(faults[sources[-1]], hint=self._build_hint(names))
        return faults

    def _fault(self, demand: Demand, lacking: Shortage) -> Fault:
        local = demand.version.local if demand.version is not None else None
        if local is not None and lacking.lack is Lack.VERSION:
            return self._other_build(demand, local)
        message, hint = self._words(demand, lacking)
        if demand in self.owners:
            hint = self._owner_hint(demand, self.owners[demand])
        return Fault(message, hint=hint, path=demand.path)

    def _words(self, demand: Demand, lacking: Shortage) -> tuple[str, str | None]:
        """The message and the hint for one demand."""
        text, found, newest = demand.text, f"{demand.name} {lacking.found}", lacking.newest
        match lacking.lack:
            case Lack.PROJECT:
                similar = close_match(demand.name, self.spellings.get(demand.name, ()))
                other = f'if another index has it: [index.NAME] packages = ["{demand.name}"]'
                return f"no such package: {demand.name} is not on the default index", similar or other
            case Lack.VERSION:
                known = _known_versions(lacking) + self._later(lacking)
                if demand.version is None:
                    return f"no version of {demand.name} is {demand.bounds}{known}", None
                return f"there is no {text}{known}", None
            case Lack.YANKED:
                return f"every version of {text} is yanked{self._later(lacking)}", _newest_hint(newest)
            case Lack.WHEEL:
                message = f"{found} has no wheel for {lacking.detail}"
                message += f"; the newest version with one is {newest}" if newest else ""
                return message + self._later(lacking), None
            case Lack.PYTHON:
                python = self.manifest.target.release
                message = f"{found} requires Python {lacking.detail}, and the family has {python}"
                return message + self._later(lacking), _newest_hint(newest)
            case Lack.TIMES:
                message = f"exclude-newer leaves out {text}: the index does not say when its files were uploaded"
                return message, None
            case Lack.OLD_ENOUGH:
                older = f"take {newest}, or " if newest else ""
                return f"{text} is newer than exclude-newer{self._later(lacking)}", f"{older}{_move_hint(lacking)}"

    def _later(self, lacking: Shortage) -> str:
        """The first version that only exclude-newer excludes, as the end of a message."""
        cut_off = self.manifest.exclude_newer
        if lacking.later is None or cut_off is None:
            return ""
        version, uploaded = lacking.later
        return f"; {version} exists since {_day(uploaded)}, after exclude-newer = {_moment(cut_off)}"

    def _other_build(self, demand: Demand, local: str) -> Fault:
        """A build such as 2.5.1+cu121, which only the index of its accelerator has."""
        message = f"{demand.text} is not on the default index"
        return Fault(message, hint=self._index_hint(demand, local), path=demand.path)

    def _index_hint(self, demand: Demand, local: str) -> str:
        """Where a build is published, and what to write to get it from there."""
        listing = [index for index in self.manifest.indexes.values() if demand.name in index.packages]
        if listing:
            index = min(listing, key=lambda index: (index.accelerator != local, index.name))
            use = f'[variants.{demand.variant}] index = "{index.name}"'
            return f"{demand.text} is on index {index.name}: {use}"
        owner = self.owners.get(demand) or self._index_of_builds(local)
        if owner is not None:
            return self._owner_hint(demand, owner)
        url = url_of(local)
        if url is None:
            return f"a version with +{local} comes from an index of its own: add [index.NAME]"
        table = f'[index.{local}] with url = "{url}" and packages = ["{demand.name}"]'
        use = f'[variants.{demand.variant}] index = "{local}"'
        return f"+{local} is on {url}: add {table}, and set {use}"

    def _index_of_builds(self, local: str) -> Index | None:
        """The index of versions.toml with builds for the accelerator ``local``."""
        for index in self.manifest.indexes.values():
            if index.accelerator == local:
                return index
        return None

    def _owner_hint(self, demand: Demand, index: Index) -> str:
        """How to take a package from an index that does not list it yet."""
        hint = f'take it from index {index.name}: add "{demand.name}" to [index.{index.name}] packages'
        if self.manifest.variants[demand.variant].index != index.name:
            hint += f', and set [variants.{demand.variant}] index = "{index.name}"'
        if index.recorded is not None:
            hint += f". Then record it: lockgen index record {index.name}"
        return hint

    def _build_hint(self, names: Sequence[str]) -> str:
        # With those that are allowed already: the line can be copied.
        build = sorted(self.manifest.build.union(names))
        return f"take a version with a wheel, or build from source: [family] build = [{_quoted(build)}]"


def _known_versions(lacking: Shortage) -> str:
    """The newest version and those next to the missing one, as the end of a message."""
    known = ""
    if lacking.newest is not None:
        known += f"; the newest is {lacking.newest}"
    nearest = [str(version) for version in lacking.nearest if version != lacking.newest]
    if nearest:
        known += f", the nearest {' and '.join(nearest)}"
    return known


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d}"


def _moment(moment: datetime) -> str:
    """As short as versions.toml may say it."""
    utc = moment.astimezone(UTC)
    return _day(utc) if utc.time() == time() else f"{utc:%Y-%m-%dT%H:%M:%SZ}"


def _move_hint(lacking: Shortage) -> str:
    if lacking.later is None:
        return "move [family] exclude-newer"
    after = lacking.later.uploaded + timedelta(days=1)
    return f"move [family] exclude-newer to {_day(after)} or later"


def _newest_hint(newest: Version | None) -> str | None:
    return f"the newest that fits is {newest}" if newest is not None else None


def _undated_hint(names: Iterable[str]) -> str:
    return (
        "remove exclude-newer from [family]; or list these packages on an index of their own, whose files need no"
        f" times: [index.NAME] packages = [{_quoted(sorted(set(names)))}]"
    )


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
